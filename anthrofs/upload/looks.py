"""What the newest listing shows, for uploads whose answers were lost: when it is asked, and one listing for all that look.

Owns    the last look: what it has shown, and since when.
Trusts  a listing that was begun a little too early for one of them as well: what was stored a while ago shows in both.
Never   takes an answer out of a cache on the way for a new one: it asks for another number of files each time. (A cache knows the address
        only; Varnish, by its defaults, ignores what a request says of caching.)
"""

import random
import threading
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import LimitReached, QuotaExceeded, RemoteError
from anthrofs.model import RemoteFile
from anthrofs.remote.api import RemoteFiles

LOOKS_S: Final = (1.0, 5.0, 20.0)       # after a lost answer
LOOKS_ONCE_S: Final = (1.0,)            # after the service's own 500, which rarely stores, and shows it at once; and after
LIMITERS: Final = frozenset({401, 403, 407, 503})       # such a page of a proxy, which rarely has passed on what it refuses so
LATE_LOOKS_S: Final = (60.0, 180.0, 300.0)      # from the last byte on, when a proxy has lost patience with what still works on the body
LOST_PATIENCE: Final = frozenset({502, 504})    # of a proxy that has the whole body
PROMPT_S: Final = 5.0                   # a proxy that is so quick didn't wait in vain: what is behind it was gone
SHARED: Final = 0.8                     # of its time: a look that another one has begun by then will do
FIRST_LOOK: Final = 100                 # of the newest files, and up to as many more; then whole pages, back to when it was sent
NEXT_LOOKS: Final = 1000
LIMITED_S: Final = 30.0                 # between looks that a limit of the account refuses: no gate keeps listings from that
AGAIN_S: Final = 1.0                    # who waits for another one's look wakes by then, should that one have died


def times_s(exc: RemoteError, lost_s: float, over_s: float | None) -> tuple[float, ...]:
    """When to look, in seconds after the answer was lost. `over_s`: when the last byte went out; None: it didn't."""
    if exc.status == 500 if exc.from_service else exc.status in LIMITERS:
        return LOOKS_ONCE_S
    passed_s = 0.0 if over_s is None else lost_s - over_s
    if not exc.from_service and exc.status in LOST_PATIENCE and passed_s >= PROMPT_S:
        return (*LOOKS_S, *(at_s - passed_s for at_s in LATE_LOOKS_S if at_s - passed_s > LOOKS_S[-1]))
    return LOOKS_S


def pause_s(exc: RemoteError) -> float:
    """How long no other look is made after one that was answered so, at least."""
    return max(LIMITED_S, exc.retry_after_s or 0.0) if isinstance(exc, (LimitReached, QuotaExceeded)) else 0.0


class Looks:
    """One for a mount."""

    def __init__(self, listings: RemoteFiles, clock: Clock, chance: random.Random) -> None:
        self._listings = listings       # given
        self._clock = clock             # given

        self._changed = threading.Condition()       # guards everything below; a leaf
        self._more = chance.randrange(FIRST_LOOK)   # another one each time, and after a restart
        self._running = False
        self._wanted: list[int] = []                # how far back those want to see who wait
        self._began_s: float | None = None          # of the last look
        self._back_ns: int | None = None            # how far back it goes; None: to the end
        self._found: list[RemoteFile] | RemoteError = []

    def since(self, sent_ns: int | None, not_before_s: float | None) -> list[RemoteFile]:
        """The listed files since that moment of the server's clock; None: the newest page. From a listing begun not before then; None:
        any of this mount's looks will do. Raises RemoteError.
        """
        if not_before_s is not None:
            not_before_s = min(not_before_s, self._clock.now_s())       # its own look is always good enough
        with self._changed:
            if sent_ns is not None:
                self._wanted.append(sent_ns)
        try:
            while True:
                with self._changed:
                    while self._running:
                        self._clock.wait(self._changed, AGAIN_S)
                    if self._serves_locked(sent_ns, not_before_s):
                        if isinstance(self._found, RemoteError):
                            raise self._found
                        return self._found
                    self._running = True
                    back_ns, self._more = min(self._wanted, default=None), (self._more + 1) % FIRST_LOOK
                    limit = FIRST_LOOK + self._more
                self._look(limit, back_ns)
        finally:
            with self._changed:
                if sent_ns is not None:
                    self._wanted.remove(sent_ns)

    def _serves_locked(self, sent_ns: int | None, not_before_s: float | None) -> bool:
        if self._began_s is None or (not_before_s is not None and self._began_s < not_before_s):
            return False
        return isinstance(self._found, RemoteError) or self._back_ns is None or sent_ns is None or sent_ns >= self._back_ns

    def _look(self, limit: int, back_ns: int | None) -> None:
        began_s = self._clock.now_s()
        try:
            found: list[RemoteFile] | RemoteError
            found, reached_ns = self._read(limit, back_ns)
        except RemoteError as exc:
            found, reached_ns = exc, None
        except BaseException:
            with self._changed:
                self._running = False
                self._changed.notify_all()
            raise
        with self._changed:
            self._running = False
            self._began_s, self._found, self._back_ns = began_s, found, reached_ns
            self._changed.notify_all()

    def _read(self, limit: int, back_ns: int | None) -> tuple[list[RemoteFile], int | None]:
        """(the files, how far back they go). Raises RemoteError."""
        page = self._listings.list(limit)
        found, seen = list(page.files), {file.file_id for file in page.files}
        while page.following is not None and back_ns is not None and page.files and page.files[-1].created_ns >= back_ns:
            page = self._listings.list(NEXT_LOOKS, page.following)
            new = [file for file in page.files if file.file_id not in seen]
            if not new:
                break               # a page that repeats
            seen.update(file.file_id for file in new)
            found += [file for file in new if file.created_ns >= back_ns]
        if page.following is None:
            return found, None
        return found, back_ns if back_ns is not None else found[-1].created_ns if found else None
