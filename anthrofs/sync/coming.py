"""One page of a listing that is on its way while its asker does something else.

Owns    one thread for each page; it ends with its request, which has its own bounds.
Never   asks for anything that isn't wanted in any case.
"""

import threading
from collections.abc import Callable

from anthrofs.model import Page


class Coming:
    """Asked for at once."""

    def __init__(self, ask: Callable[[], Page | None]) -> None:
        self._ask = ask                     # given
        self._page: Page | None = None      # written by the thread, read after its end
        self._error: BaseException | None = None        # likewise
        self._thread = threading.Thread(target=self._run, name="listing", daemon=True)
        self._thread.start()

    def page(self) -> Page | None:
        """Waits for what asking brings. Raises what it has raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._page

    def _run(self) -> None:
        try:
            self._page = self._ask()
        except BaseException as exc:        # handed to whoever waits
            self._error = exc
