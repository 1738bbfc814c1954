"""A body is the same whether it comes straight from its connection or through the parser: whole, or an error."""

import contextlib
import random
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import pytest

from anthrofs.config import Timeouts
from anthrofs.errors import BadAnswer, BodyCut, NoAnswer
from anthrofs.model import FileId
from anthrofs.remote import download
from anthrofs.remote.direct import LEAST_BYTES, direct
from anthrofs.remote.download import HttpDownload
from anthrofs.remote.http import HttpFiles
from tests.unit.remote.serving import http_files

FILE: Final = FileId("file_a")
BOUND_S: Final = 20.0
BIG: Final = random.Random(7).randbytes(5 * 2**20 + 3)
HEAD: Final = "HTTP/1.1 200 OK\r\nrequest-id: req_1\r\n"
Says = Callable[[socket.socket], None]


class Scripted:
    """Answers each request with the next entry of the script, over as many connections as are made."""

    def __init__(self, tls: ssl.SSLContext | None, says: list[Says]) -> None:
        self._tls = tls                     # given
        self._says = says                   # consumed by whatever connection asks
        self.connections = 0
        self.requests = 0
        self._open: list[socket.socket] = []
        self._listens = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listens.getsockname()[1])
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listens.shutdown(socket.SHUT_RDWR)
        for each in self._open:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(BOUND_S)
            assert not thread.is_alive()
        self._listens.close()

    def _accept(self) -> None:
        while True:
            try:
                found, _ = self._listens.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(found)
            thread = threading.Thread(target=self._serve, args=(found,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, found: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(found.close)
            if self._tls is not None:
                found = stack.enter_context(self._tls.wrap_socket(found, server_side=True))
                self._open.append(found)
            asked = b""
            while piece := found.recv(65536):
                asked += piece
                if asked.endswith(b"\r\n\r\n"):
                    asked = b""
                    self.requests += 1
                    self._says.pop(0)(found)


def body(content: bytes, head: str = HEAD, *, length: int | None = None, together: bool = True, then: Says | None = None) -> Says:
    """An answer whose head may come with the first bytes, or alone."""
    said = f"{head}content-length: {len(content) if length is None else length}\r\n\r\n".encode()

    def say(found: socket.socket) -> None:
        found.sendall(said + content[:1000] if together else said)
        if not together:
            time.sleep(0.05)        # so that the parser has the head alone
        found.sendall(content[1000:] if together else content)
        if then is not None:
            then(found)
    return say


def cut(found: socket.socket) -> None:
    """The connection ends, as it is."""
    socket.socket.shutdown(found, socket.SHUT_RDWR)


@pytest.fixture(params=["direct", "parsed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each body came directly."""
    taken = list[bool]()

    def noted(response: Any) -> Any:
        found = direct(response) if request.param == "direct" else None
        taken.append(found is not None)
        return found

    monkeypatch.setattr(download, "direct", noted)
    taken.append(request.param == "direct")
    return taken


@pytest.fixture(params=["http", "https"])
def serving(request: pytest.FixtureRequest, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext | None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    return tls if request.param == "https" else None


@contextlib.contextmanager
def served(serving: ssl.SSLContext | None, *says: Says, read_s: float = BOUND_S) -> Iterator[tuple[Scripted, HttpFiles]]:
    with Scripted(serving, [*says]) as server, http_files(server.url, Timeouts(read_s=read_s, first_s=read_s)) as files:
        yield server, files


def taken(files: HttpFiles, first: int = 0, last: int | None = None) -> bytes:
    with files.download(FILE, first, last) as one:
        return b"".join(map(bytes, one))


def collected(one: HttpDownload, came: bytearray, at: int = -1, then: Callable[[], object] = lambda: None) -> None:
    """All pieces; `then` is called when so many bytes are there."""
    for piece in one:
        came += piece
        if len(came) == at:
            then()


@pytest.mark.parametrize("together", [True, False])
def test_all_bytes_come_and_the_connection_serves_the_next_request(serving: ssl.SSLContext | None, way: list[bool], together: bool) -> None:
    sizes = [len(BIG), 3, LEAST_BYTES, LEAST_BYTES + 2000, 2 * 2**20]
    with served(serving, *(body(BIG[:size], together=together) for size in sizes)) as (server, files):
        assert [taken(files) == BIG[:size] for size in sizes] == [True] * len(sizes)
        assert (server.connections, server.requests) == (1, len(sizes))
    assert way[1:] == ([True, False, False, True, True] if way[0] else [False] * 5)


def test_a_range_is_compared_with_what_was_asked_for(serving: ssl.SSLContext | None, way: list[bool]) -> None:
    part = "HTTP/1.1 206 Partial Content\r\nrequest-id: req_1\r\ncontent-range: bytes {}-{}/{}\r\n"
    last = 100 + 2 * 2**20
    right, wrong = part.format(100, last, len(BIG)), part.format(101, last + 1, len(BIG))
    with served(serving, body(BIG[100:last + 1], right), body(BIG[101:last + 2], wrong), body(BIG[100:last + 1], right)) as (server, files):
        assert taken(files, 100, last) == BIG[100:last + 1]
        with pytest.raises(BadAnswer):
            taken(files, 100, last)
        assert taken(files, 100, last) == BIG[100:last + 1]
        assert server.connections == 2, "what wasn't read is still on the first one"
    assert way[1:] == [way[0]] * 2


@pytest.mark.parametrize("after", [0, 1, 70_000, 3 * 2**20, len(BIG) - 1])
def test_a_body_shorter_than_its_length_is_cut(serving: ssl.SSLContext | None, way: list[bool], after: int) -> None:
    came = bytearray()
    with served(serving, body(BIG[:after], length=len(BIG), then=cut), body(BIG)) as (_, files):
        with files.download(FILE) as one, pytest.raises(BodyCut):
            collected(one, came)
        assert BIG.startswith(came)
        assert len(came) == after or serving is not None
        assert taken(files) == BIG
    assert way[1:] == [way[0]] * 2


@pytest.mark.parametrize("more", [b"x", BIG])
def test_a_body_longer_than_its_length_ends_there_and_what_follows_is_nobodys_content(serving: ssl.SSLContext | None, way: list[bool],
                                                                                      more: bytes) -> None:
    """The next request gets an answer of its own, or none: then it is asked again."""
    sent = threading.Event()
    with served(serving, body(BIG + more, length=len(BIG), then=lambda _: sent.set()), body(BIG), body(BIG)) as (_, files):
        assert taken(files) == BIG
        if len(more) == 1:          # else it waits for somebody to read it
            assert sent.wait(BOUND_S)
        try:
            again = taken(files)
        except NoAnswer:
            again = taken(files)
        assert again == BIG
    assert set(way[1:]) == {way[0]}


@pytest.mark.parametrize("after", [0, 1000, 2 * 2**20])
def test_a_body_that_stalls_is_no_answer_and_what_came_before_was_handed_on(serving: ssl.SSLContext | None, way: list[bool], after: int) -> None:
    came, goes_on = bytearray(), threading.Event()
    with served(serving, body(BIG[:after], length=len(BIG), then=lambda _: (goes_on.wait(BOUND_S), None)[1]), body(BIG), read_s=0.3) as (_, files):
        with files.download(FILE) as one, pytest.raises(NoAnswer) as raised:
            collected(one, came)
        goes_on.set()
        assert not isinstance(raised.value, BodyCut)
        assert came == BIG[:after]
        assert taken(files) == BIG
    assert way[1:] == [way[0]] * 2


def test_whoever_waits_for_bytes_gets_an_error_at_once_when_it_is_aborted(serving: ssl.SSLContext | None, way: list[bool]) -> None:
    came, goes_on = bytearray(), threading.Event()
    with served(serving, body(BIG[:2 * 2**20], length=len(BIG), then=lambda _: (goes_on.wait(BOUND_S), None)[1]), body(BIG)) as (_, files):
        with files.download(FILE) as one, pytest.raises(NoAnswer):
            collected(one, came, 2 * 2**20, threading.Timer(0.05, one.abort).start)
        goes_on.set()
        assert came == BIG[:2 * 2**20], "and no TLS record as it is on the wire"
        assert taken(files) == BIG
    assert way[1:] == [way[0]] * 2


def test_a_download_that_is_left_early_leaves_nothing_to_the_next_request(serving: ssl.SSLContext | None, way: list[bool]) -> None:
    with served(serving, body(BIG), body(BIG)) as (server, files):
        with files.download(FILE) as one:
            assert BIG.startswith(bytes(next(iter(one))))
        assert taken(files) == BIG
        assert server.connections == 2
    assert way[1:] == [way[0]] * 2


def test_bytes_that_trickle_are_handed_on_as_they_come(serving: ssl.SSLContext | None, way: list[bool]) -> None:
    """A reader waits for the first block, not for a megabyte."""
    here = threading.Event()

    def trickle(found: socket.socket) -> None:
        assert here.wait(BOUND_S)
        found.sendall(BIG[300_000:])

    with served(serving, body(BIG[:300_000], length=len(BIG), then=trickle)) as (_, files):
        came = bytearray()
        with files.download(FILE) as one:
            collected(one, came, 300_000, here.set)
        assert came == BIG
    assert way[1:] == [way[0]]


@pytest.mark.parametrize("head", [HEAD.replace("1.1", "1.0"), HEAD + "connection: close\r\n"])
def test_a_connection_that_ends_after_its_answer_is_not_used_again(serving: ssl.SSLContext | None, way: list[bool], head: str) -> None:
    with served(serving, body(BIG, head, then=cut), body(BIG, head, then=cut)) as (server, files):
        assert (taken(files), taken(files), server.connections) == (BIG, BIG, 2)
    assert way[1:] == [way[0] and "1.1" in head] * 2


def test_a_body_in_chunks_is_the_parsers(serving: ssl.SSLContext | None, way: list[bool]) -> None:
    def say(found: socket.socket) -> None:
        found.sendall(HEAD.encode() + b"transfer-encoding: chunked\r\n\r\n" + f"{len(BIG):x}\r\n".encode() + BIG + b"\r\n0\r\n\r\n")

    with served(serving, say, say) as (server, files):
        assert (taken(files), taken(files), server.connections) == (BIG, BIG, 1)
    assert way[1:] == [False, False]


@pytest.mark.parametrize("after", random.Random(11).sample(range(3000, len(BIG)), 6))
def test_a_tls_connection_that_is_cut_in_a_record_is_a_cut_body(tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: list[bool],
                                                                after: int) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    came = bytearray()
    with (Scripted(tls, [body(BIG)]) as server, cutting(server.port, after) as port, http_files(f"https://127.0.0.1:{port}") as files,
          files.download(FILE) as one, pytest.raises(NoAnswer)):
        collected(one, came)
    assert BIG.startswith(came)
    assert way[1:] == [way[0]]


@contextlib.contextmanager
def cutting(port: int, after: int) -> Iterator[int]:
    """A wire that breaks when so many bytes have come back over it; bytes of records, not of what is in them."""
    def carry() -> None:
        near, _ = listens.accept()
        with near, socket.create_connection(("127.0.0.1", port)) as far:
            left = after
            while left > 0:
                for one in select.select([near, far], [], [], BOUND_S)[0]:
                    piece = one.recv(min(65536, left) if one is far else 65536)
                    left -= len(piece) if one is far else 0
                    (near if one is far else far).sendall(piece)
                    if not piece:
                        return

    with socket.create_server(("127.0.0.1", 0)) as listens:
        thread = threading.Thread(target=carry)
        thread.start()
        yield int(listens.getsockname()[1])
        thread.join(BOUND_S)
        assert not thread.is_alive()

