"""How far an operation walks through the house: the modules and rooms that it enters, and how often it goes from one into another.

`python -m tests.bench.walks`, which is `scripts/bench rooms`: one read, one close, one rename and one listing, with all parts in this process
and no kernel. A profile hook sees every call.

Owns    what counts. A change is a call (or a generator's resumption) from a module into another one; the return isn't counted again. The words
        that everybody uses (the modules at the top of the package) count neither as modules nor as rooms, and remote/ counts as one module.
        Counted are the thread that asks and those that ask the service for it: another one, that looks for work and finds
        none, depends on the moment.
Never   measures time: the hook makes everything ten times slower.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, Final, Self

from anthrofs.config import Config, Credentials, Service
from anthrofs.daemon.build import begin
from anthrofs.daemon.mount import Mount
from tests.emulator.process import EmulatorProcess

PACKAGE: Final = "anthrofs"
APART: Final = ("anthrofs.emulator", "anthrofs.manual")
HTTP: Final = "anthrofs.remote.http"    # a thread that enters this asks the service
ROUNDS: Final = 5                       # each on a state of its own; the table has their medians
QUIET_S: Final = 0.2                    # without a call: the operation's threads are done
BOUND_S: Final = 20.0                   # for any of it
REFRESH_S: Final = 1.0                  # of the listing's mount
SIZE: Final = 300_000                   # of the file that is read
READ_BYTES: Final = 128 * 1024          # as the kernel asks
MOST: Final = {"read": 35, "close": 100}    # changes of rooms; more fails the run

Operations = Callable[..., Any]         # as libfuse calls them: a name, and what belongs to it
RoomOf = Callable[[str], str]
# A place for the state, the service, seconds between refreshes -> the operations of a mount that nobody has mounted.
Start = Callable[[Path, EmulatorProcess, float], AbstractContextManager[Operations]]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function of the package."""

    thread: int
    caller: str | None      # the module that called, also through a library; None: the thread began here
    module: str


@dataclass(frozen=True, slots=True)
class Walk:
    """What one operation passed through."""

    modules: int
    changes: int
    rooms: int
    room_changes: int


class Recorder:
    """Sees the calls of every thread that starts while it is entered, and of the thread that enters it."""

    def __init__(self) -> None:
        self._on = False                    # written by whoever records, read by every thread
        self._calls: list[Call] = []        # appended to by every thread
        self._last_s = 0.0

    def __enter__(self) -> Self:
        threading.setprofile(self._hook)
        sys.setprofile(self._hook)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def record(self, action: Callable[[], object]) -> list[Call]:
        """The calls of an action, and of what goes on behind it until nothing is called any more."""
        self._calls = []
        self._on = True
        try:
            action()
            deadline_s = time.monotonic() + BOUND_S
            while time.monotonic() - self._last_s < QUIET_S:
                assert time.monotonic() < deadline_s, "it never came to rest"
                time.sleep(QUIET_S / 10)
        finally:
            self._on = False
        return self._calls

    def _hook(self, frame: FrameType, event: str, _: object) -> None:
        if not self._on or event != "call" or (module := _module_of(frame)) is None:
            return
        caller = frame.f_back
        while caller is not None and _module_of(caller) is None:
            caller = caller.f_back
        self._calls.append(Call(threading.get_ident(), None if caller is None else _module_of(caller), module))
        self._last_s = time.monotonic()


def _module_of(frame: FrameType) -> str | None:
    name = str(frame.f_globals.get("__name__", ""))
    return name if name.startswith(f"{PACKAGE}.") and not name.startswith(APART) else None


def room_of(module: str) -> str:
    """The folder below the package; empty: one of the words at its top."""
    _, top, *inside = module.split(".")
    return top if inside else ""


def walk_of(calls: Sequence[Call], room: RoomOf) -> Walk:
    asking = {calls[0].thread, *(call.thread for call in calls if call.module == HTTP)}
    counted = [call for call in calls if call.thread in asking and room(call.module)]

    def changes(place: RoomOf) -> int:
        return sum(1 for call in counted if call.caller is not None and room(call.caller) and place(call.caller) != place(call.module))

    def module(name: str) -> str:
        return "remote" if room(name) == "remote" else name
    return Walk(len({module(call.module) for call in counted}), changes(module), len({room(call.module) for call in counted}), changes(room))


# ---- the four

def walks(base: Path, emulator: EmulatorProcess, start: Start, room: RoomOf) -> dict[str, Walk]:
    """Each once, on two new states."""
    found: dict[str, Walk] = {}
    emulator.forget_files()
    content = os.urandom(SIZE)
    emulator.generate("theirs.bin", content)
    with Recorder() as recorder, start(base / "names", emulator, REFRESH_S) as operations:
        time.sleep(REFRESH_S)
        emulator.generate("new.txt", b"new")
        shown: list[str] = []
        found["listing"] = walk_of(recorder.record(lambda: _list(operations, shown)), room)
        assert {"theirs.bin", "new.txt"} <= set(shown), shown
    with Recorder() as recorder, start(base / "contents", emulator, BOUND_S) as operations:
        theirs = _info(os.O_RDONLY)
        operations("open", "/theirs.bin", theirs)
        read: list[bytes] = []
        found["read"] = walk_of(recorder.record(lambda: read.append(operations("read", None, READ_BYTES, 0, theirs))), room)
        assert read == [content[:READ_BYTES]]
        operations("release", None, theirs)

        ours = _info(os.O_WRONLY | os.O_CREAT)
        operations("create", "/ours.txt", 0o644, ours)
        operations("write", None, b"ours", 0, ours)
        time.sleep(QUIET_S)
        found["close"] = walk_of(recorder.record(lambda: _close(operations, ours)), room)
        assert "ours.txt" in _names(emulator)

        def rename() -> None:
            operations("rename", "/ours.txt", "/mine.txt")
            deadline_s = time.monotonic() + BOUND_S
            while "mine.txt" not in (names := _names(emulator)) or "ours.txt" in names:
                assert time.monotonic() < deadline_s, names
                time.sleep(QUIET_S / 10)
        found["rename"] = walk_of(recorder.record(rename), room)
    return found


def _list(operations: Operations, shown: list[str]) -> None:
    """The index is older than a look may see, so this asks the service first."""
    handle = operations("opendir", "/")
    operations("readdir", lambda name, _node, _mode: shown.append(name), handle)
    operations("releasedir", None, handle)


def _close(operations: Operations, info: SimpleNamespace) -> None:
    operations("flush", None, info)
    operations("release", None, info)


def _info(flags: int) -> SimpleNamespace:
    """libfuse's fuse_file_info, as far as operations look at it."""
    return SimpleNamespace(fh=0, flags=flags, direct_io=0, keep_cache=0, writepage=0)


def _names(emulator: EmulatorProcess) -> set[str]:
    return {str(file["filename"]) for file in emulator.files()}


# ---- the run

class Asking:
    """The binding's two questions about a request that no kernel made: this process asks, and no signal waits for it."""

    def thread(self) -> int:
        return os.getpid()

    def interrupted(self) -> bool:
        return False


def measured(start: Start, room: RoomOf) -> dict[str, list[Walk]]:
    found: dict[str, list[Walk]] = {}
    with tempfile.TemporaryDirectory(prefix="anthrofs-bench.") as place, EmulatorProcess(Path(place) / "emulator") as emulator:
        for number in range(ROUNDS):
            for name, walk in walks(Path(place) / str(number), emulator, start, room).items():
                found.setdefault(name, []).append(walk)
    return found


def printed(found: dict[str, list[Walk]]) -> str:
    """Medians of all rounds."""
    lines = [f"{'one':8}{'modules':>8}{'changes':>9}{'rooms':>7}{'changes':>9}   at most"]
    for name in ("read", "close", "rename", "listing"):
        middle = Walk(*(int(statistics.median(values)) for values in zip(*map(_numbers, found[name]), strict=True)))
        lines.append(f"{name:8}{middle.modules:8}{middle.changes:9}{middle.rooms:7}{middle.room_changes:9}   {MOST.get(name, '')}".rstrip())
    return "\n".join(lines)


def _numbers(walk: Walk) -> tuple[int, ...]:
    return walk.modules, walk.changes, walk.rooms, walk.room_changes


def too_far(found: dict[str, list[Walk]]) -> list[str]:
    """The targets that are missed, by the median."""
    changes = {name: statistics.median(walk.room_changes for walk in found[name]) for name in MOST}
    return [f"a {name} changes rooms {changes[name]:g} times, and {most} is the most" for name, most in MOST.items() if changes[name] > most]


@contextmanager
def started(base: Path, emulator: EmulatorProcess, refresh_s: float) -> Iterator[Operations]:
    """A mount's parts, at work, but for the kernel."""
    (base / "files").mkdir(parents=True)
    service = Service(emulator.url, Credentials("x-api-key", emulator.key), direct=True)
    mount = Mount(Config(base / "files", base / "state", service, refresh_s=refresh_s, stale_s=refresh_s), lambda _: None)
    mount._operations._request = Asking()
    parts = mount._parts
    begin(parts)
    mount._greet()
    parts.uploader.start()
    try:
        yield mount._operations
    finally:
        parts.stopping.set()
        mount._pacer.stop()
        assert all(part.stop(BOUND_S) for part in (parts.prober, parts.uploader, parts.refresher, parts.reader))
        mount._client.close()
        mount._pacer.close()
        parts.local.db.close()
        mount._state.close()


def main() -> int:
    found = measured(started, room_of)
    print(printed(found))
    missed = too_far(found)
    for words in missed:
        print(f"bench: {words}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
