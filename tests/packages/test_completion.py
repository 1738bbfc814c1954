"""Manual, completion: 'In the next shell the tabulator key completes commands, options, values and paths'."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.terminal import Terminal

pytestmark = pytest.mark.packages


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a directory of odd names, and `anthrofs` on the path."""
    (tmp_path / "here" / "my files").mkdir(parents=True)
    (tmp_path / "here" / "paper.pdf").touch()
    config = tmp_path / ".config" / "anthrofs" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[profile.workshop]\ndirectory = "{tmp_path}/w"\n')
    config.chmod(0o600)
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    (bin_dir / "anthrofs").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m anthrofs "$@"\n')
    (bin_dir / "anthrofs").chmod(0o755)
    return tmp_path


@contextmanager
def shell(home: Path, *command: str) -> Iterator[Terminal]:
    """An interactive shell of a user who has installed completion."""
    variables = {"HOME": str(home), "PATH": f"{home / 'bin'}:/usr/bin:/bin", "TERM": "vt100", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(Path(__file__).parents[2])}
    given = [f"{name}={value}" for name, value in variables.items()]
    subprocess.run(["env", "-i", *given, "anthrofs", "completion", "install", command[0]], check=True, timeout=60)
    with Terminal(["env", "-i", *given, *command], home / "here") as one:
        yield one


def test_bash_completes_commands_options_values_and_paths(home: Path) -> None:
    (home / ".bashrc").write_text("PS1='ready> '\nbind 'set enable-bracketed-paste off'\n. /usr/share/bash-completion/bash_completion\n")
    with shell(home, "bash", "-i") as bash:
        bash.shows("ready> ")
        bash.types("echo; anthrofs umo\t")
        bash.shows("anthrofs umount ")
        bash.types("--laz\t")
        bash.shows("--lazy ")
        bash.types("my\t")
        bash.shows("my\\ files/")
        bash.types("\x15anthrofs mount works\t")
        bash.shows("workshop ")
        bash.types("--profile wor\t")
        bash.shows("workshop ")
        bash.types("\x15anthrofs mount --upload q\t")
        bash.shows("queue ")
        bash.types("\x15anthrofs fleet g\t")
        bash.shows("fleet gc ")
        bash.types("\x15anthrofs id pap\t")
        bash.shows("paper.pdf ")


def test_zsh_completes_commands_options_values_and_paths(home: Path) -> None:
    (home / ".zshrc").write_text("PROMPT='ready> '\nunsetopt zle_bracketed_paste 2>/dev/null\nunset zle_bracketed_paste\n")
    with shell(home, "zsh", "-i") as zsh:
        zsh.shows("ready> ")
        zsh.types("anthrofs umo\t")
        zsh.shows("unt ")
        zsh.types("--laz\t")
        zsh.shows("y ")
        zsh.types("my\t")
        zsh.shows("\\ files/")
        zsh.types("\x15anthrofs mount works\t")
        zsh.shows("hop ")
        zsh.types("--profile wor\t")
        zsh.shows("kshop ")
        zsh.types("\x15anthrofs mount --upload q\t")
        zsh.shows("ueue ")
        zsh.types("\x15anthrofs fleet g\t")
        zsh.shows("c ")


@pytest.mark.parametrize(("line", "found"), [
    ("anthrofs umo", "umount"), ("anthrofs umount --laz", "--lazy"), ("anthrofs umount my", "my files/"),
    ("anthrofs mount --upload q", "queue"), ("anthrofs fleet g", "gc"), ("anthrofs id pap", "paper.pdf"), ("anthrofs help promi", "promises"),
    ("anthrofs mount works", "workshop"), ("anthrofs mount --profile works", "workshop"), ("anthrofs mount --no-re", "--no-read-only"),
], ids=["command", "option", "directory", "value", "group", "file", "page", "profile", "profile-of-option", "switch"])  # fmt: skip
def test_fish_completes_commands_options_values_and_paths(home: Path, line: str, found: str) -> None:
    with shell(home, "fish", "-c", f"complete -C '{line}'") as fish:
        fish.shows(found)
        assert fish.ends() == 0
