"""A fleet of simulated mounts: a board and a store that all of them reach, which go away, are silent, forget, and lie.

A call is a point of choice, then happens as a whole. What goes wrong with an engine is by its name in BOARD and STORE, until it is well.

Owns    what the engines hold, and what is wrong with them.
Trusts  tests/memory_board.py and tests/fleet/memory_objects.py to do what the real ones do.
"""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, TypeVar
from unittest import mock

from anthrofs.clock import Clock
from anthrofs.config import Fleet
from anthrofs.daemon import build_board, build_fleet
from anthrofs.errors import BoardAway, StoreAway, StoreRefuses
from anthrofs.fleet import intents, membership, probe
from anthrofs.fleet.board import Announcement, Note
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.object_store import Listed
from anthrofs.fleet.rest import Away, Rest
from tests.fleet.memory_objects import MemoryObjects
from tests.memory_board import MemoryBoard, Wall
from tests.simulation.clock import SimulatedClock
from tests.simulation.scheduler import SECOND_NS, Scheduler

BOARD: Final = ("away", "silent", "answers lost", "flips", "forgets")
STORE: Final = ("away", "silent", "answers lost", "flips", "cuts", "swaps", "refuses", "forgets", "lists late", "ignores create")
SILENT_S: Final = 0.5           # as fleet/valkey_board.py has it
PUT_S, GET_S = 20.0, 15.0       # as fleet/objects.py has it, about
LATENCY_S: Final = (0.0002, 0.02)
KEY: Final = "5" * 64

Found = TypeVar("Found")


class _NoLock:
    """Calls happen as a whole: nobody else goes on meanwhile."""

    def __enter__(self) -> None:
        """Nothing to wait for."""

    def __exit__(self, *_: object) -> None:
        """Nobody has waited."""

    def notify_all(self) -> None:
        """Those who wait for announcements look by themselves."""


class Engines:
    """What the mounts of a run share besides the service."""

    def __init__(self, scheduler: Scheduler, base: Path, seed: int) -> None:
        self.scheduler = scheduler              # given
        self.chance = random.Random(f"{seed} engines")
        self.wall = Wall(SimulatedClock(scheduler))
        self.wall.lock = _NoLock()              # type: ignore[assignment]      # as much of a condition as is used
        self.objects = MemoryObjects()
        self.board_trouble = self.store_trouble = ""
        self.board_ever = False                 # whether something was wrong with the board
        self._tokens = itertools.count(1)
        self.key = base / "fleet.key"
        self.key.write_text(KEY)
        self.key.chmod(0o600)

    def config(self, kind: str) -> Fleet:
        """A mount's, in a fleet of this kind: with a "board", a "store", or "both"."""
        return Fleet(self.key, "file:///simulated" if kind != "board" else None, "redis://simulated/0" if kind != "store" else None)

    def hurt(self, engine: str, trouble: str) -> None:
        """From now on; empty: it is well."""
        if engine == "store":
            self.store_trouble = trouble
            self.objects.lists_late, self.objects.ignores_create = trouble == "lists late", trouble == "ignores create"
            if trouble == "forgets":            # some of it, as a lifecycle rule does
                for path in [path for path in sorted(self.objects.bodies) if self.chance.random() < 0.5]:
                    del self.objects.bodies[path]
            return
        self.board_trouble, self.board_ever = trouble, self.board_ever or bool(trouble)
        if trouble == "forgets":
            self.wall.forget()

    def heal(self) -> bool:
        """Everything is well. Returns whether anything wasn't, so that a mount may still let an engine rest."""
        troubled = bool(self.board_trouble or self.store_trouble)
        self.hurt("board", "")
        self.hurt("store", "")
        return troubled

    def token(self, size: int) -> str:
        """In the place of a random one."""
        return f"{next(self._tokens):0{2 * size}x}"

    @contextmanager
    def built(self) -> Iterator[None]:
        """The block builds a mount that has these."""
        tokens = SimpleNamespace(token_hex=self.token)
        with ExitStack() as stack:
            for module in (membership, intents, probe):
                stack.enter_context(mock.patch.object(module, "secrets", tokens))
            stack.enter_context(mock.patch.object(build_board, "ValkeyBoard", lambda _, member, clock: SimulatedBoard(self, member, clock)))
            stack.enter_context(mock.patch.object(build_fleet, "objects_of", lambda _, clock: SimulatedObjects(self, clock)))
            yield

    # ---- an exchange

    def pause(self) -> None:
        """On the way there."""
        self.scheduler.block(self.chance.uniform(*LATENCY_S), "an engine")

    def flipped(self, body: bytes) -> bytes:
        """The same with one byte changed."""
        place = self.chance.randrange(len(body))
        return body[:place] + bytes([body[place] ^ 1]) + body[place + 1:]


class SimulatedBoard(MemoryBoard):
    """One mount's, as ValkeyBoard: it rests after a failure."""

    def __init__(self, engines: Engines, member: Membership, clock: Clock) -> None:
        super().__init__(engines.wall, member)
        self._engines = engines             # given
        self._rest = Rest("the board", BoardAway, clock)

    def away(self) -> Away | None:
        return self._rest.away()

    def close(self) -> None:
        """Nothing is open."""

    def exchange(self, call: Callable[[], Found]) -> Found:
        """One call of any kind."""
        engines = self._engines
        if self._membership.scope is None:
            raise BoardAway("the workspace isn't known yet")

        def asked() -> Found:
            engines.pause()
            if engines.board_trouble == "silent":
                engines.scheduler.block(SILENT_S, "the board")
            if engines.board_trouble in ("away", "silent"):
                raise BoardAway(engines.board_trouble)
            found = call()
            if engines.board_trouble == "answers lost" and engines.chance.random() < 0.5:
                raise BoardAway("cut")
            return self._changed(found) if engines.board_trouble == "flips" else found
        return self._rest.ask(asked)

    def announced(self, after: str | None, wait_s: float) -> list[Announcement]:
        until_s = self._wall.clock.now_s() + wait_s
        while True:
            found: list[Announcement] = self.exchange(lambda: super(SimulatedBoard, self).announced(after, 0.0))
            left_s = until_s - self._wall.clock.now_s()
            if found or left_s <= 0:
                return found
            self._engines.scheduler.block(min(0.3, left_s), "announcements")

    def _changed(self, found: Any) -> Any:
        if isinstance(found, Note):
            return replace(found, body=self._engines.flipped(found.body))
        if isinstance(found, list):
            return [replace(each, body=self._engines.flipped(each.body)) if isinstance(each, Announcement) else each for each in found]
        return {name: self._changed(each) for name, each in found.items()} if isinstance(found, dict) else found


def _exchanged(name: str) -> Callable[..., Any]:
    def call(self: SimulatedBoard, *arguments: Any, **named: Any) -> Any:
        return self.exchange(lambda: getattr(super(SimulatedBoard, self), name)(*arguments, **named))
    return call


for _name in ("now", "take", "tell", "block", "minutes", "page", "put_page", "lease", "release", "announce", "intend", "settle", "intents", "attend", "roll",
              "leave"):
    setattr(SimulatedBoard, _name, _exchanged(_name))


class SimulatedObjects:
    """One mount's store, as Objects: it rests after a failure."""

    def __init__(self, engines: Engines, clock: Clock) -> None:
        self._engines = engines             # given
        self._rest = Rest("the store", StoreAway, clock)
        self._stopped = False

    def stop(self) -> None:
        """The mount ends: nobody waits for a silent store."""
        self._stopped = True

    def hurry(self) -> None:
        self._rest.hurry()

    def expect(self) -> None:
        """Only a directory can be another one than it was: that where its disk isn't mounted."""

    def facts(self) -> dict[str, Any]:
        away = self._rest.away()
        return {"answers_s": None, "away_since": None if away is None else away.since_ns / 1e9, "why": None if away is None else away.reason, "refused": None}

    def put(self, path: str, body: bytes, *, create: bool) -> bool:
        if self._engines.store_trouble == "refuses":
            self._engines.pause()
            raise StoreRefuses("it is full")
        return self._exchange(PUT_S, lambda: self._engines.objects.put(path, body, create=create))

    def get(self, path: str, patience_s: float | None = None) -> bytes:
        engines = self._engines
        found = self._exchange(GET_S if patience_s is None else min(GET_S, patience_s), lambda: engines.objects.get(path, patience_s))
        match engines.store_trouble:
            case "flips":
                return engines.flipped(found)
            case "cuts":
                return found[:engines.chance.randrange(len(found))]
            case "swaps":
                return engines.objects.bodies[engines.chance.choice(sorted(engines.objects.bodies))] if engines.objects.bodies else found
        return found

    def has(self, path: str) -> bool:
        return self._exchange(GET_S, lambda: self._engines.objects.has(path))

    def list(self, prefix: str) -> Iterator[Listed]:
        yield from self._exchange(GET_S, lambda: list(self._engines.objects.list(prefix)))

    def folders(self, prefix: str) -> Sequence[str]:
        return self._exchange(GET_S, lambda: self._engines.objects.folders(prefix))

    def remove(self, paths: Sequence[str]) -> None:
        self._exchange(GET_S, lambda: self._engines.objects.remove(paths))

    def signed(self, path: str) -> str | None:
        return path

    def _exchange(self, bound_s: float, call: Callable[[], Found]) -> Found:
        engines = self._engines

        def asked() -> Found:
            engines.pause()
            if engines.store_trouble == "silent":
                until_ns = engines.scheduler.now_ns + round(bound_s * SECOND_NS)
                while engines.scheduler.now_ns < until_ns and not self._stopped:
                    engines.scheduler.block(min(bound_s, 1.0), "the store")
            if engines.store_trouble in ("away", "silent"):
                raise StoreAway(engines.store_trouble)
            found = call()
            if engines.store_trouble == "answers lost" and engines.chance.random() < 0.5:
                raise StoreAway("cut")
            return found
        return self._rest.ask(asked)
