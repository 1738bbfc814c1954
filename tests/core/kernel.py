"""A user's file operations as Linux and libfuse 2.9 would pass them on, without either: paths, descriptors, errnos.

Descriptors are counted here, as the kernel does; names of open files that go are hidden, as libfuse does; ESTALE is asked
again once. Nothing is remembered between two calls: no page, attribute or name.

Trusts  anthrofs.fuse.operations to be called as a binding calls it.
"""

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, TypeVar

from anthrofs.config import Config
from anthrofs.daemon.build import Parts
from anthrofs.fuse.operations import Operations
from anthrofs.model import Caller, NodeId

T = TypeVar("T")

PROCESS: Final = 1000           # who makes all requests


@dataclass
class File:
    """An open file description, and the path that libfuse knows it by."""

    info: SimpleNamespace
    path: str
    node_id: int
    descriptors: int = 1

    @property
    def writes(self) -> bool:
        return bool(self.info.flags & os.O_ACCMODE != os.O_RDONLY)


class Kernel:
    """One program that uses one mount. Paths are relative to the mount."""

    def __init__(self, operations: Operations) -> None:
        self._ask = operations              # given: the gate
        self._files: dict[int, File] = {}
        self._numbers = itertools.count(3)
        self._hidden = itertools.count(1)

    # ---- descriptors

    def open(self, path: str, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
        def opened() -> File:
            found = self._found(path)
            if found is None:
                if not flags & os.O_CREAT:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
                info = SimpleNamespace(flags=flags, fh=0, writepage=0)
                self._ask("create", f"/{path}", mode, info)
                found = self._ask("getattr", None, info)
                return File(info, path, found["st_ino"])
            if flags & os.O_CREAT and flags & os.O_EXCL:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            if stat.S_ISDIR(found["st_mode"]):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            info = SimpleNamespace(flags=flags & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC), fh=0, writepage=0, direct_io=0, keep_cache=0)
            self._ask("open", f"/{path}", info)
            return File(info, path, found["st_ino"])

        file = self._again(opened)
        number = next(self._numbers)
        self._files[number] = file
        if flags & os.O_TRUNC:
            try:
                self._do("truncate", None, 0, file.info)
            except OSError:
                self.close(number)
                raise
        return number

    def dup(self, number: int) -> int:
        file = self._files[number]
        file.descriptors += 1
        copy = next(self._numbers)
        self._files[copy] = file
        return copy

    def close(self, number: int) -> None:
        file = self._files.pop(number)
        file.descriptors -= 1
        try:
            self._do("flush", None, file.info)
        finally:
            if not file.descriptors:
                self._do("release", None, file.info)
                if os.path.basename(file.path).startswith(".fuse_hidden") and not self._is_open(file.path):
                    with contextlib.suppress(OSError):      # libfuse tells nobody
                        self._do("unlink", f"/{file.path}")

    def close_all(self) -> None:
        for number in list(self._files):
            self.close(number)

    def pread(self, number: int, size: int, offset: int) -> bytes:
        found: bytes = self._do("read", None, size, offset, self._files[number].info)
        return found

    def pwrite(self, number: int, data: bytes, offset: int) -> int:
        file = self._files[number]
        if file.info.flags & os.O_APPEND:
            offset = self._do("getattr", None, file.info)["st_size"]
        done: int = self._do("write", None, data, offset, file.info)
        return done

    def ftruncate(self, number: int, size: int) -> None:
        self._do("truncate", None, size, self._files[number].info)

    def fsync(self, number: int) -> None:
        self._do("fsync", None, 0, self._files[number].info)

    def fstat(self, number: int) -> dict[str, int]:
        found: dict[str, int] = self._do("getattr", None, self._files[number].info)
        return found

    @contextmanager
    def opened(self, path: str, flags: int = os.O_RDONLY) -> Iterator[int]:
        number = self.open(path, flags)
        try:
            yield number
        finally:
            self.close(number)

    # ---- whole files

    def write(self, path: str, content: bytes, flags: int = os.O_WRONLY | os.O_CREAT | os.O_TRUNC) -> None:
        """As a shell's `>`, or with O_APPEND its `>>`."""
        with self.opened(path, flags) as number:
            self.pwrite(number, content, 0)

    def read(self, path: str) -> bytes:
        with self.opened(path) as number:
            size, found = self.fstat(number)["st_size"], b""
            while piece := self.pread(number, max(size, 1) + 1, len(found)):
                found += piece
            return found

    def save(self, path: str, content: bytes) -> None:
        """As editors do: a new file beside it, durable, then renamed over it."""
        with self.opened(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as number:
            self.pwrite(number, content, 0)
            self.fsync(number)
        self.rename(f"{path}.new", path)

    # ---- names

    def stat(self, path: str) -> dict[str, int]:
        found: dict[str, int] = self._do("getattr", f"/{path}")
        return found

    def exists(self, path: str) -> bool:
        return self._found(path) is not None

    def listdir(self, path: str = "") -> list[str]:
        found: list[str] = []
        number = self._do("opendir", f"/{path}")
        self._do("readdir", lambda name, *_: found.append(name), number)
        self._do("releasedir", f"/{path}", number)
        return sorted(name for name in found if name not in (".", ".."))

    def paths(self, path: str = "") -> Iterator[str]:
        """Every path below, as find(1): a directory before what is in it."""
        for name in self.listdir(path):
            below = f"{path}/{name}" if path else name
            yield below
            if self.is_directory(below):
                yield from self.paths(below)

    def is_directory(self, path: str) -> bool:
        return stat.S_ISDIR(self.stat(path)["st_mode"])

    def walk(self) -> dict[str, bytes | None]:
        """Every path, with its content; None: a directory."""
        return {path: None if self.is_directory(path) else self.read(path) for path in self.paths()}

    def files(self) -> dict[str, bytes]:
        return {path: content for path, content in self.walk().items() if content is not None}

    def unlink(self, path: str) -> None:
        if self._is_open(path):
            self._hide(path)
        else:
            self._do("unlink", f"/{path}")

    def rename(self, old: str, new: str) -> None:
        if self._is_open(new) and old != new:
            self._hide(new)
        self._do("rename", f"/{old}", f"/{new}")
        self._moved(old, new)

    def mkdir(self, path: str) -> None:
        self._do("mkdir", f"/{path}", 0o755)

    def rmdir(self, path: str) -> None:
        self._do("rmdir", f"/{path}")

    def truncate(self, path: str, size: int) -> None:
        self._do("truncate", f"/{path}", size)

    def link(self, old: str, new: str) -> None:
        self._do("link", f"/{new}", f"/{old}")

    def chmod(self, path: str, mode: int) -> None:
        self._do("chmod", f"/{path}", mode)

    def utimens(self, path: str, mtime_ns: int) -> None:
        self._do("utimens", f"/{path}", (mtime_ns, mtime_ns))

    def getxattr(self, path: str, name: str) -> str:
        found: bytes = self._do("getxattr", f"/{path}", name)
        return found.decode()

    def setxattr(self, path: str, name: str, value: str) -> None:
        self._do("setxattr", f"/{path}", name, value.encode(), 0)

    def listxattr(self, path: str) -> list[str]:
        found: list[str] = self._do("listxattr", f"/{path}")
        return found

    def removexattr(self, path: str, name: str) -> None:
        self._do("removexattr", f"/{path}", name)

    # ---- what the mount asks about a program

    def caller(self) -> Caller:
        return Caller(PROCESS, 0, program=lambda: "program", interrupted=lambda: False, writes_to=self._writes_to)

    def _writes_to(self, process: int, node_id: NodeId) -> bool:
        return process == PROCESS and any(file.writes and file.node_id == node_id for file in self._files.values())

    # ----

    def _do(self, operation: str, *arguments: Any) -> Any:
        return self._again(lambda: self._ask(operation, *arguments))

    @staticmethod
    def _again(call: Callable[[], T]) -> T:
        try:
            return call()
        except OSError as exc:
            if exc.errno != errno.ESTALE:
                raise _plain(exc) from exc
        try:
            return call()
        except OSError as exc:
            raise _plain(exc) from exc

    def _found(self, path: str) -> dict[str, int] | None:
        try:
            return self.stat(path)
        except FileNotFoundError:
            return None

    def _is_open(self, path: str) -> bool:
        return any(file.path == path for file in self._files.values())

    def _hide(self, path: str) -> None:
        """libfuse's hide_node."""
        above, _, _ = path.rpartition("/")
        hidden = f"{above}/" * bool(above) + f".fuse_hidden{0xabc:08x}{next(self._hidden):08x}"
        assert self._found(hidden) is None
        self._do("rename", f"/{path}", f"/{hidden}")
        self._moved(path, hidden)

    def _moved(self, old: str, new: str) -> None:
        for file in {id(file): file for file in self._files.values()}.values():
            if file.path == old or file.path.startswith(f"{old}/"):
                file.path = new + file.path[len(old):]


class Asking:
    """A request of this process, which no signal ends."""

    def thread(self) -> int:
        return os.getpid()

    def interrupted(self) -> bool:
        return False


class Asked(Operations):
    """The gate, for a kernel that isn't libfuse."""

    def __init__(self, parts: Parts, config: Config, kernel: Callable[[Operations], Kernel] = Kernel) -> None:
        of = parts.serving
        super().__init__(of.filesystem, of.renames, of.links, of.files, of.attributes, config, Asking(), lambda: None)
        self.kernel = kernel(self)
        self.calls = 0

    def __call__(self, op: str, *arguments: Any) -> Any:
        self.calls += 1
        return super().__call__(op, *arguments)

    def _caller(self) -> Caller:
        return self.kernel.caller()


def _plain(exc: OSError) -> OSError:
    """With the class that Python gives that number, as a program has it."""
    number = exc.errno or errno.EIO
    return OSError(number, os.strerror(number))
