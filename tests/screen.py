"""A screen that nobody sees: an X server that draws into a file.

Owns    one Xvfb, and the file with its picture.
Trusts  the server to write its picture as an XWD file, mouse pointer included.
Never   leaves the server behind: it ends with us, too.
"""

import os
import select
import struct
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

READY_S: Final = 30.0
STOP_S: Final = 10.0
WHITE: Final = b"\xff\xff\xff"
POINTER: Final = 13                         # pixels on each side
_HEADER: Final = struct.Struct(">25I")      # of an XWD file: its own size first, numbers of colours 20th
_COLOUR_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Picture:
    """What the screen showed at one moment: rows of pixels, three bytes each, red first."""

    rows: tuple[bytes, ...]

    def at(self, x: int, y: int) -> bytes:
        return self.rows[y][3 * x:3 * x + 3]

    def strip(self, y: int, left: int, right: int) -> bytes:
        """A part of one row."""
        return self.rows[y][3 * left:3 * right]

    def png(self) -> bytes:
        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        size = struct.pack(">IIBBBBB", len(self.rows[0]) // 3, len(self.rows), 8, 2, 0, 0, 0)
        pixels = zlib.compress(b"".join(b"\0" + row for row in self.rows))
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def mouse_pointer(colour: bytes) -> bytes:
    """An image file for the mouse: a square, left of its tip and above, where nothing that hangs on the mouse covers it."""
    kind = 0xFFFD0002                       # an image; of an Xcursor file, whose numbers are little-endian
    head = struct.pack("<4s3I", b"Xcur", 16, 0x10000, 1) + struct.pack("<3I", kind, POINTER, 28)
    image = struct.pack("<9I", 36, kind, POINTER, 1, POINTER, POINTER, POINTER - 1, POINTER - 1, 0)
    return head + image + (colour[::-1] + b"\xff") * POINTER**2


class Screen:
    """`with Screen(directory, 1024, 480) as screen: ... screen.name ... screen.picture()`."""

    def __init__(self, directory: Path, width: int, height: int) -> None:
        heard, said = os.pipe()
        # The kernel ends it with us; its clients end with it.
        command = ["setpriv", "--pdeathsig", "TERM", "Xvfb", "-displayfd", str(said), "-screen", "0", f"{width}x{height}x24", "-fbdir", str(directory),
                   "-nolisten", "tcp", "-noreset"]
        with (directory / "Xvfb.log").open("w") as log:
            self._process = subprocess.Popen(command, pass_fds=[said], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        os.close(said)
        with os.fdopen(heard) as answer:
            number = answer.readline().strip() if select.select([answer], [], [], READY_S)[0] else ""
        if not number:
            self.close()
        assert number, f"no X server: {(directory / 'Xvfb.log').read_text()}"
        self.name = f":{number}"                            # constant
        self._file = directory / "Xvfb_screen0"             # constant

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._process.terminate()           # then it removes its lock
        try:
            self._process.wait(STOP_S)
        finally:
            self._process.kill()
            self._process.wait(STOP_S)

    def picture(self) -> Picture:
        data = self._file.read_bytes()
        header_bytes, _, _, _, width, height, *_ = header = _HEADER.unpack_from(data)
        row_bytes, colours = header[12], header[19]
        first = header_bytes + colours * _COLOUR_BYTES
        rows = []
        for start in range(first, first + height * row_bytes, row_bytes):
            line = data[start:start + 4 * width]            # blue, green, red, nothing
            row = bytearray(3 * width)
            row[0::3], row[1::3], row[2::3] = line[2::4], line[1::4], line[0::4]
            rows.append(bytes(row))
        return Picture(tuple(rows))
