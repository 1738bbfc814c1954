"""Patience is on the connection: a side that lives may take its time, one that is dead is noticed, and what it has is counted."""

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpcore
import pytest

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Service, Timeouts
from anthrofs.errors import NoAnswer, UploadCut
from anthrofs.remote import wire
from anthrofs.remote.api import Body
from anthrofs.remote.http import HttpFiles, connect
from anthrofs.remote.wire import DEAD_S, LOOK_S, Line, Lines
from tests.emulator.process import EmulatorProcess
from tests.fakes import FakeClock, body_of
from tests.mounting import wait_until


@contextmanager
def connected() -> Iterator[tuple[Line, socket.socket]]:
    """(ours, the other side's)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        line = Lines(httpcore.SyncBackend(), Clock()).connect_tcp(host, port, timeout=5)
        assert isinstance(line, Line)
        other, _ = server.accept()
        with other:
            yield line, other
        line.close()


def fill(line: Line) -> None:
    """Nobody reads it."""
    for _ in range(10_000):
        line.write(bytes(65536), timeout=0.05)


def test_what_the_other_sides_tcp_has_taken_is_counted_and_what_is_in_our_buffers_isnt() -> None:
    with connected() as (line, other):
        line.write(b"x" * 1000)
        wait_until(lambda: line.unacknowledged() == 0, "it is there")
        with pytest.raises(httpcore.WriteTimeout):
            fill(line)
        before = line.unacknowledged()
        assert before
        other.recv(2_000_000, socket.MSG_WAITALL)
        wait_until(lambda: (line.unacknowledged() or 0) < before, "they read on")
        line.close()
        assert line.unacknowledged() is None


def test_the_kernel_asks_whether_the_other_side_lives_when_nothing_moves() -> None:
    with connected() as (line, _):
        found = line.get_extra_info("socket")
        assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle, between, count = (found.getsockopt(socket.IPPROTO_TCP, option)
                                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT))
        assert idle + between * count == DEAD_S


class Silent(httpcore.NetworkStream):
    """A connection on which nothing comes; what the kernel says of it is a test's."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.waits: list[float | None] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.waits.append(timeout)
        self.clock.advance(timeout or 0)
        raise httpcore.ReadTimeout

    def get_extra_info(self, info: str) -> Any:
        return None


@pytest.mark.parametrize(("infos", "ends_s", "error"), [
    ([(1, 0, 0, 0, 0)], 600, httpcore.ReadTimeout),                         # idle, and it lives
    ([(1, 0, 0, 5, 60_000)], 2 * LOOK_S, httpcore.ReadError),               # probes are out, and nothing comes back
    ([(1, 0, 3, 0, 31_000)], 2 * LOOK_S, httpcore.ReadError),               # sent again, and nothing comes back
    ([(1, 0, 0, 1, 60_000), (1, 0, 0, 0, 0)], 600, httpcore.ReadTimeout),   # a probe that was just under way
    ([(1, 0, 9, 0, 29_000)], 600, httpcore.ReadTimeout),                    # not long enough yet
])
def test_a_wait_lasts_as_long_as_the_other_side_answers_probes(infos: list[tuple[int, ...]], ends_s: float, error: type[Exception],
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    silent = Silent(clock)
    line = Line(silent, clock)
    told = iter(infos)
    said = infos[-1]
    monkeypatch.setattr(line, "_info", lambda: next(told, said))
    with pytest.raises(error):
        line.read(1, timeout=600)
    assert clock.now_s() == pytest.approx(ends_s, abs=LOOK_S)
    assert max(wait_s or 0 for wait_s in silent.waits) <= LOOK_S


def test_an_uploads_answer_is_awaited_longer_than_others(emulator: EmulatorProcess, tmp_path: Path) -> None:
    client = connect(Service(emulator.url, Credentials("x-api-key", emulator.key)), Timeouts(read_s=0.2))
    files = HttpFiles(client, Clock())
    emulator.fault("any", {"kind": "delay", "seconds": 1}, times=2)
    with client:
        with body_of(tmp_path, b"text") as body:
            assert files.upload("a.txt", "text/plain", body).size_bytes == 4
            assert (body.acknowledged(), body.over_s is not None) == (4, True)
        with pytest.raises(NoAnswer):
            files.list(1)


@pytest.mark.parametrize("again", [False, True], ids=["a new connection", "one that is used again"])
def test_a_body_knows_the_connection_that_it_goes_over(emulator: EmulatorProcess, tmp_path: Path, again: bool) -> None:
    client = connect(Service(emulator.url, Credentials("x-api-key", emulator.key)), Timeouts())
    files = HttpFiles(client, Clock())
    path = tmp_path / "big"
    path.write_bytes(bytes(6_000_000))
    with client, Body(path, Clock(), lambda: False) as body:
        if again:
            files.list(1)
        emulator.fault("upload", {"kind": "slow_body", "bytes_per_s": 3_000_000})
        sender = threading.Thread(target=files.upload, args=("big.bin", "application/zip", body))
        sender.start()
        wait_until(lambda: 0 < body.acknowledged() < 6_000_000, "a part of it has arrived")
        emulator.clear_faults()             # the rest comes at once
        sender.join()
        assert body.acknowledged() == 6_000_000
    assert wire.CARRIES.get() is None


def test_the_head_of_an_upload_and_a_small_file_are_one_packet() -> None:
    with connected() as (line, other):
        follows = iter([True, False])
        token = wire.CARRIES.set(lambda _: next(follows))
        line.write(b"head, ")
        assert (line.handed(), line.unacknowledged()) == (6, 0)
        line.write(b"file")
        wire.CARRIES.reset(token)
        assert line.handed() == 10
        assert other.recv(100) == b"head, file"


def test_the_head_goes_out_before_an_answer_is_read() -> None:
    """A proxy that is asked to connect is told nothing but that."""
    with connected() as (line, other):
        token = wire.CARRIES.set(lambda _: True)
        line.write(b"CONNECT")
        other.sendall(b"yes")
        assert line.read(100, timeout=5) == b"yes"
        wire.CARRIES.reset(token)
        assert other.recv(100) == b"CONNECT"


def test_a_piece_is_cut_where_the_kernel_takes_no_more() -> None:
    """And there it is seen that it has become pointless: the rest of it is never sent."""
    with connected() as (line, other):
        looks = itertools.count()

        def goes(_: object) -> bool:
            if next(looks) == 3:
                raise UploadCut("superseded", maybe_stored=False)
            return False

        found = line.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
        token = wire.CARRIES.set(goes)
        reader = threading.Thread(target=lambda: other.recv(2**22, socket.MSG_WAITALL))
        reader.start()
        with pytest.raises(UploadCut):
            line.write(bytes(2**26))
        line.shut_down()
        reader.join()
        wire.CARRIES.reset(token)
        assert 0 < line.handed() < 2**26
