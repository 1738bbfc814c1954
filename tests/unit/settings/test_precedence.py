"""Manual, config: 'the first of these that says it'. One order, for every option."""

from pathlib import Path
from typing import Any

import pytest

from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.settings.config_file import ConfigFile, parsed
from anthrofs.settings.precedence import LEVELS, settings_of
from anthrofs.settings.table import SETTINGS, Setting

NOTHING = ConfigFile(None)
# Values that differ between neighbours; of what takes one of a few words, those words.
SAMPLES: dict[str, tuple[str, str, str, str]] = {
    "expires_in": ("1d", "2d", "3d", "4d"), "glances": ("1M", "2M", "all", "none"),
    "keep_uploads": ("1G", "2G", "all", "none"), "key_command": ("a b", "c d", "e f", "g h"), "base_url": ("http://a", "http://b", "http://c", "http://d"),
    "store": ("s3://a", "s3://b", "s3://c", "s3://d"), "board": ("redis://a", "redis://b", "redis://c", "redis://d"), "umask": ("1", "2", "3", "4"),
}


def sample(setting: Setting, level: int) -> str:
    if setting.is_switch:
        return ("true", "false")[level % 2]
    if setting.name in SAMPLES:
        return SAMPLES[setting.name][level]
    if setting.shows not in ("DIR", "FILE") and (known := words_of(setting)):
        return known[level % len(known)]
    return f"/{level}" if setting.shows in ("DIR", "FILE") else str(11 + level) if setting.shows in ("N", "SECONDS", "SIZE") else f"name{level}"


def words_of(setting: Setting) -> list[str]:
    """The words that an option takes, as its error has them; none, if it takes others."""
    try:
        setting.read("\n")
    except SetupError as exc:
        known = str(exc).removeprefix("it takes ").rstrip(".").replace(" or ", ", ").split(", ")
        return known if all(word.isalpha() for word in known) else []
    return []


def in_toml(setting: Setting, text: str) -> str:
    return text if setting.is_switch else str(text.split(" ")) if setting.name == "key_command" else f'"{text}"'


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_the_stronger_of_any_two_counts(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anthrofs.settings.findings._looked_at", lambda *_: iter(()))     # whether its file is there is another question
    shown = [sample(setting, level) for level in range(4)]
    for level in range(4):
        flags: dict[str, Any] = {setting.name: (shown[0] == "true" if setting.is_switch else shown[0])} if level == 0 else {}
        environ = {setting.variable: shown[1]} if level <= 1 else {}
        profile = f"[profile.p]\n{setting.name} = {in_toml(setting, shown[2])}\n" if level <= 2 else ""
        file = parsed(Path("/c"), f"[defaults]\n{setting.name} = {in_toml(setting, shown[3])}\n{profile}")

        found = settings_of(flags, environ, file, "p").found[setting.name]

        assert (found.level, found.value) == (LEVELS[level], setting.read(shown[level]))
        assert found.where == (setting.flag, setting.variable, "/c:4", "/c:2")[level]


def test_what_is_built_in_is_what_the_help_says() -> None:
    found = settings_of({}, {}, NOTHING, None)
    assert {each.level for each in found.found.values()} == {"built in"}
    assert (found["upload"], found["cache_size"], found["refresh"], found["poll"], found["keep_uploads"], found["expires_in"]) == ("wait", 10**10, 10, False, None, None)


def test_a_flag_takes_back_what_the_file_says() -> None:
    file = parsed(Path("/c"), "[profile.p]\nread_only = true\n")
    assert settings_of({}, {}, file, "p")["read_only"] is True
    assert settings_of({"read_only": False}, {}, file, "p")["read_only"] is False


def test_a_profiles_options_are_not_anothers() -> None:
    file = parsed(Path("/c"), "[profile.p]\nupload = 'queue'\n[profile.q]\n")
    assert [settings_of({}, {}, file, profile)["upload"] for profile in ("p", "q", None, "of the state only")] == ["queue", "wait", "wait", "wait"]


def test_an_empty_flag_or_variable_says_nothing() -> None:
    assert settings_of({"workspace": "", "cache_size": ""}, {}, NOTHING, None).found["cache_size"].level == "built in"
    assert settings_of({}, {"ANTHROFS_UPLOAD": " "}, NOTHING, None)["upload"] == "wait"


@pytest.mark.parametrize(("flags", "environ", "says"), [
    ({"upload": "never"}, {}, "--upload 'never': it takes wait or queue."), ({}, {"ANTHROFS_UPLOAD": "sk-secret"}, "ANTHROFS_UPLOAD: it takes wait or queue."),
    ({"refresh": "nan"}, {}, "--refresh 'nan': it takes a number from 0.1 to 1000000000."), ({"requests_per_minute": "1.5"}, {}, "it takes a whole number from 1 to 1000000."),
    ({"key_file": "/a", "keyring": "b"}, {}, "--key-file and --keyring both say where the key is"),
])
def test_what_makes_no_sense_names_where_it_stands(flags: dict[str, Any], environ: dict[str, str], says: str) -> None:
    with pytest.raises(SetupError) as caught:
        settings_of(flags, environ, NOTHING, None)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.exit_code == EXIT_USAGE
