"""Plans are what memory adds to the rows of what is to be done: a thread is at it, when it is tried again, what the
last try has shown.

Trusts  its owner, the schedule, to hold its lock; and the thread that has taken a plan to be the only one to write it.
Never   outlives what is in it: after a restart every plan is a blank one, as is that of what was never tried.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from anthrofs.errors import Refused
from anthrofs.upload.inquiries import INQUIRE_S


class Plan(Protocol):
    """A plan is written by the thread that has taken it, and by the schedule while nobody has."""

    not_before_s: float         # monotonic: when to try again

    def is_blank(self) -> bool:
        """Whether the next try has to know nothing of it."""

    def hasten(self) -> None:
        """Somebody doesn't want to wait."""


@dataclass
class SendPlan:
    """The plan of an attempt, or of a renamed node that has none yet."""

    not_before_s: float = 0.0
    inquiries_s: tuple[float, ...] = INQUIRE_S      # still to be made while UNKNOWN, seconds after the answer was lost
    lost_s: float | None = None             # when it was lost; None: before this start
    failed_s: float | None = None           # when an inquiry has failed: its answer says nothing to the next one
    over_s: float | None = None             # when its last byte went out; None: not, or before this start
    refusal: Refused | None = None          # what to fail with if it turns out not to be stored
    refused: int = 0                        # times for the account's sake
    cuts: int = 0                           # times in a row, because newer content had come
    uncopied: int = 0                       # times in a row that the server's content couldn't be had, to be sent again

    def is_blank(self) -> bool:
        """Whether the next try needs nothing of it. (When the last byte went out matters to a lost answer only.)"""
        return replace(self, not_before_s=0.0, over_s=None) == SendPlan()

    def hasten(self) -> None:
        """Somebody doesn't want to wait. What became of a lost answer is asked when it is time."""
        if self.lost_s is None:
            self.not_before_s = 0.0


@dataclass
class DeletePlan:
    """The plan of an id that is to be deleted."""

    not_before_s: float = 0.0
    refused: int = 0                        # times, since somebody asked for everything

    def is_blank(self) -> bool:
        """Whether the next try has to know nothing of it."""
        return not self.refused

    def hasten(self) -> None:
        """Somebody doesn't want to wait: the pauses begin anew."""
        self.not_before_s, self.refused = 0.0, 0


K = TypeVar("K", bound=Hashable)
P = TypeVar("P", bound=Plan)


class Plans(Generic[K, P]):
    """The plans of one kind: which threads have taken, and which wait. Not threadsafe: its owner has a lock."""

    def __init__(self, blank: Callable[[], P]) -> None:
        self._blank = blank                     # constant
        self._plans: dict[K, P] = {}            # of what a thread works on, and of what the next try has to know
        self._busy: dict[K, bool] = {}          # a thread is at it; whether it is a big piece of work
        self._later_s: dict[K, float] = {}      # when to try again; few, for a try costs a request

    def take(self, key: K, *, big: bool = False, early: bool = False) -> P | None:
        """Returns the key's plan, which is the caller's until `give_back`. None: a thread is at it, or it is not time
        for it; `early`: it is time whatever the plan says.
        """
        if key in self._busy or (key in self._later_s and not early):
            return None
        self._later_s.pop(key, None)
        self._busy[key] = big
        return self._plans.setdefault(key, self._blank())

    def give_back(self, key: K, now_s: float, *, done: bool) -> None:
        """The thread has left it. `done`: there won't be another try."""
        del self._busy[key]
        if done:
            del self._plans[key]
        else:
            self._keep(key, now_s)

    def recall(self, now_s: float) -> None:
        """The keys whose time has come wait no longer."""
        for key in [key for key, at_s in self._later_s.items() if at_s <= now_s]:
            del self._later_s[key]
            self._keep(key, now_s)

    def hasten(self, now_s: float) -> None:
        """Nothing waits that needn't."""
        for key in self._plans.keys() - self._busy.keys():
            self._plans[key].hasten()
            self._later_s.pop(key, None)
            self._keep(key, now_s)

    def sooner(self, key: K, at_s: float) -> None:
        """The key waits, but no longer than until then."""
        plan = self._plans[key]
        plan.not_before_s = self._later_s[key] = min(plan.not_before_s, at_s)

    def waiting(self) -> dict[K, P]:
        """Returns the plans of what waits for its time."""
        return {key: self._plans[key] for key in self._later_s}

    def moments_s(self) -> list[float]:
        """Returns when the keys that wait are tried again."""
        return list(self._later_s.values())

    def busy(self) -> set[K]:
        """Returns what threads work on."""
        return set(self._busy)

    def not_now(self) -> set[K]:
        """Returns what threads work on, and what waits."""
        return {*self._busy, *self._later_s}

    def bigs(self) -> int:
        """Returns how many big pieces of work threads are at."""
        return sum(self._busy.values())

    def every(self) -> dict[K, P]:
        """Returns all that is not a blank one."""
        return dict(self._plans)

    def _keep(self, key: K, now_s: float) -> None:
        """Only what the next try has to know stays: a row may end without one, and nobody would tell."""
        plan = self._plans[key]
        if plan.not_before_s > now_s:
            self._later_s[key] = plan.not_before_s
        elif plan.is_blank():
            del self._plans[key]
