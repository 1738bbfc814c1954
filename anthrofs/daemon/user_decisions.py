"""A person's decisions about a file that the server doesn't have as it is here: send it again, give it up, send it at
all.

Never   loses anything but what it was told to give up, and never decides by itself.
"""

from anthrofs.clock import Clock
from anthrofs.errors import Busy, NotPermitted, NotReadable
from anthrofs.fs.kernel_cache import PageCache, Surprises
from anthrofs.fs.paths import Paths
from anthrofs.model import Node
from anthrofs.tree import intents
from anthrofs.tree.database import Database
from anthrofs.tree.kept_copies import why_closed
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.upload_queue import FAILED, IN_FLIGHT, Step
from anthrofs.upload.uploader import Uploader


class UserDecisions:
    """The decisions about one mount's files; paths are from its root."""

    def __init__(self, clock: Clock, db: Database, mirror: Mirror, paths: Paths, handles: OpenTable,
                 pages: PageCache, surprises: Surprises, uploader: Uploader) -> None:
        self._clock = clock             # given
        self._db = db                   # given
        self._mirror = mirror           # given
        self._paths = paths             # given
        self._handles = handles         # given
        self._pages = pages             # given
        self._surprises = surprises     # given
        self._uploader = uploader       # given

    def retry(self, path: str, *, as_is: bool = False) -> tuple[list[str], list[str]]:
        """Send again what was refused of a file, or of all in a directory, and the kept copy of what the server doesn't
        have whole. Returns their paths, and those of what isn't sent because a write was refused, so that something is
        lacking; `as_is`: that is sent, too. Raises NotFound.
        """
        chosen = {node.node_id: shown for node, shown in self._files(path)}
        with self._db.transaction(durable=True) as tx:
            failed = [attempt for attempt in tx.uploads.every() if attempt.state == FAILED
                      and attempt.node_id in chosen]
            damaged = [node for node in tx.nodes.damaged() if node.node_id in chosen and node.kept and not node.local]
            for node in damaged:
                if node.wanted is None and node.remote is not None:     # listed anew, since it was sent
                    tx.nodes.want(node, node.remote.name)
                tx.nodes.set_resend(node.node_id, True)
            lacking = {attempt.node_id for attempt in failed if tx.nodes.gap(attempt.node_id) is not None}
            if as_is:
                for attempt in failed:
                    tx.nodes.set_gap(attempt.node_id, attempt.stage, None)
                lacking.clear()
            for attempt in failed:
                if attempt.node_id not in lacking:
                    tx.uploads.step(attempt, Step.RETRY)
        self._uploader.retry_now()
        sent = [attempt.node_id for attempt in failed
                if attempt.node_id not in lacking] + [node.node_id for node in damaged]
        return [chosen[node_id] for node_id in sent], [chosen[attempt.node_id] for attempt in failed
                                                       if attempt.node_id in lacking]

    def discard(self, path: str) -> str:
        """Give up what a name shows and the server doesn't have. Returns what the name is now.

        It shows the server's file again: its own, or the one that was replaced and still waits there, unless that is
        being deleted in this moment. Raises NotFound, NotPermitted when there is nothing to give up, Busy while it is
        open or being sent.
        """
        with self._db.transaction(durable=True) as tx:
            node = self._paths.file(path)
            attempt = tx.uploads.of(node.node_id)
            if node.local or not node.unsent:
                raise NotPermitted(f"{path}: there is nothing unsent to give up"
                                   + (". It stays on this machine: rm removes it" if node.local else ""))
            if self._handles.content_of(node.node_id) is not None:
                raise Busy(f"{path} is open: close it first")
            if attempt is not None and attempt.state in IN_FLIGHT:
                raise Busy(f"{path} is being sent: wait for its end")
            tx.unneeded(node.stage)
            tx.unneeded(None if attempt is None else attempt.stage)
            tx.uploads.drop(node.node_id)
            file = node.remote or (None if node.wanted is None else tx.deletions.reprieve(node.wanted))
            removed = file is None and node.wanted is not None and tx.deletions.is_name_doomed(node.wanted)
            self._surprises.note((node.parent, node.name))
            self._mirror.give_back(tx, node, file, self._handles.busy(), self._clock.time_ns())
        self._pages.forget(f"/{path}")
        self._uploader.wake()
        if file is None:
            return "gone: the server never had it" + (", and what had its name there was removed before" if removed
                                                      else "")
        shown = self._db.nodes.path(self._db.nodes.node(node.node_id))
        return (f"the server's file {file.file_id} again" + ("" if file.name == node.wanted else ", which is called "
                                                             f"{file.name} there")
                + ("" if shown == path else f", shown as {shown}, for somebody has uploaded a newer one"))

    def push(self, path: str) -> list[str]:
        """Send files that are only named here, so that the server has them under their names; it can't give them out
        again then.

        Returns their paths. Raises NotFound; for a single file also NotReadable, and NotPermitted if the server has
        none of it.
        """
        pushed: list[str] = []
        with self._db.transaction(durable=True) as tx:
            alone, files = self._paths.files(tx, path)
            if alone and files[0][0].local:
                raise NotPermitted(f"{path} stays on this machine, as it is called: rename it, and it is sent")
            if alone and files[0][0].remote is None:
                raise NotPermitted(f"{path} isn't on the server yet: it is sent by itself, or, where it was refused, "
                                   "by `anthrofs retry`")
            for node, shown in files:
                if node.stored is None or node.wanted is None or not intents.differs(node, node.wanted):
                    continue
                if node.readable:
                    tx.nodes.set_resend(node.node_id, True)
                    pushed.append(shown)
                elif alone:
                    raise NotReadable(f"{path} {why_closed(node)}: it can't be sent under its new name")
        self._uploader.wake()
        return pushed

    def _files(self, path: str) -> list[tuple[Node, str]]:
        with self._db.reading() as tx:
            return self._paths.files(tx, path)[1]
