"""Rounds on one mount: others work on it while service and disk have their mishaps, it is ended badly, mounted again, and compared.

Owns    a host and its actors; what was counted.
"""

import os
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final

from tests.torture.actors import Actor, Caller, Databases, Programs, Reader
from tests.torture.checks import Checks, Findings
from tests.torture.faults import script
from tests.torture.host import Host

# Steps of the disk, and of an upload's life, at which a mount is ended.
DISK: Final = ("stage:data", "stage:dir", "kept:link", "kept:dir", "kept:map", "kept:new", "staging:remove", "rename:link", "rename:dir")
LIFE: Final = ("step:SEND", "step:STORED", "step:LOST", "step:TRY_LATER", "step:FOUND", "step:ABSENT")
WORK_S: Final = 1.2             # at most, from when the end is told until it has to come
QUIET_S: Final = 0.5
SETTLE_EVERY: Final = 3         # rounds: what a kill has left meets the next kill


class Worker:
    """`rounds` until the time is over; what goes wrong is in `found`, and ends them."""

    def __init__(self, base: Path, seed: str, *, small: bool) -> None:
        self.found = Findings()
        self.ends: Counter[str] = Counter()     # kills and losses of power, by where
        self.faults: Counter[int] = Counter()   # rounds by percent
        self.rounds = 0
        self.met = 0                            # mishaps of the service
        self.longest_stat_s = 0.0               # while the service was silent
        self.error: BaseException | None = None
        self.actors: list[Actor] = []
        self._base = base
        self._seed = seed
        self._small = small
        self._chance = random.Random(seed)

    def run(self, until_s: float, most_rounds: int) -> None:
        """In a thread of its own."""
        try:
            with Host(self._base, small=self._small) as host:
                self.actors = [kind(host.files, self._base / "out", folder, f"{self._seed} {folder}")
                               for kind, folder in ((Caller, "a"), (Programs, "b"), (Databases, "c"), (Reader, "r")) if not (self._small and folder == "c")]
                for actor in self.actors:
                    if isinstance(actor, Reader):
                        for name, content in actor.contents.items():
                            host.emulator.generate(name, content)
                checks = Checks(host, self.actors, self.found)
                while time.monotonic() < until_s and self.rounds < most_rounds and not self.found.lost + self.found.wrong:
                    self._round(host, checks)
                self._last(host, checks)
        except BaseException as exc:
            self.error = exc

    def _round(self, host: Host, checks: Checks) -> None:
        chance, forgets = self._chance, not self._small and self._chance.random() < 0.5
        waits = chance.random() < 0.4
        options = ("--upload", "wait" if waits else "queue", "--refresh", chance.choice(("0.2", "10")), "--cache-size", chance.choice(("0", "1M", "10G")))
        host.start(*options, forgets=forgets)
        checks.shown_is_true()
        if self.rounds % SETTLE_EVERY == SETTLE_EVERY - 1:
            checks.server_is_true()
            self.found.wrong += host.umount()
            host.start(*options, forgets=forgets)
        if self.found.lost + self.found.wrong:
            return
        for actor in self.actors:
            actor.begin()
            actor.waits = waits
            actor.truth.heading(f"round {self.rounds + 1} on a mount with {' '.join(options)}{', a forgetting disk' if forgets else ''}")
        percent = chance.choice((0, 0, 10, 30, 60))
        self.faults[percent] += 1
        mishaps = script(chance, percent)
        host.emulator.client.post("/_emulator/faults", json=mishaps)
        where = self._work(host, forgets=forgets, calm=percent == 0 and not waits)
        self.met += len(mishaps) - len(host.emulator.faults())
        host.emulator.clear_faults()
        self.rounds += 1
        for actor in self.actors:
            actor.truth.heading(f"round {self.rounds} ended: {where}")
        checks.server_has_what_was_waited_for()

    def _work(self, host: Host, *, forgets: bool, calm: bool) -> str:
        """Until it has ended; returns where."""
        chance, over = self._chance, threading.Event()
        mishap = chance.random()
        if mishap < 0.15:
            host.tell(slow_s=chance.choice((0.02, 0.1)))
        fills = self._small and mishap > 0.4
        for actor in self.actors:
            actor.full = fills
        threads = [threading.Thread(target=self._acts, args=(actor, over)) for actor in self.actors]
        for thread in threads:
            thread.start()
        if calm and mishap > 0.6:
            self._look_while_silent(host)
        if fills:
            time.sleep(chance.random() * 0.3)
            host.fill()
        where = self._tell_the_end(host, forgets=forgets)
        if not host.wait_for_end(WORK_S):
            where = "kill at random"
            host.kill()
        over.set()
        for thread in threads:      # before that nobody may find another directory in the mount's place
            thread.join()
        for actor in self.actors:
            actor.end()
        lost = host.detach()
        where = where if lost or where.startswith("kill") else "kill at random"
        self.ends[where] += 1
        if self._small:
            host.empty()
        return where

    def _tell_the_end(self, host: Host, *, forgets: bool) -> str:
        chance = self._chance
        label, times = chance.choice(DISK + LIFE + (("commit",) * 4 if forgets else ())) + chance.choice(("", "+")), chance.randint(1, 6)
        if chance.random() < 0.4:
            time.sleep(chance.random() * WORK_S)
            label = ""
        if forgets and chance.random() < 0.7:
            host.end_power(chance.choice(("all", "random")), label, times)
            return f"power at {label or 'random'}"
        host.tell(end="kill", label=label, times=times)
        return f"kill at {label or 'random'}"

    @staticmethod
    def _acts(actor: Actor, over: threading.Event) -> None:
        while not over.is_set():
            actor.act()

    def _look_while_silent(self, host: Host) -> None:
        """How long a stat takes while the service says nothing."""
        paths = [host.files, *(host.files / actor.folder for actor in self.actors), *(host.files / "a" / name for name in Caller.NAMES)]
        with host.silent():
            until_s = time.monotonic() + QUIET_S
            while time.monotonic() < until_s:
                for path in paths:
                    began_s = time.monotonic()
                    os.path.exists(path)
                    self.longest_stat_s = max(self.longest_stat_s, time.monotonic() - began_s)

    def _last(self, host: Host, checks: Checks) -> None:
        if self.found.lost + self.found.wrong:
            return
        host.start("--upload", "queue", forgets=False)
        checks.shown_is_true()
        checks.server_is_true()
        self.found.wrong += host.umount()
