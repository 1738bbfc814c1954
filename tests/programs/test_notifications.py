"""Manual, desktop: notifications, over a real session's bus."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mounting import Mount, state_of, wait_until
from tests.notification_server import NotificationServer
from tests.screen import Screen
from tests.session_bus import SessionBus

pytestmark = pytest.mark.desktop

NAME = "<b>half & half.pdf"
REFUSAL = {"kind": "status", "status": 413, "message": "<i>too</i> large"}


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[SessionBus]:
    with SessionBus(tmp_path, {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}) as one:
        yield one


def beside(mount: Mount, bus: SessionBus) -> None:
    """The mount is one of the session."""
    mount.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.address


def refused(mount: Mount, name: str) -> None:
    mount.emulator.fault("upload", REFUSAL)
    mount.expects("was refused", "not on the server yet")
    (mount.path / name).write_text("half")
    wait_until(lambda: mount.status()["failed"], "it is refused")


def test_a_refused_upload_is_told_as_text(mount: Mount, bus: SessionBus) -> None:
    """A desktop that takes markup gets none of a name's or an answer's."""
    beside(mount, bus)
    with NotificationServer(bus, ["body", "body-markup"]) as desktop:
        mount.mount("--upload", "queue")
        refused(mount, NAME)
        wait_until(lambda: desktop.told, "the desktop is told")
        mount.umount()
    [(program, instead_of, icon, title, text, actions, hints, _)] = desktop.told
    assert (program, instead_of, icon, title, actions) == ("anthrofs", 0, "anthrofs", f"{NAME} was refused", [])
    assert "&lt;i&gt;too&lt;/i&gt; large" in text
    assert text.endswith(f"Kept here, and not on the server: see anthrofs status {mount.path}")
    assert hints["category"] == ("s", "transfer.error")


def test_the_end_of_what_waited_since_the_last_mount_is_told(mount: Mount, bus: SessionBus) -> None:
    mount.mount("--upload", "queue")
    mount.emulator.stop()
    for number in range(3):
        (mount.path / f"{number}.txt").write_text("kept")
    mount.expects("not on the server yet", "no connection")
    mount.end_now()
    mount.emulator.start()
    beside(mount, bus)
    with NotificationServer(bus) as desktop:
        mount.mount("--upload", "queue")
        wait_until(lambda: desktop.told, "the desktop is told")
        mount.umount()
    assert [told[3:5] for told in desktop.told] == [
        ("Everything is sent", "3 files of files had waited since the last mount, and none does any more.")]


def test_who_wants_no_notifications_gets_none(mount: Mount, bus: SessionBus) -> None:
    beside(mount, bus)
    with NotificationServer(bus) as desktop:
        mount.mount("--upload", "queue", "--notify", "never")
        refused(mount, NAME)
        mount.umount()
        assert mount.log().count("desktop") == 0
    assert desktop.told == []


@pytest.mark.parametrize("dead", ["stopped", "gone", "nobody there"])
def test_a_desktop_that_is_dead_holds_nothing_up(mount: Mount, bus: SessionBus, dead: str) -> None:
    """Neither a save, nor an unmount: it takes the few seconds that the desktop is given."""
    beside(mount, bus)
    mount.mount("--upload", "queue")
    if dead == "stopped":
        os.kill(bus.pid, signal.SIGSTOP)
    elif dead == "gone":
        bus.close()
    try:
        refused(mount, NAME)
        wait_until(lambda: "the desktop wasn't told" in mount.log(), "the mount has given up")
        (mount.path / "other.txt").write_text("sent")
        wait_until(lambda: state_of(mount.path / "other.txt") == "remote", "what comes next is sent")
        began_s = time.monotonic()
        mount.umount()
        assert time.monotonic() - began_s < 20
    finally:
        if dead == "stopped":
            os.kill(bus.pid, signal.SIGCONT)


def test_a_real_desktop_shows_it(mount: Mount, tmp_path: Path) -> None:
    """XFCE's. ($ANTHROFS_SCREENSHOTS keeps the picture.)"""
    place = tmp_path / "screen"
    place.mkdir()
    with Screen(place, 700, 300) as screen, SessionBus(tmp_path, {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "DISPLAY": screen.name}) as bus:
        beside(mount, bus)
        blank = screen.picture()
        mount.mount("--upload", "queue")
        refused(mount, "half & half.pdf")
        wait_until(lambda: screen.picture() != blank, "something is shown")
        before = [blank]

        def still() -> bool:
            """It fades in."""
            before.append(screen.picture())
            return before[-1] == before[-2]
        wait_until(still, "it is shown")
        if kept := os.environ.get("ANTHROFS_SCREENSHOTS"):
            Path(kept).mkdir(parents=True, exist_ok=True)
            Path(kept, "notification.png").write_bytes(before[-1].png())
        mount.umount()
        assert "wasn't told" not in mount.log()
