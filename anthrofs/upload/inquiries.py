"""Inquiries: what became of uploads whose answers were lost is asked of the newest listing, one for all that ask; and
whose that is, of the other mounts.

Owns    the last inquiry: what it has shown, and since when.
Trusts  a listing that was begun a little too early for one of them as well: what was stored a while ago shows in both.
Never   takes an answer out of a cache on the way for a new one: each inquiry asks for another number of files. (A cache
        knows the address only; Varnish, by its defaults, ignores what a request says of caching.)
"""

import random
import threading
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import LimitReached, QuotaExceeded, RemoteError
from anthrofs.model import RemoteFile
from anthrofs.remote.api import RemoteFiles
from anthrofs.tree.claims import ALONE, Claims

INQUIRE_S: Final = (1.0, 5.0, 20.0)     # after a lost answer
INQUIRE_ONCE_S: Final = (1.0,)          # after the service's own 500, which rarely stores, and shows it at once; and
LIMITERS: Final = frozenset({401, 403, 407, 503})       # after such a page of a proxy, which rarely has passed on what
                                                        # it refuses so
INQUIRE_LATE_S: Final = (60.0, 180.0, 300.0)    # from the last byte on, when a proxy has lost patience with what still
                                                # works on the body
LOST_PATIENCE: Final = frozenset({502, 504})    # of a proxy that has the whole body
PROMPT_S: Final = 5.0                   # a proxy that is so quick didn't wait in vain: what is behind it was gone
SHARED: Final = 0.8                     # of the time until an inquiry: another one that was begun by then will do
FIRST_FILES: Final = 100                # of the newest files, and up to as many more; then whole pages, back to when it
NEXT_FILES: Final = 1000                # was sent
LIMITED_S: Final = 30.0                 # between inquiries that a limit of the account refuses: no gate keeps listings
                                        # from that
AGAIN_S: Final = 1.0                    # who waits for another one's inquiry wakes by then, should that one have died


def times_s(exc: RemoteError, lost_s: float, over_s: float | None) -> tuple[float, ...]:
    """Returns when to inquire, in seconds after the answer was lost. `over_s`: when the last byte went out, or None."""
    if exc.status == 500 if exc.from_service else exc.status in LIMITERS:
        return INQUIRE_ONCE_S
    passed_s = 0.0 if over_s is None else lost_s - over_s
    if not exc.from_service and exc.status in LOST_PATIENCE and passed_s >= PROMPT_S:
        return (*INQUIRE_S, *(at_s - passed_s for at_s in INQUIRE_LATE_S if at_s - passed_s > INQUIRE_S[-1]))
    return INQUIRE_S


def pause_s(exc: RemoteError) -> float:
    """Returns how long no inquiry is made after one that was answered so, at least."""
    return max(LIMITED_S, exc.retry_after_s or 0.0) if isinstance(exc, (LimitReached, QuotaExceeded)) else 0.0


class Inquiries:
    """The inquiries of one mount."""

    def __init__(self, listings: RemoteFiles, clock: Clock, chance: random.Random, claims: Claims = ALONE) -> None:
        self._listings = listings       # given
        self._clock = clock             # given
        self.claims = claims            # given: of all mounts

        self._changed = threading.Condition()       # guards everything below; a leaf
        self._dated = False             # the service was asked for its clock
        self._more = chance.randrange(FIRST_FILES)  # another one each time, and after a restart
        self._running = False
        self._wanted: list[int] = []                # how far back those want to see who wait
        self._began_s: float | None = None          # of the last inquiry
        self._back_ns: int | None = None            # how far back its listing goes; None: to the end
        self._found: list[RemoteFile] | RemoteError = []

    def server_now_ns(self) -> int | None:
        """Returns the earliest that the server's clock may show now. If no answer has told that yet, the service is
        asked once: some answers are never dated. A second thread asks for nothing.
        """
        if self._listings.clock() is None and self._is_to_be_dated():
            try:
                self._listings.list(1)
            except RemoteError:
                with self._changed:
                    self._dated = False
                return None         # the upload will say what is wrong
        known = self._listings.clock()
        return None if known is None else self._clock.time_ns() + known.earliest_ns

    def _is_to_be_dated(self) -> bool:
        with self._changed:
            first, self._dated = not self._dated, True
        return first

    def since(self, sent_ns: int | None, not_before_s: float | None) -> list[RemoteFile]:
        """Returns the listed files since that moment of the server's clock; None: the newest page. Their listing was
        begun not before `not_before_s`; None: any of this mount's inquiries will do. Raises RemoteError.
        """
        if not_before_s is not None:
            not_before_s = min(not_before_s, self._clock.now_s())       # one's own inquiry is always good enough
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
                    back_ns, self._more = min(self._wanted, default=None), (self._more + 1) % FIRST_FILES
                    limit = FIRST_FILES + self._more
                self._ask(limit, back_ns)
        finally:
            with self._changed:
                if sent_ns is not None:
                    self._wanted.remove(sent_ns)

    def _serves_locked(self, sent_ns: int | None, not_before_s: float | None) -> bool:
        if self._began_s is None or (not_before_s is not None and self._began_s < not_before_s):
            return False
        if isinstance(self._found, RemoteError) or self._back_ns is None:
            return True
        return sent_ns is None or sent_ns >= self._back_ns

    def _ask(self, limit: int, back_ns: int | None) -> None:
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
        """Returns (the files, how far back they go). Raises RemoteError."""
        page = self._listings.list(limit)
        found, seen = list(page.files), {file.file_id for file in page.files}
        while page.following is not None and back_ns is not None:
            if not page.files or page.files[-1].created_ns < back_ns:
                break
            page = self._listings.list(NEXT_FILES, page.following)
            new = [file for file in page.files if file.file_id not in seen]
            if not new:
                break               # a page that repeats
            seen.update(file.file_id for file in new)
            found += [file for file in new if file.created_ns >= back_ns]
        if page.following is None:
            return found, None
        return found, back_ns if back_ns is not None else found[-1].created_ns if found else None
