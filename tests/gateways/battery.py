"""What a user does with a mount, step by step, through whatever stands in the way; what came of each step.

Owns    the steps, and the content that each works with.
Trusts  the service's own word for what is stored: the emulator's admin routes, which no gateway is asked for.
"""

import errno
import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from anthrofs.fuse import mountpoint
from tests.mounting import Mount, wait_until

OK: Final = "ok"
MB: Final = 1_000_000
COPIED: Final = {"copy 0 B": 0, "copy 10 B": 10, "copy 5 MB": 5 * MB, "copy 60 MB": 60 * MB}
RANGES: Final = ((12 * MB, 100_000), (19 * MB, 100_000))      # of a file of 20 MB, too big to be fetched whole


def bytes_of(seed: str, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


class Battery:
    """One run: `outcomes` has each step's word, ok or an errno's name, in the order of the steps."""

    def __init__(self, mount: Mount) -> None:
        self._mount = mount
        self._files = mount.path
        self.name = ""                                          # the gateway's
        self.outcomes: dict[str, str] = {}
        self.requests: dict[str, int] = {}                      # what reached the service, by operation
        self.stored: Counter[tuple[str, str]] = Counter()       # what the service is to have at the end: (name, sha256)

    def run(self, name: str) -> None:
        self.name = name
        self._generate()
        self._step("mount", lambda: self._mount.mount("--refresh", "300"))      # else a look may ask for the listing
        self._step("read small", lambda: self._reads("small.csv", 1000))
        self._step("read large", lambda: self._reads("large.bin", 30 * MB))
        self._step("read ranged", self._read_ranged)
        for step, size in COPIED.items():
            self._step(step, lambda name=f"{size}.bin", size=size: self._saves(name, bytes_of(name, size)))  # type: ignore[misc]  # the loop's values
        self._step("replace", lambda: self._replaces("10.bin", bytes_of("replaced", 20)))
        self._step("rename", lambda: self._renames("10.bin", "renamed.bin"))
        self._step("remove", lambda: self._removes("0.bin"))
        self._step("others' file", self._sees)
        self._step("status", self._status)
        self.requests = dict(Counter(request["operation"] for request in self._mount.emulator.requests()))

    def unmount(self) -> None:
        self._step("umount", lambda: self._mount.ok("umount", self._files))
        assert not mountpoint.is_mounted(self._files)

    def refused(self) -> dict[str, int]:
        """The steps that ended with an errno."""
        return {step: getattr(errno, outcome) for step, outcome in self.outcomes.items() if outcome != OK}

    def still_readable(self, names: set[str]) -> None:
        for name in names:
            assert (self._files / name).read_bytes() == bytes_of(name, int(name.partition(".")[0]))

    def keeps(self, names: set[str]) -> None:
        """These are on the service by now."""
        for name in names:
            self._keeps(name, bytes_of(name, int(name.partition(".")[0])))

    def found(self) -> Counter[tuple[str, str]]:
        """What the service has."""
        return Counter((file["filename"], file["sha256"]) for file in self._mount.emulator.files())

    def _step(self, step: str, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as exc:
            self.outcomes[step] = errno.errorcode.get(exc.errno or 0, str(exc))
        else:
            self.outcomes[step] = OK

    def _generate(self) -> None:
        for name, size, mime_type in (("small.csv", 1000, "text/csv"), ("large.bin", 30 * MB, "application/octet-stream"),
                                      ("ranged.bin", 20 * MB, "application/octet-stream")):
            self._mount.emulator.generate(name, bytes_of(name, size), mime_type)
            self._keeps(name, bytes_of(name, size))
        self._mount.emulator.forget_requests()

    def _reads(self, name: str, size: int) -> None:
        assert (self._files / name).read_bytes() == bytes_of(name, size)

    def _read_ranged(self) -> None:
        content = bytes_of("ranged.bin", 20 * MB)
        descriptor = os.open(self._files / "ranged.bin", os.O_RDONLY)
        try:
            for offset, size in RANGES:
                assert os.pread(descriptor, size, offset) == content[offset:offset + size]
        finally:
            os.close(descriptor)

    def _saves(self, name: str, content: bytes) -> None:
        write(self._files / name, content)
        self._keeps(name, content)

    def _replaces(self, name: str, content: bytes) -> None:
        write(self._files / name, content)
        self.stored = Counter({key: count for key, count in self.stored.items() if key[0] != name})
        self._keeps(name, content)

    def _renames(self, old: str, new: str) -> None:
        (self._files / old).rename(self._files / new)
        self.stored = Counter({(new if name == old else name, digest): count for (name, digest), count in self.stored.items()})

    def _removes(self, name: str) -> None:
        self._mount.sync()                  # an empty file is sent in the background: it has to be there first
        (self._files / name).unlink()
        self.stored = Counter({key: count for key, count in self.stored.items() if key[0] != name})

    def _sees(self) -> None:
        """What somebody else makes shows with the next listing; a cache on the way has to be a second old to be seen."""
        content = bytes_of("other.txt", 100)
        self._mount.emulator.generate("other.txt", content, "text/plain")
        self._keeps("other.txt", content)
        wait_until(lambda: self._mount.refresh() and "other.txt" in os.listdir(self._files), "it shows")
        self._reads("other.txt", 100)

    def _status(self) -> None:
        self._mount.sync()
        said = self._mount.status()
        refused = {f"{size}.bin" for step, size in COPIED.items() if self.outcomes[step] != OK}
        assert {failure["path"].lstrip("/") for failure in said["failed"]} == refused, said

    def _keeps(self, name: str, content: bytes) -> None:
        self.stored[name, hashlib.sha256(content).hexdigest()] += 1


def write(path: Path, content: bytes) -> None:
    """Written and closed, as cp does. Raises what close says."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view[:MB]):]
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
