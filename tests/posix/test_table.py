"""Every row of the table, on a disk and on a mount: the same answers, or those that differ on purpose."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest

from anthrofs.cli import manual
from tests.posix.differences import DIFFERENCES, listed
from tests.posix.row import Row
from tests.posix.rows_server import FROZEN
from tests.posix.sides import Sides, frozen_sides
from tests.posix.table import EXT4_SAYS, ROWS, differs

# What pjdfstest, the suite that file systems are held against, has groups for.
GROUPS: Final = ("chmod", "chown", "ftruncate", "link", "mkdir", "mkfifo", "mknod", "open", "posix_fallocate", "rename", "rmdir", "symlink", "truncate",
                 "unlink", "utimensat")


@pytest.fixture(scope="module")
def frozen() -> Iterator[Sides]:
    with frozen_sides() as made:
        yield made


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name, marks=[pytest.mark.root] if row.needs_root else []) for row in ROWS])
def test_row(sides: Sides, row: Row) -> None:
    assert not differs(sides, row)


@pytest.mark.root
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in FROZEN])
def test_row_of_what_may_not_be_changed(frozen: Sides, row: Row) -> None:
    assert frozen.answers_as_it_is(row) == (row.disk, row.mount), row.script


# ---- the table itself

def test_each_row_has_a_sentence_of_its_own() -> None:
    assert [name for name, count in Counter(row.name for row in (*ROWS, *FROZEN)).items() if count > 1] == []
    assert [script for script, count in Counter(row.script for row in (*ROWS, *FROZEN)).items() if count > 1] == []


def test_every_difference_has_a_reason_and_every_reason_a_row() -> None:
    assert [row.name for row in (*ROWS, *FROZEN) if (row.disk == row.mount) != (not row.why)] == []
    assert {row.why for row in (*ROWS, *FROZEN) if row.why} == set(DIFFERENCES)


def test_what_only_ext4_says_is_in_the_table() -> None:
    assert {row.name for row in ROWS} >= EXT4_SAYS


def test_every_group_of_calls_has_rows() -> None:
    found = Counter(group for row in (*ROWS, *FROZEN) for group in GROUPS if row.group.startswith(group))
    assert {group for group in GROUPS if found[group] < 4} == set()


def test_the_manual_lists_the_differences_as_the_table_has_them() -> None:
    page = manual.page("posix")
    assert listed() in page
    assert re.findall(r"^- \*\*(.+?)\*\*:", page, re.MULTILINE) == list(DIFFERENCES)
