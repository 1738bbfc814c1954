"""What goes on is told where it takes longer than a moment: in place on a terminal, by lines elsewhere."""

import os
import select
import subprocess
import sys
from typing import Final

import pytest

# The block goes on until enough was shown: the test reads, and then closes the input.
SHOWS: Final = """
import sys
from anthrofs.cli.teller import Teller
with Teller("[/nope] sending") as teller:
    teller.tell("[/nope] sending\\x1b[2J 3 files", 250, 1000)
    sys.stdin.read()
    with teller.aside():
        print("in between")
print("rich" in sys.modules)
"""
BOUND_S: Final = 20


def shown_on_terminal(terminal: dict[str, str], until: str) -> tuple[str, bytes]:
    """What a terminal was shown until that was there, and the standard output."""
    ours, theirs = os.openpty()
    with subprocess.Popen([sys.executable, "-c", SHOWS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs,
                          env={**os.environ, **terminal}) as process:
        os.close(theirs)
        shown = b""
        while until not in shown.decode(errors="replace"):
            assert select.select([ours], [], [], BOUND_S)[0], shown
            shown += os.read(ours, 100_000)
        assert process.stdin is not None
        process.stdin.close()
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait(BOUND_S) == 0
    os.close(ours)
    return shown.decode(), said


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_a_terminal_is_shown_what_goes_on_on_one_line_with_marks_as_they_are(columns: str) -> None:
    shown, said = shown_on_terminal({"TERM": "xterm", "COLUMNS": columns, "NO_COLOR": "1"}, "25%" if columns == "40" else "250 B of 1.0 kB")
    assert said == b"in between\nTrue\n"
    assert "[/nope]" in shown
    assert "\x1b[2J" not in shown               # what a name would have a terminal do
    assert "\n" not in shown.strip("\r\n")      # nothing was wrapped
    assert ("━" in shown) == (columns != "40")


def test_a_terminal_without_colours_gets_none() -> None:
    shown, _ = shown_on_terminal({"TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"}, "250 B of 1.0 kB")
    assert not [code for code in ("\x1b[3", "\x1b[9") if code in shown]


def test_a_terminal_that_is_no_utf_8_gets_a_bar_of_its_own_letters() -> None:
    shown, _ = shown_on_terminal({"TERM": "xterm", "COLUMNS": "80", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
                                  "PYTHONIOENCODING": "ascii"}, "250 B of 1.0 kB")
    assert "----" in shown


@pytest.mark.parametrize("on_terminal", [True, False], ids=["dumb", "pipe"])
def test_a_pipe_and_a_dumb_terminal_are_told_by_a_line(*, on_terminal: bool) -> None:
    if on_terminal:
        shown, said = shown_on_terminal({"TERM": "dumb"}, "\n")
    else:
        with subprocess.Popen([sys.executable, "-c", SHOWS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as process:
            assert process.stderr is not None
            shown = process.stderr.readline()
            words, more = process.communicate(timeout=BOUND_S)
            said, shown = words.encode(), shown + more
    assert shown.replace("\r", "").splitlines()[0] == "[/nope] sending\\x1b[2J 3 files, 250 B of 1.0 kB"
    assert said == b"in between\nFalse\n"


def test_what_is_over_at_once_is_not_told() -> None:
    done = subprocess.run([sys.executable, "-c", SHOWS], input="", text=True, capture_output=True, timeout=BOUND_S, check=True)
    assert (done.stdout, done.stderr) == ("in between\nFalse\n", "")


def test_nobody_who_reads_is_no_error() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(["bash", "-c", 'sleep 0.1; exec "$@" 2>&-', "bash", sys.executable, "-c", SHOWS], input="", text=True, capture_output=True,
                          timeout=BOUND_S, check=True)
    os.close(theirs)
    assert done.stdout == "in between\nFalse\n"


def test_words_alone_are_no_line_where_that_is_not_wanted() -> None:
    code = SHOWS.replace('Teller("[/nope] sending")', 'Teller("mounting", lines=False)').replace("teller.tell", "teller._over.wait(1.5) or teller.tell")
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "250 B of 1.0 kB" in process.stderr.readline()
        process.communicate(timeout=BOUND_S)


def test_why_it_does_not_go_on_comes_last() -> None:
    code = SHOWS.replace("250, 1000", '250, 1000, "no way"')
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        process.communicate(timeout=BOUND_S)
    assert "3 files, 250 B of" in line
    assert line.endswith("; no way\n")
