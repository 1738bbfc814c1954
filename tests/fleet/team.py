"""Mounts of a fleet with a board, as its tests have them: made, mounted again, looked at, and finished together."""

import contextlib
import os
import threading
from pathlib import Path
from typing import Any

from tests.emulator.process import EmulatorProcess
from tests.mounting import Mount


class Team:
    """Mounts with one key file and one board, each with a state of its own, as on machines of their own."""

    def __init__(self, base: Path, emulator: EmulatorProcess, url: str) -> None:
        self._base = base
        base.mkdir(exist_ok=True)
        self._emulator = emulator
        self._url = url
        self.key = new_key(base / "team.key")
        self.mounts: list[Mount] = []
        self._making = threading.Lock()

    def mount(self, *options: str, key: Path | None = None, url: str = "", password: str = "") -> Mount:
        with self._making:      # a test may mount several at once
            one = Mount(self._base / f"machine-{len(self.mounts)}", self._emulator)
            self.mounts.append(one)
        if password:
            one.environment["ANTHROFS_BOARD_PASSWORD"] = password
        one.mount("--board", url or self._url, "--fleet-key", str(key or self.key), *options)
        return one

    def again(self, mount: Mount, *options: str) -> Path:
        """One that is unmounted."""
        return mount.mount("--board", self._url, "--fleet-key", str(self.key), *options)


def new_key(path: Path) -> Path:
    path.write_text(os.urandom(32).hex() + "\n")
    path.chmod(0o600)
    return path


def board_of(mount: Mount) -> dict[str, Any]:
    board: dict[str, Any] = mount.status()["fleet"]["board"]
    return board


def finish_all(mounts: list[Mount]) -> None:
    with contextlib.ExitStack() as stack:
        for mount in mounts:
            stack.callback(mount.finish)
