"""What the server has of a file, as a stage: to be sent again under another name, or to live on here alone.

Trusts  a copy on this machine only after all of it was checked, and a download only if all of it came: what is sent
        again replaces the good file on the server.
Never   makes anything known: the stage belongs to whoever asked.
"""

import threading

from anthrofs.clock import Clock
from anthrofs.download.bodies import Expected
from anthrofs.download.course import Course, Ranges
from anthrofs.errors import NotReadable, NotTheFile
from anthrofs.model import Node, RemoteFile, StageId
from anthrofs.remote.api import RemoteFiles
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.blocks import BLOCK_BYTES, spans
from anthrofs.store.staging import Stage, Staging
from anthrofs.tree.kept_copies import why_closed


class Copies:
    """Made for one node at a time."""

    def __init__(self, staging: Staging, cache: BlockCache, remote: RemoteFiles, clock: Clock) -> None:
        self._staging = staging     # given
        self._cache = cache         # given
        self._remote = remote       # given
        self._clock = clock         # given
        self._ranges = Ranges()     # constant

    def stage_of(self, node: Node) -> StageId:
        """A sealed stage with the content that the server has for a node: a second name of the kept copy, else what was
        cached or is downloaded now. Raises NotReadable, DiskFull, OSError, RemoteError.
        """
        assert node.remote is not None
        if node.kept:
            if not self._cache.is_sound(node.remote.file_id, node.remote.size_bytes):
                raise NotReadable("the copy that was kept on this machine is damaged or gone, so it can't be sent again")
            return self._staging.link_of(self._cache.kept_path(node.remote.file_id))
        if not node.remote.downloadable:
            raise NotReadable(f"it {why_closed(node)}")
        self._staging.reserve(node.size_bytes)
        stage = self._staging.create()
        known = node.confirmed or not node.remote.may_grow      # its length, to the byte
        try:
            if not (known and self._copied(node.remote, node.size_bytes, stage)):
                self._fetch(node.remote, stage)
            self._staging.publish("fetch", stage.descriptor)
        except BaseException:
            self._staging.remove(stage.number)
            raise
        finally:
            stage.close()
        return stage.number

    def _copied(self, file: RemoteFile, size_bytes: int, stage: Stage) -> bool:
        """From the cache; False: it lacks something."""
        for span in spans(0, size_bytes):
            block = self._cache.get(file.file_id, span.number)
            if block is None or len(block) < span.length:
                return False
            stage.write(block, span.number * BLOCK_BYTES)
        return True

    def _fetch(self, file: RemoteFile, stage: Stage) -> None:
        """As it is delivered now, whatever length an earlier download has shown."""
        expected = Expected(file, file.size_bytes, exact=not file.may_grow)
        never = threading.Event()
        course = Course(self._remote, self._ranges, expected, 0, None, wanted=lambda: True, opened=lambda _: None,
                        refused=lambda: None, pause=lambda seconds: self._clock.sleep(never, seconds))
        for _, place, piece in course.pieces():
            stage.write(piece, place)
        if course.end is None:
            raise NotTheFile(f"{file.name} did not come to its end")
        stage.truncate(course.end)
