"""What a content lacks: a write was refused, and nothing has filled its place since. Such a content is no file, so it is never sent.

Serves  handles (of open files), index and outbox (the rows).
Never   does I/O: arithmetic on one range.
"""

import os
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Gap:
    """The smallest range that holds all that was refused; what is between two refusals counts as lacking, too."""

    start: int
    end: int
    code: int           # errno that the first refused write was told

    def filled(self, start: int, end: int) -> "Gap | None":
        """After a write that was taken: the program tried again, or went on. None: nothing is lacking any more."""
        left = replace(self, start=max(self.start, end) if start <= self.start else self.start,
                       end=min(self.end, start) if start > self.start and end >= self.end else self.end)
        return left if left.start < left.end else None

    def cut(self, size_bytes: int) -> "Gap | None":
        """After a truncation: what is behind the new end isn't lacking."""
        return replace(self, end=min(self.end, size_bytes)) if size_bytes > self.start else None

    def words(self) -> str:
        """Why it isn't sent."""
        return (f"a write at byte {self.start} was refused ({os.strerror(self.code)}), so this is not the whole file and isn't sent. Write it "
                "anew, give it up (`anthrofs discard`), or send it as it is (`anthrofs retry --as-is`)")


def widened(gap: Gap | None, more: Gap | None) -> Gap | None:
    """Both."""
    if gap is None or more is None:
        return gap or more
    return Gap(min(gap.start, more.start), max(gap.end, more.end), gap.code)
