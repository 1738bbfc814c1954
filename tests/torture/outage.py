"""How much a mount asks while the service is down, and how long a look takes then.

Owns    a host of its own.
"""

import os
import time
from pathlib import Path
from typing import Final

from tests.torture.host import Host

LOOK_S: Final = 0.1
SAVE_S: Final = 2.0


class Outage:
    """In a thread of its own: somebody looks all the time, and saves now and then; all of it is there in the end."""

    def __init__(self, base: Path, seconds: float) -> None:
        self.requests = 0
        self.longest_stat_s = 0.0
        self.wrong = list[str]()
        self.error: BaseException | None = None
        self.seconds = seconds
        self._base = base

    def run(self) -> None:
        try:
            with Host(self._base, small=False) as host:
                host.start("--upload", "queue", forgets=False)
                self._look(host)
        except BaseException as exc:
            self.error = exc

    def _look(self, host: Host) -> None:
        host.emulator.fault("any", {"kind": "status", "status": 503}, times=-1)
        host.emulator.forget_requests()
        saved, began_s = list[str](), time.monotonic()
        while (passed_s := time.monotonic() - began_s) < self.seconds:
            if passed_s > len(saved) * SAVE_S:
                saved.append(f"{len(saved)}.txt")
                (host.files / saved[-1]).write_text(saved[-1])
            for path in (host.files, *(host.files / name for name in saved)):
                before_s = time.monotonic()
                os.stat(path)
                self.longest_stat_s = max(self.longest_stat_s, time.monotonic() - before_s)
            os.listdir(host.files)
            time.sleep(LOOK_S)
        self.requests = len(host.emulator.requests())
        host.settle()
        names = sorted(file["filename"] for file in host.emulator.files())
        self.wrong += [] if names == sorted(saved) else [f"after the outage the server has {names}, and not {saved}"]
        self.wrong += host.umount()
