"""The server's clock, as answers tell of it.

Owns    the bounds of the difference between the server's clock and ours.
Trusts  a Date header, or else the time of an upload, to be of the moment between a request and its answer; but not one
        from a cache, nor, once the service has told, one of whoever is on the way.
Never   asks for anything.
"""

import threading
from collections.abc import Mapping
from typing import Final

from anthrofs.clock import Clock
from anthrofs.model import RemoteFile, ServerClock
from anthrofs.remote import answers

SECOND_NS: Final = 10**9        # both are, or may be, cut to whole seconds, and so bound the difference from both sides


class Dates:
    """The clock of one service, as its answers show it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock             # given

        self._lock = threading.Lock()   # guards everything below; a leaf
        self._known: ServerClock | None = None
        self._dated = False             # an answer has had a date
        self._signed = False            # and bore the service's request id

    def clock(self) -> ServerClock | None:
        """The bounds of the server's clock; None as long as no answer has told."""
        with self._lock:
            return self._known

    def answered(self, headers: Mapping[str, str], sent_ns: int) -> None:
        """Takes in the answer to a request that was sent then."""
        date_s = None if answers.age_s(headers) > 0 else answers.date_s(headers.get("date", ""))
        received_ns = self._clock.time_ns()
        signed = "request-id" in headers
        if date_s is not None:
            with self._lock:
                if self._signed and not signed:
                    return
                self._dated, self._signed = True, signed
                self._bound_locked(int(date_s * SECOND_NS), sent_ns, received_ns)

    def stored(self, file: RemoteFile, sent_ns: int) -> None:
        """Takes in a file whose upload began then: its time tells the server's where no answer has a date."""
        received_ns = self._clock.time_ns()
        with self._lock:
            if not self._dated and file.created_ns:
                self._bound_locked(file.created_ns, sent_ns, received_ns)

    def _bound_locked(self, server_ns: int, sent_ns: int, received_ns: int) -> None:
        earliest_ns, latest_ns, known = server_ns - received_ns, server_ns + SECOND_NS - sent_ns, self._known
        if known and max(known.earliest_ns, earliest_ns) <= min(known.latest_ns, latest_ns):
            earliest_ns, latest_ns = max(known.earliest_ns, earliest_ns), min(known.latest_ns, latest_ns)
        self._known = ServerClock(earliest_ns, latest_ns)       # else a clock jumped: begin anew
