"""Gaps in a content: a write was refused, and nothing has filled its place since. Such a content is no file, so it is
never sent.

Never   does I/O: arithmetic on a few ranges.
"""

import os
from dataclasses import dataclass, replace
from typing import Final

# Ranges that are told apart. What would make one more counts as not filled: then a file that is whole may have to be
# written anew.
MOST: Final = 64


@dataclass(frozen=True, slots=True)
class Gap:
    """All places of which a write was refused. Writes of a map come in any order, so one that is taken may split a
    range.
    """

    ranges: tuple[tuple[int, int], ...]         # [start, end) each, in order, apart from each other; at least one
    code: int                                   # errno that the first refused write was told

    @classmethod
    def of(cls, start: int, end: int, code: int) -> "Gap":
        """One refused write, or what a row says."""
        return cls(((start, end),), code)

    @property
    def start(self) -> int:
        """The first byte that is lacking."""
        return self.ranges[0][0]

    @property
    def end(self) -> int:
        """Behind the last one."""
        return self.ranges[-1][1]

    def filled(self, start: int, end: int) -> "Gap | None":
        """After a write that was taken: the program tried again, or went on. None: nothing is lacking any more."""
        left = tuple(piece for first, last in self.ranges
                     for piece in (((first, last),) if end <= first or start >= last
                                   else ((first, min(last, start)), (max(first, end), last)))
                     if piece[0] < piece[1])
        if len(left) > MOST:
            return self
        return replace(self, ranges=left) if left else None

    def cut(self, size_bytes: int) -> "Gap | None":
        """After a truncation: what is behind the new end isn't lacking."""
        left = tuple((first, min(last, size_bytes)) for first, last in self.ranges if first < size_bytes)
        return replace(self, ranges=left) if left else None

    def words(self) -> str:
        """Why it isn't sent."""
        return (f"a write at byte {self.start} was refused ({os.strerror(self.code)}), so this is not the whole file "
                "and isn't sent. Write it anew, give it up (`anthrofs discard`), or send it as it is (`anthrofs retry "
                "--as-is`)")


def widened(gap: Gap | None, more: Gap | None) -> Gap | None:
    """Both. When they are too many to be told apart, what is between them counts as lacking, too."""
    if gap is None or more is None:
        return gap or more
    joined: list[tuple[int, int]] = []
    for start, end in sorted((*gap.ranges, *more.ranges)):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return replace(gap, ranges=tuple(joined) if len(joined) <= MOST else ((joined[0][0], joined[-1][1]),))
