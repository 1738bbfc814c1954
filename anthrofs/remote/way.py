"""Whether the service can be asked now, and if not, why and since when. Told by every answer; stops what would get the
same one.

One answer that is about the key, the account or the way there may be a restarted upstream's: it is doubted, and a probe
a moment later decides. Two in a row close a gate (gates.py), and while it is closed nothing of its kind is asked but
now and then a probe.

Owns    the gates; and whether anybody wants to know.
Trusts  answers only: a gate opens by one that a request of its kind got from the service.
Never   asks anything itself, or keeps anybody longer than PATIENCE_S.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import Closed, Gone, QuotaExceeded, RemoteError, Stopping
from anthrofs.remote.gates import APART_S, BUSY, CLOSED, DOUBTED, OPEN, Gate, Kind, News, lesson

log = logging.getLogger(__name__)

PATIENCE_S: Final = 3.0                 # the longest that a request waits for what a probe will say


@dataclass(frozen=True, slots=True)
class Notice:
    """A closed or busy gate, for people."""

    gate: str               # "all", "uploads" or "deletions"
    reason: str
    since_ns: int           # wall clock
    next_s: float           # seconds until the next probe may go


class Way:
    """One for a mount."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock             # given

        self._changed = threading.Condition()       # guards everything below; a leaf
        self._all = Gate("all", "")
        self._own = {Kind.UPLOAD: Gate("uploads", "uploads are refused: "),
                     Kind.DELETE: Gate("deletions", "deletions are refused: ")}
        self._grants: set[Gate] = set()         # of which a probe was claimed and hasn't passed yet
        self._wanted = False            # somebody was turned away since the last probe for all
        self._listeners: list[Callable[[], None]] = []
        self._stopping = False

    def listen(self, told: Callable[[], None]) -> None:
        """`told` is called when a gate has opened, or a probe may go sooner than it was said. It must be quick."""
        with self._changed:
            self._listeners.append(told)

    def stop(self) -> None:
        """Nobody waits here any longer."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    # ---- before and after each request

    def enter(self, kind: Kind) -> None:
        """Before a request waits for its turn: while the gate for all is doubted, a probe has to say what it is. Raises
        Closed, Stopping.

        Where no connection can be made, whoever comes when it is time tries to make one: that is no request, and nobody
        need be asked first.
        """
        with self._changed:
            until_s: float | None = None
            heard = self._all.heard
            while self._all.state != OPEN:
                if self._stopping:
                    raise Stopping("the mount is ending")
                now_s = self._clock.now_s()
                if self._all.is_cut:
                    if self._passes_locked(self._all):
                        return
                    raise self._all.error()
                self._wanted = True
                if until_s is None:
                    until_s = now_s + PATIENCE_S
                    # A program waits for what it reads; a refresh or a deletion that nobody waits for is no reason to
                    # ask sooner.
                    knocked = self._all.knock(now_s, now=kind in (Kind.READ, Kind.UPLOAD))
                    self._changed.notify_all()
                    if self._all.state == CLOSED and not knocked:
                        raise self._all.error()
                elif now_s >= until_s or (self._all.state == CLOSED and self._all.heard > heard):
                    raise self._all.error()
                self._clock.wait(self._changed, until_s - now_s)

    def check(self, kind: Kind) -> None:
        """When its turn has come: it goes, unless its gate was closed meanwhile; or as a probe, if one was claimed or
        may go now. Raises Closed.
        """
        with self._changed:
            if self._all.state == CLOSED and not self._all.is_cut:
                raise self._all.error()
            gate = self._own.get(kind)
            if gate is not None and gate.state != OPEN and not self._passes_locked(gate):
                raise gate.error()

    def hear(self, kind: Kind, exc: RemoteError | None, *, probe: bool = False) -> None:
        """Takes in what came of a request; None: it succeeded. Of the prober's, anything but a good answer is a bad
        one.
        """
        for_all, for_own = lesson(kind, exc)
        said: list[tuple[Gate, RemoteError | None]] = []
        sooner = opened = False
        with self._changed:
            now_s, now_ns = self._clock.now_s(), self._clock.time_ns()
            if probe and for_all is None and self._all.state != OPEN:
                for_all, exc = News.BAD, self._all.reason
            for gate, news in ((self._all, for_all), (self._own.get(kind), for_own)):
                if gate is None or news is None:
                    continue
                was = gate.state
                if gate.hear(news, exc, now_s, now_ns):
                    opened = opened or gate.state == OPEN
                    if CLOSED in (was, gate.state):
                        said.append((gate, gate.reason))
            uploads = self._own[Kind.UPLOAD]
            if (kind is Kind.DELETE and (exc is None or isinstance(exc, Gone))
                    and isinstance(uploads.reason, QuotaExceeded)):
                uploads.due_s = min(uploads.due_s, max(now_s, uploads.asked_s + APART_S))      # it may fit now
                sooner = True
            listeners = self._listeners if sooner or opened else []
            self._changed.notify_all()
        for gate, reason in said:
            if reason is None:
                log.info("the service answers again%s", "" if gate is self._all else f" to {gate.name}")
            else:
                log.warning("%s%s. What is to be sent stays queued, and goes on by itself when this has passed",
                            gate.says, reason)
        for told in listeners:
            told()

    # ---- for those who work, wait and tell

    def closed(self, kind: Kind | None = None) -> Closed | None:
        """Why requests of a kind can't pass, of any kind without one; None: they can, or nobody knows better yet."""
        with self._changed:
            gate = self._shut_locked(kind, CLOSED)
            return None if gate is None else gate.error()

    def turn_s(self, kind: Kind) -> float | None:
        """While the gate for a kind isn't open: seconds until one of them may be claimed; None: it is open, all may go.
        """
        with self._changed:
            gate = self._own[kind]
            return None if gate.state == OPEN else max(0.0, gate.due_s - self._clock.now_s())

    def claim(self, kind: Kind) -> bool:
        """The caller's next request of that kind goes as a probe. False: it is not the time for one."""
        with self._changed:
            return self._claim_locked(self._own[kind])

    def want(self) -> float | None:
        """Something waits to be asked: the next probe for all is worth its request. Returns after how many seconds to
        say so again; None: the gate for all is open, or the caller's request may try.
        """
        with self._changed:
            if self._all.state == OPEN or (self._all.is_cut and self._claim_locked(self._all)):
                return None
            self._wanted = True
            self._changed.notify_all()
            return max(APART_S, self._all.due_s - self._clock.now_s())

    def knock(self, kind: Kind) -> None:
        """A program waits for a request of that kind: if the last probe is some time ago, one goes at once."""
        with self._changed:
            gate = self._shut_locked(kind, CLOSED) or self._shut_locked(kind, BUSY)
            if gate is None or not gate.knock(self._clock.now_s()):
                return
            self._wanted = True
            self._changed.notify_all()
            listeners = self._listeners
        for told in listeners:
            told()

    def hurry(self) -> None:
        """A person asks: probes go at once."""
        with self._changed:
            now_s = self._clock.now_s()
            for gate in (self._all, *self._own.values()):
                if gate.state in (BUSY, CLOSED):
                    gate.due_s = min(gate.due_s, max(now_s, gate.asked_s + APART_S))
            self._wanted = True
            self._changed.notify_all()

    def await_turn(self) -> None:
        """A person asks, and waits for the answer: returns when a probe for all may go, within APART_S."""
        self.hurry()
        with self._changed:
            until_s = self._clock.now_s() + APART_S
            while self._all.state == CLOSED and not self._stopping:
                left_s = min(self._all.due_s, until_s) - self._clock.now_s()
                if left_s <= 0:
                    return
                self._clock.wait(self._changed, left_s)

    def notices(self, state: str = CLOSED) -> list[Notice]:
        """The closed gates, or those in another state that isn't open."""
        with self._changed:
            now_s = self._clock.now_s()
            return [Notice(gate.name, str(gate.reason), gate.since_ns, max(0.0, gate.due_s - now_s))
                    for gate in (self._all, *self._own.values()) if gate.state == state]

    # ---- for the prober

    def await_probe(self) -> bool:
        """Returns when the gate for all needs a probe and one may go. False: the mount is ending."""
        with self._changed:
            while not self._stopping:
                now_s = self._clock.now_s()
                needed = (self._all.state == DOUBTED
                          or (self._all.state == CLOSED and self._wanted and not self._all.is_cut))
                if needed and self._all.due_s <= now_s:
                    self._wanted = False
                    self._all.probe(now_s)
                    return True
                self._clock.wait(self._changed, self._all.due_s - now_s if needed else None)
            return False

    def _claim_locked(self, gate: Gate) -> bool:
        now_s = self._clock.now_s()
        if gate.state == OPEN or gate.due_s > now_s:
            return False
        gate.probe(now_s)
        self._grants.add(gate)
        return True

    def _passes_locked(self, gate: Gate) -> bool:
        passes = gate in self._grants or self._claim_locked(gate)
        self._grants.discard(gate)
        return passes

    def _shut_locked(self, kind: Kind | None, state: str) -> Gate | None:
        gates = [self._all, *([self._own[kind]] if kind in self._own else [])]
        return next((gate for gate in gates if gate.state == state), None)
