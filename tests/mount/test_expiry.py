"""Manual, limits: a file vanishes at the moment at which the service lets it expire, and doesn't come back although it
is still listed.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.mounting import Mount, asks, listed, wait_until

HOUR_S = 3600
BETA, GA = "beta", "ga"


def lives(seconds: float) -> dict[str, Any]:
    """For a generated file: it was made so long ago that it has that many seconds left."""
    made = datetime.now(UTC) - timedelta(seconds=HOUR_S - seconds)
    return {"created_at": made.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "expires_in_seconds": HOUR_S}


def expiry_of(mount: Mount, filename: str) -> float | None:
    """Seconds from its upload, as the server has it."""
    file = next(file for file in mount.emulator.files() if file["filename"] == filename)
    if file["expires_at"] is None:
        return None
    moments = [datetime.fromisoformat(file[name]) for name in ("created_at", "expires_at")]
    return (moments[1] - moments[0]).total_seconds()


def test_a_file_vanishes_at_its_time_for_no_request_and_stays_away(mount: Mount) -> None:
    mount.emulator.generate("stays.txt", b"stays")
    files = mount.mount("--api", GA)
    mount.emulator.generate("d\uff0fgoes.txt", b"goes", **lives(6))
    mount.refresh()
    assert (files / "d" / "goes.txt").read_bytes() == b"goes"
    assert os.getxattr(files / "d" / "goes.txt", "user.anthropic.expires_at")
    mount.emulator.forget_requests()
    wait_until(lambda: "d" not in listed(files), "its time comes")
    assert [request["operation"] for request in mount.emulator.requests()] in ([], ["list"])
    for _ in range(3):
        mount.refresh()
        assert listed(files) == ["stays.txt"]
    mount.remount("--api", GA)
    assert listed(files) == ["stays.txt"]


def test_what_has_expired_before_is_never_shown(mount: Mount) -> None:
    mount.emulator.generate("gone.txt", b"gone", **lives(-60))
    files = mount.mount("--api", GA)
    assert listed(files) == []
    mount.refresh()
    assert listed(files) == []


def test_a_file_that_expires_while_nothing_is_mounted_is_not_shown_by_the_saved_index(mount: Mount) -> None:
    mount.mount("--api", GA)
    mount.emulator.generate("goes.txt", b"goes", **lives(6))
    mount.refresh()
    assert mount.status()["files"] == 1
    mount.umount()
    # An answer's Date tells whole seconds, and nothing may go too early.
    wait_until(lambda: expires(mount, "goes.txt") < datetime.now(UTC) - timedelta(seconds=1.5), "its time has surely come")
    mount.expects("mounted from the saved index", "the listing could not be refreshed")
    mount.emulator.fault("list", {"kind": "status", "status": 400}, times=100)
    files = mount.mount("--api", GA)
    assert listed(files) == []
    mount.emulator.clear_faults()


def expires(mount: Mount, filename: str) -> datetime:
    file = next(file for file in mount.emulator.files() if file["filename"] == filename)
    return datetime.fromisoformat(file["expires_at"])


def test_who_has_it_open_reads_on_and_then_it_goes(mount: Mount) -> None:
    content = os.urandom(200_000)
    files = mount.mount("--api", GA)
    mount.emulator.generate("goes.bin", content, **lives(6))
    mount.refresh()
    with (files / "goes.bin").open("rb") as file:
        first = file.read(1000)
        wait_until(lambda: expires(mount, "goes.bin") < datetime.now(UTC), "its time comes")
        assert first + file.read() == content
        assert listed(files) == ["goes.bin"]
    wait_until(lambda: listed(files) == [], "it goes after its last close")


def test_where_listings_do_not_tell_the_first_read_finds_out_and_it_stays_away(mount: Mount) -> None:
    mount.emulator.generate("gone.txt", b"gone", **lives(-60))
    mount.expects("has expired")
    files = mount.mount("--api", BETA)
    assert listed(files) == ["gone.txt"]
    with pytest.raises(OSError, match=r"\[Errno"):
        (files / "gone.txt").read_bytes()
    wait_until(lambda: listed(files) == [], "it goes")
    for _ in range(3):
        mount.refresh()
        assert listed(files) == []


@pytest.mark.parametrize("shape", [BETA, GA])
def test_a_mount_can_let_all_its_uploads_expire(mount: Mount, shape: str) -> None:
    files = mount.mount("--api", shape, "--expires-in", "7d")
    with asks(mount, upload=2):
        (files / "a.txt").write_text("a")
        (files / "b.txt").write_text("b")
    assert expiry_of(mount, "a.txt") == 7 * 86400
    assert os.getxattr(files / "a.txt", "user.anthropic.expires_in_seconds") == b"604800"
    assert os.getxattr(files / "a.txt", "user.anthropic.expires_at")
    with asks(mount, upload=1, delete=1):
        os.setxattr(files / "b.txt", "user.anthropic.expires_in_seconds", b"0")        # this one not
    assert expiry_of(mount, "b.txt") is None
    with asks(mount, upload=1, delete=1):
        (files / "b.txt").write_text("newer")
    assert expiry_of(mount, "b.txt") is None
    with asks(mount, upload=1, delete=1):
        (files / "a.txt").rename(files / "c.txt")
    assert expiry_of(mount, "c.txt") == 7 * 86400
    mount.refresh()
    assert os.getxattr(files / "c.txt", "user.anthropic.expires_at")


def test_what_was_there_before_gets_the_mounts_expiry_when_it_is_saved(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("a")
    mount.remount("--expires-in", "12h")
    assert expiry_of(mount, "a.txt") is None
    (files / "a.txt").write_text("newer")
    mount.sync()
    assert expiry_of(mount, "a.txt") == 12 * HOUR_S


@pytest.mark.parametrize(("options", "expected"), [((), None), (("--expires-in", "1h"), HOUR_S)])
def test_a_mounts_expiry_is_for_what_is_saved_while_it_is_mounted_so(mount: Mount, options: tuple[str, ...], expected: float | None) -> None:
    """What is saved without it is to be kept: nobody has asked the service to delete it."""
    files = mount.mount("--expires-in", "7d")
    (files / "a.txt").write_text("a")
    mount.remount(*options)
    assert expiry_of(mount, "a.txt") == 7 * 86400
    with asks(mount, upload=1, delete=1):
        (files / "a.txt").write_text("newer")
    assert expiry_of(mount, "a.txt") == expected


def test_what_the_user_has_set_is_replaced_by_no_mounts_expiry_until_it_is_removed(mount: Mount) -> None:
    name = "user.anthropic.expires_in_seconds"
    files = mount.mount("--expires-in", "7d")
    with asks(mount, upload=1), (files / "a.txt").open("w") as file:
        os.setxattr(files / "a.txt", name, b"7200")
        file.write("a")
    with asks(mount, upload=1):
        (files / "b.txt").write_text("b")
    with asks(mount):
        os.setxattr(files / "b.txt", name, b"604800")       # what it has already
    mount.remount("--expires-in", "1h")
    for each in ("a.txt", "b.txt"):
        (files / each).write_text("newer")
    mount.sync()        # the old ones are deleted behind the closes
    assert [expiry_of(mount, each) for each in ("a.txt", "b.txt")] == [7200, 7 * 86400]
    with asks(mount, upload=1, delete=1):
        os.removexattr(files / "a.txt", name)
    assert expiry_of(mount, "a.txt") is None
    (files / "a.txt").write_text("newest")
    assert expiry_of(mount, "a.txt") == HOUR_S


@pytest.mark.parametrize(("text", "expected"), [(None, 7 * 86400), (b"7200", 7200), (b"0", None), ("removed", None)])
@pytest.mark.parametrize("shape", [BETA, GA])
def test_a_rename_there_and_back_before_it_was_sent_costs_nothing_but_for_an_expiry_that_was_set_or_removed_since(
        mount: Mount, shape: str, text: bytes | str | None, expected: float | None) -> None:
    mount.expects("no connection to")
    files = mount.mount("--api", shape, "--expires-in", "7d")
    (files / "a.txt").write_text("a")
    mount.emulator.stop()
    if isinstance(text, bytes):
        os.setxattr(files / "a.txt", "user.anthropic.expires_in_seconds", text)
    elif text:
        os.removexattr(files / "a.txt", "user.anthropic.expires_in_seconds")
    (files / "a.txt").rename(files / "b.txt")
    (files / "b.txt").rename(files / "a.txt")
    mount.emulator.start()
    with asks(mount, **({"upload": 1, "delete": 1} if text else {})):
        mount.sync()
    assert expiry_of(mount, "a.txt") == expected


@pytest.mark.parametrize("text", ["7", "0", "100d", "soon", "-1d", "1w"])
def test_a_time_that_the_service_would_refuse_is_refused_before_anything_is_mounted(mount: Mount, text: str) -> None:
    done = mount.run("mount", "--state-dir", mount.state_dir, "--expires-in", text, mount.path)
    assert done.returncode == 2
    assert "--expires-in" in done.stderr
