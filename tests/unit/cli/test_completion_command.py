"""Where completion is written, what of a shell's own file is changed, and that all of it goes again."""

from pathlib import Path

import pytest

from anthrofs.cli import commands
from anthrofs.cli.syntax import COMMANDS
from anthrofs.errors import EXIT_FAILED, EXIT_USAGE, SetupError

PLACES = {"bash": ".local/share/bash-completion/completions/anthrofs", "zsh": ".local/share/zsh/site-functions/_anthrofs", "fish": ".config/fish/completions/anthrofs.fish"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    return tmp_path


@pytest.mark.parametrize("shell", PLACES)
def test_each_shell_gets_its_file_where_it_looks_and_loses_it_again(home: Path, shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    commands.run(["completion", "install", shell])
    path = home / PLACES[shell]
    assert str(path) in capsys.readouterr().out
    text = path.read_text()
    assert [name for name in COMMANDS if name.split()[-1] not in text] == []
    commands.run(["completion", "remove", shell])
    assert not path.exists()
    assert capsys.readouterr().out == f"{shell}: removed\n"
    commands.run(["completion", "remove", shell])
    assert capsys.readouterr().out == f"{shell}: nothing was installed\n"


def test_the_users_own_shell_is_taken(home: Path) -> None:
    commands.run(["completion", "install"])
    assert (home / PLACES["zsh"]).exists()
    assert not (home / PLACES["fish"]).exists()


@pytest.mark.parametrize("own", [None, "", "alias l=ls\n", "alias l=ls", "# caf\xe9\n"], ids=["none", "empty", "lines", "no-line-end", "latin-1"])
def test_zshs_own_lines_stay_as_they_are(home: Path, own: str | None) -> None:
    rc = home / ".zshrc"
    if own is not None:
        rc.write_bytes(own.encode("latin-1"))
    commands.run(["completion", "install"])
    commands.run(["completion", "install"])
    assert rc.read_text(encoding="latin-1").count("autoload -Uz compinit") == 1
    assert rc.read_text(encoding="latin-1").startswith(own or "")
    commands.run(["completion", "remove"])
    assert rc.read_bytes().decode("latin-1") == (own or "") + ("\n" if own and not own.endswith("\n") else "")


def test_a_shell_that_nobody_knows_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/sh")
    for words in (["completion", "install"], ["completion", "show", "tcsh"]):
        with pytest.raises(SetupError, match="there for bash, zsh, fish") as found:
            commands.run(words)
        assert found.value.exit_code == EXIT_USAGE


def test_without_a_home_or_with_one_that_cannot_be_written_it_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".config").write_text("a file, where a directory should be")
    with pytest.raises(SetupError, match="can't be written: Not a directory") as found:
        commands.run(["completion", "install", "fish"])
    assert found.value.exit_code == EXIT_FAILED
    monkeypatch.delenv("HOME")
    with pytest.raises(SetupError, match="no home directory"):
        commands.run(["completion", "install", "bash"])


def test_a_bash_path_with_a_space_is_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    commands.run(["completion", "show", "bash"])
    assert "complete -o bashdefault -o filenames -F _shtab_anthrofs anthrofs" in capsys.readouterr().out


def test_a_name_that_a_shell_would_run_is_offered_by_none(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """bash expands the words that it completes, and zsh those in an action."""
    config = home / "config.toml"
    names = ["work", "année.2", f"$(touch {home}/run)", f"`touch {home}/run`", "a b", "a;b", "~root", "-x", "*", "a'b"]
    config.write_text("".join(f'[profile."{name}"]\ndirectory = "/mnt"\n' for name in names))
    config.chmod(0o600)
    monkeypatch.setenv("ANTHROFS_CONFIG", str(config))
    commands.run(["completion", "profiles"])
    assert capsys.readouterr().out.splitlines() == ["année.2", "work"]
