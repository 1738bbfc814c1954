"""Whatever comes over a connection to the service, HTTP or not: the call ends, within its bounds of bytes and of time, with a value or a
RemoteError.
"""

import gzip
import itertools
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Service, Timeouts
from anthrofs.errors import BadAnswer, NoAnswer, NotTheFile, RemoteError
from anthrofs.model import FileId
from anthrofs.remote import bounds, wire
from anthrofs.remote.http import HttpFiles, connect
from anthrofs.remote.unpacking import PIECE_BYTES, unpacked
from tests.fakes import body_of
from tests.fuzz.fuzzing import CANARY, judge, target
from tests.fuzz.raw import Raw, raw_server

SHORT: Final = Timeouts(connect_s=5, read_s=5, write_s=5, answer_s=5, first_s=5)
BOMB_BYTES: Final = 100 * 2**20
MEMORY_BYTES: Final = 40 * 2**20        # for an answer of at most ANSWER_BYTES, as bytes, unpacked, and as objects
CALLS: Final = ("list", "stat", "delete", "upload", "download")


@pytest.fixture(scope="module")
def raw() -> Iterator[Raw]:
    with raw_server() as one:
        yield one


@pytest.fixture(scope="module")
def files(raw: Raw) -> Iterator[HttpFiles]:
    with connect(Service(raw.url, Credentials("x-api-key", CANARY)), SHORT, {}) as client:
        yield HttpFiles(client, Clock(), SHORT.first_s, answer_s=SHORT.answer_s)


def ask(files: HttpFiles, call: str, folder: Path) -> None:
    if call == "list":
        files.list(1000)
    elif call == "stat":
        files.stat(FileId("file_1"))
    elif call == "delete":
        files.delete(FileId("file_1"))
    elif call == "upload":
        with body_of(folder, b"content") as body:
            files.upload("a.txt", "text/plain", body)
    else:
        with files.download(FileId("file_1")) as download:
            for _ in download:
                pass


lines = st.one_of(st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 100 Continue", b"HTTP/1.1 101 X", b"HTTP/1.1 204 No",
                                   b"HTTP/1.0 200 OK", b"HTTP/2 200", b"HTTP/1.1 999 x", b"HTTP/1.1 20 x", b"ICY 200 OK", b"", b"SSH-2.0-x", b"HTTP/1.1 200 \xff\x00"]),
                  st.binary(max_size=20))
fields = st.one_of(st.sampled_from([b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 5, 6", b"Content-Length: 99", b"Transfer-Encoding: chunked",
                                    b"Transfer-Encoding: gzip, chunked", b"Content-Encoding: gzip", b"Content-Encoding: deflate", b"Content-Encoding: br", b": x", b"x",
                                    b" folded", b"Content-Range: bytes 0-4/5", b"Connection: close", b"Location: /v1/files", b"Date: \xff", b"request-id: \x80"]),
                   st.binary(max_size=20))
chunks = st.one_of(st.sampled_from([b"5\r\nhello\r\n", b"0\r\n\r\n", b"-5\r\nhello\r\n", b"5;x=y\r\nhello\r\n", b"zz\r\n", b"5\r\nhelloX", b"{}", gzip.compress(b"{}"),
                                    zlib.compress(b"{}"), b'{"data":[],"has_more":false}', b"\r\n"]), st.binary(max_size=30))
said = st.builds(lambda line, more, body: b"\r\n".join([line, *more, b"", b""]) + b"".join(body), lines, st.lists(fields, max_size=4), st.lists(chunks, max_size=4))


@target(80)
@given(answer=st.one_of(said, said, st.binary(max_size=60)), call=st.sampled_from(CALLS))
def test_whatever_a_server_says_is_an_answer_or_an_error(raw: Raw, files: HttpFiles, tmp_path_factory: pytest.TempPathFactory, answer: bytes, call: str) -> None:
    raw.says = lambda: [answer]
    try:
        ask(files, call, tmp_path_factory.getbasetemp())
    except RemoteError as exc:
        judge(exc)


def endless(head: bytes, piece: bytes) -> Callable[[], Iterable[bytes]]:
    return lambda: itertools.chain([head], itertools.repeat(piece))


HEAD: Final = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("call", CALLS[:4])
@pytest.mark.parametrize(("head", "piece"), [
    (HEAD + b"\r\n", b" " * 2**16), (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"[" * 2**16 + b"\r\n"),
    (b"HTTP/1.1 500 x\r\n\r\n", b"x" * 2**16), (HEAD, b"x: y\r\n" * 2**10), (b"", b"x" * 2**16), (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"x: ", b"y" * 2**16),
], ids=["body", "chunks", "error", "headers", "no line", "one header"])  # fmt: skip
def test_an_answer_without_an_end_is_an_error(raw: Raw, files: HttpFiles, tmp_path: Path, call: str, head: bytes, piece: bytes) -> None:
    raw.says, raw.taken_bytes = endless(head, piece), 0
    with pytest.raises(RemoteError):
        ask(files, call, tmp_path)
    assert raw.taken_bytes < bounds.ANSWER_BYTES + 16 * 2**20       # what the kernels hold


def trickle(clock: Clock, head: bytes) -> Iterator[bytes]:
    yield head
    while True:
        yield b"x"
        assert clock.now_s() > 0


@pytest.mark.parametrize("head", [HEAD + b"x: ", HEAD + b"\r\n"], ids=["headers", "body"])
def test_an_answer_that_trickles_is_not_waited_for(raw: Raw, files: HttpFiles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, head: bytes) -> None:
    """Each byte comes in time, and no end: the bound is on all of them together."""
    monkeypatch.setattr(wire, "HEAD_S", 0.2)
    monkeypatch.setattr(bounds, "GRACE_S", 0.2)
    monkeypatch.setattr(bounds, "SLOW_BYTES", 10**9)
    raw.says = lambda: trickle(Clock(), head)
    with pytest.raises(NoAnswer):
        ask(files, "list", tmp_path)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_bomb_fills_no_memory(raw: Raw, files: HttpFiles, tmp_path: Path, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(bytes(BOMB_BYTES))
    for call, kind in (("list", BadAnswer), ("download", None), ("stat", BadAnswer)):
        raw.says = lambda: [HEAD + f"Content-Encoding: {encoding}\r\nContent-Length: {len(packed)}\r\n\r\n".encode() + packed]
        tracemalloc.start()
        try:
            if kind is None:
                ask(files, call, tmp_path)
            else:
                with pytest.raises(kind):
                    ask(files, call, tmp_path)
            assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
        finally:
            tracemalloc.stop()


@target(100)
@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(0, 400), max_size=4), names=st.lists(st.sampled_from(["gzip", "deflate", "x-gzip", "identity", "br", " "]),
                                                                                                        max_size=5), damage=st.one_of(st.none(), st.integers(0, 400)))
def test_what_was_packed_is_unpacked_or_refused(content: bytes, cuts: list[int], names: list[str], damage: int | None) -> None:
    packed = content
    for name in names:
        packed = gzip.compress(packed) if "gzip" in name else zlib.compress(packed) if name == "deflate" else packed
    if damage is not None:
        packed = packed[:damage]
    pieces = [packed[start:end] for start, end in itertools.pairwise([0, *sorted(cuts), len(packed)])]
    try:
        found = list(unpacked(pieces, ",".join(names)))
    except ValueError:
        assert damage is not None or len(names) > 3
        return
    assert all(len(piece) <= PIECE_BYTES for piece in found) or found == pieces
    assert content.startswith(b"".join(found))
    assert damage is not None or b"".join(found) == content


def test_a_download_that_is_packed_can_be_ended_from_outside(raw: Raw, files: HttpFiles) -> None:
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(bytes(10**6)) + packer.flush(zlib.Z_SYNC_FLUSH)
    raw.says = endless(HEAD + b"Content-Encoding: gzip\r\n\r\n" + first, packer.flush(zlib.Z_SYNC_FLUSH) or b"\x00\x00\x00\xff\xff")
    with files.download(FileId("file_1")) as body:
        pieces = iter(body)
        assert set(next(pieces)) == {0}
        body.abort()
        with pytest.raises((NoAnswer, NotTheFile)):
            list(pieces)
