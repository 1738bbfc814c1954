"""Random scripts on both sides: the first call that is answered otherwise, and the fewest calls that lead there."""

from collections.abc import Sequence

from tests.posix.row import Call
from tests.posix.sides import SETTLE, Sides

Answered = list[tuple[Call, str, str]]      # call, the disk's answer, the mount's


def difference(sides: Sides, script: Sequence[Call]) -> Answered:
    """All calls up to the first that isn't answered alike; none if all are."""
    calls = [call for call in script if call != SETTLE]
    answered = list(zip(calls, *sides.answers_each(script), strict=True))
    first = next((number for number, (_, disk, mount) in enumerate(answered) if disk != mount), None)
    return [] if first is None else answered[:first + 1]


def shortest(sides: Sides, script: Sequence[Call]) -> Answered:
    """Of a script that has a difference, as few calls as still lead to one, leaving out one after the other."""
    left, found = list(script), difference(sides, script)
    assert found, "it is answered alike this time"
    for number in reversed(range(len(left))):
        shorter = left[:number] + left[number + 1:]
        if there := difference(sides, shorter):
            left, found = shorter, there
    return found


def told(answered: Answered) -> str:
    return "\n".join(f"    {' '.join(call)}: {disk}" + ("" if disk == mount else f", but on the mount {mount}") for call, disk, mount in answered)
