"""Mistakes in a person's file: each with its line, and the nearest right thing.

Never   quotes a value, runs a command, asks a keyring or the service.
"""

import os
import shlex
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.fuse import mountpoint
from anthrofs.settings.config_file import DEFAULTS, PROFILE, ConfigFile
from anthrofs.settings.table import DIRECTORY, KEYS, PATHS, SETTINGS, Setting
from anthrofs.text import printable

# Names under which a key is likely to be written into the file, or is a secret's beginning.
LIKE_KEYS: Final = frozenset({"key", "api_key", "apikey", "token", "auth_token", "password", "secret",
                              "anthropic_api_key", "anthropic_auth_token", "board_password"})
OURS: Final = "ANTHROFS_"           # what our variables begin with
OTHER_VARIABLES: Final = frozenset({"ANTHROFS_CONFIG", "ANTHROFS_PROFILE", "ANTHROFS_BOARD_PASSWORD", "ANTHROFS_DIR",
                                    "ANTHROFS_OPTIONS", "ANTHROFS_PYTHON"})
QUOTED: Final = frozenset({"umask"})        # 027 is no number in TOML, and 27 is another one


class Finding(NamedTuple):
    """One mistake."""

    section: str        # "defaults", a profile's name behind "profile.", or empty
    line: int           # 0: of none
    text: str           # a sentence, with the place before it
    mend: str = ""      # the command that mends it, which is in the text, too

    def error(self) -> SetupError:
        """The same, for who can't go on."""
        return SetupError(self.text, EXIT_USAGE)


def findings(file: ConfigFile) -> list[Finding]:
    """All of them, in the file's order."""
    found = list[Finding]()
    for name, value in file.top.items():
        if name not in (DEFAULTS, PROFILE):
            known = {key: key for key in (DEFAULTS, PROFILE)} | {"profiles": PROFILE, "default": DEFAULTS}
            hint = (f"options stand below [{DEFAULTS}], or below [{PROFILE}.NAME]" if name in SETTINGS
                    else nearest(name, known) or f"it can have [{DEFAULTS}] and [{PROFILE}.NAME]")
            found.append(finding_at(file, "", (name,), f"{printable(name)}: nothing of that name is known here: "
                                    f"{hint}"))
        elif not isinstance(value, dict):
            found.append(finding_at(file, "", (name,), f"{name} is to be a table: [{name}]"))
        elif name == DEFAULTS:
            found += _section(file, (DEFAULTS,), value)
        else:
            for profile, table in value.items():
                found += _profile(file, profile, table)
    return sorted(found, key=lambda each: each.line)


def everything(file: ConfigFile, environ: Mapping[str, str]) -> list[Finding]:
    """All of the file, and more than keeps a mount from beginning: places that aren't there or are used twice, and
    variables of ours.
    """
    return [*findings(file), *_places(file), *_variables(environ)]


def _places(file: ConfigFile) -> Iterator[Finding]:
    for keys, table in (((DEFAULTS,), file.defaults), *(((PROFILE, name), each) for name, each in
                                                        file.profiles.items())):
        words = table.get("key_command")
        if isinstance(words, list) and words and isinstance(words[0], str) and not shutil.which(words[0]):
            yield finding_at(file, ".".join(keys), (*keys, "key_command"),
                             f"key_command: there is no program {printable(words[0])} to be run")
    users: dict[tuple[str, str], str] = {}
    for profile, table in file.profiles.items():
        section = f"{PROFILE}.{profile}"
        for setting in (DIRECTORY, SETTINGS["state_dir"]):
            try:
                text = text_of(setting, table[setting.name])
                path = setting.read(str(text))
            except (KeyError, SetupError):      # none; or a mistake, which is known
                continue
            keys, shown = (PROFILE, profile, setting.name), f"{setting.name}: {printable(str(path))}"
            other = users.setdefault((setting.name, str(mountpoint.resolved(path))), profile)
            if other != profile:
                yield finding_at(file, section, keys, f"{shown} is that of the profile {printable(other)}, too: one "
                                 "mount at a time can have it")
            elif setting is DIRECTORY and not mountpoint.is_there(path):
                yield finding_at(file, section, keys, f"{shown} does not exist",
                                 mend=f"mkdir -p {shlex.quote(printable(str(path)))}")


def unread(environ: Mapping[str, str]) -> Iterator[Finding]:
    """The variables that look like ours, and that nothing reads."""
    known = {each.variable.removeprefix(OURS).lower(): each.variable for each in SETTINGS.values()} | {
        each.name: each.variable for each in SETTINGS.values()} | {
        each.removeprefix(OURS).lower(): each for each in OTHER_VARIABLES}
    for name in sorted(environ):
        if name.startswith(OURS) and name not in known.values() and (hint := nearest(name.removeprefix(OURS), known)):
            yield Finding("", 0, f"The variable {printable(name)} means nothing here: {hint}")


def _variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    yield from unread(environ)
    for setting in SETTINGS.values():
        text = environ.get(setting.variable, "").strip()
        try:
            if text:
                setting.read(text)
        except SetupError as exc:
            yield Finding("", 0, f"The variable {setting.variable}: {exc}")


def of_section(found: Iterable[Finding], *sections: str) -> list[Finding]:
    """The findings that concern a mount: of the file as a whole, and of these sections."""
    return [each for each in found if each.section in ("", *sections)]


def nearest(name: str, known: Iterable[str] | Mapping[str, str]) -> str:
    """Asks whether another was meant; nothing, if none is like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - for mistakes only

    names = known if isinstance(known, Mapping) else {each: each for each in known}
    close = get_close_matches(name.lower().replace("-", "_"), list(names), 1, 0.6)
    return f"did you mean {names[close[0]]}?" if close else ""


def text_of(setting: Setting, value: Any) -> str | tuple[str, ...]:
    """The file's value as it would be typed; of a command, its words. Raises SetupError with what it takes."""
    if setting.is_switch:
        if not isinstance(value, bool):
            raise SetupError("it takes true or false, without quotes.", EXIT_USAGE)
        return "true" if value else "false"
    if setting.name == "key_command":
        if not (isinstance(value, list) and value and all(isinstance(each, str) and each and "\0" not in each
                                                         for each in value)):
            raise SetupError('it takes a list of words, like ["pass", "show", "anthropic"].', EXIT_USAGE)
        return tuple(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or (
            setting.name in QUOTED and not isinstance(value, str)):
        hint = ', like "027"' if setting.name in QUOTED else ""
        raise SetupError(f"it takes a text in quotes{hint}.", EXIT_USAGE)
    text = str(value)
    if "\0" in text:
        raise SetupError("it takes a text without NUL.", EXIT_USAGE)
    if setting.name in PATHS and not setting.read(text).is_absolute():
        raise SetupError("it takes a path that begins with / or ~: a file of settings has no directory that it is "
                         "in.", EXIT_USAGE)
    return text


def _profile(file: ConfigFile, name: str, table: object) -> Iterator[Finding]:
    section = f"{PROFILE}.{name}"
    if why := unfit_name(name):
        yield finding_at(file, section, (PROFILE, name), f"{name!a} can't be a profile's name: {why}")
    if isinstance(table, dict):
        yield from _section(file, (PROFILE, name), table)
    else:
        yield finding_at(file, section, (PROFILE, name), f"{printable(name)} is to be a table: [{PROFILE}.NAME]")


def unfit_name(name: str) -> str:
    """Why nothing can have that name; nothing, if it can."""
    if not name or name in (".", "..") or "/" in name or not name.isprintable() or name != name.strip():
        return "it takes a plain name, which a directory can have"
    if name.startswith("-"):
        return "it would be taken for an option"
    return ""


def _section(file: ConfigFile, keys: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[Finding]:
    section = ".".join(keys)
    known = SETTINGS if keys[0] == DEFAULTS else {**SETTINGS, DIRECTORY.name: DIRECTORY}
    for name, value in table.items():
        setting = known.get(name)
        if setting is None:
            yield _unknown(file, section, (*keys, name), known)
            continue
        try:
            text = text_of(setting, value)
            if isinstance(text, str):
                setting.read(text)
                yield from _looked_at(file, section, (*keys, name), setting, text)
        except SetupError as exc:
            yield finding_at(file, section, (*keys, name), f"{name}: {exc}")
    if len(given := [name for name in KEYS if name in table]) > 1:
        yield finding_at(file, section, (*keys, given[1]),
                         f"{' and '.join(given)} both say where the key is: leave one")


def _looked_at(file: ConfigFile, section: str, keys: tuple[str, ...], setting: Setting,
               text: str) -> Iterator[Finding]:
    """A key's file as it is on the disk."""
    if setting.name not in ("key_file", "fleet_key"):
        return
    path = setting.read(text)
    shown = f"{setting.name}: {printable(str(path))}"
    try:
        found = path.stat()
    except OSError as exc:
        yield finding_at(file, section, keys, f"{shown} can't be read: {exc.strerror}")
        return
    if not stat.S_ISREG(found.st_mode):
        yield finding_at(file, section, keys, f"{shown} is a directory, or no file at all")
    elif found.st_mode & 0o077:
        yield finding_at(file, section, keys, f"{shown} can be used by others than you",
                         mend=f"chmod 600 {shlex.quote(printable(str(path)))}")
    elif not os.access(path, os.R_OK):
        yield finding_at(file, section, keys, f"{shown} can't be read by you")


def _unknown(file: ConfigFile, section: str, keys: tuple[str, ...], known: Mapping[str, Setting]) -> Finding:
    name = keys[-1]
    if name.lower().replace("-", "_") in LIKE_KEYS or name.startswith("sk-"):
        return finding_at(file, section, keys, "a key or password isn't written into this file: put it into a file of "
                          "its own (mode 0600) and name that with key_file, or say key_command, or keyring")
    if name == DIRECTORY.name:
        return finding_at(file, section, keys, "a directory is a profile's: two mounts can't be on one")
    hint = nearest(name, list(known))
    return finding_at(file, section, keys, f"{printable(name)}: no option has that name" + (
        f": {hint}" if hint else ". `anthrofs mount --help` has them all"))


def finding_at(file: ConfigFile, section: str, keys: tuple[str, ...], text: str, *, mend: str = "") -> Finding:
    words = f"{text}: {mend}" if mend else text
    return Finding(section, file.line(*keys), f"{file.where(*keys)}: {ended(words)}", mend)


def ended(text: str) -> str:
    """A sentence with its end."""
    return text if text.endswith(("?", ".")) else f"{text}."
