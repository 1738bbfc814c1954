"""The benchmark's wire: what it delays, carries, holds back and counts. Only lower bounds of time: a delay guarantees those."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.bench.wire import Counts, Wire
from tests.emulator.process import EmulatorProcess

DELAY_S: Final = 0.05
BIG_BYTES: Final = 3_000_000
HEADERS: Final = {"anthropic-version": "2023-06-01", "anthropic-beta": "files-api-2025-04-14"}


@pytest.fixture
def wire(emulator: EmulatorProcess) -> Iterator[Wire]:
    with Wire([emulator.url.removeprefix("http://")] * 2) as wire:
        yield wire


@contextmanager
def client_of(wire: Wire, emulator: EmulatorProcess, door: int = 0) -> Iterator[httpx.Client]:
    headers = {**HEADERS, "x-api-key": emulator.key}
    with httpx.Client(base_url=wire.url(door), headers=headers, trust_env=False, timeout=20) as client:
        yield client


def spent_s(client: httpx.Client, path: str) -> float:
    start_s = time.monotonic()
    client.get(path).raise_for_status()
    return time.monotonic() - start_s


def test_each_answer_on_a_kept_connection_comes_after_the_delay_and_the_first_after_the_connects_too(
        wire: Wire, emulator: EmulatorProcess) -> None:
    with client_of(wire, emulator) as client:
        assert spent_s(client, "/v1/files") >= 2 * DELAY_S
        assert min(spent_s(client, "/v1/files") for _ in range(3)) >= DELAY_S
    counts = wire.counts(0)
    assert (counts.connections, counts.requests) == (1, 4)
    assert wire.counts(1) == Counts(0, 0, 0, 0)         # doors are counted apart


def test_content_passes_unchanged_and_is_counted(wire: Wire, emulator: EmulatorProcess) -> None:
    content = bytes(range(256)) * (BIG_BYTES // 256)
    file_id = emulator.generate("a.bin", content)["id"]
    with client_of(wire, emulator) as client:
        assert client.get(f"/v1/files/{file_id}/content").content == content
        sent = client.post("/v1/files", files={"file": ("b.bin", content, "application/octet-stream")})
    assert emulator.content(sent.json()["id"]) == content
    counts = wire.counts(0)
    assert (counts.connections, counts.requests) == (1, 2)
    for count in (counts.bytes_up, counts.bytes_down):
        assert len(content) < count < len(content) + 5000       # and the headers


def all_at_once_s(wire: Wire, emulator: EmulatorProcess, ask: Callable[[httpx.Client], httpx.Response]) -> float:
    """Four clients, two on each door."""
    def run(door: int) -> None:
        with client_of(wire, emulator, door) as client:
            ask(client).raise_for_status()

    start_s = time.monotonic()
    threads = [threading.Thread(target=run, args=(door,)) for door in (0, 1, 0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - start_s


def test_the_bandwidth_is_that_of_all_connections_together(wire: Wire, emulator: EmulatorProcess) -> None:
    file_id = emulator.generate("a.bin", bytes(BIG_BYTES))["id"]
    wire.limit(10 * BIG_BYTES)
    spent_s = all_at_once_s(wire, emulator, lambda client: client.get(f"/v1/files/{file_id}/content"))
    # Two delays, four tenths of a second of bytes, less what the wire lets catch up.
    assert spent_s >= 2 * DELAY_S + 0.4 - 0.02


def test_it_holds_for_what_is_sent_too_and_each_upload_is_one_request(wire: Wire, emulator: EmulatorProcess) -> None:
    wire.limit(10 * BIG_BYTES)
    spent_s = all_at_once_s(wire, emulator, lambda client: client.post("/v1/files", files={"file": ("a.bin", bytes(BIG_BYTES))}))
    assert spent_s >= 2 * DELAY_S + 0.4 - 0.02
    assert [wire.counts(door).requests for door in (0, 1)] == [2, 2]


def test_a_server_that_stops_reading_stops_the_sender_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, Wire([f"127.0.0.1:{server.getsockname()[1]}"]) as wire:
        with socket.create_connection(("127.0.0.1", wire.port(0)), 20) as client:
            taken, _ = server.accept()
            client.setblocking(False)
            sent = 0
            with taken:
                while select.select([], [client], [], 1)[1]:        # until it takes no more
                    sent += client.send(bytes(2**20))
                    assert sent < 64 * 2**20
        assert wire.counts(0).bytes_up < 4 * 2**20


def test_a_reader_that_stops_stops_the_server_too(wire: Wire, emulator: EmulatorProcess) -> None:
    size = 64 * 2**20
    file_id = emulator.generate("a.bin", bytes(size))["id"]
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        client.connect(("127.0.0.1", wire.port(0)))
        lines = [f"GET /v1/files/{file_id}/content HTTP/1.1", "host: x", f"x-api-key: {emulator.key}",
                 *(f"{name}: {value}" for name, value in HEADERS.items()), "", ""]
        client.sendall("\r\n".join(lines).encode())
        assert client.recv(1)
        passed = -1
        while wire.counts(0).bytes_down != passed:      # until nothing moves any more
            passed = wire.counts(0).bytes_down
            time.sleep(0.3)
        assert passed < 4 * 2**20
        [request] = emulator.requests("download")
        assert request["finished"] is None
    # The server learns that the client has left.
    emulator.wait_for_requests(1, "download")


def test_a_server_that_is_not_there_closes_the_connection(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Wire([f"127.0.0.1:{port}"]) as wire, socket.create_connection(("127.0.0.1", wire.port(0)), 20) as client:
        assert client.recv(1) == b""
        assert wire.counts(0) == Counts(1, 0, 0, 0)
