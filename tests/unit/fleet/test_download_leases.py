"""Of many mounts that want one file one downloads it, and the others find it in the store; none waits for ever."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Service
from anthrofs.errors import Gone, NotFound, Stopping
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.download_leases import LEASE_S, PATIENCE_S, RENEW_S, DownloadLeases
from anthrofs.fleet.fetcher import Fetcher
from anthrofs.fleet.keys import SECRET_BYTES, FleetKeys
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.shelf import Shelf
from anthrofs.fleet.sightings import Sightings
from anthrofs.fleet.store_files import WAITS_BYTES, Knowledge, StoreReads
from anthrofs.model import FileId, RemoteFile, Workspace
from tests.fakes import FakeClock, FakeFiles
from tests.fleet.memory_objects import MemoryObjects
from tests.memory_board import MemoryBoard, Wall

BOUND_S: Final = 20.0
KEYS: Final = FleetKeys([bytes(range(SECRET_BYTES))])
CONTENT: Final = b"content" * 1000


class Machine:
    """A mount's downloads."""

    def __init__(self, wall: Wall, objects: MemoryObjects, service: FakeFiles, clock: Clock, *, puts: bool = True) -> None:
        membership = Membership(Service("http://test", Credentials("x-api-key", "key")), "host:/files")
        membership.join(Workspace("organization", "workspace"))
        counts = Counts(clock)
        self.board, self.service, self.sightings = MemoryBoard(wall, membership), service, Sightings()
        self.shelf = Shelf(objects, KEYS, lambda: membership.scope)
        self.fetcher = Fetcher(self.shelf, counts, Clock())
        self.leases = DownloadLeases(self.board, KEYS, clock)
        self.reads = StoreReads(self.fetcher, self.leases, self.sightings, Knowledge(self._file, lambda *_: None, lambda _: puts, lambda _: None), counts, clock)

    def _file(self, file_id: FileId) -> RemoteFile:
        for file in self.service.files:
            if file.file_id == file_id:
                return file
        raise NotFound(file_id)

    def read(self, file: RemoteFile, first: int = 0, last: int | None = None) -> bytes:
        with self.reads.download(self.service, file.file_id, first, last) as body:
            return b"".join(map(bytes, body))

    def put(self, file: RemoteFile) -> None:
        """The sharer's part: it is in the store, and another's lease."""
        self.shelf.put(file.file_id, len(CONTENT), lambda offset, size: CONTENT[offset:offset + size], create=True)
        self.leases.end(file.file_id)


class Room:
    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.wall, self.objects, self.service = clock, Wall(clock), MemoryObjects(), FakeFiles(clock)
        self.machines: list[Machine] = []

    def machine(self, *, puts: bool = True) -> Machine:
        self.machines.append(Machine(self.wall, self.objects, self.service, self.clock, puts=puts))
        return self.machines[-1]

    def holder(self) -> str | None:
        """Whose lease it is."""
        now_s = self.clock.now_s()
        return next((holder for holder, until_s in self.wall.leases.values() if until_s > now_s), None)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    one = Room(FakeClock())
    yield one
    for machine in one.machines:
        assert machine.fetcher.stop(BOUND_S)


def test_who_downloads_has_the_lease_until_the_file_is_in_the_store(room: Room) -> None:
    one, file = room.machine(), room.service.generate("a.bin", CONTENT)
    assert one.read(file) == CONTENT
    assert room.holder() == one.board._member
    one.put(file)
    assert room.holder() is None


def test_who_waits_looks_into_the_store_once_it_has_the_lease(room: Room) -> None:
    one, other, file = room.machine(), room.machine(), room.service.generate("a.bin", CONTENT)
    assert one.read(file) == CONTENT
    slept = list[float]()
    room.clock.sleep = _then(room.clock.sleep, slept, lambda: one.put(file))       # type: ignore[method-assign, assignment]
    assert other.read(file) == CONTENT
    assert slept
    assert [asked for asked, _ in room.service.asked] == ["download"]
    assert room.holder() is None


def _then(sleep: Callable[[threading.Event, float], bool], slept: list[float], event: Callable[[], None]) -> Callable[[threading.Event, float], bool]:
    """The first sleep brings the event about."""
    def slept_once(stopping: threading.Event, seconds: float) -> bool:
        if not slept:
            slept.append(seconds)
            event()
        return sleep(stopping, seconds)
    return slept_once


def test_k_machines_at_once_are_one_download(room: Room) -> None:
    clock = Clock()
    room.wall = Wall(clock)
    machines = [Machine(room.wall, room.objects, room.service, clock) for _ in range(5)]
    room.machines += machines
    files, begun = [room.service.generate(f"{number}.bin", CONTENT) for number in range(6)], threading.Barrier(len(machines))
    read = list[bytes]()

    def work(machine: Machine) -> None:
        for file in files:
            begun.wait(BOUND_S)
            read.append(machine.read(file))
            if not machine.sightings.is_given(file.file_id):
                machine.put(file)

    threads = [threading.Thread(target=work, args=(machine,)) for machine in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND_S * 2)
    assert read == [CONTENT] * len(machines) * len(files)
    assert sorted(room.service.asked) == [("download", file.file_id) for file in files]


def test_who_has_died_keeps_the_lease_no_longer_than_it_lasts(room: Room) -> None:
    one, other, file = room.machine(), room.machine(), room.service.generate("a.bin", CONTENT)
    assert one.leases.take(file.file_id)
    begun_s = room.clock.now_s()
    assert other.read(file) == CONTENT
    assert room.clock.now_s() - begun_s <= LEASE_S + 1
    assert room.holder() == other.board._member


def test_who_has_waited_for_long_enough_downloads_besides(room: Room) -> None:
    one, other, file = room.machine(), room.machine(), room.service.generate("a.bin", CONTENT)
    assert one.leases.take(file.file_id)
    sleep = room.clock.sleep

    def renewed(stopping: threading.Event, seconds: float) -> bool:
        assert one.leases.take(file.file_id)
        return sleep(stopping, seconds)

    room.clock.sleep = renewed      # type: ignore[method-assign]
    begun_s = room.clock.now_s()
    assert other.read(file) == CONTENT
    assert PATIENCE_S <= room.clock.now_s() - begun_s <= PATIENCE_S + 1
    assert room.holder() == one.board._member


def test_the_lease_is_held_on_to_while_bytes_move(room: Room) -> None:
    one, file = room.machine(), room.service.generate("a.bin", CONTENT)
    with one.reads.download(room.service, file.file_id, 0, None) as body:
        for _ in range(3):
            room.clock.advance(LEASE_S - RENEW_S)
            next(iter(body))
            assert room.holder() == one.board._member


def test_a_download_that_ends_before_its_end_ends_the_lease(room: Room) -> None:
    one, file = room.machine(), room.service.generate("a.bin", CONTENT)
    with one.reads.download(room.service, file.file_id, 0, None):
        assert room.holder() == one.board._member
    assert room.holder() is None
    room.service.vanish(file.file_id)
    with pytest.raises(Gone):
        one.read(file)
    assert room.holder() is None


def test_who_reads_a_part_or_puts_nothing_or_wants_much_waits_for_nobody(room: Room) -> None:
    one, other, reader = room.machine(), room.machine(), room.machine(puts=False)
    file = room.service.generate("a.bin", CONTENT)
    assert one.leases.take(file.file_id)
    begun_s = room.clock.now_s()
    assert other.read(file, 0, 99)[:100] == CONTENT[:100]
    assert reader.read(file) == CONTENT
    large = RemoteFile(file.file_id, "a.bin", "text/plain", WAITS_BYTES + 1, 0, downloadable=True)
    room.service.files[0] = large
    assert other.read(large) == CONTENT
    assert room.clock.now_s() == begun_s


def test_a_board_that_is_away_makes_nobody_wait(room: Room) -> None:
    one, other, file = room.machine(), room.machine(), room.service.generate("a.bin", CONTENT)
    assert one.leases.take(file.file_id)
    room.wall.away = "it is away"
    begun_s = room.clock.now_s()
    assert other.read(file) == CONTENT
    assert room.clock.now_s() == begun_s


def test_who_waits_ends_with_the_mount(room: Room) -> None:
    one, other, file = room.machine(), room.machine(), room.service.generate("a.bin", CONTENT)
    assert one.leases.take(file.file_id)
    other.leases.stop()
    with pytest.raises(Stopping):
        other.read(file)
