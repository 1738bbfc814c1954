"""The commands, as they are typed, where no mount is needed."""

import subprocess

from tests.mounting import COMMAND


def test_help_says_what_each_command_is_for() -> None:
    done = subprocess.run([*COMMAND, "--help"], text=True, capture_output=True, timeout=30, check=True)
    for command in ("mount", "umount", "sync", "status", "id", "retry", "refresh", "check", "emulator"):
        assert command in done.stdout
