"""A row of the table: a claim, a script, and its answers.

A script is a line of calls: `mkdir d; create d/f | rmdir d; names d`. What stands before the bar is there already, and must succeed; each
call behind it gives an answer: an errno, or what the call returned, 0 for nothing. Words are separated by blanks, as in a shell; `x*255`
is 255 times an x, `''` is nothing.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

REPEATED = re.compile(r"(.)\*(\d+)")
Call = tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One claim."""

    group: str          # whose it is: a call, or what many calls have in common
    claim: str          # the sentence
    script: str
    disk: str           # ext4's answers, one word each
    mount: str          # the mount's
    why: str = ""       # of answers that aren't the same: one of DIFFERENCES; "" where they are

    @cached_property
    def before(self) -> list[Call]:
        """What was there."""
        return list(_calls(self._halves[0]))

    @cached_property
    def asked(self) -> list[Call]:
        """What has answers."""
        return list(_calls(self._halves[1]))

    @cached_property
    def _halves(self) -> tuple[str, str]:
        before, bar, asked = f" {self.script}".partition(" | ")
        assert bar, self.script
        return before, asked

    @property
    def needs_root(self) -> bool:
        """Somebody else than who runs the tests makes a call."""
        return any(call[0] == "as" for call in (*self.before, *self.asked))

    @property
    def name(self) -> str:
        return f"{self.group}: {self.claim}"


def rows(group: str, *lines: tuple[str, ...]) -> tuple[Row, ...]:
    """(claim, script, answers), or (claim, script, ext4's answers, the mount's, why)."""
    return tuple(Row(group, claim, script, disk, *(rest or (disk,))) for claim, script, disk, *rest in lines)


def _calls(script: str) -> Iterator[Call]:
    for part in script.split(";"):
        if words := tuple(_words(part)):
            yield words


def _words(part: str) -> Iterable[str]:
    return (REPEATED.sub(lambda found: found[1] * int(found[2]), word) for word in shlex.split(part))
