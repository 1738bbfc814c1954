"""Signs of life are for a terminal: elsewhere nothing is shown, and what shows them isn't imported."""

import os
import subprocess
import sys
from typing import Final

SHOWS: Final = """
import sys
from anthrofs.cli.terminal import Bar, Sign
with Sign("mounting") as sign:
    sign.show("[/nope] first listing: 5 files")
with Bar("sending") as bar:
    bar.show(1, 2, "3 files")
print("rich" in sys.modules)
"""


def test_a_terminal_is_shown_what_goes_on_with_marks_as_they_are() -> None:
    ours, theirs = os.openpty()
    try:
        done = subprocess.run([sys.executable, "-c", SHOWS], stdout=subprocess.PIPE, stderr=theirs, timeout=60, check=True,
                              env={**os.environ, "TERM": "xterm", "COLUMNS": "80"})
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stdout == b"True\n"
    assert "mounting" in shown or "[/nope] first listing: 5 files" in shown         # the first one is replaced at once
    assert "3 files" in shown


def test_a_pipe_is_shown_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", SHOWS], capture_output=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (b"False\n", b"")
