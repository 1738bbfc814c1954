"""A program on a terminal, as somebody at a keyboard has it.

Owns    one child and its pseudo-terminal.
Never   waits without a bound, nor for a time: for what the program shows, or for its end.
"""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

BOUND_S: Final = 30.0
_CONTROLS: Final = re.compile(rb"\x1b(\[[0-9;?>=!]*[ -/]*[@-~]|[()].|[@-Z\\-_=>])|[\x00-\x08\x0e-\x1f]")


class Terminal:
    """`with Terminal(["vi", "note.txt"], directory) as vi: vi.shows("..."); vi.types(":q\\r"); vi.ends()`."""

    def __init__(self, command: Sequence[str], directory: Path) -> None:
        self._master, slave = pty.openpty()         # constant
        environment = {**os.environ, "TERM": "vt100", "LINES": "24", "COLUMNS": "80", "HOME": str(directory.parent), "LC_ALL": "C.UTF-8"}
        # What was started with nohup, or in the background of a script, ignores some of what a terminal sends.
        self._process = subprocess.Popen(["env", "--default-signal", *command], cwd=directory, env=environment, stdin=slave, stdout=slave, stderr=slave,
                                         start_new_session=True)        # constant
        os.close(slave)
        self._said = b""        # since something was last waited for

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        os.close(self._master)

    def types(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def shows(self, *texts: str) -> str:
        """Wait for one of them, among what was shown since the last wait; which one it was."""
        until_s = time.monotonic() + BOUND_S
        while not (found := [text for text in texts if text.encode() in _CONTROLS.sub(b"", self._said)]):
            shown = _CONTROLS.sub(b"", self._said)
            assert time.monotonic() < until_s, f"it doesn't show {' or '.join(texts)!r}, but {shown.decode(errors='replace')!r}"
            assert self._hear() or self._process.poll() is None, f"it ended with {shown.decode(errors='replace')!r}"
        self._said = b""
        return found[0]

    def ends(self) -> int:
        """Wait for the end; its exit code."""
        until_s = time.monotonic() + BOUND_S
        while self._process.poll() is None:
            assert time.monotonic() < until_s, f"it goes on: {self._said.decode(errors='replace')!r}"
            self._hear()
        return self._process.returncode

    def interrupt(self) -> None:
        """As Ctrl-C does to who has the terminal."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait(BOUND_S)

    def _hear(self) -> bool:
        """What it says next, within a moment."""
        if not select.select([self._master], [], [], 0.05)[0]:
            return False
        with contextlib.suppress(OSError):          # EIO: everybody has closed the other side
            heard = os.read(self._master, 65536)
            self._said += heard
            return bool(heard)
        return False
