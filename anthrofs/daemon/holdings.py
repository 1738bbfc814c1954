"""The content of files that is on this machine: a person gives it up, or brings it here.

Trusts  nothing that a command says of a file but its path.
Never   gives up what nothing else has: content that is still to be sent, or what somebody has open.
"""

import threading
from collections.abc import Iterator
from typing import Any, Final

from anthrofs.clock import Clock
from anthrofs.download.bodies import WHOLE_BYTES
from anthrofs.download.reader import EARLY_FEEDS, Reader
from anthrofs.errors import Busy, DiskFull, FsError, NotPermitted, NotReadable
from anthrofs.fs.paths import Paths
from anthrofs.model import FileId, Node, NodeId
from anthrofs.store.block_cache import BlockCache
from anthrofs.tree.database import Database
from anthrofs.tree.kept_copies import KeptCopies, why_closed
from anthrofs.tree.open_table import OpenTable

PIECE_BYTES: Final = 2**20          # read at once
TELL_S: Final = 1.0                 # between two words about a download
LOOK_S: Final = 0.02                # between looks whether its last blocks are on the disk


class Holdings:
    """The files' holdings of one mount; paths are from its root."""

    def __init__(self, db: Database, paths: Paths, cache: BlockCache, kept_copies: KeptCopies, handles: OpenTable,
                 reader: Reader, clock: Clock) -> None:
        self._db = db               # given
        self._paths = paths         # given
        self._cache = cache         # given
        self._kept_copies = kept_copies # given
        self._handles = handles     # given
        self._reader = reader       # given
        self._clock = clock         # given

    def free(self, path: str) -> dict[str, Any]:
        """Gives up what is here of a file, or of all in a directory. Returns how many bytes of the disk that was, of
        how many files, how many of those nobody can read from now on, and what had to stay, with the reason. Raises
        NotFound; for a single file also what `_give_up` does.
        """
        with self._db.reading() as tx:
            alone, files = self._paths.files(tx, path)
        freed, given_up, closed, refused = 0, 0, 0, dict[str, str]()
        for _, shown in files:
            try:
                count, last = self._give_up(shown)
            except (Busy, NotPermitted) as exc:
                if alone:
                    raise
                refused[shown] = str(exc)
                continue
            freed, given_up, closed = freed + count, given_up + (count > 0), closed + last
        return {"freed": freed, "files": given_up, "closed": closed, "refused": refused}

    def last_copies(self, path: str) -> int:
        """Returns of how many uploads the copy here is the only one that anybody can read. Raises NotFound."""
        with self._db.reading() as tx:
            _, files = self._paths.files(tx, path)
        return sum(node.kept and node.stored is not None and not node.stored.fetchable for node, _ in files)

    def _give_up(self, path: str) -> tuple[int, bool]:
        """Returns the bytes, and whether nobody can read it from now on. Raises Busy while it is open, NotPermitted for
        what is still to be sent, or lives here alone.
        """
        with self._db.transaction(durable=True) as tx:
            node = self._paths.file(path)
            file = node.stored
            if file is None or tx.uploads.of(node.node_id) is not None:
                raise NotPermitted(f"{path} has content here that is still needed: it is to be sent, or stays on this "
                                   "machine")
            if self._handles.content_of(node.node_id) is not None or self._handles.reads_from(file.file_id):
                raise Busy(f"{path} is open: close it first")
            if node.kept and not self._kept_copies.give_up(tx, node):
                raise NotPermitted(f"{path}: its copy is still needed")
        return self._kept_copies.remove([file.file_id]), node.kept and not file.fetchable

    def fetch(self, path: str) -> Iterator[dict[str, Any]]:
        """Brings here what isn't: of a file, or of all in a directory. Tells how far it has come; at last the bytes,
        the files, and which could not be had, with the reason. Raises NotFound; for a single file also NotReadable and
        what the network does.
        """
        with self._db.reading() as tx:
            alone, files = self._paths.files(tx, path)
        of = sum(node.size_bytes for node, _ in files if self._lacks(node))
        fetched, brought, refused, lacking = 0, list[tuple[FileId, int, str]](), dict[str, str](), dict[NodeId, bool]()
        for place, (node, shown) in enumerate(files):
            for each, _ in files[place:place + EARLY_FEEDS]:
                if each.node_id not in lacking:         # before it comes early: then it is on its way
                    lacking[each.node_id] = self._lacks(each)
                    if (lacking[each.node_id] and each.remote is not None and each.size_bytes <= WHOLE_BYTES
                            and self._cache.may_keep(each.size_bytes)):
                        self._reader.early(each.remote, each.size_bytes, exact=each.exact)
            if not lacking.pop(node.node_id):
                if not node.readable:
                    refused[shown] = f"{shown} {why_closed(node)}: nobody can bring it here"
                continue
            try:
                size_bytes = 0
                for count in self._bring(node, shown):
                    fetched, size_bytes = fetched + count, size_bytes + count
                    yield {"fetching": shown, "fetched": fetched, "of": of}
                assert node.remote is not None, "it lacks something that the server has"
                brought.append((node.remote.file_id, size_bytes, shown))
            except FsError as exc:
                if alone:
                    raise
                refused[shown] = str(exc)
        if alone and refused:
            raise NotReadable(refused[path])
        for file_id, size_bytes, shown in brought:
            if not self._cache.is_whole(file_id, size_bytes):
                refused[shown] = (f"{shown} had to give way to others, for the cache can't keep all of them: see "
                                  "--cache-size, and the disk's room")
        yield {"fetched": fetched, "files": len(brought), "refused": refused}

    def _lacks(self, node: Node) -> bool:
        """The node's file can be downloaded, and isn't here."""
        file = node.fetchable
        return file is not None and not (node.exact and self._cache.is_whole(file.file_id, node.size_bytes))

    def _bring(self, node: Node, path: str) -> Iterator[int]:
        """How many bytes came, now and then. Raises DiskFull when there is no room to keep it, and what Reader.read
        does.
        """
        file, exact = node.remote, node.exact
        assert file is not None
        if not self._cache.may_keep(node.size_bytes):
            raise DiskFull(f"{path} was not asked for, as the cache can't keep its {node.size_bytes} bytes: see "
                           "--cache-size, and the disk's room")
        done, told, told_s = 0, 0, self._clock.now_s()
        try:
            while piece := self._reader.read(file, node.size_bytes, done, PIECE_BYTES, lambda: False, exact=exact):
                done += len(piece)
                if (now_s := self._clock.now_s()) - told_s >= TELL_S:
                    yield done - told
                    told, told_s = done, now_s
            self._await_end(node, done)
        finally:
            if not self._handles.is_read(file.file_id):
                self._reader.leave(file.file_id)
        yield done - told
        if not self._cache.is_whole(file.file_id, done):
            raise DiskFull(f"{path} has come, but the cache can't keep all of its {done} bytes: see --cache-size, and "
                           "the disk's room")

    def _await_end(self, node: Node, size_bytes: int) -> None:
        """The last blocks are handed to readers before they are on the disk."""
        assert node.remote is not None
        file_id, never = node.remote.file_id, threading.Event()
        while (not self._cache.is_whole(file_id, size_bytes)
               and any(running == file_id for running, _, _ in self._reader.running())):
            self._clock.sleep(never, LOOK_S)
