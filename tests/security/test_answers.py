"""A hostile server, or whoever stands in its place: bodies without an end, much in little, heads that never come, names and ids.

Manual, security: 'A body without an end, or one that unpacks to more than memory has'
"""

import gzip
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from anthrofs.clock import Clock
from anthrofs.download.bodies import GROWN_BYTES, Answer, Expected
from anthrofs.errors import BadAnswer, NoAnswer, NotTheFile, RemoteError
from anthrofs.model import FileId
from anthrofs.remote import wire
from anthrofs.remote.answers import file_of
from anthrofs.remote.bounds import ANSWER_BYTES
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from tests.security.hostile import asked

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def peak_bytes() -> int:
    return next(int(line.split()[1]) * 1024 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))


@dataclass
class HurriedClock(Clock):
    """Time passes a hundred times as fast."""

    def now_s(self) -> float:
        return time.monotonic() * 100


def for_ever(connection: socket.socket) -> None:
    connection.sendall(OK + CHUNKED)
    for _ in count():
        connection.sendall(b"100000\r\n" + b" " * 2**20 + b"\r\n")


def test_a_listing_without_an_end_is_cut_off_and_takes_no_more_memory_than_its_bound() -> None:
    before = peak_bytes()
    with asked(for_ever) as files, pytest.raises(BadAnswer, match="longer than"):
        files.list(1000)
    assert peak_bytes() - before < 8 * ANSWER_BYTES


@pytest.mark.parametrize("label", [b"gzip", b"x-gzip", b"deflate"])
def test_a_listing_that_unpacks_to_more_than_memory_has_is_refused(label: bytes) -> None:
    packed = gzip.compress(b" " * (64 * 2**20))
    assert len(packed) < 2**17

    def bombs(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Encoding: " + label + b"\r\nContent-Length: " + str(len(packed)).encode() + b"\r\n\r\n" + packed)

    before = peak_bytes()
    with asked(bombs) as files, pytest.raises(BadAnswer, match="longer than"):
        files.list(1000)
    assert peak_bytes() - before < 64 * 2**20


def test_a_listing_that_comes_packed_is_still_read() -> None:
    packed = gzip.compress(b'{"data": [], "has_more": false}')

    def answers(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Encoding: gzip\r\nContent-Length: " + str(len(packed)).encode() + b"\r\n\r\n" + packed)

    with asked(answers) as files:
        assert files.list(1000).files == ()


def test_a_body_that_drips_for_ever_ends_at_its_bound() -> None:
    def drips(connection: socket.socket) -> None:
        connection.sendall(OK + CHUNKED)
        for _ in count():
            connection.sendall(b"1\r\n \r\n")
            time.sleep(0.01)

    with asked(drips, clock=HurriedClock()) as files, pytest.raises(NoAnswer, match="too slowly"):
        files.list(1000)


def test_an_error_that_drips_for_ever_is_read_for_a_while_only() -> None:
    def drips(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 500 No\r\n" + CHUNKED)
        for _ in count():
            connection.sendall(b"1\r\n \r\n")
            time.sleep(0.01)

    with asked(drips, clock=HurriedClock()) as files, pytest.raises(RemoteError, match="HTTP 500"):
        files.list(1000)


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"])
def test_interim_answers_for_ever_are_no_answer(interim: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEAD_S", 1.0)

    def never(connection: socket.socket) -> None:
        for _ in count():
            connection.sendall(interim)
            time.sleep(0.001)

    with asked(never) as files, pytest.raises(NoAnswer):
        files.list(1000)


def test_an_interim_answer_before_the_answer_is_none_of_our_business() -> None:
    def answers(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"Content-Length: 31\r\n\r\n" + b'{"data": [], "has_more": false}')

    with asked(answers) as files:
        assert files.list(1000).files == ()


def test_a_head_without_an_end_is_no_answer() -> None:
    def heads(connection: socket.socket) -> None:
        connection.sendall(OK)
        for number in count():
            connection.sendall(f"X-{number}: {'a' * 1000}\r\n".encode())

    with asked(heads) as files, pytest.raises(NoAnswer):
        files.list(1000)


# ---- ids: they go into addresses, scripts and terminals

ENTRY: dict[str, Any] = {"type": "file", "id": "file_x", "filename": "x.txt", "size_bytes": 1, "mime_type": "text/plain"}


@pytest.mark.parametrize("file_id", ["file\n_x", "\x1b[2Jfile", "file_\u202ex", "file_\x9b31m", "x" * 5000, " ", "file_\0"])
def test_an_id_that_a_terminal_would_obey_or_no_address_can_hold_is_none(file_id: str) -> None:
    assert file_of({**ENTRY, "id": file_id}) is None
    assert file_of(ENTRY) is not None


@pytest.mark.parametrize("mime_type", ["text/plain\r\nX-Injected: yes", "text/\x1b[31mred", "a" * 5000, "text/\u202eplain"])
def test_a_type_that_no_header_can_hold_is_none(mime_type: str) -> None:
    file = file_of({**ENTRY, "mime_type": mime_type})
    assert file is not None
    assert file.mime_type == "application/octet-stream"


# ---- files

class Endless:
    """A picture without an end, of which nobody has said how long it is."""

    encoding, offset, ranged, signed, mime_type = "", 0, False, True, "image/png"

    def __init__(self, total: int | None) -> None:
        self.total = total

    def __iter__(self) -> Iterator[bytes]:
        for _ in count():
            yield bytes(2**20)


@pytest.mark.parametrize("total", [None, 2**62])
def test_a_picture_without_an_end_is_not_the_file(total: int | None) -> None:
    """Pictures may come longer than listed; only so much."""
    file = file_of({**ENTRY, "filename": "x.png", "mime_type": "image/png", "size_bytes": 1000})
    assert file is not None
    came = 0

    def read() -> None:
        nonlocal came
        for piece in Answer(Endless(total), Expected(file, 1000, exact=False)):     # type: ignore[arg-type]
            came += len(piece)

    with pytest.raises(NotTheFile):
        read()
    assert came <= GROWN_BYTES + 2000


@pytest.mark.parametrize("number", [2**20, 2**30, 2**44])
def test_the_end_of_a_file_that_is_said_to_be_enormous_takes_no_memory_for_what_is_before_it(tmp_path: Path, number: int) -> None:
    cache = BlockCache(tmp_path, Disk(), limit_bytes=2**40)
    cache.start()
    before = peak_bytes()
    assert not cache.put(FileId("file_x"), number, [b"the end"])
    assert cache.get(FileId("file_x"), number) == b"the end"        # for who reads it now
    assert peak_bytes() - before < 16 * 2**20
    assert cache.put(FileId("file_x"), 0, [b"the start"])


def test_a_map_that_somebody_has_made_enormous_is_read_no_further_than_maps_go(tmp_path: Path) -> None:
    cache = BlockCache(tmp_path, Disk(), limit_bytes=2**40)
    cache.start()
    assert cache.put(FileId("file_x"), 0, [b"the start"])
    for path in (tmp_path / "cache").glob("*.map"):
        os.truncate(path, 2**42)
    again = BlockCache(tmp_path, Disk(), limit_bytes=2**40)
    again.start()
    before = peak_bytes()
    assert again.get(FileId("file_x"), 0) == b"the start"
    assert peak_bytes() - before < 64 * 2**20
