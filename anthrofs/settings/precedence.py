"""The order that says which setting counts: the flag, else the variable, else the profile, else the defaults, else what
is built in.

Owns    that order, for every option: nothing else decides.
Never   reads a key, and never quotes a value that makes no sense.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.settings.config_file import DEFAULTS, PROFILE, ConfigFile
from anthrofs.settings.findings import findings, nearest, of_section, text_of
from anthrofs.settings.table import DIRECTORY, KEYS, SETTINGS, Setting
from anthrofs.text import printable

LEVELS: Final = ("flag", "environment", "profile", "defaults", "built in")


@dataclass(frozen=True, slots=True)
class Found:
    """One option's value."""

    value: Any
    level: str          # one of LEVELS
    where: str          # the flag, the variable, or the file's line
    text: str           # as it is shown; of a command its words, as a shell would take them


@dataclass(frozen=True, slots=True)
class Settings:
    """All of them, as they are for one mount."""

    found: Mapping[str, Found]
    profile: str | None                 # of the file, or of the state only; None: nobody named one
    file: ConfigFile

    def __getitem__(self, name: str) -> Any:
        return self.found[name].value

    def level(self, name: str) -> int:
        """The lower, the stronger."""
        return LEVELS.index(self.found[name].level)

    def where(self, name: str) -> str:
        """The place where it was said, for a sentence."""
        return self.found[name].where

    @property
    def directory(self) -> Path | None:
        """Where the file says that the profile is mounted."""
        return directory_of(self.file, self.profile)

    @property
    def key_place(self) -> str | None:
        """The option that says where the key is, of the strongest level at which one does."""
        named = [name for name in KEYS if self[name] is not None]
        return min(named, key=self.level, default=None)


def settings_of(flags: Mapping[str, Any], environ: Mapping[str, str], file: ConfigFile,
                profile: str | None) -> Settings:
    """All that holds for a mount by that profile; the profile may be a state's name only. Raises SetupError for what
    makes no sense, with the place where it stands.
    """
    section = f"{PROFILE}.{profile}"
    if wrong := of_section(findings(file), DEFAULTS, section):
        raise wrong[0].error()
    tables = (("profile", (PROFILE, profile or ""), file.profiles.get(profile or "", {})),
              ("defaults", (DEFAULTS,), file.defaults))
    found = {}
    for setting in SETTINGS.values():
        found[setting.name] = (_flag(setting, flags) or _variable(setting, environ)
                               or next((_of_file(setting, file, level, keys, table) for level, keys, table in tables
                                        if setting.name in table), None)
                               or Found(_read(setting, setting.default, "") if setting.default else
                                        False if setting.is_switch else None, LEVELS[-1], "", setting.default))
    flagged = [SETTINGS[name].flag for name in KEYS if found[name].level == "flag"]
    if len(flagged) > 1:
        raise SetupError(f"{' and '.join(flagged)} both say where the key is: leave one.", EXIT_USAGE)
    return Settings(found, profile, file)


def directory_of(file: ConfigFile, profile: str | None) -> Path | None:
    """Where a profile is mounted. Raises SetupError for what is no path."""
    value = file.profiles.get(profile or "", {}).get(DIRECTORY.name)
    if value is None:
        return None
    try:
        text = text_of(DIRECTORY, value)
        assert isinstance(text, str)
        path: Path = DIRECTORY.read(text)
    except SetupError as exc:
        where = file.where(PROFILE, profile or "", DIRECTORY.name)
        raise SetupError(f"{where}: {DIRECTORY.name}: {exc}", EXIT_USAGE) from None
    return path


def no_profile(file: ConfigFile, name: str) -> str:
    """Says that there is none of that name, and which there are."""
    known = sorted(file.profiles)
    if not known:
        return "there is no profile of that name, nor any other: `anthrofs init` makes one"
    hint = nearest(name, known)
    rest = f": {hint}" if hint else f", only {', '.join(map(printable, known))}"
    return f"there is no profile of that name{rest}"


def _flag(setting: Setting, flags: Mapping[str, Any]) -> Found | None:
    given = flags.get(setting.name)
    if given in (None, ""):     # as of a variable in a script that isn't set
        return None
    if isinstance(given, bool):
        return Found(given, LEVELS[0], setting.flag, "true" if given else "false")
    return Found(_read(setting, given, f"{setting.flag} {given!a}"), LEVELS[0], setting.flag, given)


def _variable(setting: Setting, environ: Mapping[str, str]) -> Found | None:
    """An empty one counts as unset."""
    text = environ.get(setting.variable, "").strip()
    if not text:
        return None
    return Found(_read(setting, text, setting.variable), LEVELS[1], setting.variable, text)


def _of_file(setting: Setting, file: ConfigFile, level: str, keys: tuple[str, ...],
             table: Mapping[str, Any]) -> Found:
    text = text_of(setting, table[setting.name])        # the findings have seen it
    where = file.where(*keys, setting.name)
    if isinstance(text, tuple):
        import shlex  # noqa: PLC0415 - few have a command

        return Found(text, level, where, shlex.join(text))
    return Found(setting.read(text), level, where, text)


def _read(setting: Setting, text: str, shown: str) -> Any:
    try:
        return setting.read(text)
    except SetupError as exc:
        raise SetupError(f"{printable(shown)}: {exc}", exc.exit_code) from None
