"""`python -m tests.soak.worker FOLDER SHADOW SEED`: a program that works in its own folder, and knows what has to be there.

Owns    FOLDER, on the mount, and SHADOW, a directory of the machine's disk in which the same is done: each read is compared with it, byte by
        byte. Both are kept between runs.
        A number on standard input is so many operations; a line of JSON goes back (see Done). "all" compares everything.
Trusts  nobody else to write there.
Never   has anything open between two such lines.
"""

import json
import mmap
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

MOST_FILES: Final = 30
SMALL_BYTES: Final = 48_000
BIG_BYTES: Final = 3_000_000


@dataclass
class Done:
    """Since the last answer."""

    operations: int = 0
    bytes_verified: int = 0
    bytes_written: int = 0
    programs: int = 0                                   # other processes that were started
    wrong: list[str] = field(default_factory=list)


class Worker:
    """Deeds; each is one on the mount and the same in the shadow."""

    def __init__(self, folder: Path, shadow: Path, seed: int) -> None:
        self._folder = folder                           # constant
        self._shadow = shadow                           # constant
        self._chance = random.Random(seed)              # given its seed
        self.done = Done()
        self._deeds: list[tuple[int, Callable[[], None]]] = [
            (14, self._write), (8, self._replace), (8, self._append), (8, self._edit), (4, self._truncate), (20, self._read), (12, self._read_part),
            (4, self._map), (8, self._rename), (7, self._remove), (3, self._folders), (8, self._look), (3, self._attribute), (3, self._several),
            (2, self._programs)]

    def work(self, count: int) -> None:
        weights = [weight for weight, _ in self._deeds]
        for _, deed in self._chance.choices(self._deeds, weights, k=count):
            try:
                deed()
            except OSError as exc:
                self.done.wrong.append(f"{deed.__name__[1:]}: {exc}")
            self.done.operations += 1

    def compare(self) -> None:
        """Everything is there, as it has to be."""
        self._look()
        for name in self._names():
            self._same(name, (self._folder / name).read_bytes(), (self._shadow / name).read_bytes())

    # ---- deeds

    def _write(self) -> None:
        name, content = self._new_name(), self._content()
        self._both(lambda root: (root / name).write_bytes(content))

    def _replace(self) -> None:
        """As editors save: beside it, then over it."""
        name, content = self._name(), self._content()
        beside = f"{name}.{self._chance.randrange(10**6):06}"
        self._both(lambda root: (root / beside).write_bytes(content))
        self._both(lambda root: os.replace(root / beside, root / name))

    def _append(self) -> None:
        name, content = self._name(), self._content(2000)

        def append(root: Path) -> None:
            with (root / name).open("ab") as file:
                file.write(content)
                os.fsync(file.fileno())

        if (self._shadow / name).stat().st_size < BIG_BYTES:
            self._both(append)

    def _edit(self) -> None:
        name, content = self._name(), self._content(2000)
        place = self._chance.randint(0, (self._shadow / name).stat().st_size)

        def edit(root: Path) -> None:
            with (root / name).open("r+b") as file:
                file.seek(place)
                file.write(content)

        self._both(edit)

    def _truncate(self) -> None:
        name = self._name()
        size = self._chance.randint(1, 1 + (self._shadow / name).stat().st_size)

        def truncate(root: Path) -> None:
            with (root / name).open("r+b") as file:
                file.truncate(size)

        self._both(truncate)

    def _read(self) -> None:
        name = self._name()
        self._same(name, (self._folder / name).read_bytes(), (self._shadow / name).read_bytes())

    def _read_part(self) -> None:
        name = self._name()
        place, length = self._chance.randint(0, (self._shadow / name).stat().st_size), self._chance.randint(1, SMALL_BYTES)

        def read(root: Path) -> bytes:
            with (root / name).open("rb") as file:
                file.seek(place)
                return file.read(length)

        self._same(name, read(self._folder), read(self._shadow))

    def _map(self) -> None:
        name = self._name()
        with (self._folder / name).open("rb") as file:
            if size := os.fstat(file.fileno()).st_size:
                with mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as mapped:
                    self._same(name, mapped[:], (self._shadow / name).read_bytes())

    def _rename(self) -> None:
        old, new = self._name(), self._new_name()
        self._both(lambda root: os.rename(root / old, root / new))

    def _remove(self) -> None:
        name = self._name()
        self._both(lambda root: (root / name).unlink())

    def _folders(self) -> None:
        name, held = f"d{self._chance.randrange(3)}", self._chance.randrange(2)

        def folders(root: Path) -> None:
            (root / name).mkdir()
            (root / name / "inner").mkdir()
            if held:
                (root / name / "inner" / "file").write_bytes(b"held")
                (root / name / "inner").rename(root / name / "moved")
            shutil.rmtree(root / name)

        self._both(folders)

    def _look(self) -> None:
        expected, found = ({entry.name: entry.stat().st_size for entry in os.scandir(root)} for root in (self._shadow, self._folder))
        # Names that aren't ours may have come back after a lost answer: at the next rest each is looked into.
        lacking = [f"{name}: {size} bytes, here {found.get(name)}" for name, size in expected.items() if found.get(name) != size]
        self.done.wrong += [f"{self._folder.name}/{words}" for words in lacking]

    def _attribute(self) -> None:
        path, value = self._folder / self._name(), self._chance.randbytes(8)
        os.setxattr(path, "user.note", value)
        if os.getxattr(path, "user.note") != value:
            self.done.wrong.append(f"{path.name}: another attribute")

    def _several(self) -> None:
        """One is read while it is replaced and removed."""
        name, content = self._name(), self._content()
        with (self._folder / name).open("rb") as file:
            before = (self._shadow / name).read_bytes()
            self._both(lambda root: (root / "beside").write_bytes(content))
            self._both(lambda root: os.replace(root / "beside", root / name))
            self._same(name, file.read(), before)
        self._read()

    def _programs(self) -> None:
        name, copy, moved = self._name(), self._new_name(), self._new_name()
        if name == copy:
            return
        line = 'cp -p "$1" "$2" && cat "$2" > "$3" && mv "$3" "$2" && sed -i "1s/^/x/" "$2" && tar cf t.tar "$2" && rm t.tar && sha256sum < "$2"'
        said = [subprocess.run(["bash", "-euc", line, "-", name, copy, moved + "+"], cwd=root, capture_output=True, check=False) for root in (self._folder, self._shadow)]
        self.done.programs += 8
        if said[0].returncode or said[0].stdout != said[1].stdout:
            self.done.wrong.append(f"programs on {name}: {said[0].stderr.decode()} {said[0].stdout!r} {said[1].stdout!r}")

    # ---- what they are made of

    def _both(self, deed: Callable[[Path], object]) -> None:
        deed(self._folder)
        deed(self._shadow)

    def _same(self, name: str, found: bytes, expected: bytes) -> None:
        self.done.bytes_verified += len(expected)
        if found != expected:
            place = next((at for at, (one, other) in enumerate(zip(found, expected, strict=False)) if one != other), min(len(found), len(expected)))
            self.done.wrong.append(f"{self._folder.name}/{name}: {len(found)} bytes for {len(expected)}, another one at {place}")

    def _content(self, most: int | None = None) -> bytes:
        most = most or (BIG_BYTES if self._chance.random() < 0.03 else SMALL_BYTES)
        content = self._chance.randbytes(self._chance.randint(1, most))
        self.done.bytes_written += len(content)
        return content

    def _names(self) -> list[str]:
        return sorted(entry.name for entry in os.scandir(self._shadow))

    def _name(self) -> str:
        """A file that is there; one is made if there is none."""
        names = self._names()
        if not names:
            self._write()
            names = self._names()
        return self._chance.choice(names)

    def _new_name(self) -> str:
        """A free one, or, when there are many, one that is taken."""
        names = self._names()
        if len(names) >= MOST_FILES:
            return self._chance.choice(names)
        return next(name for name in iter(lambda: f"{self._chance.choice('abcde')}{self._chance.randrange(1000)}.bin", None) if name not in names)


def main() -> None:
    folder, shadow, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(exist_ok=True)
    shadow.mkdir(parents=True, exist_ok=True)
    worker = Worker(folder, shadow, seed)
    for line in sys.stdin:
        if line.strip() == "all":
            worker.compare()
        else:
            worker.work(int(line))
        print(json.dumps(asdict(worker.done)), flush=True)
        worker.done = Done()


if __name__ == "__main__":
    main()
