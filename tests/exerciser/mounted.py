"""A real mount as what is around the files: the emulator behind it, others at the emulator, its ends."""

import contextlib
import os
from collections import Counter
from pathlib import Path
from typing import Final

from anthrofs.client import control_client
from anthrofs.errors import SetupError
from tests.mounting import Mount, wait_until

SLASH: Final = "\uff0f"


class Mounted:
    """One mount, by whichever options the exercise goes on with."""

    def __init__(self, mount: Mount, options: tuple[str, ...]) -> None:
        self._mount = mount
        self._options = options
        self._made: dict[str, str] = {}     # name → id of what others made last

    @property
    def files(self) -> Path:
        return self._mount.path

    def make(self, name: str, content: bytes) -> None:
        self._generate(name, content)
        self.wait_until_shown(name)

    def replace(self, name: str, content: bytes, *, shows: bool) -> None:
        self._mount.emulator.vanish(self._made[name])
        self._generate(name, content)
        self._mount.refresh()
        if shows:
            self.wait_until_shown(name)

    def _generate(self, name: str, content: bytes) -> None:
        self._made[name] = self._mount.emulator.generate(name.replace("/", SLASH), content)["id"]

    def wait_until_shown(self, name: str) -> None:
        def shown() -> bool:
            self._mount.refresh()
            try:
                return os.getxattr(self.files / name, "user.anthropic.file_id").decode() == self._made[name]
            except OSError:
                return False

        wait_until(shown, f"{name} shows {self._made[name]}")

    def free(self, name: str) -> None:
        with contextlib.suppress(SetupError):       # its last close hasn't come yet
            list(control_client.ask(self._mount.state_dir, "free", path=name))

    def slow(self, times: int, seconds: float) -> None:
        kind = {"kind": "delay", "seconds": seconds} if times % 2 else {"kind": "stall", "seconds": seconds, "after_bytes": 1000}
        self._mount.emulator.fault("upload", kind, times=times)

    def settle(self) -> None:
        """The kernel tells of last closes a moment later, and a sync waits a second for them, no longer."""
        wait_until(lambda: self._mount.status()["open"] == [], "all is closed")
        self._mount.sync()

    def remount(self) -> None:
        self.settle()
        self._mount.remount(*self._options)

    def has(self, expected: Counter[tuple[str, str]]) -> None:
        def found() -> Counter[tuple[str, str]]:
            return Counter((file["filename"].replace(SLASH, "/"), file["sha256"]) for file in self._mount.emulator.files())

        assert found() == expected, f"the server lacks {expected - found()} and has too much: {found() - expected}"

    def conditions(self, name: str) -> str:
        said = os.getxattr(self.files / name, "user.anthropic.state").decode()
        return next((state for state in ("uploading", "sent", "remote, named here") if said.startswith(state)), said)

    def clear(self) -> None:
        """No files here, none on the server, no mishap to come."""
        self._mount.emulator.clear_faults()
        for root, _, names in os.walk(self.files):
            for name in names:
                with contextlib.suppress(FileNotFoundError):        # hidden by libfuse until just now
                    os.unlink(os.path.join(root, name))
        (self.files / "d").mkdir(exist_ok=True)
        self.settle()
        wait_until(lambda: self._mount.emulator.files() == [], "the server is empty")
        self._made.clear()
