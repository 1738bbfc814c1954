"""A board in memory, for fleets in one process: as many members as a test likes write on one Wall.

Trusts  tests/fleet/test_boards.py to hold it to what ValkeyBoard does.
Never   lets time pass: the clock is the caller's.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import BoardAway
from anthrofs.fleet.board import (
    BURST,
    GRACE_S,
    HERE_S,
    INTENT_S,
    LOOK_S,
    NEWS_AT_ONCE,
    NEWS_S,
    SECONDS,
    TENTH,
    YOUNG_S,
    Announcement,
    Ask,
    Moment,
    Note,
    Spent,
    Turn,
)
from anthrofs.fleet.membership import Membership, Scope
from anthrofs.remote.budget import WINDOW_S

LEAST_S: Final = 0.001          # that anybody waits


@dataclass(slots=True)
class Written:
    body: bytes
    at_s: float
    life_s: float


@dataclass(frozen=True, slots=True)
class Place:
    """Of a mount that waits."""

    over: bool                                          # it has had its share
    since_s: float
    keep: int
    back_s: float                                       # until when it must have asked again


@dataclass(slots=True)
class Counted:
    """An organization's budget."""

    epoch: str = ""
    young_until_s: float = 0.0
    granted: int = 0                                    # since the epoch began
    window: dict[tuple[str, int], float] = field(default_factory=dict)
    queue: dict[str, Place] = field(default_factory=dict)
    mounts: dict[str, float] = field(default_factory=dict)
    until_s: float = float("-inf")


class Wall:
    """What all members write on; `away` says why it doesn't answer, and `forget` is a restart with nothing in it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock                              # given
        self.away = ""                                  # a test sets it: the reason
        self.lock = threading.Condition()               # guards everything; notified at announcements
        self.forget()

    def forget(self) -> None:
        self.counted: dict[str, Counted] = {}
        self.pages: dict[tuple[str, str], tuple[Written, Moment]] = {}
        self.leases: dict[tuple[str, str], tuple[str, float]] = {}
        self.news: dict[str, list[tuple[int, Written]]] = {}
        self.notes: dict[tuple[str, str], dict[str, Written]] = {}


class MemoryBoard:
    """See Board: one member's."""

    def __init__(self, wall: Wall, membership: Membership) -> None:
        self._wall = wall
        self._membership = membership
        self._member = membership.member

    def now(self) -> Moment:
        with self._wall.lock:
            self._scope_locked()
            return self._moment_locked()

    def take(self, ask: Ask) -> Turn:
        with self._wall.lock:
            counted, now_s = self._counted_locked(ask.spent)
            mounts, room = len(counted.mounts.keys() | {self._member}), ask.most - len(counted.window)
            if (self._member, ask.number) in counted.window:
                return Turn(0.0, max(0, room), mounts, counted.epoch)
            counted.queue = {member: place for member, place in counted.queue.items() if place.back_s > now_s}
            over = mounts > 1 and ask.own * mounts >= ask.most
            keep = max(ask.keep, ask.most // TENTH) if over else ask.keep
            since_s = counted.queue[self._member].since_s if self._member in counted.queue else now_s
            before = sum((place.over, place.since_s) < (over, since_s) for member, place in counted.queue.items()
                         if member != self._member and (place.keep <= keep or place.keep < room))
            wait_s, need = max(0.0, counted.until_s - now_s), keep + before + 1 - room
            if need > 0:
                leave_s = sorted(counted.window.values())[need - 1:need]
                wait_s = max(LEAST_S, wait_s, min(LOOK_S, leave_s[0] + WINDOW_S - now_s if leave_s else LOOK_S))
            elif not wait_s and now_s < counted.young_until_s and counted.granted >= BURST:
                wait_s = max(LEAST_S, min(LOOK_S, counted.young_until_s - now_s))
            if (not wait_s and room * 2 <= ask.most <= ask.own * mounts * 2
                    and (ask.most - room - ask.own) * TENTH >= ask.most):
                due_s = max(counted.window.values(), default=0.0) + WINDOW_S / ask.most * (before + 1) - now_s
                if due_s > 0:
                    wait_s = max(LEAST_S, min(LOOK_S, due_s))
            if wait_s:
                counted.queue[self._member] = Place(over, since_s, keep, now_s + wait_s + GRACE_S)
                return Turn(wait_s, max(0, room), mounts, counted.epoch)
            counted.window[self._member, ask.number] = now_s
            counted.granted += 1
            counted.queue.pop(self._member, None)
            return Turn(0.0, room - 1, mounts, counted.epoch)

    def tell(self, spent: Sequence[Spent]) -> tuple[str, int]:
        with self._wall.lock:
            counted, _ = self._counted_locked(spent)
            return counted.epoch, len(counted.mounts.keys() | {self._member})

    def block(self, seconds: float) -> None:
        with self._wall.lock:
            counted = self._wall.counted.setdefault(self._scope_locked().organization, Counted())
            counted.until_s = max(counted.until_s, self._wall.clock.now_s() + seconds)

    def minutes(self) -> list[int]:
        with self._wall.lock:
            counted, now_s = self._counted_locked(())
            ages = [int(now_s - at_s) for at_s in counted.window.values()]
            return [ages.count(age) for age in reversed(range(SECONDS))]

    def page(self, name: str) -> Note | None:
        with self._wall.lock:
            found = self._wall.pages.get((self._scope_locked().text, name))
            if found is None or self._old(found[0]):
                return None
            return Note(found[0].body, (self._moment_locked() - found[1]) / 10**6)

    def put_page(self, name: str, body: bytes, asked: Moment, ttl_s: float) -> None:
        with self._wall.lock:
            key = self._scope_locked().text, name
            found = self._wall.pages.get(key)
            if found is None or self._old(found[0]) or found[1] <= asked:
                self._wall.pages[key] = Written(body, self._wall.clock.now_s(), ttl_s), asked

    def lease(self, name: str, ttl_s: float) -> bool:
        with self._wall.lock:
            key, now_s = (self._scope_locked().text, name), self._wall.clock.now_s()
            holder, until_s = self._wall.leases.get(key, ("", 0.0))
            if until_s > now_s and holder != self._member:
                return False
            self._wall.leases[key] = self._member, now_s + ttl_s
            return True

    def release(self, name: str) -> None:
        with self._wall.lock:
            key = self._scope_locked().text, name
            if self._wall.leases.get(key, ("", 0.0))[0] == self._member:
                del self._wall.leases[key]

    def announce(self, body: bytes) -> None:
        with self._wall.lock:
            stream = self._wall.news.setdefault(self._scope_locked().text, [])
            number = max(self._moment_locked(), stream[-1][0] + 1 if stream else 0)
            stream.append((number, Written(body, self._wall.clock.now_s(), NEWS_S)))
            self._wall.lock.notify_all()

    def announced(self, after: str | None, wait_s: float) -> list[Announcement]:
        with self._wall.lock:
            until_s = self._wall.clock.now_s() + wait_s
            while True:
                stream = self._wall.news.get(self._scope_locked().text, [])
                found = [Announcement(str(number), written.body) for number, written in stream
                         if number > int(after or -1) and not self._old(written)]
                left_s = until_s - self._wall.clock.now_s()
                if found or left_s <= 0:
                    return found[:NEWS_AT_ONCE]
                self._wall.clock.wait(self._wall.lock, left_s)

    def intend(self, about: str, name: str, body: bytes) -> None:
        with self._wall.lock:
            self._write_locked(f"intents:{about}", f"{self._member}:{name}", body, INTENT_S)

    def settle(self, about: str, name: str) -> None:
        with self._wall.lock:
            self._fresh_locked(f"intents:{about}").pop(f"{self._member}:{name}", None)

    def intents(self, about: str) -> dict[str, Note]:
        with self._wall.lock:
            return self._notes_locked(f"intents:{about}")

    def attend(self, body: bytes) -> int:
        with self._wall.lock:
            self._write_locked("roll", self._member, body, HERE_S)
            counted = self._wall.counted.setdefault(self._scope_locked().organization, Counted())
            counted.mounts[self._member] = self._wall.clock.now_s()
            return len(self._fresh_locked("roll"))

    def roll(self) -> dict[str, Note]:
        with self._wall.lock:
            return self._notes_locked("roll")

    def leave(self) -> None:
        with self._wall.lock:
            self._fresh_locked("roll").pop(self._member, None)
            self._wall.counted.setdefault(self._scope_locked().organization, Counted()).mounts.pop(self._member, None)

    # ---- the exchange

    def _scope_locked(self) -> Scope:
        scope = self._membership.scope
        if scope is None:
            raise BoardAway("the workspace isn't known yet")
        if self._wall.away:
            raise BoardAway(self._wall.away)
        return scope

    def _moment_locked(self) -> Moment:
        return Moment(self._wall.clock.time_ns() // 1000)

    def _old(self, written: Written) -> bool:
        return self._wall.clock.now_s() - written.at_s >= written.life_s

    def _counted_locked(self, spent: Sequence[Spent]) -> tuple[Counted, float]:
        counted = self._wall.counted.setdefault(self._scope_locked().organization, Counted())
        now_s = self._wall.clock.now_s()
        if not counted.epoch:
            counted.epoch, counted.young_until_s = f"epoch:{now_s}:{self._member}", now_s + YOUNG_S
        for each in spent:
            counted.window.setdefault((self._member, each.number), now_s - each.age_s)
        counted.window = {each: at_s for each, at_s in counted.window.items() if now_s - at_s < WINDOW_S}
        counted.mounts = {member: at_s for member, at_s in counted.mounts.items() if now_s - at_s < HERE_S}
        return counted, now_s

    def _fresh_locked(self, place: str) -> dict[str, Written]:
        notes = self._wall.notes.setdefault((self._scope_locked().text, place), {})
        for name in [name for name, written in notes.items() if self._old(written)]:
            del notes[name]
        return notes

    def _write_locked(self, place: str, name: str, body: bytes, life_s: float) -> None:
        self._fresh_locked(place)[name] = Written(body, self._wall.clock.now_s(), life_s)

    def _notes_locked(self, place: str) -> dict[str, Note]:
        now_s = self._wall.clock.now_s()
        return {name: Note(written.body, now_s - written.at_s) for name, written in self._fresh_locked(place).items()}
