"""A file for somebody who helps: what the doctor has found, versions, settings, the status of mounts, the ends of logs.

Owns    that file: new, for its maker only, and smaller than a mail.
Never   holds a key, a password, or a byte of a file's content; names of files are in it. Never replaces a file, and
        never goes through a link.
"""

import io
import json
import os
import platform
import tarfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from anthrofs.client.detached import every_detached
from anthrofs.client.known_states import known_states
from anthrofs.client.state_pictures import picture
from anthrofs.config import Credentials, Service
from anthrofs.doctor.finding import Finding, Patient
from anthrofs.doctor.masks import Masks, secrets_of
from anthrofs.doctor.places import answer_of
from anthrofs.doctor.settings_page import command_told, place_told, told
from anthrofs.errors import EXIT_FAILED, EXIT_USAGE, SetupError
from anthrofs.fuse import mountpoint, versions
from anthrofs.settings.config_file import config_path
from anthrofs.settings.table import SETTINGS
from anthrofs.state_place import states_root

TAIL_BYTES: Final = 200_000         # of each log
FILE_BYTES: Final = 100_000         # of a file of settings, or a unit
MOUNTS_BYTES: Final = 2**20         # of the kernel's list
LOGS: Final = ("anthrofs.log", "anthrofs.log.1")
# Variables that say something of a mount; of the others not even the names are told.
PREFIXES: Final = ("ANTHROPIC_", "ANTHROFS_", "XDG_", "LC_", "SSL_", "PYTHON", "HTTP", "http", "ALL_PROXY", "all_proxy",
                   "NO_PROXY", "no_proxy")
NAMES: Final = frozenset({"PATH", "HOME", "LANG", "TERM", "SHELL", "CREDENTIALS_DIRECTORY", "INVOCATION_ID",
                          "VIRTUAL_ENV", "FUSE_LIBRARY_PATH"})
FILES: Final = frozenset(SETTINGS[name].variable for name in ("key_file", "fleet_key"))


def write_bundle(path: Path, patient: Patient, found: Iterable[Finding]) -> list[str]:
    """Makes the file; returns the names of what is in it. Raises SetupError."""
    masks = Masks([*secrets_of(patient.environ), *_keys(patient)])
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise SetupError(f"{path} is there already, and isn't overwritten: name a new file.", EXIT_USAGE) from None
    except OSError as exc:
        raise SetupError(f"{path} can't be written: {exc.strerror}.", EXIT_FAILED) from exc
    names = list[str]()
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, text in _pages(patient, found):
                data = masks.masked(text).encode(errors="backslashreplace")
                entry = tarfile.TarInfo(f"anthrofs/{name}")
                entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
                archive.addfile(entry, io.BytesIO(data))
                names.append(name)
    except OSError as exc:
        path.unlink(missing_ok=True)
        raise SetupError(f"{path} can't be written: {exc.strerror}.", EXIT_FAILED) from exc
    return names


def _keys(patient: Patient) -> Iterator[str]:
    """The keys that the checks have read."""
    for service in patient.services.values():
        if isinstance(service, Service):
            if isinstance(service.credentials, Credentials):
                yield service.credentials.value
                yield service.credentials.value.removeprefix("Bearer ")
            yield from (value for _, value in service.headers)


def _pages(patient: Patient, found: Iterable[Finding]) -> Iterator[tuple[str, str]]:
    yield "findings.json", _json([each.as_json() for each in found])
    yield "versions.json", _json({**versions.found(), "system": _release(patient), "machine": platform.machine()})
    yield "environment.txt", "".join(f"{name}={_variable(name, value)}\n"
                                     for name, value in sorted(patient.environ.items())
                                     if name in NAMES or name.startswith(PREFIXES))
    path = config_path(patient.environ)
    if path is not None and (text := _end_of(path, FILE_BYTES)) is not None:
        yield "config.toml", told(text)
    mounts = _end_of(Path("/proc/self/mountinfo"), MOUNTS_BYTES) or ""
    yield "mounts.txt", "\n".join(line for line in mounts.splitlines() if " - fuse" in line)
    yield "status.json", _json({**{str(place): answer_of(place) for place in dict.fromkeys(mountpoint.mounts())},
                                "detached": [str(gone.why()) for gone in every_detached()]})
    root = states_root(patient.environ)
    if root is None:
        return
    if (text := _end_of(root / "unexpected.log", TAIL_BYTES)) is not None:
        yield "unexpected.log", text
    for number, state_dir in enumerate(known_states(root), 1):
        try:
            yield f"states/{number}/state.json", _json(picture(state_dir, root).as_json())
        except OSError as exc:
            yield f"states/{number}/state.json", _json({"path": str(state_dir), "error": exc.strerror})
        for name in LOGS:
            if (text := _end_of(state_dir / name, TAIL_BYTES)) is not None:
                yield f"states/{number}/{name}", text


def _variable(name: str, value: str) -> str:
    if name.endswith("_COMMAND"):
        return command_told(value)
    return place_told(value) if name in FILES and value else value


def _json(value: object) -> str:
    return json.dumps(value, indent=1, default=str)


def _end_of(path: Path, most_bytes: int) -> str | None:
    """The end of a plain file, from the beginning of a line on. None: it can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            size = os.fstat(descriptor).st_size
            if size > most_bytes:
                file.seek(size - most_bytes)
                file.readline()
            return file.read(most_bytes).decode(errors="backslashreplace")
    except OSError:
        return None


def _release(patient: Patient) -> str:
    text = _end_of(patient.at("/etc/os-release"), FILE_BYTES) or ""
    return next((line.partition("=")[2].strip('"') for line in text.splitlines()
                 if line.startswith("PRETTY_NAME=")), "")
