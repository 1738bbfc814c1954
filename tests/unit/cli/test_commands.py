"""The commands, as they are typed, where no mount is needed."""

import os
import subprocess
from pathlib import Path

from tests.mounting import COMMAND


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
