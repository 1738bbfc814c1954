"""A state as a mount has left it, with files of every kind, and ways in which a disk, or a hand, damages it."""

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from anthrofs.errors import Offline
from tests.core.core import Core, copied
from tests.core.one_thread import OneThread

Damage = Callable[[bytearray, random.Random], None]

PAGE_BYTES: Final = 4096
BIG: Final = random.Random(7).randbytes(300_000)        # some blocks of the cache


class Template:
    """One state directory, the service that it mirrors, and what each file has."""

    def __init__(self, base: Path, *, clean: bool) -> None:
        """`clean`: the mount has ended by itself; else it was killed, and its last changes are in the log."""
        core = Core(base)
        core.others_make("read.txt", b"read once, and cached")
        core.others_make("big.bin", BIG)
        core.others_make("folder/below.txt", b"never read")
        core.others_make("picture.png", b"a picture", mime_type="image/png")
        core.others_make("closed.txt", b"nobody can read this", downloadable=False)
        core.others_make("twice.txt", b"the older one")
        core.others_make("twice.txt", b"the newer one")
        for path in ("read.txt", "big.bin"):
            core.user.read(path)
        core.user.write("kept.txt", b"uploaded, and kept here")
        core.user.mkdir("empty")
        core.user.write("note.txt~", b"a helper file")
        core.user.setxattr("kept.txt", "user.color", "green")
        core.sync()
        core.files.refusals["any"] = Offline("no connection", maybe_stored=False)
        core.user.write("unsent.txt", b"promised, and not sent yet")
        core.user.write("empty/other.txt", b"another one that isn't sent")
        core.user.write("kept.txt", b"edited since, and not sent yet")
        core.user.rename("big.bin", "renamed.bin")
        core.user.unlink("picture.png")
        core.expects(".*")
        self.contents = {path: content for path in found(core.user, "") if (content := readable(core.user, path)) is not None}
        if clean:
            core.end()
            self.state = core.state_dir
        else:
            self.state = copied(core.state_dir, base / "killed")
            core.end()
        core.files.refusals.clear()
        self.files, self.clock = core.files, core.clock
        self.every = [*self.contents.values(), *core.files.contents.values()]       # content of any file


def flip(data: bytearray, chance: random.Random) -> None:
    """One bit, anywhere."""
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def cut(data: bytearray, chance: random.Random) -> None:
    """The end is missing."""
    del data[chance.randrange(len(data) + 1):]


def blank(data: bytearray, chance: random.Random) -> None:
    """A page of zeros."""
    if data:
        start = chance.randrange(len(data)) // PAGE_BYTES * PAGE_BYTES
        data[start:start + PAGE_BYTES] = bytes(len(data[start:start + PAGE_BYTES]))


def swap(data: bytearray, chance: random.Random) -> None:
    """Two pages in each other's place."""
    pages = len(data) // PAGE_BYTES
    if pages > 1:
        one, other = (number * PAGE_BYTES for number in chance.sample(range(pages), 2))
        data[one:one + PAGE_BYTES], data[other:other + PAGE_BYTES] = data[other:other + PAGE_BYTES], data[one:one + PAGE_BYTES]


DAMAGES: Final[tuple[Damage, ...]] = (flip, cut, blank, swap)


def damage(path: Path, chance: random.Random, how: Damage) -> bool:
    """What a disk does to a file: its times stay. False: it is as before."""
    before, times = path.read_bytes(), path.stat()
    data = bytearray(before)
    how(data, chance)
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return data != before


VALUES: Final = (None, 0, 1, -1, 2, 3, 7, 2**31, 2**63 - 1, -2**63, 0.5, float("inf"), "", "x", "a/b", "..", "/", ".by-id", "\0", "queued", "sending", "failed", "1", "x" * 5000,
                 b"", b"\xff", b"x")


def change_a_row(state: Path, chance: random.Random) -> str:
    """A hand changes one value of one row to anything that SQLite takes there. Returns what was done."""
    with closing(sqlite3.connect(state / "state.db")) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")]
        table = chance.choice([name for name in tables if db.execute(f"SELECT 1 FROM {name}").fetchone()])
        column = chance.choice([row[1] for row in db.execute(f"PRAGMA table_info({table})")])
        known = [row[0] for row in db.execute(f"SELECT {column} FROM {table} ORDER BY 1")]
        old, new = chance.choice(known), chance.choice([*VALUES, *known])
        try:
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {column} IS ?", (new, old))
            db.commit()
        except (sqlite3.Error, OverflowError):
            db.rollback()
    return f"{table}.{column}: {str(old)[:40]!r} is {str(new)[:40]!r} now"


class Damaged:
    """A copy of a template's state, with one damage, as it is found."""

    def __init__(self, template: Template, base: Path) -> None:
        self.state = copied(template.state, base / "state")
        for path in self.state.rglob("*"):
            times = (template.state / path.relative_to(self.state)).stat()
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        self._template, self._base = template, base

    def core(self) -> Core:
        """A mount on it. Raises SetupError, FsError, OSError."""
        clock = OneThread()
        clock.advance(self._template.clock.now_s() + 10)
        return Core(self._base, files=self._template.files.twin(clock), clock=clock, state=self.state)


def used(core: Core, template: Template) -> tuple[list[str], list[str]]:
    """What a person who reads everything finds: (paths with bytes that no file ever had, paths with another file's or an older version's)."""
    wild, other = list[str](), list[str]()
    for path in found(core.user, ""):
        content = readable(core.user, path)
        if content is None or content == template.contents.get(path):
            continue
        if content not in template.every:
            wild.append(path)
        elif path in template.contents:
            other.append(path)
    return wild, other


def readable(user: Any, path: str) -> bytes | None:
    """None: it can't be read."""
    try:
        content: bytes = user.read(path)
    except OSError:
        return None
    return content


def found(user: Any, folder: str, depth: int = 0) -> list[str]:
    """The files below."""
    paths: list[str] = []
    try:
        names = user.listdir(folder)
    except OSError:
        return []
    for name in names:
        path = f"{folder}/{name}" if folder else name
        try:
            below = user.is_directory(path)
        except OSError:
            continue
        paths += (found(user, path, depth + 1) if depth < 9 else []) if below else [path]
    return paths


def disturb(core: Core) -> None:
    """Each operation on each name: done, or an errno."""
    user: Any = core.user
    for path in found(user, ""):
        acts: list[Callable[[], object]] = [
            partial(user.setxattr, path, "user.mime_type", "text/x"), partial(user.write, path, b"more", os.O_WRONLY | os.O_APPEND),
            partial(user.rename, path, f"{path}.moved"), partial(user.unlink, f"{path}.moved")]
        for act in acts:
            with suppress(OSError):
                act()
