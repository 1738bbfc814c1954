"""The rest that an engine gets once it has failed, so that one that is away neither fails nor slows what a mount does.

Owns    whether an engine rests, since when and why.
Trusts  what those who ask it tell: only an answer ends a rest.
Never   asks anything itself, and says a thing once: when the engine goes, and when it is back.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from anthrofs.clock import Clock
from anthrofs.errors import FleetAway

log = logging.getLogger(__name__)

FIRST_S: Final = 5.0
LONGEST_S: Final = 60.0

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Away:
    """An engine that rests, for people."""

    reason: str
    since_ns: int           # wall clock
    next_s: float           # seconds until it is asked again


class Rest:
    """One engine's. A rest begins with FIRST_S and doubles up to LONGEST_S; at its end one call goes, as the probe,
    and while that is under way all others are still turned away.
    """

    def __init__(self, engine: str, away: type[FleetAway], clock: Clock) -> None:
        """`engine`: what a log's line calls it, "the store s3://…". `away`: what is raised while it rests."""
        self._engine, self._away, self._clock = engine, away, clock     # given

        self._lock = threading.Lock()           # guards everything below; a leaf
        self._reason = ""                       # empty: it doesn't rest
        self._since_ns = 0
        self._length_s = 0.0                    # of this rest
        self._until_s = 0.0
        self._probing = False

    def ask(self, call: Callable[[], Found]) -> Found:
        """Returns what the call does, unless the engine rests. The call raises FleetAway when the engine has failed;
        whatever else comes of it is an answer.
        """
        probe = self.enter()
        try:
            found = call()
        except FleetAway as exc:
            self.failed(str(exc), probe=probe)
            raise
        except Exception:
            self.answered()
            raise
        except BaseException:
            self.failed("a probe was given up", probe=probe)
            raise
        self.answered()
        return found

    def enter(self) -> bool:
        """Before a call. True: it is the probe, and its end must be told. Raises what says that the engine is away."""
        with self._lock:
            if not self._reason:
                return False
            if self._probing or self._clock.now_s() < self._until_s:
                raise self._away(f"{self._engine} is away: {self._reason}")
            self._probing = True
            return True

    def answered(self) -> None:
        """The engine has answered."""
        with self._lock:
            was, self._reason = self._reason, ""
            self._probing, self._length_s = False, 0.0
        if was:
            log.warning("%s answers again", self._engine)

    def failed(self, reason: str, *, probe: bool) -> None:
        """The engine has not. Calls that were under way when the rest began don't make it longer."""
        with self._lock:
            began = not self._reason
            if not began and not probe:
                return
            self._length_s = FIRST_S if began else min(LONGEST_S, 2 * self._length_s)
            self._until_s = self._clock.now_s() + self._length_s
            self._reason, self._probing = reason or "no answer", False
            if began:
                self._since_ns = self._clock.time_ns()
        if began:
            log.warning("%s is away: %s. This mount goes on without it, and asks again by itself", self._engine, reason)

    def hurry(self) -> None:
        """A person waits: the next call is the probe, unless one is under way."""
        with self._lock:
            self._until_s = self._clock.now_s()

    def away(self) -> Away | None:
        """Whether it rests, and why; None: it answers, or wasn't asked yet."""
        with self._lock:
            if not self._reason:
                return None
            return Away(self._reason, self._since_ns, max(0.0, self._until_s - self._clock.now_s()))
