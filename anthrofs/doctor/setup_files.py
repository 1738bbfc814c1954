"""The file of settings, and the units of systemd: what was written down for mounts, and doesn't fit any more.

Never   changes one of them.
"""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from anthrofs.doctor.finding import BAD, GOOD, HINT, Finding, Patient
from anthrofs.errors import SetupError
from anthrofs.settings.config_file import config_path, read_config
from anthrofs.settings.findings import ended, everything
from anthrofs.text import printable

SETTINGS: Final = "settings"
UNITS: Final = "service"


def look_at_settings(patient: Patient) -> Iterator[Finding]:
    """The mistakes that `anthrofs config check` finds."""
    path = config_path(patient.environ)
    try:
        file = read_config(patient.environ)
    except SetupError as exc:
        yield Finding(SETTINGS, BAD, str(exc), "No mount that needs it can begin.", f"edit {path}")
        return
    found = everything(file, patient.environ)
    for each in found:
        if each.mend:
            yield Finding(SETTINGS, BAD, ended(each.text.removesuffix(".").removesuffix(f": {each.mend}")),
                          mend=each.mend)
        else:
            yield Finding(SETTINGS, BAD, each.text, mend=f"correct it there ({path}:{each.line}); then: anthrofs config"
                          " check" if each.line else "unset it, or correct it; then: anthrofs config check")
    if not found:
        there = path is not None and path.exists()
        yield Finding(SETTINGS, GOOD, f"{path} makes sense." if there else "There is no file of settings.")


def look_at_units(patient: Patient) -> Iterator[Finding]:
    """Units that start mounts: whether what they start is there."""
    units = list(_units(patient))
    for path in units:
        program, shown = _program(path), printable(str(path))
        if program is None:
            continue
        if patient.at(program).exists() if program.startswith("/") else patient.which(program):
            yield Finding(UNITS, GOOD, f"{shown} starts {printable(program)}.")
        else:
            yield Finding(UNITS, BAD, f"{shown} starts {printable(program)}, which isn't there.",
                          "The service ends with exit code 203 or 127.", _install(path))
    user = patient.environ.get("USER", "")
    if os.geteuid() and user and units and patient.at("/run/systemd/system").exists() and not patient.at(
            f"/var/lib/systemd/linger/{user}").exists():
        yield Finding(UNITS, HINT, "Services of yours end when you log out.", "So do their mounts.",
                      f"loginctl enable-linger {user}")


def _units(patient: Patient) -> Iterator[Path]:
    base = patient.environ.get("XDG_CONFIG_HOME") or (
        f"{patient.environ['HOME']}/.config" if patient.environ.get("HOME") else "")
    own = [Path(base, "systemd", "user")] if base.startswith("/") else []
    for directory in (*own, patient.at("/etc/systemd/user"), patient.at("/etc/systemd/system")):
        try:
            yield from sorted(each for each in directory.glob("anthrofs*.service") if each.is_file())
        except OSError:
            continue


def _install(unit: Path) -> str:
    """The command that writes this unit again, for one of those who use it."""
    users = sorted(unit.parent.glob("*.wants/anthrofs@*.service"))
    name = users[0].name.removeprefix("anthrofs@").removesuffix(".service") if users else "NAME"
    if unit.parent.name != "system":
        return f"anthrofs service install {printable(name)}"
    try:
        lines = (unit.parent / f"anthrofs@{name}.service.d" / "user.conf").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    user = next((line.partition("=")[2] for line in lines if line.startswith("User=")), "") or "USER"
    return f"sudo anthrofs service install --system --user {printable(user)} {printable(name)}"


def _program(unit: Path) -> str | None:
    try:
        lines = unit.read_text(errors="replace").splitlines()
    except OSError:
        return None
    line = next((line.partition("=")[2] for line in lines if line.startswith("ExecStart=")), "")
    try:
        return next(iter(shlex.split(line.lstrip("-@:+!"))), None)
    except ValueError:
        return None
