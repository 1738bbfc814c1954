"""Manual, desktop: the entry in the menu."""

from pathlib import Path

import pytest

from anthrofs.desktop.entry import data_home, entry, icon, paths


def values(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def test_the_entry_opens_and_has_an_action_for_each_profile() -> None:
    said = entry(["/usr/bin/anthrofs"], ["home", "work"], page=True)
    assert values(said, "Exec") == ["/usr/bin/anthrofs desktop open", "/usr/bin/anthrofs desktop open home",
                                    "/usr/bin/anthrofs desktop open work", "/usr/bin/anthrofs web"]
    assert values(said, "Actions") == ["profile-0;profile-1;page;"]
    assert [line for line in said.splitlines() if line.startswith("[")] == [
        "[Desktop Entry]", "[Desktop Action profile-0]", "[Desktop Action profile-1]", "[Desktop Action page]"]


@pytest.mark.parametrize(("word", "written"), [
    ("/opt/my programs/anthrofs", '"/opt/my programs/anthrofs"'), ("/a$b", r'"/a\\$b"'), ('/a"b', r'"/a\\"b"'), ("/a\\b", r'"/a\\\\b"'),
    ("/100%", "/100%%"), ("/a;b", '"/a;b"'), ("/ä", '"/ä"')], ids=["space", "dollar", "quote", "backslash", "percent", "semicolon", "umlaut"])
def test_a_path_is_quoted_as_such_entries_have_it(word: str, written: str) -> None:
    assert values(entry([word], [], page=False), "Exec") == [f"{written} desktop open"]


def test_a_profiles_name_is_one_line() -> None:
    said = entry(["anthrofs"], ["a\nExec=evil"], page=False)
    assert values(said, "Exec") == ["anthrofs desktop open", r'anthrofs desktop open "a\nExec=evil"']


def test_it_lies_where_the_users_data_does() -> None:
    assert data_home({"HOME": "/home/ada"}) == Path("/home/ada/.local/share")
    assert data_home({"HOME": "/home/ada", "XDG_DATA_HOME": "/data"}) == Path("/data")
    assert data_home({"XDG_DATA_HOME": "relative"}) is None
    assert paths(Path("/data")) == (Path("/data/applications/anthrofs.desktop"), Path("/data/icons/hicolor/scalable/apps/anthrofs.svg"))


def test_the_icon_comes_with_the_package() -> None:
    assert icon().startswith(b"<svg ")
