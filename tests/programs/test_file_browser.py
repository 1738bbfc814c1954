"""Manual, costs: a file browser works, each gesture for the fewest requests. Here one is moved with the mouse, as a
person does it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desk import Desk, tree
from tests.desktop import RED, Desktop
from tests.file_browsers import PCMANFM, THUNAR
from tests.mounting import asks, wait_until
from tests.screen import Picture

PAPER = b"%PDF-1.4\n" + bytes(range(256)) * 300
CHART = Picture((RED * 64,) * 64).png()


@pytest.fixture(params=[pytest.param(PCMANFM, id="pcmanfm"), pytest.param(THUNAR, id="thunar", marks=pytest.mark.desktop)])
def desktop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desktop]:
    with Desktop(tmp_path, request.param) as one:
        yield one


def test_a_file_and_a_folder_dragged_in_are_sent_once_each(desk: Desk, desktop: Desktop) -> None:
    """Nothing else is: no settings of the browser, no reduced picture, no temporary file."""
    (desk.out / "chart.png").write_bytes(CHART)
    (desk.out / "reports" / "may").mkdir(parents=True)
    (desk.out / "reports" / "all.pdf").write_bytes(PAPER)
    (desk.out / "reports" / "none.txt").write_text("")
    (desk.out / "reports" / "may" / "week 1.csv").write_text("1,2\n")
    expected = tree(desk.out)
    out, files = desktop.opens(desk.out), desktop.opens(desk.files)
    items = out.shows("reports", "chart.png")
    files.shows()
    desktop.shot("before")

    with asks(desk.mount, upload=4):
        desktop.drags(out, items["chart.png"], files)
        files.shows("chart.png")
        arrived(desk, {"chart.png": CHART})
        desktop.drags(out, items["reports"], files)
        chart = files.shows("reports", "chart.png")["chart.png"]
        arrived(desk, expected)
        desktop.waits(lambda: desktop.look().at(chart.x, chart.y) == RED, "the picture is drawn, reduced")

    assert sorted(file["filename"] for file in desk.mount.emulator.files()) == [
        "chart.png", "reports／all.pdf", "reports／may／week 1.csv", "reports／none.txt"]
    desk.has(expected)
    assert tree(desk.out) == expected


def test_a_file_dragged_in_over_an_old_one_costs_one_upload_and_one_deletion(desk: Desk, desktop: Desktop) -> None:
    desk.prepare("echo old > paper.pdf")
    (desk.out / "paper.pdf").write_bytes(PAPER)
    out, files = desktop.opens(desk.out), desktop.opens(desk.files)
    files.shows("paper.pdf")
    with asks(desk.mount, upload=1, delete=1):
        desktop.drags(out, out.shows("paper.pdf")["paper.pdf"], files)
        desktop.answers(desktop.program.replaces)
        arrived(desk, {"paper.pdf": PAPER})
    desk.has({"paper.pdf": PAPER})


def test_a_file_dragged_out_is_fetched_once_and_stays(desk: Desk, desktop: Desktop) -> None:
    desk.mount.emulator.generate("chart.csv", PAPER, "text/csv")
    desk.mount.refresh()
    with asks(desk.mount, download=1):
        out, files = desktop.opens(desk.out), desktop.opens(desk.files)
        desktop.drags(files, files.shows("chart.csv")["chart.csv"], out)
        out.shows("chart.csv")
        wait_until(lambda: tree(desk.out) == {"chart.csv": PAPER}, "the file has arrived")
    desk.has({"chart.csv": PAPER})


def test_a_file_that_is_deleted_costs_one_deletion(desk: Desk, desktop: Desktop) -> None:
    """DESIGN 1.5: there is no wastebasket, so the browser offers to delete for good."""
    desk.prepare("echo a > a.txt; echo b > b.txt")
    files = desktop.opens(desk.files)
    items = files.shows("a.txt", "b.txt")
    with asks(desk.mount, delete=1):
        desktop.clicks(files, items["b.txt"])
        desktop.types("Delete")
        for answer in desktop.program.deletes:
            desktop.answers(answer)
        files.shows("a.txt")
        wait_until(lambda: os.listdir(desk.files) == ["a.txt"], "the file is gone")
    desk.has({"a.txt": "a\n"})


def test_a_file_that_is_renamed_costs_one_upload_and_one_deletion(desk: Desk, desktop: Desktop) -> None:
    desk.prepare("echo a > a.txt; echo b > b.txt")
    files = desktop.opens(desk.files)
    items = files.shows("a.txt", "b.txt")
    with asks(desk.mount, upload=1, delete=1):
        desktop.clicks(files, items["b.txt"])
        desktop.types("F2")
        desktop.answers(desktop.program.renames, "new.txt", about="b.txt")
        wait_until(lambda: sorted(os.listdir(desk.files)) == ["a.txt", "new.txt"], "the file has its new name")
        files.shows("a.txt", "new.txt")
    desk.has({"a.txt": "a\n", "new.txt": "b\n"})


def test_a_folder_that_is_made_costs_nothing_and_a_file_moved_there_an_upload_and_a_deletion(desk: Desk, desktop: Desktop) -> None:
    desk.prepare("echo a > a.txt; echo b > b.txt")
    files = desktop.opens(desk.files)
    items = files.shows("a.txt", "b.txt")
    with asks(desk.mount):
        desktop.types("ctrl+shift+n")
        desktop.answers(desktop.program.makes_folder, "box")
        items = files.shows("box", "a.txt", "b.txt")
    with asks(desk.mount, upload=1, delete=1):
        desktop.drags(files, items["b.txt"], files, onto=items["box"], moves=True)
        files.shows("box", "a.txt")
        arrived(desk, {"a.txt": b"a\n", "box/b.txt": b"b\n"})
    desk.has({"a.txt": "a\n", "box/b.txt": "b\n"})


def test_a_file_that_is_refused_is_said_by_the_browser_and_kept(desk: Desk, desktop: Desktop) -> None:
    """It is in the mount, though the browser says that its copy failed: what came is kept, and can be sent again."""
    (desk.out / "paper.pdf").write_bytes(PAPER)
    out, files = desktop.opens(desk.out), desktop.opens(desk.files)
    files.shows()
    desk.mount.emulator.fault("upload", {"kind": "status", "status": 413, "message": "too large"})
    desk.mount.expects("paper.pdf was refused", "'paper.pdf' was refused")
    desktop.drags(out, out.shows("paper.pdf")["paper.pdf"], files)
    desktop.answers(desktop.program.tells)
    assert [each["path"] for each in desk.mount.status()["failed"]] == ["paper.pdf"]
    assert tree(desk.files) == {"paper.pdf": PAPER}
    assert "is on the server" in desk.mount.ok("retry", desk.files / "paper.pdf")
    arrived(desk, {"paper.pdf": PAPER})


def arrived(desk: Desk, expected: dict[str, bytes]) -> None:
    """All is in the mount, and nothing else, and the server has it. Looking doesn't open anything.

    To wait for the closes is not enough: what was synced and renamed is shown, and counts as safe, before it is closed and sent.
    """
    def there() -> bool:
        try:
            shown = {str(path.relative_to(desk.files)): (path.stat().st_size, os.getxattr(path, "user.anthropic.state"))
                     for path in desk.files.rglob("*") if path.is_file()}
        except FileNotFoundError:       # a temporary name, gone meanwhile
            return False
        return shown == {name: (len(content), b"remote") for name, content in expected.items()}
    wait_until(there, "all files have arrived")
