"""A desk at which the programs that people use are tried: one mount, a directory beside it, and what has to be there afterwards.

Owns    the mount and the server that one module's tests share, empty again before each of them.
Trusts  the server for what was asked, and for what it has in the end.
"""

import os
import shutil
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from tests.mounting import BOUND_S, Mount, asks, wait_until

Content = str | bytes


class Desk:
    """`files` is the mount, `out` a directory that isn't; scripts begin in the first, and know the second as $OUT."""

    def __init__(self, mount: Mount, out: Path) -> None:
        self.mount = mount
        self.files = mount.path
        self.out = out
        out.mkdir()
        # Nobody's settings, wastebasket or desktop session.
        self._environment = {**os.environ, "OUT": str(out), "HOME": str(out.parent), "GIO_USE_VFS": "local", "LC_ALL": "C.UTF-8"}

    def clear(self) -> None:
        """Nothing here, and nothing there."""
        for place in (self.files, self.out):
            for entry in os.scandir(place):
                shutil.rmtree(entry.path) if entry.is_dir() else os.unlink(entry.path)
        self.mount.sync()
        self.mount.refresh()        # else a look may ask for the listing
        wait_until(lambda: self.mount.emulator.files() == [], "the server is empty")

    def prepare(self, script: str) -> None:
        """What was there before. Its last closes have come, so all of it is on the server: a sync waits a second for them, no longer."""
        self.run(script)
        wait_until(lambda: self.mount.status()["open"] == [], "all is closed")
        self.mount.sync()

    def run(self, script: str) -> str:
        """A script that must succeed without complaint; what it says."""
        done = subprocess.run(["bash", "-euc", script], cwd=self.files, env=self._environment, text=True, capture_output=True, timeout=BOUND_S, check=False)
        assert (done.returncode, done.stderr) == (0, ""), (script, done.stdout)
        return done.stdout

    def costs(self, script: str, counts: Mapping[str, int]) -> str:
        """The script asks the server for exactly this; what it says."""
        with asks(self.mount, **counts):
            said = self.run(script)
            # The kernel tells of a program's last closes a moment after its end.
            wait_until(lambda: self.mount.status()["open"] == [], "all is closed")
            return said

    def zips(self, script: str) -> None:
        """The script makes a new archive: one upload. zip tries the archive's name with an empty file, which it removes at once;
        if the machine is so busy that this one was sent meanwhile, it is deleted again.
        """
        self.mount.emulator.forget_requests()
        self.run(script)
        self.mount.sync()
        asked = sorted(request["operation"] for request in self.mount.emulator.requests())
        assert asked in (["upload"], ["delete", "upload", "upload"])

    def has(self, left: Mapping[str, Content], *, stays: Collection[str] = ()) -> None:
        """The mount shows exactly these files, and the server has the same, each once, but for those that stay here."""
        expected = {name: content.encode() if isinstance(content, str) else content for name, content in left.items()}
        assert tree(self.files) == expected
        stored = [(file["filename"].replace("／", "/"), self.mount.emulator.content(file["id"])) for file in self.mount.emulator.files()]
        assert sorted(stored) == sorted((name, content) for name, content in expected.items() if name not in stays)
        states = {name: os.getxattr(self.files / name, "user.anthropic.state").decode() for name in expected}
        assert states == {name: "local" if name in stays else "remote" for name in expected}


def tree(directory: Path) -> dict[str, bytes]:
    """Every file below it, with its content."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}
