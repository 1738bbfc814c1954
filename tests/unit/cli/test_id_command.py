"""Manual, commands: '`anthrofs id PATH…` prints file ids, one a line'."""

from pathlib import Path

import pytest

from anthrofs.cli import id_command, output


@pytest.mark.parametrize(("reader", "row"), [(True, "file_1  a\\nfile_2  b"), (False, "file_1  a\nfile_2  b")], ids=["person", "program"])
def test_a_person_reads_one_line_whatever_is_in_the_name(monkeypatch: pytest.MonkeyPatch, reader: bool, row: str) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda: reader)
    assert id_command._row("file_1", Path("a\nfile_2  b")) == row
