"""A long exercise, cut into epochs: each begins with no files, on a mount with options of its own, so that one that fails can be repeated alone.

Owns    the list of operations of the epoch that runs; what was counted over all of them.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from tests.exerciser.around import Around
from tests.exerciser.checked import WrongError
from tests.exerciser.hands import Hands
from tests.exerciser.model import Model
from tests.exerciser.operations import Chooser, Op

EPOCH_OPS: Final = 10_000
SHRINK_S: Final = 90.0


@dataclass
class Counts:
    """What was done so far."""

    ops: int = 0
    verified_bytes: int = 0
    epochs: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    conditions: Counter[str] = field(default_factory=Counter)

    def add(self, hands: Hands) -> None:
        self.ops += hands.done.total()
        self.verified_bytes += hands.verified_bytes
        self.kinds += hands.done
        self.conditions += hands.conditions


class FailedError(AssertionError):
    """An epoch went wrong; the words say all of it."""

    def __init__(self, epoch: int, ops: list[Op], wrong: Exception) -> None:
        super().__init__(str(wrong))
        self.epoch = epoch
        self.ops = ops


class Place(Protocol):
    """Where epochs run."""

    files: Path
    around: Around | None

    def begin(self, chance: random.Random) -> None:
        """Empty, with options by chance."""

    def clear(self) -> None:
        """Empty again, with the same options."""


def run_epoch(place: Place, seed: int, epoch: int, most_ops: int, counts: Counts, until_s: float = float("inf")) -> None:
    """Raises FailedError."""
    name = f"{seed} {epoch}"
    place.begin(random.Random(name))
    chooser, ops = Chooser(name, around=place.around is not None), list[Op]()

    def choose(model: Model) -> Op | None:
        if len(ops) == most_ops or time.monotonic() > until_s:
            return None
        ops.append(chooser.choose(len(ops) + 1, model))
        return ops[-1]

    try:
        _do(place, choose, counts)
    except Exception as exc:
        raise FailedError(epoch, ops, exc) from exc


def replay(place: Place, ops: Sequence[Op]) -> None:
    """The same operations again, or some of them. Raises WrongError or AssertionError."""
    place.clear()
    rest = iter(ops)
    _do(place, lambda _: next(rest, None), Counts())


def _do(place: Place, choose: Callable[[Model], Op | None], counts: Counts) -> None:
    hands = Hands(place.files, place.around)
    try:
        number = 0
        while (op := choose(hands.model)) is not None:
            hands.do(op)
            number = op.number
        hands.finish(number)
    finally:
        counts.add(hands)
        counts.epochs += 1
        hands.drop()


def shrunk(place: Place, ops: list[Op], seconds: float = SHRINK_S) -> list[Op]:
    """Fewer operations that go wrong as well: halves are left out, then quarters, and so on, for as long as time lasts."""
    until_s, part = time.monotonic() + seconds, max(1, len(ops) // 2)
    while True:
        begin, before = 0, len(ops)
        while begin < len(ops) and time.monotonic() < until_s:
            fewer = ops[:begin] + ops[begin + part:]
            if fewer and _fails(place, fewer):
                ops = fewer
            else:
                begin += part
        if time.monotonic() >= until_s or (part == 1 and len(ops) == before):
            return ops
        part = max(1, part // 2)


def _fails(place: Place, ops: Sequence[Op]) -> bool:
    try:
        replay(place, ops)
    except (WrongError, AssertionError):
        return True
    return False


def keep(path: Path, ops: Sequence[Op]) -> None:
    path.write_text("\n".join(json.dumps(op.as_json()) for op in ops) + "\n")


def kept(path: Path) -> list[Op]:
    return [Op(**json.loads(line)) for line in path.read_text().splitlines()]
