"""A whole file of the server as a stage: to be edited in place, to be sent again under another name, or to live on here
alone.

Trusts  a copy on this machine only after all of it was checked, and a download only if all of it came: the stage
        replaces the good file on the server.
Never   makes anything known: the stage belongs to whoever asked. Never leaves one behind that is not whole.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Final

from anthrofs.clock import Clock
from anthrofs.download.bodies import Expected
from anthrofs.download.course import Course, Ranges
from anthrofs.download.reader import Reader
from anthrofs.errors import NotReadable, NotTheFile
from anthrofs.model import FileId, Node, RemoteFile, StageId
from anthrofs.remote.api import RemoteFiles
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.blocks import BLOCK_BYTES, spans
from anthrofs.store.staging import Stage, Staging
from anthrofs.tree.kept_copies import why_closed

log = logging.getLogger(__name__)

FETCH_BYTES: Final = 2**20      # read at once of a file that is about to be edited


class EditCopies:
    """Stages that are about to be edited: open, and not yet durable."""

    def __init__(self, staging: Staging, cache: BlockCache, reader: Reader) -> None:
        self._staging = staging     # given
        self._cache = cache         # given
        self._reader = reader       # given

    def fetch(self, file: RemoteFile, length: int, interrupted: Callable[[], bool], *, exact: bool) -> Stage:
        """Returns what readers of the file get. Raises NotTheFile, DiskFull, and what Reader.read does."""
        with _filling(self._staging, length) as stage:
            done = 0
            while piece := self._reader.read(file, length, done, FETCH_BYTES, interrupted, exact=exact):
                stage.write(piece, done)
                done += len(piece)
            if done < length or (exact and done > length):
                log.warning("%d of %d bytes of %s came, so it isn't edited", done, length, file.name)
                raise NotTheFile(f"{done} of {length} bytes of {file.name} came, so it isn't edited")
        return stage

    def of_kept(self, file_id: FileId, length: int) -> Stage:
        """Returns the kept copy of an own upload. Raises NotReadable, DiskFull."""
        with _filling(self._staging, length) as stage:
            if not _copied(self._cache, file_id, length, stage):
                log.error("the copy of %s that was kept on this machine is damaged, so it can't be edited in place",
                          file_id)
                raise NotReadable("the copy that was kept on this machine is damaged, so the file can only be replaced "
                                  "as a whole")
        return stage


class SealedCopies:
    """Stages that are to be sent, or to stay: sealed and durable."""

    def __init__(self, staging: Staging, cache: BlockCache, remote: RemoteFiles, clock: Clock) -> None:
        self._staging = staging     # given
        self._cache = cache         # given
        self._remote = remote       # given
        self._clock = clock         # given
        self._ranges = Ranges()     # constant

    def stage_of(self, node: Node) -> StageId:
        """Returns the content that the server has for a node: a second name of the kept copy, else what was cached or
        is downloaded now. Raises NotReadable, DiskFull, OSError, RemoteError.
        """
        assert node.remote is not None
        if node.kept:
            if not self._cache.is_sound(node.remote.file_id, node.remote.size_bytes):
                raise NotReadable("the copy that was kept on this machine is damaged or gone, "
                                  "so it can't be sent again")
            return self._staging.link_of(self._cache.kept_path(node.remote.file_id))
        if not node.remote.fetchable:
            raise NotReadable(f"it {why_closed(node)}")
        known = node.confirmed or not node.remote.may_grow      # its length, to the byte
        with _filling(self._staging, node.size_bytes) as stage:
            if not (known and _copied(self._cache, node.remote.file_id, node.size_bytes, stage)):
                self._fetch(node.remote, stage)
            self._staging.publish("fetch", stage.descriptor)
        stage.close()
        return stage.number

    def _fetch(self, file: RemoteFile, stage: Stage) -> None:
        """Writes what is delivered now, whatever length an earlier download has shown."""
        expected = Expected(file, file.size_bytes, exact=not file.may_grow)
        never = threading.Event()
        course = Course(self._remote, self._ranges, expected, 0, None, wanted=lambda: True, opened=lambda _: None,
                        refused=lambda: None, pause=lambda seconds: self._clock.sleep(never, seconds))
        for _, place, piece in course.pieces():
            stage.write(piece, place)
        if course.end is None:
            raise NotTheFile(f"{file.name} did not come to its end")
        stage.truncate(course.end)


@contextlib.contextmanager
def _filling(staging: Staging, size_bytes: int) -> Iterator[Stage]:
    """A new stage that is about to get so many bytes; if that fails, nothing of it stays. Raises DiskFull."""
    staging.reserve(size_bytes)
    stage = staging.create()
    try:
        yield stage
    except BaseException:
        stage.close()
        staging.remove(stage.number)
        raise


def _copied(cache: BlockCache, file_id: FileId, size_bytes: int, stage: Stage) -> bool:
    """Writes what the cache has, block by block, so that each is checked. False: something is lacking."""
    for span in spans(0, size_bytes):
        block = cache.get(file_id, span.number)
        if block is None or len(block) < span.length:
            return False
        stage.write(block, span.number * BLOCK_BYTES)
    return True
