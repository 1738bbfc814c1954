"""One session, recorded: what was typed, and what was answered."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

COLUMNS: Final = 84
BOUND_S: Final = 60
# Each line is typed as it stands.
TYPED: Final = (
    "anthrofs mount --demo ~/files",
    "ls ~/files",
    "cp -r papers ~/files/            # when cp returns, the server has each file",
    "anthrofs ls ~/files/papers",
    "anthrofs id ~/files/papers/b.pdf",
    "head -n 3 ~/files/report.csv     # what code execution made",
    "anthrofs status ~/files",
    "anthrofs umount ~/files",
)
IDS: Final = ("file_011CPMxVD3fHLUhvTqtsQA5w", "file_014WjXoR7ybPzkq2NhVdE8uM", "file_01A9sLr3TfcGKbYvWm6pHn2x", "file_01J5tBqZ8wNxhRkDfC4gVe7y")


def recorded(home: Path) -> Iterator[tuple[str, str]]:
    """Each line and its answer. The home is that of the session, empty but for what this puts there."""
    _furnished(home)
    environment = {"HOME": str(home), "PATH": f"{home / 'bin'}:/usr/bin:/bin", "COLUMNS": str(COLUMNS), "LC_ALL": "C.UTF-8", "TERM": "dumb",
                   "PYTHONPATH": str(Path(__file__).parents[2])}
    known: dict[str, str] = {}
    try:
        for line in TYPED:
            done = subprocess.run(["bash", "-c", line], env=environment, cwd=home, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=BOUND_S,
                                  check=True)
            yield line, _steady(done.stdout.replace(str(home), "/home/me"), known)
    finally:
        if os.path.ismount(home / "files"):
            subprocess.run(["anthrofs", "umount", "--lazy", str(home / "files")], env=environment, check=False, timeout=BOUND_S)


def _furnished(home: Path) -> None:
    (home / "files").mkdir()
    (home / "papers").mkdir()
    for name, size in (("a.pdf", 48_211), ("b.pdf", 131_902)):
        (home / "papers" / name).write_bytes(b"%PDF-1.7\n".ljust(size, b"%"))
    (home / "bin").mkdir()
    (home / "bin" / "anthrofs").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m anthrofs "$@"\n')
    (home / "bin" / "anthrofs").chmod(0o755)


def _steady(text: str, known: dict[str, str]) -> str:
    """The same in each run: ids in the order in which they are seen, process numbers, ages; no line of a mount that took long."""
    text = text.removeprefix("mounting\n")
    text = re.sub(r"file_[0-9A-Za-z]{20,}", lambda found: known.setdefault(found[0], IDS[len(known)]), text)
    text = re.sub(r"process \d+", "process 4711", text)
    text = re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:8765", text)
    return re.sub(r"\b\d+ s old", "1 s old", text)
