"""Unlinked files that libfuse has hidden end here if nobody has them open: it never unlinks some of those whose last
release was quicker.

Owns    since when it is known of each that it has to be settled or ended; and those that are owed their names back.
Never   ends one at once: its hiding may be half of a replacement, whose other half comes within the same request.
"""

import contextlib
import threading
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import FsError, NotFound
from anthrofs.model import Node, NodeId
from anthrofs.tree import intents
from anthrofs.tree.database import Database
from anthrofs.tree.open_table import OpenTable

SETTLE_S: Final = 0.2           # far longer than libfuse takes between the two steps of a replacement


def is_ending(node: Node, handles: OpenTable) -> bool:
    """Whether a hidden node has to be settled or ended by a thread, and soon: its last release does neither."""
    return node.is_undecided or handles.content_of(node.node_id) is None


class HiddenNodes:
    """The hidden nodes of one mount."""

    def __init__(self, db: Database, handles: OpenTable, clock: Clock) -> None:
        self._db = db                   # given
        self._handles = handles         # given
        self._clock = clock             # given

        self._lock = threading.Lock()               # guards the following; a leaf
        self._since_s = dict[NodeId, float]()
        self._owed = set[NodeId]()                  # hidden for a replacement that failed

    def give_back(self, node_id: NodeId) -> None:
        """The node was hidden for a replacement: it has its name again, until one transaction takes it away and gives
        it to the other. Raises FsError, and tries again later: what fails has replaced nothing.
        """
        with self._lock:
            self._owed.add(node_id)
        with contextlib.suppress(NotFound), self._db.transaction(durable=True) as tx:
            tx.nodes.unhide(node_id)
            node = tx.nodes.node(node_id)
            if (stage := node.sendable) is not None and tx.uploads.of(node_id) is None:
                tx.uploads.attempt(node_id, stage, node.size_bytes)      # closed while it was hidden
        with self._lock:
            self._owed.discard(node_id)

    def is_owed(self, node_id: NodeId) -> bool:
        """Whether its name could not be given back yet."""
        with self._lock:
            return node_id in self._owed

    def settle(self, settle_s: float = SETTLE_S) -> float | None:
        """Ends those that have waited so long. Returns the seconds until this is to be done again; None: none waits."""
        owed = self._still_owed()
        with self._db.reading() as tx:
            hidden = [node.node_id for node in tx.nodes.hidden() if node.node_id not in owed
                      and is_ending(node, self._handles)]
        now_s = self._clock.now_s()
        with self._lock:
            self._since_s = {node_id: self._since_s.get(node_id, now_s) for node_id in hidden}
            ripe = {node_id for node_id, since_s in self._since_s.items() if now_s - since_s >= settle_s}
        if ripe:
            intents.unlink_hidden(self._db, self._handles, ripe)
        return settle_s if owed or len(ripe) < len(hidden) else None

    def _still_owed(self) -> set[NodeId]:
        """Tries again with what failed."""
        with self._lock:
            owed = set(self._owed)
        for node_id in owed:
            with contextlib.suppress(FsError):
                self.give_back(node_id)
        with self._lock:
            return owed & self._owed
