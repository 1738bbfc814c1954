"""A terminal's own: what goes on now, on its last line, and a page laid out for its width.

Never   imports rich where no terminal reads, or before there is something to show: that takes 50 ms, and 9 MiB.
"""

import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.status import Status


def on_terminal() -> bool:
    """A person reads standard error."""
    return sys.stderr.isatty()


class Sign:
    """A sign of life while something takes its time; nothing where no terminal reads."""

    def __init__(self, words: str) -> None:
        self._words = words             # constant
        self._status: Status | None = None

    def __enter__(self) -> Self:
        if on_terminal():
            from rich.console import Console  # noqa: PLC0415 - see the module's head

            self._status = Console(stderr=True).status(self._words)
            self._status.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, words: str) -> None:
        """From now on."""
        if self._status is not None:
            from rich.markup import escape  # noqa: PLC0415 - see the module's head

            self._status.update(escape(words))


class Bar:
    """A bar that says how much is done, from the first time that there is something to do."""

    def __init__(self, words: str) -> None:
        self._words = words             # constant
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, done: float, total: float, words: str) -> None:
        """So much of it, and what is left in words."""
        if not on_terminal():
            return
        if self._progress is None:
            from rich.console import Console  # noqa: PLC0415 - see the module's head
            from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415 - the same

            self._progress = Progress(TextColumn(self._words), BarColumn(), TextColumn("{task.fields[left]}"),
                                      console=Console(stderr=True), transient=True)
            self._progress.add_task("", left="")
            self._progress.start()
        self._progress.update(self._progress.task_ids[0], total=total, completed=done, left=words)


def lay_out(text: str, console: "Console | None" = None) -> None:
    """Prints a page of Markdown on standard output, or on the console that is given."""
    from rich.console import Console  # noqa: PLC0415 - see the module's head
    from rich.markdown import Markdown  # noqa: PLC0415 - the same

    (console or Console()).print(Markdown(text))
