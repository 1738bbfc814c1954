"""A log that nobody can flood: a line that comes again and again, or a kind of line, is written a few times a minute,
and then only counted.

Owns    what was said in the last minute, by the line and by its kind; of a few hundred of them.
Trusts  records to have the moment at which they were made.
Never   leaves out the first of anything, and never keeps a count to itself for longer than until the next such line.
"""

import copy
import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

WINDOW_S: Final = 60.0
SAME: Final = 5             # the very line, so often in a window
KIND: Final = 100           # lines that differ in their names and numbers only
MOST: Final = 500           # lines and kinds that are known; the one that wasn't said for longest is forgotten
NAMES: Final = 20           # of many files in one line


class _Said:
    """One line or kind."""

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.written = 0
        self.counted = 0


class Bound(logging.Handler):
    """Passes to its handlers what isn't too much."""

    def __init__(self, handlers: Sequence[logging.Handler]) -> None:
        super().__init__()
        self._handlers = handlers           # constant

        # guarded by the handler's own lock, which `emit` is called under
        self._said: OrderedDict[object, _Said] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the line, with a word of those that were left out before it; or counts it."""
        kind = (record.name, record.levelno, str(record.msg))
        said = [self._of((*kind, record.getMessage()), record.created), self._of(kind, record.created)]
        left_out = max(each.counted for each in said)
        if any(each.written >= most for each, most in zip(said, (SAME, KIND), strict=True)):
            for each in said:
                each.counted += 1
            return
        for each in said:
            each.written += 1
            each.counted = 0
        if left_out:
            record = copy.copy(record)
            record.msg = f"{record.getMessage()} ({left_out} such lines before this one are left out)"
            record.args = None
        for handler in self._handlers:
            handler.handle(record)

    def _of(self, key: object, now_s: float) -> _Said:
        said = self._said.get(key)
        if said is None:
            if len(self._said) >= MOST:
                self._said.popitem(last=False)
            said = self._said[key] = _Said(now_s)
        self._said.move_to_end(key)
        if now_s - said.began_s >= WINDOW_S:
            said.began_s, said.written = now_s, 0
        return said

    def close(self) -> None:
        """The handlers are closed with it."""
        for handler in self._handlers:
            handler.close()
        super().close()


def listed(names: Sequence[str]) -> str:
    """Names in one line; of many the first, and how many more there are."""
    more = len(names) - NAMES
    return ", ".join(names[:NAMES]) + (f" and {more} more" if more > 0 else "")
