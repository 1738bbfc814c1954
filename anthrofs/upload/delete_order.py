"""The order in which ids are deleted: those first that wait longest, of those that may go.

Thousands may wait for what replaces them, so they aren't looked through for each upload: a search reads a part of the
queue and remembers its place, and after one that found nothing in all of it, it rests.

Trusts  its owner, the schedule, to hold its lock where it says so.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from anthrofs.model import FileId
from anthrofs.tree.deletion_queue import FIRST, Place
from anthrofs.tree.transaction import Tx

READ_AT_ONCE: Final = 50        # ids
REST_S: Final = 0.05            # after all were read in vain, for each page, which takes half a ms: 5 s for 5000 ids
FEW: Final = 50                 # ids that may wait for a quiet moment, see `share_of_deletions`


@dataclass(frozen=True, slots=True)
class Due:
    """An id that may be deleted now."""

    file_id: FileId
    gone: bool          # a listing has shown that the server doesn't have it: nobody has to be asked


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search."""

    due: list[Due]
    place: Place        # where the next one begins
    pages: int          # so many of all of the queue were read in vain; 0: not all of them


class DeleteOrder:
    """How far the queue was searched. Not threadsafe: its owner has a lock."""

    def __init__(self) -> None:
        self._place = FIRST         # the next search begins behind that
        self._rest_s = 0.0          # until then not all of the queue is read again

    def begin(self, now_s: float) -> tuple[Place, float | None]:
        """Returns where a search begins, and until when it reads one page only; None: it may read all."""
        return self._place, self._rest_s if now_s < self._rest_s else None

    def end(self, found: Found, now_s: float) -> None:
        """A search that began then is over."""
        self._place = found.place
        if found.pages:
            self._rest_s = now_s + REST_S * (found.pages - 1)

    def hasten(self) -> None:
        """Somebody doesn't want to wait: the next search may read all."""
        self._rest_s = 0.0


def search(tx: Tx, began: Place, busy: Collection[FileId], later: Collection[FileId], at_most: int, *,
           briefly: bool) -> Found:
    """Reads the queue from a place on, at most once around, until something in it may be deleted. `briefly`: one page
    only; the next search goes on behind it. `later`: what waits for its next try, unless it turned out to be gone.
    """
    place, end, around, pages = began, began, False, 0
    while True:
        pages += 1
        page = tx.deletions.after(place, READ_AT_ONCE)
        found = [Due(file_id, gone) for _, file_id, free, gone in page
                 if free and file_id not in busy and (gone or file_id not in later)][:at_most]
        if found:
            return Found(found, place, 0)
        ended, end = len(page) < READ_AT_ONCE, max([end, *(row[0] for row in page[-1:])])
        place = FIRST if ended else page[-1][0]
        if briefly:
            return Found([], place, 0)
        if (ended and (around or began == FIRST)) or (around and place >= began):
            return Found([], end, pages)        # the next one begins with those that come
        around = around or ended


def share_of_deletions(owed: int, files: int) -> float:
    """Returns their share of the work, where a save has 1. The id that a save leaves behind is a part of that save's
    work: as long as saves come, the server never has more than twice as many files as are wanted, and a hundred. A few
    ids may wait until a burst of saves is over.
    """
    return 1 / 4 if owed <= FEW else 1 if owed <= files + FEW else 3
