"""`python -m tests.torture.daemon`: starts mounts, each in a child of its own, that can be told how and when to end.

One line of JSON on standard input is one mount: {"arguments": [...], "state": DIR, "ear": SOCKET, "forgets": bool}; one line on standard output
is its process id. Everything is imported once, so a mount costs a fork. The child hears on its ear, a datagram each:

    {"end": "kill" | "power", "label": LABEL, "times": N, "mode": "all" | "random", "lost": DIR}     at that step; without a label now
    {"slow_s": SECONDS}                                                                              each step of the disk takes so long

A label is a step of the disk or `step:SEND` and so on, a step of an upload's life, in the transaction that writes it; LABEL+ is just after it. At a loss of
power every thread stands still at its next step; then `lost` becomes the state directory as it is found afterwards, and the process ends.

Owns    the child's disk: the machine's own, or one that forgets what wasn't synced.
"""

import ctypes
import json
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import anthrofs.daemon.build
import anthrofs.daemon.mount
import anthrofs.fuse.operations
from anthrofs.cli.commands import main
from anthrofs.daemon.process import SIGNALS
from anthrofs.model import Attempt
from anthrofs.store.disk import Disk
from anthrofs.tree.database import Database
from anthrofs.tree.upload_queue import Step, Uploads
from tests.simulation.disk import ForgetfulDisk
from tests.torture.truth import clock_time

STANDSTILL_S: Final = 0.05      # what is under way between two steps has ended by then
PR_SET_PDEATHSIG: Final = 1     # sys/prctl.h
STEPS: Final = ("sync", "sync_dir", "link", "rename", "unlink")


class Ending:
    """How this process ends; told of each step before and after it."""

    def __init__(self) -> None:
        self.disk: ForgetfulDisk | None = None
        self._told: dict[str, Any] = {}
        self._left = 0
        self._slow_s = 0.0
        self._powerless = False

    def hear(self, ear: socket.socket) -> None:
        while True:
            told = json.loads(ear.recv(4096))
            self._slow_s = told.get("slow_s", self._slow_s)
            if "end" in told:
                self._told, self._left = told, int(told.get("times", 1))
                if not told.get("label"):
                    self._end()

    def step(self, label: str) -> None:
        if self._powerless:
            threading.Event().wait()
        if self._slow_s and not label.endswith("+"):
            time.sleep(self._slow_s)
        if label == self._told.get("label"):
            self._left -= 1
            if self._left == 0:
                self._end()

    def _end(self) -> None:
        if self._told["end"] == "power" and self.disk is not None:
            self._powerless = True
            print(f"{clock_time()} without power")
            time.sleep(STANDSTILL_S)
            lost = Path(self._told["lost"])
            self.disk.power_loss(lost.with_suffix(".part"), self._told["mode"])
            lost.with_suffix(".part").rename(lost)
        print(f"{clock_time()} ends", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


class OneAtATime(ForgetfulDisk):
    """Its memory is no lock's; the daemon has many threads."""

    def __init__(self, root: Path, turn: Callable[[str], None]) -> None:
        super().__init__(root, random.Random(), turn)
        self._lock = threading.RLock()


def _alone(name: str) -> Callable[..., None]:
    step = getattr(ForgetfulDisk, name)

    def stepped(self: OneAtATime, *arguments: Any) -> None:
        with self._lock:
            step(self, *arguments)

    return stepped


def _told_of(step: Callable[..., None], ending: Ending) -> Callable[..., None]:
    def stepped(self: object, label: str, *arguments: Any) -> None:
        ending.step(label)
        step(self, label, *arguments)
        ending.step(f"{label}+")

    return stepped


class WatchedDatabase(Database):
    """A database whose commits the disk is told of."""

    disk: ForgetfulDisk

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.disk.watch(self)


def _prepare(ending: Ending, state: Path, *, forgets: bool) -> None:
    """What the parts of the mount are made of, from now on. Private names, but there are no others that a process ends at."""
    if forgets:
        disk = OneAtATime(state, ending.step)
        WatchedDatabase.disk = ending.disk = disk
        setattr(anthrofs.daemon.mount, "Disk", lambda: disk)        # noqa: B010 - what they import isn't theirs to mypy
        setattr(anthrofs.daemon.build, "Database", WatchedDatabase)         # noqa: B010 - the same
    else:
        for name in STEPS:
            setattr(Disk, name, _told_of(getattr(Disk, name), ending))
    write = Uploads.step

    def stepped(uploads: Uploads, attempt: Attempt, step: Step, **reasons: Any) -> str:
        ending.step(f"step:{step.name}")
        state = write(uploads, attempt, step, **reasons)
        ending.step(f"step:{step.name}+")
        return state

    setattr(Uploads, "step", stepped)           # noqa: B010 - the same


def _child(told: dict[str, Any]) -> None:
    """Becomes the mount."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)       # whatever becomes of the campaign, no process is left
    said = os.open(told["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(said, 1)
    os.dup2(said, 2)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)       # as in every thread of a mount
    ending = Ending()
    _prepare(ending, Path(told["state"]), forgets=told["forgets"])
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    Path(told["ear"]).unlink(missing_ok=True)
    ear.bind(told["ear"])
    threading.Thread(target=ending.hear, args=(ear,), name="ear", daemon=True).start()
    sys.argv[1:] = told["arguments"]
    code = 1
    try:
        main()
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)       # nobody waits for them
    for name in STEPS:
        setattr(OneAtATime, name, _alone(name))
    while line := sys.stdin.buffer.readline():
        told = json.loads(line)
        child = os.fork()
        if not child:
            _child(told)
        print(child, flush=True)


if __name__ == "__main__":
    serve()
