"""A profile is added, and nothing else in the file changes; what is there is never replaced."""

import os
from pathlib import Path

import pytest

from anthrofs.errors import EXIT_FAILED, EXIT_USAGE, SetupError
from anthrofs.settings.config_file import parsed, read_config
from anthrofs.settings.writing import add_key, add_profile, check_new, section_of

OLD = "# my notes\n[defaults]   # all\ncache_size = '1G'"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path / "c")}


def test_the_first_profile_makes_the_file_for_its_owner_only(environ: dict[str, str], tmp_path: Path) -> None:
    path = add_profile(environ, "work", {"directory": "~/work"})
    assert path == tmp_path / "c" / "anthrofs" / "config.toml"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert path.read_text() == '[profile.work]\ndirectory = "~/work"\n'
    assert os.listdir(path.parent) == ["config.toml"]


def test_what_is_there_stays_with_its_comments_and_its_mode(environ: dict[str, str], tmp_path: Path) -> None:
    path = add_profile(environ, "work", {"directory": "~/work"})
    path.write_text(OLD)
    path.chmod(0o644)
    add_profile(environ, "team", {"directory": "~/team", "key_command": ["pass", 'a "b"']})
    assert path.read_text() == OLD + '\n\n[profile.team]\ndirectory = "~/team"\nkey_command = ["pass", "a \\"b\\""]\n'
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_profile_that_is_there_is_left_alone(environ: dict[str, str]) -> None:
    path = add_profile(environ, "work", {"directory": "~/work"})
    before = path.read_bytes()
    with pytest.raises(SetupError, match=r"There is a profile work already: .*config.toml:1"):
        add_profile(environ, "work", {"directory": "~/other"})
    assert path.read_bytes() == before


@pytest.mark.parametrize("values", [{"upload": "never"}, {"uplaod": "wait"}, {"key_file": "/nowhere"}], ids=["value", "name", "file"])
def test_what_would_be_a_mistake_isnt_written(environ: dict[str, str], values: dict[str, str]) -> None:
    path = add_profile(environ, "work", {"directory": "~/work"})
    before = path.read_bytes()
    with pytest.raises(SetupError):
        add_profile(environ, "team", values)
    assert path.read_bytes() == before


def test_a_broken_file_is_said_and_not_added_to(environ: dict[str, str]) -> None:
    path = add_profile(environ, "work", {"directory": "~/work"})
    path.write_text("[defaults\n")
    with pytest.raises(SetupError, match=r"config.toml:1:"):
        add_profile(environ, "team", {})
    assert path.read_text() == "[defaults\n"


def test_a_link_stays_one_and_a_device_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "kept.toml").write_text(OLD)
    (tmp_path / "config.toml").symlink_to(tmp_path / "kept.toml")
    add_profile({"ANTHROFS_CONFIG": str(tmp_path / "config.toml")}, "work", {})
    assert (tmp_path / "config.toml").is_symlink()
    assert "[profile.work]" in (tmp_path / "kept.toml").read_text()
    with pytest.raises(SetupError, match="no file that could be written"):
        add_profile({"ANTHROFS_CONFIG": os.devnull}, "work", {})
    assert not Path(os.devnull).is_file()


def test_a_directory_that_takes_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("")
    with pytest.raises(SetupError, match="can't be written") as caught:
        add_profile({"XDG_CONFIG_HOME": str(tmp_path / "c")}, "work", {})
    assert caught.value.exit_code == EXIT_FAILED


@pytest.mark.parametrize("name", ["work", "my own", "mein Büro", 'a"b', "a.b", "1"])
def test_any_name_that_a_directory_can_have_is_written_so_that_it_is_read_again(environ: dict[str, str], name: str) -> None:
    add_profile(environ, name, {"directory": "~/'x' \"y\" ü\u2028"})
    assert read_config(environ).profiles == {name: {"directory": "~/'x' \"y\" ü\u2028"}}


@pytest.mark.parametrize("text", ["\x7f", "\x00", "\n", "\\", "\t", "\U0001f600", "\x1b[31m"])
def test_any_text_is_written_so_that_it_is_read_again(text: str) -> None:
    assert parsed(Path("/c"), section_of("p", {"directory": text})).profiles == {"p": {"directory": text}}


def test_a_key_goes_into_a_file_of_its_own_and_never_over_another(tmp_path: Path) -> None:
    add_key(tmp_path / "c" / "work.key", "sk-one")
    assert (tmp_path / "c" / "work.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SetupError, match="is there already") as caught:
        add_key(tmp_path / "c" / "work.key", "sk-two")
    assert caught.value.exit_code == EXIT_USAGE
    assert "sk-" not in str(caught.value)
    assert (tmp_path / "c" / "work.key").read_text() == "sk-one\n"


def test_without_a_home_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    with pytest.raises(SetupError, match="no home directory"):
        check_new(read_config({}), "work")
