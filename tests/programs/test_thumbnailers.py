"""Manual, desktop: a thumbnailer doesn't download a workspace. Here it is tumbler, which Thunar and others ask."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.desk import Desk
from tests.mounting import asks, wait_until
from tests.samples import chunk, noise
from tests.session_bus import SessionBus

pytestmark = pytest.mark.desktop

SIDE: Final = 1000
PICTURE: Final = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", SIDE.to_bytes(4, "big") * 2 + b"\x08\4\0\0\0")
                  + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + noise(2 * SIDE) for _ in range(SIDE)), 0)) + chunk(b"IEND", b""))


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[SessionBus]:
    with SessionBus(tmp_path, {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}) as one:
        yield one


def asks_for_thumbnails(bus: SessionBus, paths: list[Path]) -> None:
    """What a file browser asks of its thumbnailer for what it shows."""
    name = "org.freedesktop.thumbnails.Thumbnailer1"
    bus.calls(name, f"/{name.replace('.', '/')}", name, "Queue", "asasssu",
              ([path.as_uri() for path in paths], ["image/png"] * len(paths), "normal", "foreground", 0))


def thumbnails(bus: SessionBus) -> int:
    return sum(1 for _ in Path(bus.environment["HOME"], ".cache", "thumbnails").rglob("*.png"))


def test_thumbnails_of_own_uploads_cost_no_request(desk: Desk, bus: SessionBus) -> None:
    assert 2_000_000 < len(PICTURE) < 2_100_000
    names = [f"picture {number}.png" for number in range(20)]
    for name in names:
        (desk.files / name).write_bytes(PICTURE)
    desk.prepare("")
    with asks(desk.mount):
        asks_for_thumbnails(bus, [desk.files / name for name in names])
        wait_until(lambda: thumbnails(bus) == len(names), "all thumbnails are there")
