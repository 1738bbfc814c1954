"""`python -m tests.reading_program DIRECTORY TRUTH SEED SECONDS`: a program that reads at random places and compares.

Owns    nothing; prints one JSON line: how much it read, which errors it met, what was wrong.
Reads   TRUTH, too: a directory with the same files, outside of the mount.
Trusts  nothing: a read that ends early counts as the end of the file, and that is compared, too.
"""

import errno
import json
import mmap
import os
import random
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

MOST: Final = 3 * 2**20
# ENETUNREACH: a page instead of the service's answer, twice in a row, closes the way until a probe finds it open.
ALLOWED: Final = frozenset({errno.EIO, errno.ENETUNREACH, errno.ETIMEDOUT})
WRONG, FAILED = 1, 2            # exit codes of the child that reads a mapping


def read_fully(descriptor: int, size: int, offset: int) -> bytes:
    """As programs do: a short read that isn't the end says only that an error comes next."""
    data = b""
    while len(data) < size and (piece := os.pread(descriptor, size - len(data), offset + len(data))):
        data += piece
    return data


class Program:
    """One reader."""

    def __init__(self, files: Path, truth: Path, seed: int) -> None:
        self._files = files
        self._names = sorted(os.listdir(truth))
        self._truth = {name: (truth / name).read_bytes() for name in self._names}
        self._chance = random.Random(seed)
        self.reads = 0
        self.bytes = 0
        self.errors: Counter[str] = Counter()
        self.problems: list[str] = []

    def run(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s and not self.problems:
            name = self._chance.choice(self._names)
            try:
                descriptor = os.open(self._files / name, os.O_RDONLY)
            except OSError as exc:
                self._failed(exc, name)
                continue
            try:
                self._chance.choice([self._anywhere, self._anywhere, self._burst, self._together, self._mapped])(name, descriptor)
                if self._chance.random() < 0.3:
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            except OSError as exc:
                self._failed(exc, name)
            finally:
                os.close(descriptor)

    def _failed(self, exc: OSError, name: str) -> None:
        self.errors[errno.errorcode.get(exc.errno or 0, str(exc))] += 1
        if exc.errno not in ALLOWED:
            self.problems.append(f"{name}: {exc}")

    def _place(self, name: str) -> tuple[int, int]:
        """(offset, size); some of it beyond the end."""
        length = len(self._truth[name])
        size = self._chance.choice([1, self._chance.randrange(1, 5000), self._chance.randrange(1, 300_000), self._chance.randrange(1, MOST)])
        near = self._chance.choice([0, 131_072, length, length - size, self._chance.randrange(length + 1)])
        return max(0, near + self._chance.randrange(-3, 4)), size

    def _compare(self, name: str, data: bytes, offset: int, size: int) -> None:
        self.reads += 1
        self.bytes += len(data)
        expected = self._truth[name][offset:offset + size]
        if data != expected:
            place = next((index for index, (a, b) in enumerate(zip(data, expected, strict=False)) if a != b), min(len(data), len(expected)))
            self.problems.append(f"{name}: {len(data)} bytes for {size} at {offset}, right are {len(expected)}; they differ from {place}")

    def _anywhere(self, name: str, descriptor: int) -> None:
        for _ in range(self._chance.randrange(1, 6)):
            offset, size = self._place(name)
            self._compare(name, read_fully(descriptor, size, offset), offset, size)

    def _burst(self, name: str, descriptor: int) -> None:
        """One piece after the other, for a while."""
        offset, size = self._place(name)
        for _ in range(self._chance.randrange(3, 30)):
            self._compare(name, read_fully(descriptor, min(size, 200_000), offset), offset, min(size, 200_000))
            offset += min(size, 200_000)

    def _together(self, name: str, descriptor: int) -> None:
        """Four threads share the descriptor."""
        places = [self._place(name) for _ in range(8)]
        with ThreadPoolExecutor(4) as pool:
            found = [pool.submit(read_fully, descriptor, size, offset) for offset, size in places]
        for (offset, size), each in zip(places, found, strict=True):
            self._compare(name, each.result(), offset, size)

    def _mapped(self, name: str, descriptor: int) -> None:
        """In a child: a page that can't be read is a SIGBUS there."""
        offset, size = self._place(name)
        expected = self._truth[name][offset:offset + size]
        child = os.fork()
        if child == 0:
            code = FAILED
            try:
                if not expected:
                    code = 0
                else:
                    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE) as mapped:
                        code = 0 if mapped[offset:offset + size] == expected else WRONG
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        self.reads += 1
        if os.WIFSIGNALED(status):
            self.errors[f"signal {os.WTERMSIG(status)}"] += 1
        elif os.WEXITSTATUS(status):
            self.problems.append(f"{name}: a mapping of {size} bytes at {offset} is wrong ({os.WEXITSTATUS(status)})")


if __name__ == "__main__":
    program = Program(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    program.run(float(sys.argv[4]))
    print(json.dumps({"reads": program.reads, "bytes": program.bytes, "errors": program.errors, "problems": program.problems}))
