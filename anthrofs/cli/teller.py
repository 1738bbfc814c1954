"""Tells on standard error how something goes on that takes longer than a moment: on a terminal in place, with a bar;
elsewhere by a line now and then.

Owns    one thread from the block's beginning to its end, and the terminal's last line meanwhile.
Never   shows anything of what is over at once, or fails because nobody reads it.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, Self

from anthrofs.cli import output
from anthrofs.cli.amounts import Rate, shown_briefly, shown_bytes, shown_progress
from anthrofs.cli.terminal import LastLine, on_terminal
from anthrofs.text import printable

FIRST_S: Final = 1.0        # what is over by then needs no words
FRAME_S: Final = 0.2        # between two looks of a terminal
LONGEST_S: Final = 30.0     # between two lines elsewhere; it begins with FIRST_S, and doubles


class Teller:
    """`with Teller("fetching") as teller: teller.tell("fetching a.txt", 3, 10)`"""

    def __init__(self, words: str, shown: Callable[[float], str] = shown_bytes, *, lines: bool = True) -> None:
        """Without `lines` nothing is said elsewhere than on a terminal, until there is an amount to tell."""
        self._shown = shown             # given: an amount, as a person reads it
        self._lines = lines             # constant
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="teller", daemon=True)

        self._drawing = threading.Lock()        # guards the terminal, and the following; taken before the other
        self._line: LastLine | None = None

        self._lock = threading.Lock()       # guards everything below; a leaf
        self._words = words
        self._done: float | None = None
        self._of: float | None = None
        self._why = ""
        self._rate = Rate()

    def __enter__(self) -> Self:
        if sys.stderr is not None:
            self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def tell(self, words: str, done: float | None = None, of: float | None = None, why: str = "") -> None:
        """The words say what goes on from now on; so much of it is done. `why` it doesn't go on comes last."""
        with self._lock:
            self._words, self._done, self._of, self._why = words, done, of, why
            if done is not None:
                self._rate.add(time.monotonic(), done)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """The block prints: what goes on isn't on the terminal meanwhile."""
        with self._drawing:
            if self._line is not None:
                self._line.erase()
            yield

    def _run(self) -> None:
        if not self._over.wait(FIRST_S):
            with suppress(OSError, ValueError):         # nobody reads it any more
                (self._animate if on_terminal() else self._say)()

    def _animate(self) -> None:
        with self._drawing:
            self._line = LastLine()
        try:
            while not self._over.wait(FRAME_S):
                words, done, of, told, why = self._now(brief=not self._line.is_wide)
                words = f"{words}; {why}" if why else words
                with self._drawing:
                    self._line.draw(words, done, of, told)
        finally:
            with self._drawing:
                self._line.erase()

    def _say(self) -> None:
        wait_s, said = FIRST_S, ""
        while True:
            words, _, _, told, why = self._now()
            line = f"{words}{', ' if told else ''}{told}{'; ' if why else ''}{why}"
            if (line != said and (told or self._lines)) or (why and not self._lines):
                said = line
                with self._drawing:
                    output.mention(line)
            if self._over.wait(wait_s):
                return
            wait_s = min(2 * wait_s, LONGEST_S)

    def _now(self, *, brief: bool = False) -> tuple[str, float, float | None, str, str]:
        """Returns the words, how much is done, of how much, that in words, and why it doesn't go on."""
        with self._lock:
            words, done, of, why = printable(self._words), self._done, self._of, printable(self._why)
            if done is None:
                return words, 0, None, "", why
            self._rate.add(time.monotonic(), done)
            tell = shown_briefly if brief else shown_progress
            return words, done, of, tell(done, of, self._rate, self._shown), why
