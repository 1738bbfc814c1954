"""A desktop session's bus of a test's own, and the services that it starts: a thumbnailer, a notification daemon.

Owns    one dbus-daemon, and every process that was started by way of it.
Never   touches anybody's session: those services have a home of their own, and end with the bus.
"""

import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from jeepney.io.blocking import DBusConnection, open_dbus_connection

from tests.mounting import runs, wait_until

READY_S: Final = 30.0
CALL_S: Final = 30.0


class SessionBus:
    """`with SessionBus(directory, environment) as bus: ... bus.environment`, which is that of a program in the session."""

    def __init__(self, base: Path, environment: Mapping[str, str]) -> None:
        heard, said = os.pipe()
        runtime = base / "runtime"
        runtime.mkdir(mode=0o700)
        private = {"HOME": str(base / "home"), "XDG_RUNTIME_DIR": str(runtime), "GIO_USE_VFS": "local", "NO_AT_BRIDGE": "1",
                   "GSETTINGS_BACKEND": "memory"}
        mine = ("DBUS_", "XDG_", "WAYLAND_", "SESSION_MANAGER", "ANTHROPIC_", "ANTHROFS_")
        given = {name: value for name, value in environment.items() if not name.startswith(mine)} | private
        Path(private["HOME"]).mkdir(exist_ok=True)
        self._log = base / "bus.log"            # constant
        self._place = tempfile.TemporaryDirectory(prefix="bus-")        # constant; a socket's path has 108 bytes at most
        # The kernel ends it with us; its services end with it.
        command = ["setpriv", "--pdeathsig", "TERM", "dbus-daemon", "--session", "--nofork", "--print-address", str(said), "--address",
                   f"unix:path={self._place.name}/bus"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, env=given, pass_fds=[said], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        os.close(said)
        self.pid = self._process.pid            # constant
        with os.fdopen(heard) as answer:
            self.address = answer.readline().strip() if select.select([answer], [], [], READY_S)[0] else ""     # constant
        if not self.address:
            self.close()
        assert self.address, f"no session bus: {self.log()}"
        self.environment = {**given, "DBUS_SESSION_BUS_ADDRESS": self.address}      # constant
        self._connections: list[DBusConnection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """The bus, and what lives by it."""
        services = self.services()
        for connection in getattr(self, "_connections", []):
            connection.close()
        self._process.kill()
        self._process.wait(READY_S)
        for pid in services:
            if runs(pid):
                os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not any(map(runs, services)), "the bus's services end")
        self._place.cleanup()

    def log(self) -> str:
        return self._log.read_text()

    def services(self) -> list[int]:
        """The processes that the bus has started, by the address that it has given them."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and f"DBUS_STARTER_ADDRESS={self.address}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:         # it has ended, or isn't ours
                continue
        return found

    def connects(self) -> DBusConnection:
        """A connection that ends with the bus."""
        connection = open_dbus_connection(self.address)
        self._connections.append(connection)
        return connection
