"""Mishaps as data: which requests meet one, and what it is.

Owns    the script, and what is left of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tests.simulation.rules import ACCOUNT, PAGES

OPERATIONS: Final = ("upload", "list", "download", "metadata", "delete", "session")

# What can happen, and the numbers that it takes.
ACTIONS: Final = {
    # on the way there
    "refuse": "no connection can be made",
    "unreachable": "nobody says whether one can be made",
    "cut_early": "the connection ends when the service has `after_bytes` of the request, or, of an upload, not all of it",
    "cut": "the request is whole, and the connection ends; nothing was done",
    "dead": "the other side is there no more: it acknowledges nothing, and after half a minute the connection is given up",
    "held": "nothing of an upload is taken for `seconds` after `after_bytes`",
    # at the service
    "lost": "it is done, and the connection ends",
    "later": "it is done after `seconds`; the connection ends at once, or a proxy answers with a page of `status`",
    "queued": "it is done after `seconds`, whoever is still there, and then answered",
    "twice": "a gateway sends it again: it is done twice, and the second answer comes",
    "stored_short": "of an upload's bytes `after_bytes` arrive, and the answer says so, or (`honest` is False) doesn't",
    # instead of the right answer, which `stored` does or doesn't go with
    "late": "done at once, and answered after `seconds`",
    "silent": "no answer ever comes",
    "status": "the service's own JSON, with `status`, `code` and advice",
    "account": "the service says `account` of the key or the account",
    "page": "a proxy's or gateway's own words in its `form`, with `status` and advice",
    "redirect": "`status` and an address, `location`, in which {target} stands for the path that was asked for",
    "nonsense": "200, and JSON of something else",
    "json_cut": "200, and the JSON ends in the middle",
    "wrong_size": "an upload's answer says `after_bytes` for its size",
    # on the way back
    "slow": "`bytes_per_s` of an upload's request, or of the answer",
    "body_cut": "the connection ends after `after_bytes` of the answer's body",
    "body_short": "the answer's body ends after `after_bytes`, as if that were all; `honest`: its length says so, too",
    "body_long": "`after_bytes` too many come",
    "stall": "nothing moves for `seconds` after `after_bytes` of the answer's body",
    "encoded": "the answer's body is said to be gzip; `honest`: and is",
    "cached": "a list comes out of a cache, `seconds` old, and says so",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One mishap."""

    operation: str          # one of OPERATIONS; any
    action: str             # one of ACTIONS
    times: int = 1          # so many requests meet it; 0: all, until it is taken away
    skip: int = 0           # so many are spared first
    subject: str = ""       # an upload's name, or an id; empty: of all
    seconds: float = 0.0
    after_bytes: int = 0
    bytes_per_s: float = 0.0
    status: int = 0
    code: str = ""          # error_code of a status
    account: str = ""       # one of rules.ACCOUNT
    form: str = "html"      # of a page: one of rules.PAGES
    location: str = ""      # of a redirect, or of a page that is one
    stored: bool = False
    honest: bool = True
    retry_after: str = ""           # headers, as they are sent
    retry_after_ms: str = ""
    should_retry: str = ""          # true, false

    def __post_init__(self) -> None:
        if self.action not in ACTIONS or self.operation not in (*OPERATIONS, "any"):
            raise ValueError(f"no such fault: {self}")
        if self.action == "account" and self.account not in ACCOUNT:
            raise ValueError(f"nobody says that of an account: {self}")
        if self.form not in PAGES or (self.action == "redirect" and not self.location):
            raise ValueError(f"no answer: {self}")
        if self.action in ("status", "page", "redirect") and not 200 <= self.status <= 599:
            raise ValueError(f"no status: {self}")
        if self.action == "slow" and self.bytes_per_s <= 0:
            raise ValueError(f"no pace: {self}")

    def advice(self) -> list[tuple[str, str]]:
        """The headers that say whether and when to ask again."""
        headers = [("retry-after", self.retry_after), ("retry-after-ms", self.retry_after_ms), ("x-should-retry", self.should_retry)]
        return [(name, value) for name, value in headers if value]

    def meets(self, operation: str, subject: str) -> bool:
        return self.operation in (operation, "any") and self.subject in ("", subject)


@dataclass(slots=True)
class _Entry:
    fault: Fault
    skip: int
    left: int       # 0: no end


class Faults:
    """The mishaps that are to come; of those that fit a request, the oldest."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._entries: list[_Entry] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        self._entries.append(_Entry(fault, fault.skip, fault.times))

    def remove(self, fault: Fault) -> None:
        """A standing one is over; one that is used up is no mistake."""
        self._entries = [entry for entry in self._entries if entry.fault is not fault]

    def clear(self) -> None:
        self._entries.clear()

    def left(self) -> list[Fault]:
        return [entry.fault for entry in self._entries]

    def take(self, operation: str, subject: str = "") -> Fault | None:
        """The next request's."""
        for place, entry in enumerate(self._entries):
            if not entry.fault.meets(operation, subject):
                continue
            if entry.skip:
                entry.skip -= 1
                continue
            if entry.fault.times:
                entry.left -= 1
                if not entry.left:
                    del self._entries[place]
            return entry.fault
        return None
