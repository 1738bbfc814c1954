"""Manual, desktop: a mount is told of no desktop where there is none, and is held up by none that is broken."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from anthrofs.desktop.notifications import TEXT, Notifications, shortened
from anthrofs.desktop.session_bus import SessionBus, address_of

BOUND_S: Final = 0.3        # of a call here
JOIN_S: Final = 30.0


def test_a_session_says_where_its_bus_is(tmp_path: Path) -> None:
    assert address_of({"DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/1000/bus"}) == "unix:path=/run/user/1000/bus"
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(str(tmp_path / "bus"))
        assert address_of({"XDG_RUNTIME_DIR": str(tmp_path)}) == f"unix:path={tmp_path}/bus"


@pytest.mark.parametrize("environ", [
    {}, {"DBUS_SESSION_BUS_ADDRESS": ""}, {"DBUS_SESSION_BUS_ADDRESS": "disabled:"}, {"DBUS_SESSION_BUS_ADDRESS": "tcp:host=localhost,port=1"},
    {"XDG_RUNTIME_DIR": "/nowhere"}], ids=["nothing", "empty", "disabled", "tcp", "no runtime"])
def test_without_a_session_there_is_none(environ: dict[str, str]) -> None:
    assert address_of(environ) is None


@contextmanager
def bus(place: Path, answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Something that listens where a bus should, and its address."""
    ended = threading.Event()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place / "bus"))
        listening.listen(1)

        def serve() -> None:
            with listening.accept()[0] as one:
                answer(one)
                ended.wait(JOIN_S)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"unix:path={place}/bus"
        finally:
            ended.set()
            thread.join(JOIN_S)
    assert not thread.is_alive()


def says_nothing(_: socket.socket) -> None:
    pass


def says_nonsense(one: socket.socket) -> None:
    one.recv(100)
    one.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def lets_in_only(one: socket.socket) -> None:
    one.recv(100)
    one.sendall(b"OK 1234\r\n")


def answers_noise(one: socket.socket) -> None:
    lets_in_only(one)
    one.recv(1000)
    one.sendall(b"\xff" * 5000)


def lets_in_and_leaves(one: socket.socket) -> None:
    lets_in_only(one)
    one.recv(1000)
    one.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("answer", [says_nothing, says_nonsense, lets_in_only, answers_noise, lets_in_and_leaves])
def test_a_broken_bus_is_an_error_within_the_bound(tmp_path: Path, answer: Callable[[socket.socket], None]) -> None:
    with bus(tmp_path, answer) as address:
        one = SessionBus(address, BOUND_S)
        with pytest.raises(OSError):
            one.call("a.b", "/a", "a.b.C")
        one.close()


def test_a_broken_bus_is_not_asked_again_at_once(tmp_path: Path) -> None:
    with bus(tmp_path, says_nonsense) as address:
        desktop = Notifications(SessionBus(address, BOUND_S))
        assert desktop.show("a", "b", error=True) == 0
    assert desktop.show("a", "b", error=True) == 0      # the address has gone: nobody would answer
    desktop.close()


@pytest.mark.parametrize("address", ["unix:path=/nowhere/bus", "unix:", "nonsense", "tcp:host=localhost,port=1"])
def test_an_address_that_leads_nowhere_is_said_to_nobody(address: str) -> None:
    desktop = Notifications(SessionBus(address, BOUND_S))
    assert desktop.show("a", "b", error=True) == 0
    desktop.close()


def test_a_text_is_one_paragraph_that_nothing_obeys() -> None:
    assert shortened("a\n\tb\x1b[31m", TEXT) == "a b\\x1b[31m"
    assert len(shortened("a" * 10_000, TEXT)) == TEXT
