"""Manual, promises: a file of the mount behaves as one of the local disk, whatever is done to it through however many
descriptors and maps.
"""

import errno
import fcntl
import hashlib
import mmap
import os
import random
from pathlib import Path
from typing import Any, Final

from tests.mounting import Mount

ROUNDS: Final = 60              # each with a file of its own
STEPS: Final = 60
SIZES: Final = [0, 1, 4095, 4096, 4097, 131_072, 131_073, 300_000]      # of what there is at the beginning: pages, the kernel's pieces
FLAGS: Final = [os.O_RDWR, os.O_RDWR, os.O_RDWR | os.O_APPEND, os.O_WRONLY, os.O_RDONLY, os.O_WRONLY | os.O_APPEND,
                os.O_RDWR | os.O_TRUNC, os.O_RDWR | os.O_DSYNC, os.O_RDWR | os.O_CREAT]
SOURCE: Final = "source.bin"


class Program:
    """One that has a file open any number of times; `do` returns what it gets to know by one step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open: list[int] = []
        self.maps: list[mmap.mmap] = []

    def do(self, step: str, pick: int, *arguments: Any) -> object:
        try:
            return getattr(self, step)(pick, *arguments)
        except OSError as exc:
            return errno.errorcode[exc.errno or 0]

    def end(self) -> None:
        for view in self.maps:
            view.close()
        for descriptor in self.open:
            os.close(descriptor)

    # ---- descriptors

    def opens(self, pick: int, flags: int) -> None:
        if len(self.open) < 4:
            self.open.append(os.open(self.path, flags, 0o644))

    def dups(self, pick: int) -> None:
        if len(self.open) < 4:
            self.open.append(os.dup(self._one(pick)))

    def closes(self, pick: int) -> None:
        one = self._one(pick)
        self.open.remove(one)
        os.close(one)

    def writes(self, pick: int, data: bytes) -> tuple[int, int]:
        one = self._one(pick)
        return os.write(one, data), os.lseek(one, 0, os.SEEK_CUR)

    def writes_pieces(self, pick: int, data: bytes) -> int:
        return os.writev(self._one(pick), [data[:10], b"", data[10:4000], data[4000:]])

    def writes_at(self, pick: int, data: bytes, place: int) -> int:
        return os.pwrite(self._one(pick), data, place)

    def writes_nothing(self, pick: int, place: int) -> int:
        return os.pwrite(self._one(pick), b"", place)

    def reads_at(self, pick: int, size: int, place: int) -> str:
        return digest(os.pread(self._one(pick), size, place))

    def reads(self, pick: int, size: int) -> str:
        return digest(os.read(self._one(pick), size))

    def seeks(self, pick: int, place: int, whence: int) -> int:
        return os.lseek(self._one(pick), place if whence == os.SEEK_SET else -(place % 100), whence)

    def cuts(self, pick: int, size: int) -> None:
        os.ftruncate(self._one(pick), size)

    def cuts_by_path(self, pick: int, size: int) -> None:
        os.truncate(self.path, size)

    def syncs(self, pick: int) -> None:
        os.fsync(self._one(pick))

    def looks(self, pick: int) -> tuple[int, int]:
        return os.fstat(self._one(pick)).st_size, os.stat(self.path).st_size

    def looks_at_all(self, pick: int) -> str:
        return digest(self.path.read_bytes())

    def allocates(self, pick: int, place: int, size: int) -> None:
        """Where the disk has no call for it, glibc reads and writes, which takes a descriptor that can."""
        if fcntl.fcntl(self._one(pick), fcntl.F_GETFL) & (os.O_ACCMODE | os.O_APPEND) == os.O_RDWR:
            os.posix_fallocate(self._one(pick), place, max(1, size))

    def sends(self, pick: int, place: int, size: int) -> tuple[int, int]:
        """From another file of the same disk."""
        with (self.path.parent / SOURCE).open("rb") as source:
            return os.sendfile(self._one(pick), source.fileno(), place, size), os.lseek(self._one(pick), 0, os.SEEK_CUR)

    def sends_away(self, pick: int, place: int, size: int) -> str:
        sink = os.memfd_create("sink")
        try:
            os.sendfile(sink, self._one(pick), place, size)
            return digest(os.pread(sink, size, 0))
        finally:
            os.close(sink)

    def splices(self, pick: int, data: bytes, place: int) -> tuple[int, str]:
        """Through a pipe in, and out again."""
        reader, writer = os.pipe()
        try:
            os.write(writer, data[:4096])
            moved = os.splice(reader, self._one(pick), 4096, offset_dst=place)
            back = os.splice(self._one(pick), writer, 4096, offset_src=max(0, place - 10))
            return moved, digest(os.read(reader, 5000) if back else b"")
        finally:
            os.close(reader)
            os.close(writer)

    def copies(self, pick: int, other: int, place: int, to: int, size: int) -> int:
        """As far as both disks agree: not onto itself."""
        return os.copy_file_range(self._one(other), self._one(pick), min(size, abs(place - to)), place, to)

    # ---- maps

    def maps_it(self, pick: int) -> None:
        if len(self.maps) < 2 and os.fstat(self._one(pick)).st_size:
            self.maps.append(mmap.mmap(self._one(pick), 0))

    def unmaps(self, pick: int) -> None:
        if self.maps:
            self.maps.pop(pick % len(self.maps)).close()

    def changes_map(self, pick: int, data: bytes, place: int) -> int:
        """As far as the file goes by now: a byte beyond would be a SIGBUS."""
        if not self.maps:
            return 0
        view = self.maps[pick % len(self.maps)]
        end = min(len(view), self.path.stat().st_size)
        data = data[:max(0, end - place)]
        if data:
            view[place:place + len(data)] = data
        return len(data)

    def reads_map(self, pick: int) -> str:
        if not self.maps:
            return ""
        view = self.maps[pick % len(self.maps)]
        return digest(view[:min(len(view), self.path.stat().st_size)])

    def syncs_map(self, pick: int) -> None:
        if self.maps:
            self.maps[pick % len(self.maps)].flush()

    def _one(self, pick: int) -> int:
        if not self.open:
            raise OSError(errno.EBADF, "nothing is open")
        return self.open[pick % len(self.open)]


def digest(data: bytes) -> str:
    return f"{len(data)} {hashlib.sha256(data).hexdigest()[:12]}"


def steps_of(chance: random.Random) -> list[tuple[Any, ...]]:
    def size() -> int:
        return chance.choice([*SIZES, chance.randrange(400_000)])

    def data() -> bytes:
        return chance.randbytes(chance.choice([1, 7, 100, 4096, 5000, chance.randrange(1, 200_000)]))

    kinds: dict[str, Any] = {
        "opens": lambda: (chance.choice(FLAGS),), "dups": tuple, "closes": tuple, "writes": lambda: (data(),), "writes_pieces": lambda: (data(),),
        "writes_at": lambda: (data(), size()), "writes_nothing": lambda: (size(),), "reads_at": lambda: (size(), size()), "reads": lambda: (size(),),
        "seeks": lambda: (size(), chance.choice([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END])), "cuts": lambda: (size(),),
        "cuts_by_path": lambda: (size(),), "syncs": tuple, "looks": tuple, "looks_at_all": tuple, "allocates": lambda: (size(), size()),
        "sends": lambda: (size(), size()), "sends_away": lambda: (size(), size()), "splices": lambda: (data(), size()), "copies": lambda: (chance.randrange(9), size(), size(), size()),
        "maps_it": tuple, "unmaps": tuple, "changes_map": lambda: (data(), size()), "reads_map": tuple, "syncs_map": tuple}
    names = chance.choices(list(kinds), [3 if name == "opens" else 0.3 if name == "allocates" else 1 for name in kinds], k=STEPS)
    return [(name, chance.randrange(9), *kinds[name]()) for name in ["opens", *names]]


def test_whatever_is_done_to_a_file_does_what_it_does_on_a_disk(mount: Mount, tmp_path: Path) -> None:
    seed = int(os.environ.get("ANTHROFS_WRITING_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    disk = tmp_path / "disk"
    disk.mkdir()
    files = mount.mount("--upload", "queue")
    for place in (files, disk):
        (place / SOURCE).write_bytes(random.Random(seed).randbytes(350_000))
    generated = 0
    for number in range(ROUNDS):
        chance = random.Random(f"{seed} {number}")
        name = f"{number}.bin"
        old = chance.randbytes(chance.choice(SIZES))
        (disk / name).write_bytes(old)
        begin = chance.choice(["written", "sent", "generated"])
        if begin == "generated":
            generated += 1
            mount.emulator.generate(name, old)
            mount.refresh()
        else:
            (files / name).write_bytes(old)
        if begin == "sent":
            mount.sync()
        here, there = Program(files / name), Program(disk / name)
        try:
            done: list[str] = []
            for step in steps_of(chance):
                if begin == "generated" and step[0] == "cuts_by_path":
                    continue        # manual, limits
                done.append(" ".join(str(part) if not isinstance(part, bytes) else f"<{len(part)}>" for part in step))
                found, right = here.do(*step), there.do(*step)
                assert found == right, f"ANTHROFS_WRITING_SEED={seed}, round {number}:\n" + "\n".join(done)
        finally:
            here.end()
            there.end()
        assert (files / name).read_bytes() == (disk / name).read_bytes(), (seed, number)
    mount.sync()
    assert {stored["filename"]: stored["sha256"] for stored in mount.emulator.files()} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in disk.iterdir()}, seed
    assert len(mount.emulator.requests("download")) <= generated, seed
