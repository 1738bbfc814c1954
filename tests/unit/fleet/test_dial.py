"""A connection comes about, and an exchange ends, within the bound, whatever the other side does."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from anthrofs.fleet.dial import Timed, dial
from tests.fakes import FakeClock

BOUND_S = 0.1


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_an_address_is_dialled_and_what_nobody_answers_is_said(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    for host in ("127.0.0.1", "localhost"):
        with dial(host, port, 10.0, time.monotonic) as found:
            assert found.gettimeout() == 10.0
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        dial("127.0.0.1", port, 10.0, time.monotonic)


def test_a_name_that_is_not_found_in_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def never(*_: Any, **__: Any) -> list[Any]:
        done.wait(20)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", never)
    with pytest.raises(TimeoutError, match="no address of somewhere"):
        dial("somewhere", 1, BOUND_S, time.monotonic)
    done.set()


def test_a_name_that_there_is_not_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(socket.gaierror, match="not known"):
        dial("somewhere", 1, 10.0, time.monotonic)


def test_a_name_that_cant_be_looked_up_for_want_of_a_thread_is_a_failure_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(OSError, match="no thread to look somewhere up"):
        dial("somewhere", 1, 10.0, time.monotonic)


def test_all_of_an_exchange_has_one_bound() -> None:
    clock, (one, other) = FakeClock(), socket.socketpair()
    with one, other:
        timed = Timed(one, 5.0, clock.now_s)
        other.sendall(b"ab")
        assert timed.recv(1) == b"a"
        assert one.gettimeout() == pytest.approx(5.0)
        clock.advance(4.0)
        assert timed.recv(1) == b"b"
        assert one.gettimeout() == pytest.approx(1.0)
        clock.advance(4.0)
        with pytest.raises(TimeoutError):
            timed.recv(1)
        timed.begin()
        timed.sendall(b"next")
        assert one.gettimeout() == pytest.approx(5.0)
        assert other.recv(10) == b"next"
        timed.settimeout(0)
        with pytest.raises(BlockingIOError):
            timed.recv(1)
        timed.shutdown(socket.SHUT_RDWR)
        timed.close()
