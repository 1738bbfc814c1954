"""Mixed work on one mount, for minutes or hours: several programs, others' changes, bad days; samples all along.

Owns    a directory with everything that goes on between runs: the state, the server's data, the programs' shadows, all samples.
        The mount, the server and the programs while it runs.
Trusts  the shadows for what the programs have to find, the server for what it has.

A rest comes every REST_S: the programs have nothing open, faults and weather end, everything is sent, and all is compared: each program's folder
with its shadow, byte by byte, and the server with the shadows, each name once. Then a sample is taken, and those samples are judged: between
rests a figure says more of the moment than of the hour.
"""

import hashlib
import json
import random
import re
import select
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from anthrofs.client import control_client
from tests.emulator.process import EmulatorProcess
from tests.mounting import ROOT, Mount, runs
from tests.soak.others import SHARED, Others, wrong_in
from tests.soak.samples import BACK, BOUNDS, Sample, Watched

WORKERS: Final = 3
READERS: Final = 2
PORTION: Final = 12             # operations between two looks at the clock
ANSWER_S: Final = 300.0         # for a portion, on a bad day
SETTLED_S: Final = 120.0
FAULT_S: Final = 4.0
CHANGE_S: Final = 1.0
FALLBACK_S: Final = 30.0        # within that, pools and idle threads end
OPTIONS: Final = ("--upload", "queue", "--refresh", "1", "--requests-per-minute", "100000", "--cache-size", "64M")


@dataclass
class Tally:
    """Of one run."""

    operations: int = 0
    bytes_verified: int = 0
    programs: int = 0
    requests: int = 0
    rests: int = 0
    twice: int = 0                  # names that the server had twice or got back, by the rule for lost answers
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)       # of `twice`: no line in the log tells why

    def add(self, done: dict[str, Any]) -> None:
        self.operations += done["operations"]
        self.bytes_verified += done["bytes_verified"]
        self.programs += done["programs"]
        self.wrong += done["wrong"]


class Program:
    """One worker or reader, a process of its own."""

    def __init__(self, *arguments: str | Path) -> None:
        # In a session of its own: Ctrl-C ends the soak, which lets it finish.
        self.process = subprocess.Popen([sys.executable, "-m", *map(str, arguments)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        start_new_session=True)
        self.busy = False

    def tell(self, words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()
        self.busy = True

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], ANSWER_S)
        line = self.process.stdout.readline() if readable else ""
        assert line, f"{self.process.args!r} did not answer for {ANSWER_S:.0f} s"
        self.busy = False
        answered: dict[str, Any] = json.loads(line)
        return answered

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(ANSWER_S)
        finally:
            self.process.kill()
            self.process.stdout.close()


class Soak:
    """One run of it."""

    def __init__(self, base: Path, emulator: EmulatorProcess, seed: int, *, every_s: float, rest_s: float) -> None:
        self._base = base                                   # constant
        self._emulator = emulator                           # given
        self._every_s = every_s                             # constant
        self._rest_s = rest_s                               # constant
        self.mount = Mount(base / "here", emulator)
        self.mount.expects(" WARNING ")                     # bad days are said; errors and bugs aren't expected
        self.others = Others(emulator, random.Random(seed))
        self.tally = Tally()
        self.samples: list[Sample] = []                     # all along
        self.rests: list[Sample] = []                       # at rest
        self.base: Sample = {}                              # after the first rest of this run, before any work
        self.types: list[dict[str, int]] = []               # at the first and the last rest
        self._seed = seed                                   # constant
        self._shadows = base / "shadows"                    # constant

    def run(self, seconds: float) -> None:
        watched = Watched(self.mount, *OPTIONS)
        programs = [Program("tests.soak.worker", self.mount.path / f"w{number}", self._shadows / f"w{number}", str(self._seed * 100 + number))
                    for number in range(WORKERS)]
        (self.mount.path / SHARED).mkdir(exist_ok=True)
        programs += [Program("tests.soak.reader", self.mount.path / SHARED, str(self._seed * 100 + WORKERS + number)) for number in range(READERS)]
        try:
            self._portions(watched, programs, 0)            # each has made its first steps, which leave what stays
            self._rest(watched, programs)
            self.base = self.rests[0]
            until_s = time.monotonic() + seconds
            while time.monotonic() < until_s:
                self._portions(watched, programs, min(self._rest_s, until_s - time.monotonic()))
                self._rest(watched, programs)
        finally:
            for program in programs:
                program.end()
            try:
                self._come_to_rest(watched)
                watched.end()
            finally:
                watched.close()
        self.mount.finish()

    # ---- work

    def _portions(self, watched: Watched, programs: list[Program], seconds: float) -> None:
        """Everybody works, others change, something goes wrong; at least one portion each."""
        began_s = sampled_s = turned_s = changed_s = time.monotonic()
        for program in programs:
            program.tell(str(PORTION))
        while any(program.busy for program in programs):
            busy = {program.process.stdout: program for program in programs if program.busy and program.process.stdout is not None}
            readable, _, _ = select.select(list(busy), [], [], 0.2)
            now_s = time.monotonic()
            assert readable or now_s - began_s < seconds + ANSWER_S, f"no program has answered for {ANSWER_S:.0f} s\n{self.mount.log()}"
            for stream in readable:
                self.tally.add(busy[stream].answer())
                if now_s - began_s < seconds:
                    busy[stream].tell(str(PORTION))
            if now_s - changed_s >= CHANGE_S:
                self.others.change()
                changed_s = now_s
            if now_s - turned_s >= FAULT_S:
                self.others.turn()
                turned_s = now_s
            if now_s - sampled_s >= self._every_s:
                self._sample(watched, self.samples)
                sampled_s = now_s

    # ---- rest

    def _rest(self, watched: Watched, programs: list[Program]) -> None:
        self._come_to_rest(watched)
        self._put_back()
        for program in programs[:WORKERS]:
            program.tell("all")
            self.tally.add(program.answer())
        self._compare_shared()
        self._compare_server()
        self._count_requests()
        self.tally.rests += 1
        sample = self._fallen_back(watched)
        self.samples.append(sample)
        self.rests.append(sample)
        self._write(sample)
        self.types = [*self.types[:1], dict(watched.heap("types")["types"])]

    def _come_to_rest(self, watched: Watched) -> None:
        """No more faults; all that was done is on the server, and what others did is here."""
        self.others.calm()
        until_s = time.monotonic() + SETTLED_S
        while True:
            *_, left = control_client.ask(self.mount.state_dir, "drain", timeout_s=SETTLED_S)
            if left["waiting"] + left["deletions"] == []:
                break
            assert time.monotonic() < until_s, f"still to be sent after {SETTLED_S:.0f} s: {left}"
            assert runs(watched.process.pid), self.mount.log()
        self._refreshed()

    def _refreshed(self) -> None:
        """A listing, and another one: the first may have begun before the last change."""
        for _ in range(2):
            self.mount.refresh()

    def _put_back(self) -> None:
        """Names that the programs don't know: the older of two, or removed ones that came back. By the rule for lost answers they may be there,
        if the log tells of each; they are counted and removed.
        """
        told = self.mount.log()
        for number in range(WORKERS):
            shadow, folder = self._shadows / f"w{number}", self.mount.path / f"w{number}"
            expected = {entry.name for entry in shadow.iterdir()}
            for entry in list(folder.iterdir()):
                if entry.name in expected:
                    continue
                # A folder is there for what is in it: a file that came back.
                for path in [below for below in entry.rglob("*") if below.is_file()] or [entry]:
                    if path.name not in told and (name := _of_two(path)) not in told:
                        self.tally.unexplained.append(f"{path.relative_to(self.mount.path)} is there, and nothing tells why: {name}")
                    self.tally.twice += 1
                if entry.is_dir():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
        shown = [path for path in (self.mount.path / SHARED).iterdir() if " (" in path.name]
        assert not shown, f"two of one name of others: {shown}"
        *_, left = control_client.ask(self.mount.state_dir, "drain", timeout_s=SETTLED_S)
        assert left["waiting"] + left["deletions"] == [], left

    def _compare_shared(self) -> None:
        """The mount shows what others have left, whole."""
        expected = Counter(file["filename"].partition("／")[2] for file in self._emulator.files() if file["filename"].startswith(f"{SHARED}／"))
        found = Counter(path.name for path in (self.mount.path / SHARED).iterdir())
        if found != expected:
            self.tally.wrong.append(f"shared: here only {sorted(found - expected)}, there only {sorted(expected - found)}")
        for name in found & expected:
            content = (self.mount.path / SHARED / name).read_bytes()
            self.tally.bytes_verified += len(content)
            if (wrong := wrong_in(name, content)) is not None:
                self.tally.wrong.append(f"shared/{wrong}")

    def _compare_server(self) -> None:
        """The server has each file of the shadows, with its content, once. Empty ones and helper files may not be there."""
        expected = Counter((f"{shadow.name}／{path.name}", hashlib.sha256(path.read_bytes()).hexdigest())
                           for shadow in self._shadows.iterdir() for path in shadow.iterdir())
        found = Counter((file["filename"], file["sha256"]) for file in self._emulator.files() if not file["filename"].startswith(f"{SHARED}／"))
        self.tally.lost += [f"{name} is not on the server" for name, _ in (expected - found).elements()]
        self.tally.wrong += [f"the server has {name}, which isn't ours" for name, _ in (found - expected).elements()]

    def _count_requests(self) -> None:
        self.tally.requests += len(self._emulator.requests())
        self._emulator.forget_requests()

    # ---- samples

    def _fallen_back(self, watched: Watched) -> Sample:
        """A sample once what idles has ended, or the bound for that has passed: then the difference is for the judge."""
        until_s = time.monotonic() + FALLBACK_S
        while True:
            sample = watched.sample(at_rest=True)
            fallen = not self.base or all(sample[name] <= self.base[name] + BOUNDS[name] for name in BACK)
            if fallen or time.monotonic() >= until_s:
                return sample
            time.sleep(0.5)     # nobody tells of another process's pools

    def _sample(self, watched: Watched, into: list[Sample]) -> None:
        into.append(watched.sample())
        self._write(into[-1])

    def _write(self, sample: Sample) -> None:
        """Samples of all runs stay, so that a year of them can be looked at."""
        with (self._base / "samples.jsonl").open("a") as file:
            file.write(json.dumps({**sample, "seed": self._seed}) + "\n")


def _of_two(path: Path) -> str:
    """The name that `stem (file id).ext` stands for."""
    return re.sub(r" \(file_[^)]*\)", "", path.name)
