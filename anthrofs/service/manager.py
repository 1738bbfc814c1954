"""systemd, as systemctl asks it.

Trusts  systemctl's exit codes and the properties that it shows.
Never   waits without a bound.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from anthrofs.errors import EXIT_FAILED, EXIT_MISSING, SetupError
from anthrofs.text import printable

ASK_S: Final = 30.0
START_S: Final = 660.0          # above the units' own bounds of a start and of a stop
SHOWN: Final = ("Id", "ActiveState", "SubState", "Result", "StatusText", "UnitFileState", "ExecMainStatus", "MainPID",
                "ActiveEnterTimestamp", "NRestarts", "LoadState")
UNREACHED: Final = ("connect to bus", "has not been booted", "not been booted with systemd", "Host is down")


def typed(*, system: bool) -> str:
    """How a person asks it."""
    return "systemctl" if system else "systemctl --user"


class Manager:
    """The user's, or the machine's."""

    def __init__(self, *, system: bool) -> None:
        """Raises SetupError where there is no systemd."""
        if (found := shutil.which("systemctl")) is None:
            raise SetupError("There is no systemctl: this machine's services aren't systemd's. Start the mount as it "
                             "starts others: anthrofs mount --foreground.", EXIT_MISSING)
        self._command = [found, *([] if system else ["--user"])]     # constant
        self._system = system                                       # constant
        self._typed = typed(system=system)                          # constant

    def do(self, *words: str, bound_s: float = ASK_S) -> str:
        """Returns all that it prints. Raises SetupError with its words."""
        try:
            done = subprocess.run([*self._command, *words], capture_output=True, text=True, timeout=bound_s,
                                  check=False, errors="replace",
                                  env={**os.environ, "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""})
        except subprocess.TimeoutExpired:
            raise SetupError(f"{self._typed} {' '.join(words)} has not answered for {bound_s:.0f} s.") from None
        said = done.stderr.strip()
        if done.returncode and any(each in said for each in UNREACHED):
            if self._system:
                raise SetupError("systemd can't be asked: it doesn't run this machine (a container's, for instance). "
                                 "Start the mount as it starts others: anthrofs mount --foreground.", EXIT_MISSING)
            raise SetupError("Your systemd can't be asked: you have no session of it here (su and sudo begin none). "
                             "Log in as yourself, or, for a user who never logs in, as root: loginctl enable-linger "
                             "USER, and XDG_RUNTIME_DIR=/run/user/UID in the environment.", EXIT_FAILED)
        if done.returncode:
            raise SetupError(f"{self._typed} {' '.join(words)}: {printable(said) or f'exit code {done.returncode}'}")
        return done.stdout

    def start(self, unit: str) -> None:
        """Enables it, and starts it anew. Raises SetupError: why it didn't start."""
        self.do("enable", unit)
        try:
            self.do("restart", unit, bound_s=START_S)
        except SetupError as exc:
            found = self.shown([unit]).get(unit, {})
            why = printable(found.get("StatusText") or str(exc))
            # Its end with one of the unit's RestartPreventExitStatus= leaves it failed.
            again = " It is tried again by itself." if found.get("ActiveState") == "activating" else ""
            raise SetupError(f"{unit} is installed, but it didn't start: {why}{again}",
                             int(found.get("ExecMainStatus") or 0) or EXIT_FAILED) from exc

    def state_of(self, unit: str) -> str:
        """Returns active, failed, inactive, …. Raises SetupError."""
        return self.shown([unit]).get(unit, {}).get("ActiveState", "inactive")

    def shown(self, units: Sequence[str]) -> dict[str, Mapping[str, str]]:
        """The properties of each unit, by its name; patterns name those that are loaded. Raises SetupError."""
        if not units:
            return {}
        blocks = self.do("show", "--all", f"--property={','.join(SHOWN)}", *units).split("\n\n")
        found = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in blocks if block.strip()]
        return {each["Id"]: each for each in found if "Id" in each}
