"""Two machines' mounts and a store, as people see them: what one has uploaded the other reads, and a store that is away, slow or lies
neither fails nor slows what it need not, and never changes a byte.
"""

import contextlib
import errno
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from anthrofs.fleet.seal import CHUNK_BYTES
from tests.emulator.process import EmulatorProcess
from tests.fleet.redis_server import RedisServer
from tests.fleet.s3_server import S3Server
from tests.fleet.wires import Wire
from tests.mounting import Mount, asks, wait_until

AWAY: Final = "the store s3://.* (is away|answers again|refuses reads|takes reads again)|can't be read now, for only the store gives it out|operations: read: s3://|operations: read: the store s3://"
WRONG: Final = "isn't right in the store|doesn't give uploads back"
LARGE: Final = random.Random(5).randbytes(2 * CHUNK_BYTES + 4321)
SMALL: Final = LARGE[:200_000]


class Pair:
    """A writes, B reads; each on a machine of its own, which comes to the store by a wire."""

    def __init__(self, base: Path, emulator: EmulatorProcess, store: S3Server, wire: Wire) -> None:
        self.emulator = emulator
        self.store = store
        self.wire = wire
        self.key = base / "team.key"
        self.key.write_text(os.urandom(32).hex() + "\n")
        self.key.chmod(0o600)
        self.a, self.b = Mount(base / "a", emulator), Mount(base / "b", emulator)
        for each, port in ((self.a, store.port), (self.b, wire.port)):
            each.environment |= store.environment(port)
        self._numbers = iter(range(1000))

    def mount_a(self, *options: str) -> Path:
        return self._mount(self.a, *options)

    def mount_b(self, *options: str) -> Path:
        """A's uploads that are in the store by now are known to it."""
        path = self._mount(self.b, *options)
        uploads = sum(map(is_upload, path.iterdir()))
        wait_until(lambda: self.b.status()["fleet"]["store"]["readable"] == uploads, "B knows all that A has shared")
        return path

    def _mount(self, mount: Mount, *options: str) -> Path:
        return mount.mount("--store", self.store.url, "--fleet-key", str(self.key), "--refresh", "600", *options)

    def upload(self, content: bytes = SMALL, name: str = "") -> str:
        """By A, and it is in the store. Returns its name."""
        name = name or f"upload-{next(self._numbers)}.bin"
        (self.a.path / name).write_bytes(content)
        self.a.sync()
        return name

    def generate(self, content: bytes = SMALL) -> str:
        """By code execution: the service gives it out."""
        name = f"generated-{next(self._numbers)}.bin"
        self.emulator.generate(name, content)
        return name

    def gets(self) -> int:
        return self.store.asked()["GET"]


def is_upload(path: Path) -> bool:
    """The service gives it to nobody."""
    return os.getxattr(path, "user.anthropic.downloadable") == b"false"


@pytest.fixture
def pair(emulator: EmulatorProcess, tmp_path: Path) -> Iterator[Pair]:
    with S3Server(tmp_path / "s3") as store, Wire("127.0.0.1", store.port) as wire:
        made = Pair(tmp_path, emulator, store, wire)
        try:
            yield made
        finally:
            wire.mend()
            store.mend()
            emulator.clear_faults()
            with contextlib.ExitStack() as stack:
                for each in (made.a, made.b):
                    stack.callback(each.finish)


def refused(path: Path) -> int:
    """The errno that a read of it is told."""
    with pytest.raises(OSError) as caught:
        path.read_bytes()
    assert caught.value.errno is not None
    return caught.value.errno


# ---- what is there

def test_b_reads_what_a_has_uploaded_for_a_get_a_chunk_and_the_second_time_for_nothing(pair: Pair) -> None:
    pair.mount_a()
    names = {pair.upload(content): content for content in (b"", b"x", SMALL, LARGE)}
    path = pair.mount_b()
    pair.store.forget_asked()
    with asks(pair.b):
        for name, content in names.items():
            assert (path / name).read_bytes() == content
    assert pair.gets() == 1 + 1 + 3
    with asks(pair.b):
        for name, content in names.items():
            assert (path / name).read_bytes() == content
    assert pair.gets() == 1 + 1 + 3


def test_b_reads_a_kilobyte_in_the_middle_and_one_chunk_comes(pair: Pair) -> None:
    pair.mount_a()
    content = random.Random(6).randbytes(5 * CHUNK_BYTES)
    name = pair.upload(content)
    path = pair.mount_b() / name
    pair.store.forget_asked()
    with path.open("rb", buffering=0) as file:
        for place in (2 * CHUNK_BYTES + 2**21, 2 * CHUNK_BYTES + 5, 3 * CHUNK_BYTES - 2000):
            assert os.pread(file.fileno(), 1024, place) == content[place:place + 1024]
    assert pair.gets() == 1


def test_what_one_has_downloaded_the_other_doesnt(pair: Pair) -> None:
    names = {pair.generate(content): content for content in (SMALL, LARGE)}
    a = pair.mount_a()
    for name, content in names.items():
        assert (a / name).read_bytes() == content
    wait_until(lambda: len(pair.store.chunks()) == 1 + 3, "what A has downloaded is in the store")
    b = pair.mount_b()
    with asks(pair.b):
        for name, content in names.items():
            assert (b / name).read_bytes() == content


def test_of_a_clip_that_is_downloaded_each_time_anew_only_one_chunk_is_shared(pair: Pair) -> None:
    """Chunks that two machines put there at once would be of two deliveries."""
    for name, content in (("long.mp4", LARGE), ("short.mp4", SMALL)):
        pair.emulator.generate(name, content, "video/mp4")
    a = pair.mount_a()
    assert (a / "long.mp4").read_bytes() == LARGE
    assert (a / "short.mp4").read_bytes() == SMALL
    wait_until(pair.store.chunks, "the short one is in the store")
    pair.a.umount()
    assert len(pair.store.chunks()) == 1
    b = pair.mount_b()
    with asks(pair.b, download=1):
        assert [(b / name).read_bytes() for name in ("long.mp4", "short.mp4")] == [LARGE, SMALL]


def test_the_same_files_read_on_several_machines_at_once_are_downloaded_once(pair: Pair, tmp_path: Path) -> None:
    names = [pair.generate(random.Random(number).randbytes(100_000 * (number + 1))) for number in range(8)]
    with RedisServer(tmp_path / "redis") as redis:
        paths = [mount("--board", redis.url) for mount in (pair.mount_a, pair.mount_b)]
        pair.emulator.forget_requests()
        begun, read = threading.Barrier(len(paths)), [list[bytes]() for _ in paths]

        def work(number: int) -> None:
            begun.wait(30)
            read[number] = [(paths[number] / name).read_bytes() for name in names]

        threads = [threading.Thread(target=work, args=(number,)) for number in range(len(paths))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert read == [[random.Random(number).randbytes(100_000 * (number + 1)) for number in range(8)]] * 2
        assert len(pair.emulator.requests("download")) == len(names)
        pair.a.umount()
        pair.b.umount()


# ---- a store that lies

def _swap(chunks: list[Path]) -> None:
    one, other = chunks[0].read_bytes(), chunks[1].read_bytes()
    chunks[0].write_bytes(other)
    chunks[1].write_bytes(one)


def _flip(chunks: list[Path]) -> None:
    for chunk in chunks:
        body = bytearray(chunk.read_bytes())
        body[len(body) // 2] ^= 4
        chunk.write_bytes(body)


def _cut(chunks: list[Path]) -> None:
    for chunk in chunks:
        chunk.write_bytes(chunk.read_bytes()[:-1])


@pytest.mark.parametrize("lie", [_swap, _flip, _cut])
def test_of_a_store_that_lies_no_byte_is_shown(pair: Pair, lie: Callable[[list[Path]], None]) -> None:
    pair.mount_a()
    uploads, generated = {pair.upload(content): content for content in (SMALL, SMALL[::-1])}, pair.generate()
    pair.a.refresh()
    assert (pair.a.path / generated).read_bytes() == SMALL
    wait_until(lambda: len(pair.store.chunks()) == 3, "all are in the store")
    path = pair.mount_b()
    lie(pair.store.chunks())
    pair.b.expects(WRONG)
    pair.emulator.forget_requests()
    assert (path / generated).read_bytes() == SMALL
    told = [refused(path / name) for name, content in uploads.items() if not reads(path / name, content)]
    assert set(told) == {errno.EACCES}
    assert len(told) + len(pair.emulator.requests()) >= 2       # of three, the swapped ones at least: each is said
    assert pair.b.log().count("isn't right in the store, and that isn't used") == len(told) + len(pair.emulator.requests("download"))


def reads(path: Path, content: bytes) -> bool:
    """Whether it can be read; its bytes are right then."""
    try:
        found = path.read_bytes()
    except OSError:
        return False
    assert found == content
    return True


# ---- a store that is away

def test_a_store_that_refuses_costs_uploads_their_reads_and_nothing_else_and_is_said_once(pair: Pair) -> None:
    pair.mount_a()
    uploads, generated = [pair.upload() for _ in range(3)], [pair.generate() for _ in range(3)]
    path = pair.mount_b()
    pair.b.expects(AWAY)
    pair.wire.refuse()
    for name in generated:
        assert (path / name).read_bytes() == SMALL
    for name in uploads:
        assert refused(path / name) == errno.EIO
    assert pair.b.log().count("This mount goes on without it") == 1
    assert pair.b.log().count("only the store gives it out") == len(uploads)
    pair.wire.mend()
    wait_until(lambda: all(reads(path / name, SMALL) for name in uploads), "the store is asked again")
    assert pair.b.log().count("answers again") == 1


@pytest.mark.fleet
@pytest.mark.parametrize("lost", [True, False])
def test_a_silent_store_makes_uploads_wait_and_generated_files_hardly(pair: Pair, lost: bool) -> None:
    pair.mount_a()
    upload, generated = pair.upload(), [pair.generate() for _ in range(5)]
    path = pair.mount_b()
    pair.b.expects(AWAY)
    (pair.wire.lose if lost else pair.wire.silence)()
    with asks(pair.b, download=len(generated)):
        for name in generated:
            assert (path / name).read_bytes() == SMALL
    assert refused(path / upload) == errno.EIO      # after a second without a connection, or 15 without a byte
    pair.wire.mend()
    wait_until(lambda: reads(path / upload, SMALL), "the store is asked again")


def test_a_store_that_says_no_is_said_and_what_the_service_gives_is_read(pair: Pair) -> None:
    pair.mount_a()
    upload, generated = pair.upload(), pair.generate()
    path = pair.mount_b()
    pair.b.expects(AWAY)
    pair.store.say("GET", 403, "AccessDenied")
    assert (path / generated).read_bytes() == SMALL
    assert refused(path / upload) == errno.EIO
    assert "the credentials may not do this" in pair.b.log()
    pair.store.mend()
    wait_until(lambda: reads(path / upload, SMALL), "the store gives it out")


def test_a_slow_store_is_waited_for_by_uploads_and_not_by_what_the_service_gives(pair: Pair) -> None:
    pair.mount_a()
    upload, generated = pair.upload(LARGE[:CHUNK_BYTES]), pair.generate(LARGE[:CHUNK_BYTES])
    a = pair.a.path
    pair.a.refresh()
    assert (a / generated).read_bytes() == LARGE[:CHUNK_BYTES]
    wait_until(lambda: len(pair.store.chunks()) == 2, "both are in the store")
    path = pair.mount_b()
    pair.wire.slow(2**20)                           # 4 s a chunk
    with asks(pair.b, download=1):
        assert (path / generated).read_bytes() == LARGE[:CHUNK_BYTES]
    with asks(pair.b):
        assert (path / upload).read_bytes() == LARGE[:CHUNK_BYTES]


@pytest.mark.parametrize("after_bytes", [0, CHUNK_BYTES + 1000])
@pytest.mark.parametrize("change", ["cut", "flip"])
def test_an_answer_that_is_cut_or_changed_on_the_way_is_no_byte_of_a_file(pair: Pair, change: str, after_bytes: int) -> None:
    pair.mount_a()
    upload, generated = pair.upload(LARGE), pair.generate(LARGE)
    pair.a.refresh()
    assert (pair.a.path / generated).read_bytes() == LARGE
    wait_until(lambda: len(pair.store.chunks()) == 6, "both are in the store")
    path = pair.mount_b()
    pair.b.expects(AWAY, WRONG)
    getattr(pair.wire, change)(after_bytes=after_bytes)
    assert (path / generated).read_bytes() == LARGE
    if not reads(path / upload, LARGE):
        assert refused(path / upload) in (errno.EIO, errno.EACCES)


@pytest.mark.fleet
@pytest.mark.parametrize("after_requests", [0, 1, 3])
def test_at_whichever_call_the_store_falls_silent_what_is_read_is_right(pair: Pair, after_requests: int) -> None:
    pair.mount_a()
    uploads, generated = [pair.upload(SMALL), pair.upload(LARGE)], [pair.generate(SMALL), pair.generate(LARGE)]
    path = pair.mount_b()
    pair.b.expects(AWAY)
    pair.wire.silence(after_requests=after_requests)
    for name, content in zip(generated, (SMALL, LARGE), strict=True):
        assert (path / name).read_bytes() == content
    told = [refused(path / name) for name, content in zip(uploads, (SMALL, LARGE), strict=True) if not reads(path / name, content)]
    assert set(told) <= {errno.EIO}


def test_a_mount_ends_while_its_readers_wait_for_a_silent_store(pair: Pair) -> None:
    pair.mount_a()
    name = pair.upload()
    path = pair.mount_b()
    pair.b.expects("is in use: close the files", "the mount is ending")
    pair.wire.silence()
    told = list[int]()
    reader = threading.Thread(target=lambda: told.append(refused(path / name)))
    reader.start()
    wait_until(lambda: pair.b.status()["downloads"], "the read has begun")
    pair.b.end_now()
    reader.join(30)
    assert len(told) == 1


# ---- what was wrong is put right

def test_a_generated_file_that_is_wrong_in_the_store_is_put_over_by_who_has_downloaded_it(pair: Pair, tmp_path: Path) -> None:
    name = pair.generate(LARGE)
    assert (pair.mount_a() / name).read_bytes() == LARGE
    wait_until(lambda: len(pair.store.chunks()) == 3, "it is in the store")
    pair.a.umount()
    flipped = pair.store.chunks()
    _flip(flipped[1:2])
    wrong = flipped[1].read_bytes()
    pair.b.expects(WRONG)
    assert (pair.mount_b() / name).read_bytes() == LARGE
    wait_until(lambda: flipped[1].read_bytes() != wrong, "it was put there again")
    pair.b.sync()
    c = Mount(tmp_path / "c", pair.emulator)
    c.environment |= pair.store.environment()
    try:
        path = pair._mount(c)
        with asks(c):
            assert (path / name).read_bytes() == LARGE
    finally:
        c.finish()


def test_an_upload_that_is_wrong_in_the_store_is_put_over_by_its_owner_whom_the_board_tells(pair: Pair, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        pair.mount_a("--board", redis.url)
        name = pair.upload(LARGE)
        path = pair.mount_b("--board", redis.url) / name
        _flip(pair.store.chunks())
        pair.b.expects(WRONG)
        assert refused(path) == errno.EACCES
        wait_until(lambda: reads(path, LARGE), "its owner has put it there again")
        pair.a.umount()
        pair.b.umount()


def test_who_reads_what_is_deleted_meanwhile_reads_on(pair: Pair) -> None:
    a = pair.mount_a()
    content = random.Random(7).randbytes(4 * CHUNK_BYTES)
    name = pair.upload(content)
    path = pair.mount_b() / name
    with path.open("rb", buffering=0) as file:
        assert file.read(1000) == content[:1000]
        (a / name).unlink()
        pair.a.sync()
        pair.b.refresh()
        assert os.pread(file.fileno(), 5000, 3 * CHUNK_BYTES) == content[3 * CHUNK_BYTES:3 * CHUNK_BYTES + 5000]
    wait_until(lambda: pair.b.status()["files"] == 0, "nobody has it open any more, and it is gone")


@pytest.mark.fleet
def test_a_machine_that_dies_while_it_downloads_keeps_the_others_waiting_for_a_while_only(pair: Pair, tmp_path: Path) -> None:
    name = pair.generate(SMALL)
    with RedisServer(tmp_path / "redis") as redis:
        a, b = pair.mount_a("--board", redis.url), pair.mount_b("--board", redis.url)
        pair.emulator.fault("download", {"kind": "stall", "seconds": 30, "after_bytes": 1000}, times=1)
        reader = threading.Thread(target=lambda: reads(a / name, SMALL))
        reader.start()
        wait_until(lambda: pair.emulator.requests("download"), "A downloads")
        pair.a.kill()
        reader.join(30)
        assert (b / name).read_bytes() == SMALL
        pair.b.umount()


def test_a_silent_board_fails_no_read_and_delays_few(pair: Pair, tmp_path: Path) -> None:
    names = [pair.generate(random.Random(number).randbytes(50_000)) for number in range(10)]
    with RedisServer(tmp_path / "redis") as redis:
        a, b = pair.mount_a("--board", redis.url), pair.mount_b("--board", redis.url)
        for each in (pair.a, pair.b):
            each.expects("the board redis://.* (is away|answers again)")
        redis.signal(signal.SIGSTOP)
        for path in (a, b):
            assert [(path / name).read_bytes() for name in names] == [random.Random(number).randbytes(50_000) for number in range(10)]
        redis.signal(signal.SIGCONT)
        pair.a.umount()
        pair.b.umount()


@pytest.mark.parametrize("way", ["lie", "away"])
def test_a_rename_of_anothers_upload_waits_for_a_store_that_is_away_and_sends_nothing_wrong(pair: Pair, way: str) -> None:
    pair.mount_a()
    name = pair.upload(LARGE)
    path = pair.mount_b("--upload", "queue")
    pair.b.expects(AWAY, WRONG, "operations: rename", "can't be", "renamed.bin")
    if way == "lie":
        _flip(pair.store.chunks()[1:2])
    else:
        pair.wire.refuse()
    with contextlib.suppress(OSError):
        (path / name).rename(path / "renamed.bin")
    wait_until(lambda: "isn't right in the store" in pair.b.log() or "is away" in pair.b.log(), "it was tried")
    assert {each["filename"]: pair.emulator.content(each["id"]) for each in pair.emulator.files()} == {name: LARGE}
    if way == "away":
        pair.wire.mend()
        wait_until(lambda: [each["filename"] for each in pair.emulator.files()] == ["renamed.bin"], "it was sent as it is to be called")
        assert pair.emulator.content(pair.emulator.files()[0]["id"]) == LARGE
