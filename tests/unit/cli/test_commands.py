"""The commands, as they are typed, where no mount is needed."""

import json
import os
import platform
import socket
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from anthrofs.cli import commands
from tests.mounting import COMMAND, ROOT


def test_help_says_what_each_command_is_for() -> None:
    done = subprocess.run([*COMMAND, "--help"], text=True, capture_output=True, timeout=30, check=True)
    for command in ("mount", "umount", "sync", "status", "id", "retry", "refresh", "check", "emulator"):
        assert command in done.stdout


def test_a_reader_that_has_gone_is_no_bug() -> None:
    """`anthrofs help | head`"""
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = subprocess.run([*COMMAND, "help"], stdout=theirs, stderr=subprocess.PIPE, timeout=30, check=False)
    finally:
        os.close(theirs)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_full_disk_is_a_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, "help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (1, "anthrofs: What was asked for could not be written: No space left on device.\n")


def test_without_a_standard_output_nothing_is_printed_and_nothing_fails() -> None:
    done = subprocess.run(["bash", "-c", 'exec "$@" >&-', "bash", *COMMAND, "help"], stderr=subprocess.PIPE, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_without_a_command_all_are_listed_and_the_code_is_that_of_a_wrong_line() -> None:
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    assert "  umount " in done.stdout


@pytest.mark.parametrize("words", [["--version"], ["-V"], ["version"]], ids=["long", "short", "command"])
def test_the_version_comes_with_those_of_what_anthrofs_runs_on(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    commands.run(words)
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [f"anthrofs {metadata.version('anthrofs')}", f"Python {platform.python_version()}"]
    assert any(line.startswith("libfuse ") for line in said)


def test_versions_are_one_json_value_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    commands.run(["--version", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["Python"] == platform.python_version()
    assert found["httpx"] == metadata.version("httpx")
    assert "ruff" not in found


def test_the_version_stands_in_one_place() -> None:
    """Manual, releases: 'The number stands in `pyproject.toml`, and nowhere else in the code'."""
    number = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert [path.name for path in (ROOT / "anthrofs").rglob("*.py") if f'"{number}"' in path.read_text()] == []


def test_a_port_that_is_in_use_is_a_sentence_and_the_code_for_that(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run([*COMMAND, "emulator", "--data", str(tmp_path), "--port", str(port)], text=True, capture_output=True,
                              timeout=30, check=False)
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr == (f"anthrofs: The emulator can't start: Port {port} of 127.0.0.1 is in use by another program. Choose another one "
                           "with --port, or 0 for any that is free.\n")


def test_a_directory_that_can_not_be_had_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run([*COMMAND, "emulator", "--data", str(tmp_path / "file")], text=True, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (2, f"anthrofs: The emulator can't keep its files in {tmp_path}/file: File exists.\n")
