"""Whoever works on a mount while it is ended: each in a folder of its own, so that what one does says nothing of another's files.

Owns    its folder's truth, its random numbers, descriptors that it holds open for a while.
Trusts  an exit code of 0, and a call that doesn't raise: those are the promises.
"""

import contextlib
import errno
import os
import random
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Final

from tests.exerciser.stamps import stamped
from tests.torture.truth import State, Truth

PROGRAM_S: Final = 100.0        # a close waits for as long as the mount lives; no mount here lives that long
HELD: Final = 3
PAUSE_S: Final = 0.02           # of a reader, who would leave nobody a turn
# Arguments: a file, a place in it, and what is to be put there.
MAPS: Final = """
import mmap, os, sys
descriptor, place, content = os.open(sys.argv[1], os.O_RDWR), int(sys.argv[2]), open(sys.argv[3], "rb").read()
with mmap.mmap(descriptor, 0) as view:
    view[place:place + len(content)] = content
    view.flush()
os.fsync(descriptor)
os.close(descriptor)
"""


class Actor(ABC):
    """Works in `files`/`folder`; `out` is a folder beside the mount."""

    def __init__(self, files: Path, out: Path, folder: str, seed: str) -> None:
        self.folder = folder
        self.truth = Truth()
        self.deeds: Counter[str] = Counter()
        self.waits = False              # a close waits for the server
        self.full = False               # writes may be refused
        self._files = files
        self._out = out / folder
        self._out.mkdir(parents=True)
        self._chance = random.Random(seed)
        self._number = 0
        self._held = list[int]()

    def begin(self) -> None:
        """The mount is there again."""
        with contextlib.suppress(FileExistsError):
            (self._files / self.folder).mkdir()

    @abstractmethod
    def act(self) -> None:
        """One deed, of which it is told how it ended. Raises nothing when the mount dies."""

    def wrong(self) -> list[str]:
        """What it has found itself."""
        return []

    def end(self) -> None:
        """Nothing is held any more."""
        while self._held:
            with contextlib.suppress(OSError):
                os.close(self._held.pop())

    def at(self, path: str) -> str:
        return str(self._files / path)

    def _content(self, most: int = 60_000) -> bytes:
        """Each is another's, says whose, and has lines."""
        self._number += 1
        line = f"{self.folder} {self._number} {self._chance.random()}\n".encode()
        return line * (1 + int(2 ** (self._chance.random() * 16)) * most // 65_536 // len(line))

    def _runs(self, *command: str) -> bool:
        self.deeds[os.path.basename(command[0])] += 1
        done = subprocess.run(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=PROGRAM_S, check=False)
        return done.returncode == 0


class Caller(Actor):
    """By system calls, also in a folder that is renamed."""

    NAMES: Final = [f"{number}.txt" for number in range(6)]
    INNER: Final = NAMES[:3]
    FOLDERS: Final = ("x", "y")         # one of the two is there, mostly

    def __init__(self, files: Path, out: Path, folder: str, seed: str) -> None:
        super().__init__(files, out, folder, seed)
        self._inner = ""
        self._synced = set[int]()       # descriptors of those that are held: written and synced, but not closed

    def begin(self) -> None:
        super().begin()
        there = [name for name in self.FOLDERS if os.path.isdir(self.at(f"{self.folder}/{name}"))]
        self._inner = (there or self.FOLDERS)[0]
        if not there:
            os.mkdir(self.at(f"{self.folder}/{self._inner}"))

    def act(self) -> None:
        kind = self._chance.choices(("write", "append", "edit", "sync", "rename", "remove", "hold_open", "cut", "rename_folder"), (5, 2, 3, 2, 4, 2, 3, 1, 1))[0]
        path, other = (f"{self.folder}/{name}" for name in self._chance.sample([*self.NAMES, *(f"{self._inner}/{name}" for name in self.INNER)], 2))
        self.deeds[kind] += 1
        self.truth.deed = f"{kind} {path} {other}"
        try:
            getattr(self, f"_{kind}")(path, other)
        except (OSError, ValueError):       # a map of a file that somebody has left shorter
            self.truth.unsure |= {path, other} if self.full else set()
            time.sleep(0.01)        # it is refused, or the mount is dead

    def _write(self, path: str, _other: str) -> None:
        content = self._content()
        ended = self.truth.begins({path: [content]}, between=self._emptied())
        with open(self.at(path), "wb", buffering=0) as file:
            _whole(file.write(content), content)
        ended(acknowledged=True, waited=self.waits)

    def _emptied(self) -> set[State]:
        """While somebody has a file open that was only synced, emptying it empties what was promised, as on a disk."""
        self._synced &= set(self._held)
        return {b""} if self._synced else set()

    def _append(self, path: str, _other: str) -> None:
        content = self._content(5000)
        ended = self.truth.begins({path: [(state or b"") + content for state in self.truth.may(path)]}, of=path)
        with open(self.at(path), "ab", buffering=0) as file:
            _whole(file.write(content), content)
        ended(acknowledged=True, waited=self.waits)

    def _edit(self, path: str, _other: str) -> None:
        if (before := self.truth.known(path)) is None:
            return
        content, place = self._content(3000), self._chance.randrange(len(before) + 1)
        ended = self.truth.begins({path: [before[:place] + content + before[place + len(content):]]}, of=path)
        descriptor = os.open(self.at(path), os.O_RDWR)
        try:
            _whole(os.pwrite(descriptor, content, place), content)
        finally:
            os.close(descriptor)
        ended(acknowledged=True, waited=self.waits)

    def _sync(self, path: str, _other: str) -> None:
        """Promised by fsync; the descriptor stays open."""
        content = self._content()
        ended = self.truth.begins({path: [content]}, between=self._emptied())
        descriptor = os.open(self.at(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self._hold(descriptor)
        self._synced.add(descriptor)
        _whole(os.write(descriptor, content), content)
        os.fsync(descriptor)
        ended(acknowledged=True)

    def _cut(self, path: str, _other: str) -> None:
        size = self._chance.randrange(10_000)
        ended = self.truth.begins({path: [None if state is None else state[:size].ljust(size, b"\0") for state in self.truth.may(path)]}, of=path)
        descriptor = os.open(self.at(path), os.O_WRONLY)
        try:
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)
        ended(acknowledged=True)

    def _rename(self, path: str, other: str) -> None:
        moved = self.truth.may(path) - {None}
        if not moved:
            return
        ended = self.truth.begins({path: [None], other: moved}, of=path, replaces=other)
        os.replace(self.at(path), self.at(other))
        ended(acknowledged=True)

    def _rename_folder(self, _path: str, _other: str) -> None:
        """All that is in it moves, or nothing does."""
        old, new = (self.FOLDERS if self._inner == self.FOLDERS[0] else self.FOLDERS[::-1])
        moved = {f"{self.folder}/{new}/{name}": self.truth.may(f"{self.folder}/{old}/{name}") for name in self.INNER}
        ended = self.truth.begins({**moved, **{f"{self.folder}/{old}/{name}": {None} for name in self.INNER}})
        os.rename(self.at(f"{self.folder}/{old}"), self.at(f"{self.folder}/{new}"))
        ended(acknowledged=True)
        self._inner = new

    def _remove(self, path: str, _other: str) -> None:
        ended = self.truth.begins({path: [None]})
        os.unlink(self.at(path))
        ended(acknowledged=True)

    def _hold(self, descriptor: int) -> None:
        self._held.append(descriptor)
        if len(self._held) > HELD:
            os.close(self._held.pop(0))

    def _hold_open(self, path: str, _other: str) -> None:
        self._hold(os.open(self.at(path), os.O_RDONLY))


class Programs(Actor):
    """By programs that people use."""

    NAMES: Final = [f"{number}.md" for number in range(5)]
    MANY: Final = ("x", "y", "z")

    def act(self) -> None:
        kind = self._chance.choices(("copy", "move", "sed", "remove", "tar", "rsync", "shell", "install", "map"), (5, 3, 3, 1, 2, 2, 3, 1, 2))[0]
        path, other = (f"{self.folder}/{name}" for name in self._chance.sample(self.NAMES, 2))
        self.truth.deed = f"{kind} {path} {other}"
        getattr(self, f"_{kind}")(path, other)

    def _source(self, name: str, content: bytes) -> str:
        path = self._out / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return str(path)

    def _copy(self, path: str, _other: str) -> None:
        content = self._content()
        ended = self.truth.begins({path: [content]})
        ended(acknowledged=self._runs("cp", self._source("source", content), self.at(path)), waited=self.waits, full=self.full)

    def _install(self, path: str, _other: str) -> None:
        """Removes what is there, and makes it anew."""
        content = self._content()
        ended = self.truth.begins({path: [content, None]})
        acknowledged = self._runs("install", "-m", "644", self._source("source", content), self.at(path))
        ended(acknowledged=acknowledged, full=self.full)
        if acknowledged:
            self.truth.is_found(path, content)

    def _move(self, path: str, other: str) -> None:
        moved = self.truth.may(path) - {None}
        if moved:
            ended = self.truth.begins({path: [None], other: moved}, of=path, replaces=other)
            ended(acknowledged=self._runs("mv", "-f", self.at(path), self.at(other)), full=self.full)

    def _sed(self, path: str, _other: str) -> None:
        states = [state.replace(b".", b"-") if state is not None else None for state in self.truth.may(path)]
        ended = self.truth.begins({path: states}, of=path, replaces=path)
        ended(acknowledged=self._runs("sed", "-i", "s/\\./-/g", self.at(path)), full=self.full)

    def _remove(self, path: str, _other: str) -> None:
        ended = self.truth.begins({path: [None]})
        ended(acknowledged=self._runs("rm", "-f", self.at(path)), full=self.full)

    def _redirects(self, command: str) -> bool:
        """A shell closes what it has redirected to without looking at the answer: it has come if the mount still answers."""
        try:
            return self._runs("sh", "-c", command) and os.statvfs(self._files).f_namemax > 0
        except OSError:
            return False

    def _shell(self, path: str, _other: str) -> None:
        content = self._content(200)[:200].rstrip() + b"\n"
        self._source("line", content)
        if self._chance.random() < 0.5:
            ended = self.truth.begins({path: [(state or b"") + content for state in self.truth.may(path)]}, of=path)
            ended(acknowledged=self._redirects(f"cat {self._out}/line >> '{self.at(path)}'"), full=self.full)
        else:
            ended = self.truth.begins({path: [content]})
            ended(acknowledged=self._redirects(f"cat {self._out}/line > '{self.at(path)}'"), full=self.full)

    def _map(self, path: str, _other: str) -> None:
        """A process of its own: whoever looks at a map when the mount dies gets a signal."""
        if not (before := self.truth.known(path)):
            return
        place = self._chance.randrange(len(before))
        content = self._content(3000)[:len(before) - place]
        ended = self.truth.begins({path: [before[:place] + content + before[place + len(content):]]}, of=path)
        ended(acknowledged=self._runs(sys.executable, "-ISc", MAPS, self.at(path), str(place), self._source("mapped", content)), full=self.full)

    def _many(self) -> dict[str, bytes]:
        return {f"{self.folder}/{name}": self._content(20_000) for name in self.MANY}

    def _tar(self, _path: str, _other: str) -> None:
        """Removes each that is there, and makes it anew."""
        many = self._many()
        for path, content in many.items():
            self._source(f"tar/{os.path.basename(path)}", content)
        archive = str(self._out / "archive.tar")
        subprocess.run(["tar", "-cf", archive, "-C", str(self._out / "tar"), "."], check=True)
        ended = self.truth.begins({path: [content, None] for path, content in many.items()})
        acknowledged = self._runs("tar", "-xf", archive, "-C", self.at(self.folder), "--no-same-owner")
        ended(acknowledged=acknowledged, full=self.full)
        if acknowledged:
            for path, content in many.items():
                self.truth.is_found(path, content)

    def _rsync(self, _path: str, _other: str) -> None:
        many = self._many()
        for path, content in many.items():
            self._source(f"rsync/{os.path.basename(path)}", content)
        ended = self.truth.begins({path: [content] for path, content in many.items()})
        for path in many:
            self.truth.replaced[path] = self.truth.may(path)
        ended(acknowledged=self._runs("rsync", "-aI", "--no-owner", "--no-group", f"{self._out}/rsync/", self.at(self.folder)), full=self.full)


class Databases(Actor):
    """SQLite, and git: of their files only they can say what is in them. What they have acknowledged they still have after the kill."""

    def __init__(self, files: Path, out: Path, folder: str, seed: str) -> None:
        super().__init__(files, out, folder, seed)
        self._rows: set[int] = set()        # committed for sure
        self._most_rows = 0                 # tried
        self._commits = 0                   # for sure
        self._base, self._tree = self.at(f"{folder}/base.db"), self.at(f"{folder}/tree")

    def act(self) -> None:
        if self._chance.random() < 0.8:
            self._most_rows += 1
            if self._runs("sqlite3", self._base, ".timeout 5000", "CREATE TABLE IF NOT EXISTS row (number INTEGER PRIMARY KEY, words TEXT);"
                          f"INSERT INTO row VALUES ({self._most_rows}, hex(randomblob({self._chance.randrange(3000)})));"):
                self._rows.add(self._most_rows)
        else:
            self._commit()

    def _commit(self) -> None:
        if not os.path.isdir(f"{self._tree}/.git") and not self._runs("git", "-c", "init.templateDir=", "init", "-q", "-b", "main", self._tree):
            return
        with contextlib.suppress(OSError):
            for lock in Path(self._tree, ".git").rglob("*.lock"):       # as git says when it was killed: remove it if nobody runs
                lock.unlink()
            Path(self._tree, "notes").write_bytes(self._content(3000))
            git = ("git", "-C", self._tree, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0", "-c", "core.fsync=all")
            if self._runs(*git, "add", "notes") and self._runs(*git, "commit", "-q", "-m", "notes"):
                self._commits += 1

    def wrong(self) -> list[str]:
        """What the programs themselves say of their files, where it isn't what they have acknowledged."""
        found = []
        if self._rows:
            said = self._asks("sqlite3", self._base, "PRAGMA integrity_check; SELECT number FROM row;")
            rows = {int(line) for line in said[1:] if line.isdigit()}
            if said[:1] != ["ok"] or not self._rows <= rows or max(rows, default=0) > self._most_rows:
                found.append(f"{self._base}: {said[:1]}, lacks {sorted(self._rows - rows)} of {len(self._rows)} rows")
            self._rows = rows
        if self._commits:
            commits = self._asks("git", "-C", self._tree, "rev-list", "--count", "HEAD")
            broken = self._asks("git", "-C", self._tree, "fsck", "--no-dangling", "--no-progress")
            if broken or not commits or int(commits[0]) < self._commits:
                found.append(f"{self._tree}: {commits} of {self._commits} commits, {broken[:3]}")
        return found

    def _asks(self, *command: str) -> list[str]:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PROGRAM_S)
        return [*done.stdout.split("\n")[:-1], *([done.stderr] if done.returncode else [])]


class Reader(Actor):
    """Reads what others have made, which nothing changes: the right bytes, or an error."""

    SIZES: Final = (100, 50_000, 300_000, 1_000_000)

    def __init__(self, files: Path, out: Path, folder: str, seed: str) -> None:
        super().__init__(files, out, folder, seed)
        self.contents = {f"{folder} {size}.bin": stamped(number + 1, 0, size) for number, size in enumerate(self.SIZES)}
        self.verified_bytes = 0
        self._wrong = list[str]()

    def begin(self) -> None:
        """They have no folder."""

    def act(self) -> None:
        time.sleep(PAUSE_S)
        name = self._chance.choice(list(self.contents))
        content, whole = self.contents[name], self._chance.random() < 0.3
        offset, length = (0, len(content)) if whole else (self._chance.randrange(len(content)), self._chance.randrange(1, 200_000))
        try:
            with open(self.at(name), "rb", buffering=0) as file:
                found = file.read() if whole else os.pread(file.fileno(), length, offset)
        except OSError:
            time.sleep(0.01)
            return
        self.deeds["read"] += 1
        self.verified_bytes += len(found)
        if found != content[offset:offset + length]:
            self._wrong.append(f"{name}: {len(found)} bytes at {offset} of {length} asked for aren't the file's")

    def wrong(self) -> list[str]:
        return self._wrong


def _whole(written: int | None, content: bytes) -> None:
    """Where the disk takes no more, a write says how much it took."""
    if written != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
