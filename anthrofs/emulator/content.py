"""The bytes of files on disk.

Owns    <data>/content/<name>   bytes that a row of the store names
        <data>/incoming/<name>  bytes that are still arriving; swept at the start
Trusts  names made by model.new_id or by itself: none comes from a client.
Never   knows a file's metadata.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, BinaryIO

from .model import new_id

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path


class Incoming:
    """Content that is arriving. It ends in Contents.adopt or in `discard`; what a crash leaves is swept."""

    def __init__(self, path: Path) -> None:
        self.path = path                        # constant after construction
        self.size_bytes = 0                     # used by one request at a time
        self._digest = hashlib.sha256()
        self._file = path.open("wb", buffering=1 << 18)

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size_bytes += len(data)

    def shorten(self, size_bytes: int) -> None:
        """Only the first so many bytes have arrived."""
        self._file.flush()
        self._file.truncate(min(size_bytes, self.size_bytes))
        kept = self.path.read_bytes()
        self._digest, self.size_bytes = hashlib.sha256(kept), len(kept)

    def close(self) -> str:
        """The sha256 of what arrived; all of it is in the file now."""
        self._file.close()
        return self._digest.hexdigest()

    def discard(self) -> None:
        """Harmless after adoption, so that it can stand in a `finally`."""
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


class Contents:
    def __init__(self, data: Path) -> None:
        self._kept = data / "content"           # constant after construction
        self._incoming = data / "incoming"
        for directory in (self._kept, self._incoming):
            directory.mkdir(parents=True, exist_ok=True)

    def forget_incoming(self) -> None:
        """The start forgets what arrived in part: nothing can be arriving then."""
        for path in self._incoming.iterdir():
            path.unlink()

    def receive(self) -> Incoming:
        return Incoming(self._incoming / new_id("in"))

    def adopt(self, incoming: Incoming, name: str) -> str:
        """Keep what arrived under `name`; returns its sha256."""
        sha256 = incoming.close()
        incoming.path.replace(self._kept / name)
        return sha256

    def path_of(self, name: str) -> Path:
        return self._kept / name

    def open(self, name: str) -> BinaryIO:
        """FileNotFoundError when it was removed meanwhile."""
        return (self._kept / name).open("rb", buffering=0)

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self._kept / name).unlink()

    def sweep(self, known: Container[str]) -> None:
        """Remove content that no row names: what a crash left."""
        for path in self._kept.iterdir():
            if path.name not in known:
                path.unlink()
