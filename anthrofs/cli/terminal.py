"""A terminal's own: what goes on now, on its last line, and a page laid out for its width.

Never   imports rich where no terminal reads, or before there is something to show: that takes 50 ms, and 9 MiB.
"""

import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

WIDE: Final = 60            # columns, from which a bar has room beside the words
BAR: Final = 20


def on_terminal() -> bool:
    """A person reads standard error, on something that can take a line back."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class LastLine:
    """The terminal's last line, as long as something goes on: words, a bar, and how far it is."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - see the module's head

        self._console = Console(stderr=True)        # constant
        self._progress: Progress | None = None

    @property
    def is_wide(self) -> bool:
        """A bar, and all words, have room."""
        return self._console.width >= WIDE

    def draw(self, words: str, done: float, of: float | None, told: str) -> None:
        """From now on, until it is drawn again or erased. A bar without an end to it only moves."""
        if self._progress is None:
            self._progress = self._made()
            self._progress.add_task("", told="")
            self._progress.start()
        self._progress.update(self._progress.task_ids[0], description=words, completed=done, total=of, told=told)
        self._progress.refresh()

    def erase(self) -> None:
        """Leaves its place to what is printed next."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _made(self) -> "Progress":
        from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn  # noqa: PLC0415 - as above
        from rich.table import Column  # noqa: PLC0415 - the same

        columns: list[ProgressColumn] = [
            TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True,
                                                                               overflow="ellipsis")),
            TextColumn("{task.fields[told]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))]
        if self.is_wide:
            columns.insert(1, BarColumn(BAR))
        return Progress(*columns, console=self._console, transient=True, auto_refresh=False, expand=True)


def lay_out(text: str, console: "Console | None" = None) -> None:
    """Prints a page of Markdown on standard output, or on the console that is given."""
    from rich.console import Console  # noqa: PLC0415 - see the module's head
    from rich.markdown import Markdown  # noqa: PLC0415 - the same

    (console or Console()).print(Markdown(text))
