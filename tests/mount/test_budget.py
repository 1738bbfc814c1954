"""Manual, costs: 'At most 450 requests in any 61 seconds', here fewer: what waits for them, what doesn't, and who is
told.
"""

import re

import pytest

from anthrofs.remote.budget import HEAD, SLOT
from tests.mounting import Mount, wait_until

MOST = 20
KEPT_FOR_READERS = 2


def test_what_waits_for_the_budget_is_said_a_reader_does_not_and_a_remount_goes_on_with_it(mount: Mount) -> None:
    mount.expects("kept for the next mount")
    generated = mount.emulator.generate("report.csv", b"content")
    files = mount.mount("--upload", "queue", "--requests-per-minute", str(MOST))
    for number in range(MOST + 5):
        (files / f"{number:02}.txt").write_text("x")
    wait_until(lambda: mount.status()["budget"]["waiting"], "somebody waits for the budget")

    [line] = [line for line in mount.ok("status", files).splitlines() if "request budget" in line]
    told = re.fullmatch(r"  waiting for the request budget: next in (\d+) s", line)
    assert told is not None
    assert 0 < int(told[1]) <= 61
    assert len(mount.emulator.requests()) == MOST - KEPT_FOR_READERS
    assert (files / "report.csv").read_bytes() == b"content"
    assert [request["file_id"] for request in mount.emulator.requests("download")] == [generated["id"]]

    for end in (mount.kill, mount.end_now):             # what was sent before counts, however the mount ended
        end()
        mount.expects("mounted from the saved index")
        files = mount.mount("--upload", "queue", "--requests-per-minute", str(MOST))
        wait_until(lambda: mount.status()["budget"]["waiting"], "somebody waits for the budget")
    assert len(mount.emulator.requests()) <= MOST
    mount.end_now()


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_a_budget_that_cannot_be_is_refused(mount: Mount, number: str) -> None:
    done = mount.run("mount", "--state-dir", mount.state_dir, "--requests-per-minute", number, mount.path)
    assert done.returncode == 2
    assert "--requests-per-minute" in done.stderr


def test_each_request_counts_redirected_ones_too(mount: Mount) -> None:
    """As the file says that the next mount begins with."""
    files = mount.mount()
    mount.emulator.fault("list", {"kind": "redirect", "status": 307, "location": "{path}"})
    mount.refresh()
    mount.emulator.fault("upload", {"kind": "redirect", "status": 307, "location": "{path}"})
    (files / "a.txt").write_text("a")
    (files / "a.txt").unlink()
    mount.sync()
    content = (mount.state_dir / "requests").read_bytes()[len(HEAD):]
    assert sum(moment > 0 for (moment,) in SLOT.iter_unpack(content)) == len(mount.emulator.requests()) == 1 + 2 + 2 + 1
