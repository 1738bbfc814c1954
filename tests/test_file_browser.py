"""README: a file browser works, each gesture for the fewest requests. Here one is moved with the mouse, as a person does it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desktop import Desktop
from tests.mounting import asks, wait_until
from tests.programs import Desk, tree

PAPER = b"%PDF-1.4\n" + bytes(range(256)) * 300


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    with Desktop(tmp_path) as one:
        yield one


def test_a_file_and_a_folder_dragged_in_are_sent_once_each(desk: Desk, desktop: Desktop) -> None:
    (desk.out / "paper.pdf").write_bytes(PAPER)
    (desk.out / "reports" / "may").mkdir(parents=True)
    (desk.out / "reports" / "may" / "week 1.csv").write_text("1,2\n")
    (desk.out / "reports" / "all.txt").write_text("all\n")
    (desk.out / "reports" / "none.txt").write_text("")
    expected = tree(desk.out)
    out, files = desktop.opens(desk.out), desktop.opens(desk.files)
    files.shows()
    out.shows("reports", "paper.pdf")
    desktop.shot("before")

    with asks(desk.mount, upload=1):
        desktop.drags(out, "paper.pdf", files, "reports", "paper.pdf")
        files.shows("paper.pdf")
        wait_until(lambda: desk.mount.status()["open"] == [], "all is closed")
    with asks(desk.mount, upload=3):
        desktop.drags(out, "reports", files, "reports", "paper.pdf")
        files.shows("reports", "paper.pdf")
        wait_until(lambda: tree(desk.files) == expected, "all files have arrived")
        wait_until(lambda: desk.mount.status()["open"] == [], "all is closed")

    desk.has(expected)
    assert tree(desk.out) == expected
