"""The check of a state while its mount goes on: `anthrofs check DIR`.

Trusts  a copy of the rows, as they were at one moment. The files are looked at after that, so something that is found
        may only have happened meanwhile: it is wrong if a second copy shows it, too.
Never   mends anything, and never holds anybody up for longer than a piece of a copy takes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anthrofs.daemon.local import Local
from anthrofs.tree.fsck import problems_now


class LiveCheck:
    """Looks at the parts of this machine."""

    def __init__(self, local: Local, state_dir: Path) -> None:
        self._local = local             # given
        self._state_dir = state_dir     # constant

        self.table = {"check": self._on_check}

    def _on_check(self, _request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yields when it begins to look, for the asker's patience, and at last what is wrong."""
        yield {"looking": 1}
        found = self._look()
        if found:
            yield {"looking": 2}
            again = set(self._look())
            found = [each for each in found if each in again]
        lost = self._local.guard.lost()
        yield {"problems": [*found, *([lost] if lost else [])]}

    def _look(self) -> list[str]:
        local = self._local
        with local.db.copied() as tx:
            return problems_now(tx, local.staging, local.cache, self._state_dir)
