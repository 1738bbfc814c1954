"""Manual, promises: nothing acknowledged is lost and nothing is there twice: each mishap of the way together with a
kill, a remount, a read-only mount, and 200 files that wait.

A run takes a few of the combinations, by chance; ANTHROFS_COMBINATIONS=all takes each. The seed is printed, and chooses the step of a kill.
"""

import contextlib
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.client import control_client
from anthrofs.fuse import mountpoint
from tests.mounting import ROOT, Mount, wait_until

# One for all of a run's workers: each has to know the same tests.
SEED: Final = int(os.environ.get("ANTHROFS_COMBINATIONS_SEED") or zlib.crc32(os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid())).encode()) % 10**6)
SAMPLE: Final = 4
MANY: Final = 200
PATIENCE_S: Final = 200.0       # for what a lost answer's looks and a closed way's probes take, and a minute's budget

Fault = tuple[str, dict[str, Any], int]         # operation, action, how often

FAULTS: Final[dict[str, Fault]] = {
    "upload: cut before its body": ("upload", {"kind": "cut", "when": "before_body"}, 2),
    "upload: cut in its body": ("upload", {"kind": "cut_body", "after_bytes": 1000}, 2),
    "upload: the answer is lost": ("upload", {"kind": "cut", "when": "after_commit"}, 1),
    "upload: stored late, the answer lost": ("upload", {"kind": "late_commit", "seconds": 2.5}, 1),
    "upload: a late answer": ("upload", {"kind": "delay", "seconds": 4}, 2),
    "upload: arrives cut": ("upload", {"kind": "stored_short", "bytes": 1000}, 1),
    "upload: 500 after the effect": ("upload", {"kind": "status_after_commit", "status": 500}, 1),
    "upload: half an answer": ("upload", {"kind": "garbage_json"}, 1),
    "upload: a gateway's 502": ("upload", {"kind": "gateway", "status": 502}, 3),
    "upload: a gateway's 403": ("upload", {"kind": "gateway", "status": 403}, 3),
    "upload: a gateway's 413": ("upload", {"kind": "gateway", "status": 413}, 1),
    "upload: 429": ("upload", {"kind": "status", "status": 429, "retry_after": 1}, 2),
    "upload: the quota": ("upload", {"kind": "account", "answer": "quota"}, 3),
    "all: on hold": ("any", {"kind": "account", "answer": "on_hold"}, 4),
    "all: the key is refused": ("any", {"kind": "status", "status": 401}, 4),
    "download: short": ("download", {"kind": "short_body", "after_bytes": 1000}, 2),
    "download: cut": ("download", {"kind": "cut_body", "after_bytes": 1000}, 2),
    "download: falsely packed": ("download", {"kind": "encoded", "packed": False}, 2),
    "download: a gateway's 502": ("download", {"kind": "gateway", "status": 502}, 2),
    "delete: the answer is lost": ("delete", {"kind": "cut", "when": "after_commit"}, 2),
    "delete: a gateway's 404": ("delete", {"kind": "gateway", "status": 404}, 2),
    "delete: a gateway's 503": ("delete", {"kind": "gateway", "status": 503}, 2),
    "list: a gateway's page": ("list", {"kind": "html", "status": 200}, 2),
}
CIRCUMSTANCES: Final = ("a kill", "a remount", "a read-only mount", "200 waiting")
# Of a saved file, in their order; and after the step.
LABELS: Final = [label + after for label in ("stage:data", "stage:dir", "kept:link", "kept:dir", "staging:remove", "kept:map") for after in ("", "+")]

EVERY: Final = list(itertools.product(FAULTS, CIRCUMSTANCES))
TAKEN: Final = EVERY if os.environ.get("ANTHROFS_COMBINATIONS") == "all" else random.Random(SEED).sample(EVERY, SAMPLE)


class Wanted:
    """What the server is to have in the end, by name: one of several contents where a call wasn't acknowledged."""

    def __init__(self, **contents: bytes) -> None:
        self.by_name: dict[str, set[bytes | None]] = {name: {content} for name, content in contents.items()}

    def write(self, path: Path, content: bytes, *, kept: bool) -> None:
        """kept: the mount lives on, so that a close that failed has kept the bytes."""
        try:
            path.write_bytes(content)
        except OSError:
            before = self.by_name.get(path.name, {None})
            self.by_name[path.name] = {content} if kept else {*before, content}
        else:
            self.by_name[path.name] = {content}

    def remove(self, path: Path) -> None:
        before = self.by_name[path.name]
        try:
            path.unlink()
        except OSError:
            self.by_name[path.name] = {*before, None}
        else:
            self.by_name[path.name] = {None}

    def compare(self, mount: Mount) -> None:
        stored = mount.emulator.files()
        found = {file["filename"]: mount.emulator.content(file["id"]) for file in stored}
        assert len(found) == len(stored), sorted(file["filename"] for file in stored)
        assert found.keys() <= self.by_name.keys()
        for name, contents in self.by_name.items():
            assert found.get(name) in contents, (name, found.get(name, b"")[:20], len(found.get(name, b"")))
        shown = {path.name: path.read_bytes() for path in mount.path.iterdir()}
        assert shown == found


def of(name: str, version: int = 1) -> bytes:
    return f"{name} {version}\n".encode() * 500


@pytest.mark.timeout(420)
@pytest.mark.parametrize(("fault", "circumstance"), TAKEN, ids=[f"{fault}, {circumstance}" for fault, circumstance in TAKEN])
def test_a_mishap_together_with(mount: Mount, fault: str, circumstance: str) -> None:
    print(f"ANTHROFS_COMBINATIONS_SEED={SEED}")
    mount.expects(".*")         # a mishap may be told in many lines; what the server and the mount have is the claim here
    mount.leaves("belongs to nothing")
    one = Combination(mount, *FAULTS[fault], random.Random(f"{SEED} {fault} {circumstance}"))
    match circumstance:
        case "a kill":
            one.with_a_kill()
        case "a remount":
            one.with_a_remount()
        case "a read-only mount":
            one.with_a_read_only_mount()
        case _:
            one.with_many_waiting()
    one.ends()


class Combination:
    """One fault in one circumstance. Before it, the server has a file to be replaced, one to be removed and two to be read."""

    def __init__(self, mount: Mount, operation: str, action: dict[str, Any], times: int, chance: random.Random) -> None:
        self._mount = mount
        self._files = mount.path
        self._fault = (operation, action, times)
        self._chance = chance
        self.wanted = Wanted()
        mount.mount()
        for name in ("old.txt", "gone.txt"):
            self.wanted.write(self._files / name, of(name), kept=True)
        for name in ("read.csv", "edited.csv"):
            mount.emulator.generate(name, of(name), "text/csv")
            self.wanted.by_name[name] = {of(name)}
        mount.refresh()
        mount.umount()

    # ---- circumstances

    def with_a_kill(self) -> None:
        label = self._chance.choice(LABELS)
        print(f"killed at {label}")
        # Its first message asks for the listing: the fault comes after the mount.
        killed = subprocess.Popen([sys.executable, "-m", "tests.crash_at", label, "1", "mount", "--foreground", "--close-timeout", "3",
                                   "--state-dir", self._mount.state_dir, self._files], env=self._mount.environment, cwd=ROOT,
                                  stderr=subprocess.DEVNULL)
        wait_until(lambda: mountpoint.is_mounted(self._files), "it is mounted")
        list(self._files.iterdir())
        self._begin()
        work = threading.Thread(target=self._work, kwargs={"kept": False})
        work.start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            killed.wait(15)
        killed.send_signal(signal.SIGKILL)      # if the step wasn't reached
        killed.wait(20)
        subprocess.run(["fusermount3", "-u", "-z", str(self._files)], check=True, timeout=30)
        work.join()

    def with_a_remount(self) -> None:
        self._mount.mount("--close-timeout", "3")
        self._begin()
        self._work(kept=True)
        self._mount.end_now()

    def with_a_read_only_mount(self) -> None:
        self.with_a_remount()
        self._mount.mount("--read-only")
        for name, contents in self.wanted.by_name.items():
            if name != "edited.csv":            # what isn't here is read from a server that may fail
                self._reads(name, contents)
        with pytest.raises(OSError, match="Read-only"):
            (self._files / "new.txt").write_bytes(b"")
        self._mount.end_now()

    def with_many_waiting(self) -> None:
        for number in range(MANY if self._fault[0] in ("download", "delete") else 0):
            self._mount.emulator.generate(f"{number}.csv", of(f"{number}.csv"), "text/csv")
            self.wanted.by_name[f"{number}.csv"] = {of(f"{number}.csv")}
        self._mount.mount("--upload", "queue")
        self._begin()
        names = [f"{number}.csv" for number in range(MANY)]
        match self._fault[0]:
            case "download":
                for name in names:
                    self._reads(name, self.wanted.by_name[name])
            case "delete":
                for name in names:
                    self.wanted.remove(self._files / name)
            case _:
                for name in names:
                    self.wanted.write(self._files / name, of(name), kept=True)
        self._work(kept=True)

    # ---- parts

    def _begin(self) -> None:
        operation, action, times = self._fault
        self._mount.emulator.fault(operation, action, times=times)

    def _work(self, *, kept: bool) -> None:
        """What users do. Each call either fails or holds."""
        with contextlib.suppress(OSError):
            self._reads("read.csv", self.wanted.by_name["read.csv"])
        self.wanted.write(self._files / "old.txt", of("old.txt", 2), kept=kept)
        self.wanted.write(self._files / "new.txt", of("new.txt"), kept=kept)
        self.wanted.remove(self._files / "gone.txt")
        self._append("edited.csv", b"more\n", kept=kept)

    def _append(self, name: str, more: bytes, *, kept: bool) -> None:
        """What can't be fetched isn't edited: a write that fails leaves the file as it was."""
        before = self.wanted.by_name[name]
        after: set[bytes | None] = {content + more for content in before if content is not None}
        try:
            descriptor = os.open(self._files / name, os.O_WRONLY | os.O_APPEND)
        except OSError:
            return
        try:
            os.write(descriptor, more)
        except OSError:
            after = before
        try:
            os.close(descriptor)
        except OSError:
            after = after if kept else after | before
        self.wanted.by_name[name] = after

    def _reads(self, name: str, contents: Iterable[bytes | None]) -> None:
        """The right bytes, or an error."""
        with contextlib.suppress(OSError):
            assert (self._files / name).read_bytes() in contents

    def ends(self) -> None:
        """The fault is over: all that was promised comes true by itself, but for what a person has to send again."""
        if not mountpoint.is_mounted(self._files):
            self._mount.mount()
        self._drain()
        failed = self._mount.status()["failed"]
        if failed:
            assert re.search(r"413", str(failed)), failed
            self._mount.ok("retry", "--all", self._files)
            self._drain()
        self._mount.emulator.clear_faults()     # of what wasn't asked for yet
        self._mount.refresh()
        assert self._mount.status()["failed"] == []
        self.wanted.compare(self._mount)
        self._mount.umount()

    def _drain(self) -> None:
        """Again where a deletion is in doubt: a drain doesn't wait for that, it names it."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            *_, left = control_client.ask(self._mount.state_dir, "drain", timeout_s=PATIENCE_S)
            if not left["waiting"] + left["deletions"]:
                return
            assert time.monotonic() < until_s, left
            time.sleep(0.5)
