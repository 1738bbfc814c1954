"""Beside which file a companion stays here, by its name and how it is opened."""

import os

import pytest

from anthrofs.fs import companions


@pytest.mark.parametrize(("name", "flags", "program", "found"), [
    ("a.db-journal", os.O_RDWR, "python3", [("a.db", False)]),
    ("b-shm", os.O_RDWR | os.O_EXCL, "", [("b", False)]),
    ("a.db-wal", os.O_WRONLY, "cp", []),                # whoever copies both doesn't read what it makes
    ("-wal", os.O_RDWR, "", []),
    ("d.wal", os.O_WRONLY | os.O_APPEND, "duckdb", [("d", True)]),
    ("d.wal", os.O_WRONLY, "cp", []),
    ("x.7z.tmp", os.O_WRONLY | os.O_EXCL, "7z", [("x.7z", False)]),
    ("x.zip.tmp", os.O_WRONLY | os.O_EXCL, "7zz", [("x.zip", False)]),
    ("x.7z.tmp", os.O_WRONLY, "7z", []),                # one that it extracts
    ("x.7z.tmp", os.O_WRONLY | os.O_EXCL, "cp", []),
    ("x.png.tmp", os.O_WRONLY, "pngquant", [("x.png", False)]),
    (f"f.txt.{'0123456789abcdef' * 2}.tmp", os.O_WRONLY, "node", [("f.txt", False)]),
    (f"f.txt.{'0123456789abcdeF' * 2}.tmp", os.O_WRONLY, "node", []),
    ("f.txt.0123abcd.tmp", os.O_WRONLY, "node", []),
    (".~n.ipynb", os.O_WRONLY, "jupyter-lab", [("n.ipynb", False)]),
    (".~", os.O_WRONLY, "", []),
    ("a.db", os.O_RDWR, "", []),
])  # fmt: skip
def test_a_companions_name_tells_beside_what_it_stays_here(name: str, flags: int, program: str, found: list[tuple[str, bool]]) -> None:
    assert companions.candidates(name, program, flags) == found
