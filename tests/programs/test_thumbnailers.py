"""Manual, desktop: a thumbnailer doesn't download a workspace. Here it is tumbler, which Thunar and others ask."""

import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from jeepney import DBusAddress, MatchRule, message_bus, new_method_call

from tests.desk import Desk
from tests.desktop import Desktop
from tests.file_browsers import PCMANFM, THUNAR, Program
from tests.mounting import BOUND_S, Mount, asks, wait_until
from tests.samples import chunk, noise
from tests.session_bus import CALL_S, SessionBus

pytestmark = pytest.mark.desktop

WAITED: Final = 1000        # signals that may come before the one that is waited for
SIDE: Final = 1000
PICTURE: Final = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", SIDE.to_bytes(4, "big") * 2 + b"\x08\4\0\0\0")
                  + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + noise(2 * SIDE) for _ in range(SIDE)), 0)) + chunk(b"IEND", b""))


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[SessionBus]:
    with SessionBus(tmp_path, {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}) as one:
        yield one


def makes_thumbnails(bus: SessionBus, paths: list[Path]) -> int:
    """What a file browser asks of its thumbnailer for what it shows. When that has done what it could, how many there are."""
    name = "org.freedesktop.thumbnails.Thumbnailer1"
    address = DBusAddress(f"/{name.replace('.', '/')}", name, name)
    connection = bus.connects()
    finished = MatchRule(type="signal", interface=name, member="Finished")
    with connection.filter(finished, bufsize=WAITED) as ended:
        connection.send_and_get_reply(message_bus.AddMatch(finished), timeout=CALL_S)
        queue = new_method_call(address, "Queue", "asasssu", (
            [path.as_uri() for path in paths], ["image/png"] * len(paths), "normal", "foreground", 0))
        [handle] = connection.send_and_get_reply(queue, timeout=CALL_S).body
        while connection.recv_until_filtered(ended, timeout=CALL_S).body != (handle,):
            pass
    return sum(1 for _ in Path(bus.environment["HOME"], ".cache", "thumbnails").rglob("*.png"))


def test_thumbnails_of_own_uploads_cost_no_request(desk: Desk, bus: SessionBus) -> None:
    assert 2_000_000 < len(PICTURE) < 2_100_000
    names = [f"picture {number}.png" for number in range(20)]
    for name in names:
        (desk.files / name).write_bytes(PICTURE)
    desk.prepare("")
    with asks(desk.mount):
        assert makes_thumbnails(bus, [desk.files / name for name in names]) == len(names)


def test_a_thumbnailer_downloads_no_workspace(desk: Desk, bus: SessionBus) -> None:
    """Of 200 pictures of 2 MB, whatever the browser asks for, the hour's 64 MB."""
    names = [f"picture {number}.png" for number in range(200)]
    for name in names:
        desk.mount.emulator.generate(name, PICTURE, "image/png")
    desk.mount.refresh()
    with asks(desk.mount, download=31):
        assert makes_thumbnails(bus, [desk.files / name for name in names]) == 31
    assert 31 * len(PICTURE) < 64 * 10**6 < 32 * len(PICTURE)


@pytest.mark.parametrize("program", [pytest.param(PCMANFM, id="pcmanfm"), pytest.param(THUNAR, id="thunar")])
def test_a_browser_that_shows_a_folder_downloads_no_workspace(mount: Mount, tmp_path: Path, program: Program) -> None:
    """It looks into each file whose name tells no type: here four fit into what an hour has."""
    for number in range(40):
        mount.emulator.generate(f"output {number}", noise(1_500_000))
    mount.mount("--glances", "6M", "--refresh", "300")
    mount.emulator.forget_requests()
    place = tmp_path / "desktop"
    place.mkdir()
    with Desktop(place, program) as desktop:
        desktop.opens(mount.path)
        wait_until(lambda: "isn't downloaded for a thumbnail" in mount.log(), "the hour's are used up")
    asked = [request["operation"] for request in mount.emulator.requests()]
    assert set(asked) == {"download"}
    assert len(asked) <= 4


def test_a_program_that_asks_gio_for_a_type_downloads_no_more_than_it_may(mount: Mount) -> None:
    """Here nothing, and then all: GIO does look into such a file."""
    mount.emulator.generate("output", noise(1_500_000))
    command = ["gio", "info", "--attributes", "standard::content-type", str(mount.path / "output")]
    environment = {**mount.environment, "GIO_USE_VFS": "local"}
    mount.mount("--glances", "none", "--refresh", "300")
    with asks(mount):
        done = subprocess.run(command, env=environment, text=True, capture_output=True, check=True, timeout=BOUND_S)
    assert "application/octet-stream" in done.stdout
    mount.remount("--glances", "all", "--refresh", "300")
    with asks(mount, download=1):
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=BOUND_S)
