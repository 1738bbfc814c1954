"""The wire does as it is told, or tests of what is away or lies prove nothing."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.fleet.wires import Wire

BOUND_S = 10.0
SILENCE_S = 0.2


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that answers each line with that line; its port."""
    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                connection.sendall(line)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                served.append(threading.Thread(target=serve, args=(connection,)))
                served[-1].start()

    served = list[threading.Thread]()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        for each in (thread, *served):
            each.join(BOUND_S)
            assert not each.is_alive()


@pytest.fixture
def wire(echo: int) -> Iterator[Wire]:
    with Wire("127.0.0.1", echo) as one:
        yield one


@pytest.fixture
def client(wire: Wire) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", wire.port), BOUND_S) as one:
        yield one


def asked(client: socket.socket, line: bytes) -> bytes:
    client.sendall(line)
    came = b""
    while len(came) < len(line) and (piece := client.recv(len(line) - len(came))):
        came += piece
    return came


def test_what_passes_is_counted(wire: Wire, client: socket.socket) -> None:
    assert asked(client, b"one\n") == b"one\n"
    assert asked(client, b"three\n") == b"three\n"
    assert (wire.counts.connections, wire.counts.requests, wire.counts.bytes_up, wire.counts.bytes_down) == (1, 2, 10, 10)


def test_much_passes_whole(wire: Wire, client: socket.socket) -> None:
    line = bytes(range(11, 256)) * 10_000 + b"\n"
    sender = threading.Thread(target=client.sendall, args=(line,))
    sender.start()
    with client.makefile("rb") as answers:
        assert answers.read(len(line)) == line
    sender.join(BOUND_S)


def test_who_is_refused_is_reset_and_comes_back_to_the_same_port(wire: Wire, client: socket.socket) -> None:
    assert asked(client, b"one\n") == b"one\n"
    wire.refuse()
    with pytest.raises(ConnectionError):
        client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", wire.port), BOUND_S)
    wire.mend()
    with socket.create_connection(("127.0.0.1", wire.port), BOUND_S) as again:
        assert asked(again, b"two\n") == b"two\n"


def test_a_wire_that_loses_packets_connects_nobody(wire: Wire) -> None:
    wire.lose()
    with pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", wire.port), SILENCE_S)
    wire.mend()
    with socket.create_connection(("127.0.0.1", wire.port), BOUND_S) as again:
        assert asked(again, b"two\n") == b"two\n"


@pytest.mark.parametrize("after", [0, 1, 2])
def test_silence_begins_with_that_request_and_holds_for_new_connections(wire: Wire, client: socket.socket, after: int) -> None:
    wire.silence(after_requests=after)
    for number in range(after):
        assert asked(client, b"%d\n" % number) == b"%d\n" % number
    client.settimeout(SILENCE_S)
    with pytest.raises(TimeoutError):
        asked(client, b"lost\n")
    with socket.create_connection(("127.0.0.1", wire.port), BOUND_S) as another:
        another.settimeout(SILENCE_S)
        with pytest.raises(TimeoutError):
            asked(another, b"lost\n")
    wire.mend()
    client.settimeout(BOUND_S)
    assert client.recv(5) == b"lost\n"      # what was held comes, as from a server that was slow


def test_silence_in_the_middle_of_an_answer(wire: Wire, client: socket.socket) -> None:
    wire.silence(after_bytes=6)
    client.settimeout(SILENCE_S)
    client.sendall(b"0123456789\n")
    assert client.recv(11) == b"012345"
    with pytest.raises(TimeoutError):
        client.recv(5)


def test_a_cut_comes_behind_so_many_bytes_and_so_often(wire: Wire, client: socket.socket) -> None:
    wire.cut(after_bytes=4, times=1)
    client.sendall(b"0123456789\n")
    assert client.recv(4) == b"0123"
    with pytest.raises(ConnectionError):
        client.recv(1)
    with socket.create_connection(("127.0.0.1", wire.port), BOUND_S) as again:
        assert asked(again, b"0123456789\n") == b"0123456789\n"


def test_a_cut_at_a_request(wire: Wire, client: socket.socket) -> None:
    wire.cut(after_requests=1)
    assert asked(client, b"one\n") == b"one\n"
    client.sendall(b"two\n")
    with pytest.raises(ConnectionError):
        client.recv(1)


def test_one_byte_of_an_answer_is_changed(wire: Wire, client: socket.socket) -> None:
    wire.flip(after_bytes=3, times=1)
    assert asked(client, b"0123456789\n") == b"0122456789\n"
    assert asked(client, b"0123456789\n") == b"0123456789\n"


def test_a_slow_wire_brings_no_more_than_it_may_and_all_in_the_end(wire: Wire, client: socket.socket) -> None:
    begun_s = time.monotonic()
    wire.slow(100_000)
    assert asked(client, b"x" * 19_999 + b"\n") == b"x" * 19_999 + b"\n"
    assert time.monotonic() - begun_s > 0.15        # of 0.2 s: a busy machine makes it longer, never shorter


def test_a_client_that_ends_is_told_on_and_the_wire_holds_nothing(wire: Wire, client: socket.socket) -> None:
    assert asked(client, b"one\n") == b"one\n"
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
