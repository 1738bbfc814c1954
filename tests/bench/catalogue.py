"""The listing as a child process, and what it was asked."""

import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.gateways.running import await_end

ROOT: Final = Path(__file__).parents[2]
READY_S: Final = 20.0
STOP_S: Final = 5.0


class Catalogue:
    """`with Catalogue(100_000) as catalogue: ... catalogue.url`"""

    def __init__(self, count: int, folders: int = 0) -> None:
        # A session of its own: Ctrl-C is for us, and it ends with our end of its standard input, whatever becomes of us.
        self._process = subprocess.Popen([sys.executable, "-m", "tests.bench.pages", str(count), str(folders)], cwd=ROOT, text=True,
                                         start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = f"http://127.0.0.1:{self._answer()}"        # constant

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        await_end(self._process, STOP_S)
        self._process.stdout.close()

    def requests(self, news: int = 0) -> int:
        """How many there were so far; from now on, so many more files."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{news}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], READY_S)
        line = self._process.stdout.readline() if readable else ""
        assert line, "the listing doesn't answer"
        return int(line)
