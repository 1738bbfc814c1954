"""The user unit is one that systemd accepts without a word."""

import os
import subprocess
from pathlib import Path

UNIT = Path(__file__).parents[2] / "systemd" / "anthrofs@.service"


def test_systemd_has_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    """It looks for other units in the runtime directory, which a machine without a session doesn't have."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(UNIT)],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_COLORS": "0"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
    )
    assert done.stdout == ""
    assert done.returncode == 0


def test_the_unit_leaves_no_core_and_takes_the_key_from_a_file() -> None:
    lines = UNIT.read_text().splitlines()
    assert "LimitCORE=0" in lines
    assert "EnvironmentFile=-%h/.config/anthrofs/%i.env" in lines
    assert not [line for line in lines if line.startswith("Environment=") and "KEY" in line]
