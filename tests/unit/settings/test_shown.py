"""Each value with where it is from, and no secret in it."""

from pathlib import Path

import pytest

from anthrofs.settings.config_file import ConfigFile, parsed
from anthrofs.settings.precedence import settings_of
from anthrofs.settings.shown import MASK, as_json, masked, shown

SECRET = "s3cret-Zq8"


def test_each_value_is_shown_with_the_strongest_place_that_says_it() -> None:
    file = parsed(Path("/c"), "[defaults]\ncache_size = '1G'\n[profile.p]\ndirectory = '/on'\nupload = 'queue'\nkey_command = ['pass', 'show']\n")
    settings = settings_of({}, {"ANTHROFS_POLL": "yes"}, file, "p")
    rows = {row.name: (row.value, row.level, row.where) for row in shown(settings, {"ANTHROFS_POLL": "yes"})}
    assert rows["directory"] == ("/on", "profile", "/c:4")
    assert rows["upload"] == ("queue", "profile", "/c:5")
    assert rows["cache_size"] == ("1G", "defaults", "/c:2")
    assert rows["poll"] == ("yes", "environment", "ANTHROFS_POLL")
    assert rows["layout"] == ("tree", "built in", "")
    assert rows["key_command"] == ("pass …", "profile", "/c:6")
    assert "binding" not in rows
    assert as_json(settings, shown(settings, {}))["options"]["upload"] == {"value": "queue", "level": "profile", "where": "/c:5"}


@pytest.mark.parametrize("environ", [
    {"ANTHROPIC_API_KEY": SECRET}, {"ANTHROPIC_AUTH_TOKEN": SECRET}, {"ANTHROPIC_CUSTOM_HEADERS": f"x-api-key: {SECRET}"}, {"ANTHROPIC_CUSTOM_HEADERS": f"{SECRET} x: {SECRET}"},
    {"ANTHROFS_BOARD": f"redis://me:{SECRET}@h/0"}, {"ANTHROFS_BOARD_PASSWORD": SECRET}, {"ANTHROFS_STORE": f"s3://{SECRET}@b?x={SECRET}"},
    {"ANTHROPIC_BASE_URL": f"https://me:{SECRET}@host/?{SECRET}"}, {"ANTHROFS_KEY_COMMAND": f"echo {SECRET}"}, {"ANTHROPIC_BASE_URL": f"https://[{SECRET}@"},
], ids="-".join)
def test_no_secret_is_shown(environ: dict[str, str]) -> None:
    settings = settings_of({}, environ, ConfigFile(None), None)
    assert SECRET not in repr(shown(settings, environ))
    assert SECRET not in repr(as_json(settings, shown(settings, environ)))


def test_what_doesnt_count_says_what_goes_before_it() -> None:
    environ = {"ANTHROPIC_API_KEY": SECRET}
    settings = settings_of({}, environ, parsed(Path("/c"), "[defaults]\nkeyring = 'work'\n"), None)
    rows = {row.name: row for row in shown(settings, environ)}
    assert rows["keyring"].where == "/c:2 (not used: ANTHROPIC_API_KEY goes before it)"
    assert (rows["key"].value, rows["key"].where) == (MASK, "ANTHROPIC_API_KEY")


@pytest.mark.parametrize(("address", "said"), [
    ("https://h/x", "https://h/x"), ("https://me:pw@h:1/x?k=v", f"https://{MASK}@h:1/x"), ("s3://bucket/a", "s3://bucket/a"), ("redis://:pw@h", f"redis://{MASK}@h"), ("nonsense", "nonsense"),
])
def test_an_address_is_shown_without_what_stands_before_its_host(address: str, said: str) -> None:
    assert masked(address) == said
