"""A few files as the code execution tool would have made them, so that a demo has something to read.

Owns    their names and contents.
Trusts  nothing: it only writes.
Never   adds to a workspace that has files already.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from .store import NewFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .store import Store

SIDE = 128      # pixels of the picture


def add_samples(store: Store) -> None:
    if store.everything():
        return
    for name, mime_type, data in samples():
        incoming = store.contents.receive()
        incoming.write(data)
        store.add(NewFile(name, mime_type, downloadable=True), incoming)


def samples() -> Iterator[tuple[str, str, bytes]]:
    rows = [f"{month:02},{1000 + 37 * month * month % 911}" for month in range(1, 13)]
    yield "report.csv", "text/csv", "\n".join(["month,revenue", *rows, ""]).encode()
    yield "summary.md", "text/markdown", b"# Summary\n\nRevenue by month is in `report.csv`, drawn in `chart.png`.\n"
    yield "chart.png", "image/png", _picture()


def _picture() -> bytes:
    """A greyscale PNG: a rising staircase."""
    rows = b"".join(
        b"\0" + bytes(40 if SIDE - y < (x // 16 + 1) * 14 else 240 for x in range(SIDE)) for y in range(SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")))
