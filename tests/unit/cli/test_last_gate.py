"""No traceback reaches who has typed a command, and no secret what is written down about it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anthrofs.cli import commands
from anthrofs.cli.last_gate import MOST_BYTES, NAME, sentence_of
from anthrofs.errors import SetupError
from tests.mounting import COMMAND, ROOT

KEY = "sk-ant-api03-verysecret"
BROKEN = "import sys\nfrom anthrofs.client import detached\nfrom anthrofs.cli import commands\ndef broken(*_):\n    {}\ndetached.statuses = broken\ncommands.main()"


def typed(line: str, tmp_path: Path, **variables: str) -> tuple[int, str, str]:
    """`anthrofs status`, in which that line runs: exit code, standard error, what was written down."""
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "ANTHROPIC_API_KEY": KEY, **variables}
    done = subprocess.run([sys.executable, "-c", BROKEN.format(line), "status"], env=environ, text=True, capture_output=True, timeout=60, check=False)
    assert done.stdout == ""
    path = tmp_path / "anthrofs" / NAME
    return done.returncode, done.stderr, path.read_text() if path.exists() else ""


def test_a_fault_of_its_own_is_one_sentence_and_the_details_are_in_a_file(tmp_path: Path) -> None:
    code, said, written = typed("raise KeyError('x')", tmp_path)
    assert code == 1
    assert said.startswith("anthrofs: Something happened that anthrofs didn't expect, which is a fault of its own (KeyError: 'x'")
    assert said.count("\n") == 1
    assert f"The details are in {tmp_path / 'anthrofs' / NAME}" in said
    assert "Traceback (most recent call last)" in written
    assert "KeyError" in written
    assert (tmp_path / "anthrofs" / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("line", ["raise ValueError(__import__('os').environ['ANTHROPIC_API_KEY'])", "raise RuntimeError('asked http://me:hunter22@proxy/ in vain')"], ids=["key", "proxy"])
def test_no_secret_is_said_or_written(tmp_path: Path, line: str) -> None:
    _, said, written = typed(line, tmp_path)
    assert "***" in said
    assert not any(secret in said + written.replace(line, "") for secret in (KEY, "hunter22"))


def test_what_the_system_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    code, said, _ = typed("open('/nowhere/at/all')", tmp_path)
    assert (code, said.startswith("anthrofs: The system refused what anthrofs needs: No such file or directory: /nowhere/at/all.")) == (1, True)


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    code, said, _ = typed("import nosuchpackage", tmp_path)
    assert (code, said.startswith("anthrofs: A package that anthrofs needs is missing (nosuchpackage)")) == (4, True)


@pytest.mark.parametrize("plant", ["link", "second name", "pipe"])
def test_details_go_into_no_file_that_somebody_has_planted(tmp_path: Path, plant: str) -> None:
    (tmp_path / "anthrofs").mkdir()
    path, other = tmp_path / "anthrofs" / NAME, tmp_path / "other"
    other.write_text("mine")
    {"link": lambda: path.symlink_to(other), "second name": lambda: path.hardlink_to(other), "pipe": lambda: os.mkfifo(path)}[plant]()
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", BROKEN.format("raise KeyError('x')"), "status"], env=environ, text=True, capture_output=True, timeout=60, check=False)
    assert (done.returncode, "fault of its own" in done.stderr, "The details are in" in done.stderr) == (1, True, False)
    assert other.read_text() == "mine"


def test_a_file_of_details_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "anthrofs").mkdir()
    (tmp_path / "anthrofs" / NAME).touch(0o644)
    typed("raise KeyError('x')", tmp_path)
    assert (tmp_path / "anthrofs" / NAME).stat().st_mode & 0o777 == 0o600


def test_where_nothing_can_be_written_it_is_said_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "anthrofs").write_text("a file is in the way")
    code, said, _ = typed("raise KeyError('x')", tmp_path)
    assert (code, "The details are in" in said, "fault of its own" in said) == (1, False, True)


def test_the_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for _ in range(5):
        sentence_of(ValueError("x" * MOST_BYTES))
    assert (tmp_path / "anthrofs" / NAME).stat().st_size < 2 * MOST_BYTES


def test_a_command_in_a_directory_that_has_gone_says_so(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", script, "bash", tmp_path / "gone", *COMMAND, "ls"], env=environ, text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("anthrofs: ")


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "latin-1"}], ids=["C", "ascii", "latin-1"])
def test_a_terminal_that_lacks_characters_gets_their_numbers(tmp_path: Path, locale: dict[str, str]) -> None:
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), **locale}
    done = subprocess.run([*COMMAND, "help", "names"], env=environ, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    done = subprocess.run([*COMMAND, "status", os.fsencode(tmp_path) + b"/\xff\xe2\x80\xa6"], env=environ, capture_output=True, timeout=60, check=False)
    assert (done.returncode, b"does not exist" in done.stderr) == (2, True)


def test_without_standard_error_nothing_is_said_on_standard_output(tmp_path: Path) -> None:
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", 'exec "$@" 2>&-', "bash", *COMMAND, "status", tmp_path], env=environ, stdout=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


BROKEN_MOUNT = """
from anthrofs.cli import commands
from anthrofs.daemon import mount
def broken(*_):
    raise RuntimeError("with " + __import__("os").environ["ANTHROPIC_API_KEY"])
mount.Mount.__init__ = broken
commands.main()
"""


@pytest.mark.parametrize("more", [[], ["--foreground"]], ids=["background", "foreground"])
def test_a_mount_that_meets_one_says_so_to_who_has_started_it(tmp_path: Path, more: list[str]) -> None:
    (tmp_path / "files").mkdir()
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", BROKEN_MOUNT, "mount", *more, tmp_path / "files"], env=environ, text=True, capture_output=True, timeout=60, check=False)
    written = (tmp_path / "anthrofs" / NAME).read_text()
    assert (done.returncode, "fault of its own (RuntimeError: with ***" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    assert "RuntimeError" in written
    assert KEY not in done.stderr + written


@pytest.mark.parametrize("command", ["id", "ls", "log", "free", "fetch", "retry", "push", "discard", "status", "sync", "umount", "refresh", "check", "mount"])
@pytest.mark.parametrize("kind", ["too long", "below a file", "a loop", "half a character"])
def test_a_path_that_no_system_has_is_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, kind: str) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    path = {"too long": str(tmp_path / ("x" * 300)), "below a file": str(tmp_path / "file" / "below"), "a loop": str(tmp_path / "loop" / "below"),
            "half a character": str(tmp_path / "\udc80")}[kind]
    with pytest.raises(SetupError) as refused:
        commands.run([command, path])
    assert refused.value.exit_code in (1, 2)
