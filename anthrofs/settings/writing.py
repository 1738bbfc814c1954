"""A new profile in a person's file.

Owns    what is added, and nothing else in the file: comments, order and all other lines stay as they are.
Never   replaces a profile, or a file that has a key.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from anthrofs.errors import EXIT_FAILED, EXIT_USAGE, SetupError
from anthrofs.settings.config_file import PROFILE, ConfigFile, parsed, read_config
from anthrofs.settings.findings import findings, of_section, unfit_name
from anthrofs.store.whole_file import put_whole
from anthrofs.text import printable

Value = str | Sequence[str]
BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)     # a key that TOML takes without quotes


def check_new(file: ConfigFile, name: str) -> None:
    """Raises SetupError for a name that can't be a profile's, or is one's."""
    if why := unfit_name(name):
        raise SetupError(f"{name!a} can't be a profile's name: {why}.", EXIT_USAGE)
    if name in file.profiles:
        raise SetupError(f"There is a profile {printable(name)} already: {file.where(PROFILE, name)}. Choose another "
                         "name (anthrofs init NAME), or edit that.", EXIT_USAGE)
    if file.path is None:
        raise SetupError("There is no home directory to write the configuration to: set HOME, or name a file with "
                         "ANTHROFS_CONFIG.", EXIT_USAGE)


def add_profile(environ: Mapping[str, str], name: str, values: Mapping[str, Value]) -> Path:
    """Writes it behind what is there, whole or not at all. Raises SetupError: then nothing has changed."""
    file = read_config(environ, made=True)
    check_new(file, name)
    assert file.path is not None
    try:
        if file.path.exists() and not file.path.is_file():
            raise SetupError(f"{printable(str(file.path))} is no file that could be written.", EXIT_USAGE)
        before = file.path.read_text(encoding="utf-8-sig") if file.path.exists() else ""
        after = f"{before}{'' if not before or before.endswith(chr(10)) else chr(10)}" + (
            "\n" if before else "") + section_of(name, values)
        if wrong := of_section(findings(parsed(file.path, after)), f"{PROFILE}.{name}"):
            place = f"{printable(str(file.path))}:{wrong[0].line}: "      # where it would have stood
            raise SetupError(f"The profile isn't written. {wrong[0].text.removeprefix(place)}", EXIT_USAGE)
        put(file.path, after)
    except OSError as exc:
        raise SetupError(f"{printable(str(file.path))} can't be written: {exc.strerror}.", EXIT_FAILED) from exc
    return file.path


def add_key(path: Path, key: str) -> None:
    """A key in a file of its own, for its owner only. Raises SetupError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(f"{key}\n")
            out.flush()
            os.fsync(descriptor)
    except FileExistsError:
        raise SetupError(f"{printable(str(path))} is there already, and may have another key: name it with "
                         "--key-file, or remove it.", EXIT_USAGE) from None
    except OSError as exc:
        raise SetupError(f"{printable(str(path))} can't be written: {exc.strerror}.", EXIT_FAILED) from exc


def section_of(name: str, values: Mapping[str, Value]) -> str:
    """A profile as TOML has it."""
    lines = [f"[{PROFILE}.{name if BARE.fullmatch(name) else _quoted(name)}]"]
    for key, value in values.items():
        words = _quoted(value) if isinstance(value, str) else f"[{', '.join(map(_quoted, value))}]"
        lines.append(f"{key} = {words}")
    return "\n".join([*lines, ""])


def put(path: Path, text: str) -> None:
    """The file, whole or not at all, and only its owner may change it. A link leads to the file that is meant. Raises
    OSError.
    """
    real = Path(os.path.realpath(path))
    real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    put_whole(real, text.encode(), real.stat().st_mode & 0o755 if real.exists() else 0o600)


def _quoted(text: str) -> str:
    """A text as TOML has it, which is as JSON has it, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
