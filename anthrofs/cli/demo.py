"""The emulator as a child process: what `anthrofs mount --demo` mounts.

Owns    the child; it ends with us, however we end, for it watches its standard input.
Never   listens anywhere but on this machine's loopback, takes a key from the environment, or is asked through a proxy.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from anthrofs.config import Credentials, Service
from anthrofs.errors import EXIT_BUSY, SetupError
from anthrofs.store.state_dir import usable

KEY: Final = "demo-key"
STOP_S: Final = 5


class Demo:
    """One emulator, with a few sample files when its data directory is new."""

    def __init__(self, data: Path) -> None:
        """Raises SetupError."""
        with usable(data):
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [sys.executable, "-m", "anthrofs.emulator", "--port", "0", "--data", str(data), "--api-key", KEY,
                   "--exit-with-stdin", "--samples"]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self._child.stdout is not None
        line = self._child.stdout.readline()        # it ends with the child, so this can't hang longer than that lives
        if not line:
            _, words = self._child.communicate()
            if "is used by another emulator" in words.decode(errors="replace"):
                raise SetupError("This demo is mounted already, and one at a time has its files: `anthrofs status` "
                                 "says where. For another one: anthrofs mount --demo --profile NAME DIR", EXIT_BUSY)
            raise SetupError(f"The demo's server did not start: {words.decode(errors='replace').strip()[-500:]}")
        self.url = str(json.loads(line)["url"])     # constant

    def serving(self, service: Service) -> Service:
        """How to reach it, and what the command line has chosen."""
        return replace(service, base_url=self.url, credentials=Credentials("x-api-key", KEY), headers=(), direct=True)

    def stop(self) -> None:
        """Bounded; its data stays."""
        try:
            self._child.communicate(timeout=STOP_S)     # closes its standard input
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()
