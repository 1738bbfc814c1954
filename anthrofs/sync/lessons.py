"""Readers learn of the server's files how long one truly is, and that one is gone; the tree learns it here.

Owns    nothing: the rows are the mirror's.
Never   fails a reader, who has the bytes, or knows of the loss, without it.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator

from anthrofs.errors import FsError, StateLost
from anthrofs.model import BY_ID, FileId
from anthrofs.sync.expirer import Expirer
from anthrofs.sync.merge import Merge
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import Content
from anthrofs.tree.places import Surprises

log = logging.getLogger(__name__)


class Lessons:
    """Lessons are brought by readers' threads."""

    def __init__(self, db: Database, mirror: Mirror, surprises: Surprises, merge: Merge, expirer: Expirer,
                 hasten: Callable[[], None], wants: Callable[[FileId], None] = lambda _: None) -> None:
        self._db = db                   # given
        self._mirror = mirror           # given
        self._surprises = surprises     # given
        self._merge = merge             # given
        self._expirer = expirer         # given
        self._hasten = hasten           # given: asks for a refresh soon
        self._wants = wants             # given: told of what somebody wants to read, and nobody here can

    def delivered(self, file_id: FileId, length: int) -> None:
        """A download of what may be longer than listed came to its end."""
        with _reading_goes_on(), self._db.transaction() as tx:
            entry = self._mirror.set_length(tx, file_id, length)
            if entry is not None:
                self._surprises.note(entry)
                self._surprises.note((BY_ID, file_id))

    def gone(self, file_id: FileId, expired: bool) -> None:
        """The service says that it has no such id, or not any more."""
        with _reading_goes_on():
            if expired:
                self._expirer.gone(file_id)
            elif self._merge.gone(file_id):
                self._hasten()

    def closed(self, file_id: FileId) -> None:
        """Somebody wants to read what nobody here can."""
        self._wants(file_id)

    def left(self, content: Content) -> None:
        """Nobody has a content open any more that others have changed or removed meanwhile."""
        with _reading_goes_on():
            if (file_id := content.lost()) is not None:
                self._merge.gone(file_id)
        self._hasten()


@contextlib.contextmanager
def _reading_goes_on() -> Iterator[None]:
    """Goes on without the row: it is worth writing, but its reader has the bytes without it."""
    try:
        yield
    except StateLost:
        return              # that was said
    except FsError as exc:
        log.warning("what a download has shown could not be written down: %s", exc)
