"""What can be done in a simulation, as plain data: a run is a list of steps, which can be printed, read again and shortened.

Paths of a mount's own zone begin with its name; those of SHARED are everybody's.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Final

SHARED: Final = "s-"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done, and how many turns everybody gets after it."""

    do: str                     # a key of world.World's table
    mount: int = 0
    program: int = 0            # of that mount
    path: str = ""
    to: str = ""                # a second path, or a word
    size: int = 0               # bytes
    place: int = 0              # offset in bytes
    stamp: int = 0              # of the content: no two steps write the same bytes
    seconds: float = 0.0
    turns: int = 0

    def content(self) -> bytes:
        """What it writes: each byte says which step wrote it, and where."""
        return stamped(self.stamp, self.size)

    def line(self) -> str:
        """As JSON, without what is as usual."""
        return json.dumps({name: value for name, value in asdict(self).items() if value != USUAL[name]})


USUAL: Final = {field.name: field.default for field in fields(Step)}


def stamped(stamp: int, size: int) -> bytes:
    """So many bytes that no other stamp has."""
    piece = f"<{stamp}>"
    text = "".join(f"{piece}{number}" for number in range(size // len(piece) + 1))
    return text[:max(size, len(piece))].encode() if size else b""


def script_of(steps: Iterable[Step]) -> str:
    """One line each."""
    return "".join(f"{step.line()}\n" for step in steps)


def steps_of(script: str) -> list[Step]:
    """The other way round."""
    return [Step(**json.loads(line)) for line in script.splitlines() if line.strip() and not line.startswith("#")]
