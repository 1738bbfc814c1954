"""The changes that the server doesn't have yet, by what can be done about them.

Never   changes anything.
"""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from anthrofs.daemon.sharing import Sharing
from anthrofs.errors import NotFound
from anthrofs.fs.attributes import Attributes
from anthrofs.remote.gates import BUSY, CLOSED
from anthrofs.remote.way import Way
from anthrofs.tree.database import Database
from anthrofs.tree.hidden_nodes import is_ending
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.upload_queue import FAILED
from anthrofs.upload.progress import Progress, Sent


class Left:
    """Looks at the rows, the open files and the uploads under way, in an order that misses nothing."""

    def __init__(self, db: Database, handles: OpenTable, attributes: Attributes, progress: Progress,
                 budget: Callable[[], tuple[int, float]], shared: Sharing, way: Way) -> None:
        self._db = db                       # given
        self._handles = handles             # given
        self._attributes = attributes       # given
        self._progress = progress           # given
        self._budget = budget               # given: see Pacer.waiting
        self._shared = shared               # given
        self._way = way                     # given

    def now(self, stuck: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
        """Returns it by what can be done about it: waiting, failed (and stuck on this machine), deletions, open, and
        unshared, what the server has and the store of the mount's fleet hasn't; whether some of the removed ones are
        open no more, and so end in a moment (tree/hidden_nodes.py); how many deletions are owed, and since when; how
        long the minute's budget of requests keeps those that wait for it; and what is closed.

        Deletions that wait for a failed upload's sake (new before old is gone) are not listed: that one is. But they
        are owed.
        """
        waiting, failed = [], list(stuck)
        written = self._handles.unpromised()        # before the rows: what is promised in this moment must show there
        with self._db.reading() as tx:      # all of it at one moment: an upload's end is what makes the old id
                                            # deletable
            nodes = {node.node_id: node for node in tx.nodes.unsent()}
            deletable = set(tx.deletions.deletable())
            lacking = {node_id for node_id in nodes if tx.nodes.gap(node_id) is not None}
            # What the server is told at the last close: removed names, and content that is still being written.
            removed = [(node, node.remote.name) for node in tx.nodes.hidden() if node.remote is not None]
            opened = [{"name": name, "state": "removed"} for _, name in removed]
            ending = any(is_ending(node, self._handles) for node, _ in removed)
            attempts = {attempt.node_id: attempt for attempt in tx.uploads.every()}
            damaged = [{"path": tx.nodes.path(node), "bytes": node.size_bytes, "reason": self._attributes.damage(node)}
                       for node in tx.nodes.damaged()]
            deletions = [{"file_id": file_id, "name": name, "reason": reason}
                         for file_id, name, reason in tx.deletions.every()
                         if file_id in deletable]
            debts, since_ns = tx.deletions.count(), tx.deletions.since_ns()
        # So is what an fsync has promised, until its close hands it over.
        synced = [node_id for node_id, node in nodes.items() if node.stage is not None
                  and not (node.sealed or node.local or node.is_hidden)]
        for node_id in dict.fromkeys([*written, *synced]):
            with contextlib.suppress(NotFound):
                opened.append({"name": self._db.nodes.path(self._db.nodes.node(node_id)), "state": "being written"})
        progress = self._progress.now()
        for node_id in {**attempts, **nodes}:           # oldest attempts first; then what has none yet
            node, attempt = nodes.get(node_id), attempts.get(node_id)
            if (node is not None and node.is_hidden) or (attempt is None and (node is None or node.stage is not None)):
                continue            # unlinked, and still open; local, or its close has not come
            entry = {"path": self._db.nodes.path(node) if node else f"{attempt.name if attempt else ''} (removed)",
                     "bytes": node.size_bytes if node else attempt.size_bytes if attempt else 0}
            if attempt is not None and attempt.state == FAILED:
                failed.append({**entry, "reason": attempt.reason, "lacks": node_id in lacking})
            else:
                waiting.append({**entry, **_told(progress.get(node_id)),
                                "state": self._attributes.state(node, attempt) if node else "waiting"})
        failed += damaged
        unshared = self._shared.left()        # behind the rows: an upload's end is what makes it owed to the store
        return {"waiting": waiting, "failed": failed, "deletions": deletions, "open": opened, "ending": ending,
                "unshared": unshared,
                "owed": {"deletions": debts, "since": None if since_ns is None else since_ns / 1e9},
                **self.reasons()}

    def reasons(self) -> dict[str, Any]:
        """Returns why what waits does, where that is no file's own: the minute's budget, and that nothing, or no upload
        or deletion, can be asked for, or the service itself says that it can't now; since when, and when it is tried
        again.
        """
        asking, next_s = self._budget()
        return {"budget": {"waiting": asking, "next_s": next_s}, "closed": self._notices(CLOSED),
                "busy": self._notices(BUSY)}

    def _notices(self, state: str) -> list[dict[str, Any]]:
        return [{"for": notice.gate, "reason": notice.reason, "since": notice.since_ns / 1e9,
                 "next_try_s": notice.next_s} for notice in self._way.notices(state)]


def _told(sent: Sent | None) -> dict[str, Any]:
    """How far an upload is: bytes that have arrived, bytes that have left this machine's programs, and, once all have
    arrived, since when the answer is waited for.
    """
    if sent is None:
        return {"sent": 0, "handed": 0, "answer_since": None}
    return {"sent": sent.acknowledged, "handed": sent.handed,
            "answer_since": sent.over_ns / 1e9 if sent.awaits_answer else None}
