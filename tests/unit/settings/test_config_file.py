"""A person's file of settings is read as it stands, and what can't be read is one sentence with its place."""

import os
from pathlib import Path

import pytest

from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.settings.config_file import config_path, parsed, read_config

TEXT = """# mine
[defaults]
cache_size = "5G"

[profile.work]
directory = "~/work"        # there
key_command = [
    "pass",
    "show",
]
[profile."my own"]
"directory" = '/own'
profile.dotted = 1
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def written(tmp_path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path = tmp_path / "anthrofs" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def refused(environ: dict[str, str], says: str) -> str:
    with pytest.raises(SetupError) as caught:
        read_config(environ)
    assert caught.value.exit_code == EXIT_USAGE
    assert says in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("keys", "line"), [
    (("defaults",), 2), (("defaults", "cache_size"), 3), (("profile", "work"), 5), (("profile", "work", "directory"), 6), (("profile", "work", "key_command"), 7),
    (("profile", "my own", "directory"), 12), (("profile", "my own", "profile", "dotted"), 13), (("profile", "work", "nowhere"), 5), (("nothing",), 0),
], ids=lambda each: ".".join(each) if isinstance(each, tuple) else None)
def test_each_key_has_its_line(keys: tuple[str, ...], line: int) -> None:
    file = parsed(Path("/c.toml"), TEXT)
    assert file.line(*keys) == line
    assert file.where(*keys) == ("/c.toml" if not line else f"/c.toml:{line}")


def test_profiles_and_defaults_are_what_the_file_says(tmp_path: Path, environ: dict[str, str]) -> None:
    written(tmp_path, TEXT, 0o644)
    file = read_config(environ)
    assert file.defaults == {"cache_size": "5G"}
    assert list(file.profiles) == ["work", "my own"]


@pytest.mark.parametrize("content", ["", TEXT, "\ufeff" + TEXT, TEXT.replace("\n", "\r\n")], ids=["empty", "plain", "with a byte order mark", "from Windows"])
def test_a_file_is_the_same_however_it_was_saved(tmp_path: Path, environ: dict[str, str], content: str) -> None:
    written(tmp_path, content)
    assert read_config(environ).top == parsed(Path("/x"), TEXT if content else "").top


@pytest.mark.parametrize(("content", "says"), [
    (b"[defaults]\ncache_size = = 3\n", ":2:14: Invalid value."), (b"[profile.work\n", ":1:14: "), (b"a = 'sk-secret\n", ":2: Expected"), (b"[defaults]\n[defaults]\n", ":2:"),
    (b'[defaults]\nkey = "\xff"\n', ":2: the file is not UTF-8"), ("[defaults]".encode("utf-16"), ":1: the file is not UTF-8"), (b"x = 1\n" * 200000, "longer than any"),
    (b"a = " + b"[" * 5000, "config.toml"),
], ids=["value", "header", "quote", "twice", "latin-1", "utf-16", "long", "deep"])
def test_what_is_no_toml_is_said_with_its_place_and_without_its_words(tmp_path: Path, environ: dict[str, str], content: bytes, says: str) -> None:
    path = written(tmp_path, content)
    said = refused(environ, says)
    assert said.startswith(str(path))
    assert "secret" not in said


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o622])
def test_a_file_that_others_can_change_is_refused_for_it_can_name_commands(tmp_path: Path, environ: dict[str, str], mode: int) -> None:
    path = written(tmp_path, TEXT, mode)
    assert f"chmod go-w {path}" in refused(environ, "can be changed by others")


@pytest.mark.root
def test_another_users_file_is_refused(tmp_path: Path, environ: dict[str, str]) -> None:
    os.chown(written(tmp_path, TEXT), 12345, 12345)
    refused(environ, "belongs to another user")


def test_what_is_no_file_is_said_and_none_at_all_says_nothing(tmp_path: Path, environ: dict[str, str]) -> None:
    assert read_config(environ).top == {}
    (tmp_path / "anthrofs").write_text("")                  # a file where the directory would be
    assert read_config(environ).top == {}
    (tmp_path / "anthrofs").unlink()
    (tmp_path / "anthrofs" / "config.toml").mkdir(parents=True)
    refused(environ, "is no plain file")
    (tmp_path / "anthrofs" / "config.toml").rmdir()
    os.mkfifo(tmp_path / "anthrofs" / "config.toml", 0o600)
    refused(environ, "is no plain file")


def test_a_file_that_is_named_has_to_be_there_unless_it_is_about_to_be_made(tmp_path: Path) -> None:
    environ = {"ANTHROFS_CONFIG": str(tmp_path / "own.toml")}
    assert "anthrofs init" in refused(environ, "own.toml, and that does not exist")
    assert read_config(environ, made=True).top == {}
    assert read_config({"ANTHROFS_CONFIG": os.devnull}).top == {}


def test_a_link_leads_to_the_file_as_tools_that_keep_dot_files_make_it(tmp_path: Path, environ: dict[str, str]) -> None:
    real = written(tmp_path, TEXT)
    real.rename(tmp_path / "kept.toml")
    real.symlink_to(tmp_path / "kept.toml")
    assert list(read_config(environ).profiles) == ["work", "my own"]


def test_the_file_is_where_xdg_says_and_nowhere_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert config_path({}) == config_path({"XDG_CONFIG_HOME": "relative"}) == Path("/home/me/.config/anthrofs/config.toml")
    assert config_path({"XDG_CONFIG_HOME": "/c"}) == Path("/c/anthrofs/config.toml")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert config_path({}) is None
    assert read_config({}).path is None
