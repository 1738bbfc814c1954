"""Loads that are bigger than a day's: files, programs at once, a queue over a kill, a service that is silent or can't now.

Owns    one emulator and one mount at a time, each on a directory of its own.
Trusts  the emulator for what it has and what it was asked.
Never   lets a time fail a run, but the two that are promised: a `stat` while the service is silent, and an end of each load.
"""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from anthrofs.client import control_client
from tests.emulator.process import EmulatorProcess
from tests.mounting import Mount, wait_until
from tests.proof.table import Figures
from tests.soak.samples import Watched

BOUND_S: Final = 900.0
FEW: Final = 200                    # files of the mount that a big one is compared with
BLOCKS_A_FILE: Final = 0.5          # of Python's heap: nothing is held for each
STAT_S: Final = 0.1
A_MINUTE: Final = 60                # requests of a minute while the service can't, whatever waits
QUEUE: Final = ("--upload", "queue", "--refresh", "300")
HURRIED: Final = ("--requests-per-minute", "1000000")
SILENT_READERS: Final = 20

# One program: copies, compares, renames and removes in its own folder, and leaves two files.
PROGRAM: Final = """
mkdir "$1" && cd "$1"
for round in 1 2 3; do
    head -c $((round * 7000 + $2)) /dev/urandom > "$OUT/$1.$round"
    cp "$OUT/$1.$round" new && cmp new "$OUT/$1.$round" && mv new "kept.$round"
    cat "kept.$round" > copy && cmp copy "kept.$round" && rm copy
done
rm kept.1
"""
OPERATIONS: Final = 3 * 7 + 2       # of one program


@dataclass
class Load:
    """What the loads of a run have found."""

    figures: Figures = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def claim(self, what: str, holds: bool, seen: object) -> None:
        print(f"  {'ok' if holds else 'NO'}  {what}: {seen}", flush=True)
        if not holds:
            self.broken.append(f"{what}: {seen}")

    def add(self, **figures: float) -> None:
        for name, figure in figures.items():
            known = self.figures.get(name, 0)
            self.figures[name] = max(known, figure) if name.startswith(("most_", "longest_")) else known + figure


def run(base: Path, *, short: bool) -> Load:
    load = Load()
    load.add(lost=0, wrong=0, twice=0)
    files(load, base / "files", 2000 if short else 100_000, read=300 if short else 5000)
    programs(load, base / "programs", 20 if short else 100)
    queue(load, base / "queue", 300 if short else 10_000)
    outage(load, base / "outage", 100 if short else 1000, watched_s=10 if short else 60)
    return load


@contextmanager
def mounted(base: Path, emulator: EmulatorProcess, *options: str) -> Iterator[tuple[Mount, Watched]]:
    """A mount of its own, ended and checked afterwards."""
    mount = Mount(base, emulator)
    mount.expects(" WARNING ")
    watched = Watched(mount, *HURRIED, *options)
    try:
        yield mount, watched
        everything_sent(mount)
        watched.end()
    finally:
        watched.close()
    mount.finish()


def everything_sent(mount: Mount) -> None:
    until_s = time.monotonic() + BOUND_S
    while True:
        *_, left = control_client.ask(mount.state_dir, "drain", timeout_s=60)
        if left["waiting"] + left["deletions"] == []:
            return
        assert time.monotonic() < until_s, f"still to be sent: {len(left['waiting'])}, to be deleted: {len(left['deletions'])}"


# ---- files

def files(load: Load, base: Path, count: int, *, read: int) -> None:
    """Nothing is held for each file: not by a mount, not by a walk, not for what is in the cache."""
    print(f"load: {count} files on one mount", flush=True)
    few, _ = _heap_of_files(load, base / "few", FEW, read=FEW // 2)
    many, watched_mib = _heap_of_files(load, base / "many", count, read=read)
    for what, before, after in zip(("mounted", "listed", "mounted again, with what was read in the cache"), few, many, strict=True):
        a_file = (after - before) / (read if "cache" in what else count)
        load.claim(f"blocks of Python's heap a file, {what}", a_file <= BLOCKS_A_FILE, f"{a_file:.3f}")
    load.add(most_files=count, most_memory_mib=watched_mib, operations=2 * (count + FEW) + read)


def _heap_of_files(load: Load, base: Path, count: int, *, read: int) -> tuple[list[int], float]:
    heaps, memory_mib = list[int](), 0.0
    with EmulatorProcess(base / "server" / "data") as emulator:
        emulator.bulk(count, prefix="folder／file ", size_bytes=2000)
        began_s = time.monotonic()
        with mounted(base / "here", emulator, "--refresh", "300") as (mount, watched):
            took_s = time.monotonic() - began_s
            folder = mount.path / "folder"
            heaps.append(watched.heap()["blocks"])
            began_s = time.monotonic()
            with os.scandir(folder) as entries:
                sizes = Counter(entry.stat().st_size for entry in entries)
            load.claim(f"{count} files are listed", sizes == {2000: count}, dict(sizes))
            listed_s = time.monotonic() - began_s
            heaps.append(watched.heap()["blocks"])
            expected = (folder / "file 000000.txt").read_bytes()
            wrong = sum((folder / f"file {number:06}.txt").read_bytes() != expected for number in range(read))
            load.add(wrong=wrong, bytes_verified=read * 2000)
            load.claim(f"{read} of them are read", not wrong, f"{wrong} wrong")
            began_s = time.monotonic()
            mount.status()
            status_s = time.monotonic() - began_s
            memory_mib = watched.sample()["memory MiB"]
        (mount.state_dir / "requests").unlink()     # the moments of a minute, of which there may be a million here
        with mounted_again(mount, "--refresh", "300") as again:
            heaps.append(again.heap()["blocks"])
            load.claim(f"{count} files are there after a remount", len(os.listdir(folder)) == count, "counted")
        print(f"      mounted in {took_s:.1f} s, listed in {listed_s:.1f} s, status in {status_s:.3f} s, {memory_mib:.0f} MiB")
    return heaps, memory_mib


@contextmanager
def mounted_again(mount: Mount, *options: str) -> Iterator[Watched]:
    """The same state once more."""
    watched = Watched(mount, *HURRIED, *options)
    try:
        yield watched
        everything_sent(mount)
        watched.end()
    finally:
        watched.close()
    mount.finish()


# ---- programs

def programs(load: Load, base: Path, count: int) -> None:
    """All at once, each in its folder; then the server has what each has left, once."""
    print(f"load: {count} programs at once", flush=True)
    out = base / "out"
    out.mkdir(parents=True)
    with EmulatorProcess(base / "server" / "data") as emulator, mounted(base / "here", emulator, "--upload", "queue") as (mount, watched):
        rest = watched.sample()
        started = [subprocess.Popen(["bash", "-euc", PROGRAM, "-", f"p{number}", str(number)], cwd=mount.path, env={**os.environ, "OUT": str(out)},
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for number in range(count)]
        said = [program.communicate(timeout=BOUND_S)[0] for program in started]
        failed = [f"{number}: {words}" for number, (program, words) in enumerate(zip(started, said, strict=True)) if program.returncode]
        load.claim(f"{count} programs end well", not failed, failed[:3] or "all")
        everything_sent(mount)
        expected = Counter((f"p{number}／kept.{round_}", hashlib.sha256((out / f"p{number}.{round_}").read_bytes()).hexdigest())
                           for number in range(count) for round_ in (2, 3))
        compare(load, emulator, expected)
        wait_until(lambda: watched.sample()["descriptors"] <= rest["descriptors"] + 6, "descriptors are as before")
        # libfuse keeps ten of its workers, and at rest there may have been none yet
        load.claim("threads are as before", watched.sample()["threads"] <= rest["threads"] + 12, f"{rest['threads']:.0f} → {watched.sample()['threads']:.0f}")
    load.add(most_programs=count, operations=count * OPERATIONS, bytes_verified=sum(path.stat().st_size for path in out.iterdir()))


def compare(load: Load, emulator: EmulatorProcess, expected: Counter[tuple[str, str]]) -> None:
    """The server has these names with these contents, each once."""
    found = Counter((file["filename"], file["sha256"]) for file in emulator.files())
    lost, more = expected - found, found - expected
    twice = sum(amount for key, amount in more.items() if key in expected)
    load.add(lost=lost.total(), wrong=more.total() - twice, twice=twice)
    load.claim(f"{expected.total()} files are on the server, each once", found == expected, f"lost {list(lost)[:3]}, more {list(more)[:3]}" if lost or more else "all")


# ---- a queue

def queue(load: Load, base: Path, count: int) -> None:
    """Saved while the service can't, killed, mounted again: each file is sent once, by one request."""
    print(f"load: {count} files in the queue over a kill", flush=True)
    names = [f"folder{number % 10}／{number}.txt" for number in range(count)]
    with EmulatorProcess(base / "server" / "data") as emulator:
        mount = Mount(base / "here", emulator)
        mount.expects(" WARNING ")
        watched = Watched(mount, *HURRIED, *QUEUE)
        try:
            emulator.fault("any", {"kind": "status", "status": 503}, times=-1)
            for number in range(10):
                (mount.path / f"folder{number}").mkdir()
            began_s = time.monotonic()
            for name in names:
                (mount.path / name.replace("／", "/")).write_bytes(content(name))
            saved_s = time.monotonic() - began_s
            waiting = len(mount.status()["waiting"])
            load.claim("all wait", waiting == count, waiting)
        finally:
            watched.process.kill()
            watched.close()
            subprocess.run(["fusermount3", "-u", "-z", str(mount.path)], check=True, timeout=60)
        emulator.forget_requests()
        emulator.clear_faults()
        with mounted_again(mount, *QUEUE):
            began_s = time.monotonic()
            everything_sent(mount)
            sent_s = time.monotonic() - began_s
            uploads = [request for request in emulator.requests("upload") if request["status"] == 200]
            load.claim("one request a file", len(uploads) == count, f"{len(uploads)} uploads")
            compare(load, emulator, Counter((name, hashlib.sha256(content(name)).hexdigest()) for name in names))
        print(f"      saved in {saved_s:.1f} s, sent in {sent_s:.1f} s")
    load.add(most_queued=count, kills=1, operations=count, bytes_verified=sum(len(content(name)) for name in names))


def content(name: str) -> bytes:
    return f"{name}\n".encode() * 20


# ---- a bad hour

def outage(load: Load, base: Path, count: int, *, watched_s: float) -> None:
    """The service is silent, and who looks doesn't wait; it can't now, and it isn't asked by each that waits."""
    print(f"load: {watched_s:.0f} s of a silent service, and as many of one that can't, with {count} files in the queue", flush=True)
    with EmulatorProcess(base / "server" / "data") as emulator:
        emulator.bulk(SILENT_READERS + 20, prefix="file ", size_bytes=300_000)
        with mounted(base / "here", emulator, "--upload", "queue", "--refresh", "1") as (mount, _):
            _silent(load, emulator, mount, watched_s)
            emulator.fault("any", {"kind": "status", "status": 503}, times=-1)
            for number in range(count):
                (mount.path / f"new {number}.txt").write_bytes(content(str(number)))
            emulator.forget_requests()
            until_s = time.monotonic() + watched_s
            while time.monotonic() < until_s:
                os.listdir(mount.path)          # somebody looks all the time
                time.sleep(1)
            asked = Counter(request["operation"] for request in emulator.requests())
            load.claim("requests while the service can't", asked.total() <= A_MINUTE * max(1.0, watched_s / 60), dict(asked))
            load.add(most_requests_a_minute_down=round(asked.total() * 60 / watched_s), operations=count)
            emulator.clear_faults()
            everything_sent(mount)
            there = Counter(file["filename"] for file in emulator.files() if file["filename"].startswith("new "))
            load.claim("all of the queue is sent, once", there == Counter(f"new {number}.txt" for number in range(count)), there.total())


def _silent(load: Load, emulator: EmulatorProcess, mount: Mount, watched_s: float) -> None:
    emulator.fault("any", {"kind": "delay", "seconds": watched_s}, times=-1)
    readers = [subprocess.Popen([sys.executable, "-c", "import sys; open(sys.argv[1], 'rb').read()", mount.path / f"file {number:06}.txt"],
                                stderr=subprocess.DEVNULL) for number in range(SILENT_READERS)]
    took_s, ending, names = list[float](), threading.Event(), sorted(os.listdir(mount.path))
    wait_until(lambda: len(emulator.requests("download")) >= min(8, SILENT_READERS), "readers wait")
    timer = threading.Timer(watched_s * 0.8, ending.set)
    timer.start()
    try:
        while not ending.is_set():
            for name in names:
                began_s = time.monotonic()
                os.stat(mount.path / name)
                took_s.append(time.monotonic() - began_s)
            ending.wait(0.05)           # what the kernel remembers ends after a second
    finally:
        timer.cancel()
        timer.join()
        emulator.clear_faults()
        for reader in readers:
            reader.wait(BOUND_S)
    load.claim(f"longest of {len(took_s)} stats while the service is silent", max(took_s) < STAT_S, f"{max(took_s):.4f} s")
    load.add(longest_stat_s=round(max(took_s), 4), operations=len(took_s))
