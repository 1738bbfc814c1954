"""Manual, costs: the table of real programs. What each costs, in both modes. Each of them runs, and what it costs is
what the table says.
"""

import base64
from collections.abc import Iterator

import pytest

from tests.costs import ROWS, Row, Use
from tests.desk import Desk
from tests.emulator.process import EmulatorProcess
from tests.mounting import ROOT, Mount, asks, wait_until
from tests.samples import JPEG, PNG, pdf


@pytest.fixture(scope="module", params=["wait", "queue"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Desk]]:
    """One mount in each mode."""
    base = tmp_path_factory.mktemp("desk")
    with EmulatorProcess(base / "server" / "data") as emulator:
        one = Mount(base / "here", emulator)
        one.hurried = True
        one.mount("--refresh", "300", "--upload", request.param)
        (base / "a.png").write_bytes(PNG)
        (base / "a.jpg").write_bytes(base64.b64decode(JPEG))
        (base / "a.pdf").write_bytes(pdf())
        try:
            yield request.param, Desk(one, base / "out")
        finally:
            one.finish()


@pytest.mark.parametrize(("row", "use"), [
    pytest.param(row, use, id=f"{use.name}-{'-'.join(map(str, row.wait))}", marks=[pytest.mark.programs] if use.heavy else [])
    for row in ROWS for use in row.uses])
def test_a_program_costs_what_the_table_says(shared: tuple[str, Desk], row: Row, use: Use) -> None:
    mode, desk = shared
    desk.clear()
    desk.prepare(use.before)
    uploads, deletions = row.wait if mode == "wait" else row.queue
    with asks(desk.mount, **{name: count for name, count in (("upload", uploads), ("delete", deletions)) if count}):
        if isinstance(use.run, str):
            desk.run(use.run)
        else:
            use.run(desk)
        wait_until(lambda: desk.mount.status()["open"] == [], "all is closed")


def test_the_table_of_the_manual_is_that_of_the_tests() -> None:
    lines = (ROOT / "anthrofs" / "manual" / "costs.md").read_text().splitlines()
    first = lines.index("| a save by | `--upload wait` | `--upload queue` |")
    table = lines[first + 2:lines.index("", first)]
    assert table == [row.line() for row in ROWS]
