"""What comes from outside while programs work: files that others make, replace and remove, and a service and a way there with bad days.

Owns    the folder `shared` on the server, whose contents say which file and version they are; the emulator's faults and switches.
Trusts  the emulator.
"""

import random
from typing import Any, Final

from tests.emulator.process import EmulatorProcess

SHARED: Final = "shared"
MOST_FILES: Final = 25
MOST_BYTES: Final = 400_000
CHARS: Final = "0123456789abcdef"

# One at a time: operation, action, how often. All of them pass by themselves.
FAULTS: Final[list[tuple[str, dict[str, Any], int]]] = [
    ("upload", {"kind": "status", "status": 503}, 3),
    ("upload", {"kind": "status", "status": 529}, 2),
    ("upload", {"kind": "status", "status": 500}, 2),
    ("upload", {"kind": "status", "status": 429, "retry_after": 1}, 2),
    ("upload", {"kind": "cut", "when": "before_body"}, 2),
    ("upload", {"kind": "cut", "when": "before_commit"}, 2),
    ("upload", {"kind": "cut", "when": "after_commit"}, 2),
    ("upload", {"kind": "status_after_commit", "status": 500}, 1),
    ("upload", {"kind": "cut_body", "after_bytes": 1000}, 2),
    ("upload", {"kind": "stored_short", "bytes": 10}, 1),
    ("upload", {"kind": "delay", "seconds": 2}, 3),
    ("upload", {"kind": "slow_body", "bytes_per_s": 50_000}, 1),
    ("download", {"kind": "status", "status": 503}, 2),
    ("download", {"kind": "cut_body", "after_bytes": 5000}, 2),
    ("download", {"kind": "short_body", "after_bytes": 5000}, 1),
    ("download", {"kind": "html"}, 1),
    ("download", {"kind": "stall", "seconds": 2, "after_bytes": 1000}, 1),
    ("delete", {"kind": "status", "status": 503}, 3),
    ("delete", {"kind": "cut", "when": "after_commit"}, 2),
    ("delete", {"kind": "status", "status": 429, "retry_after": 1}, 1),
    ("list", {"kind": "status", "status": 503}, 2),
    ("list", {"kind": "cut_body", "after_bytes": 100}, 1),
    ("list", {"kind": "garbage_json"}, 1),
    ("any", {"kind": "status", "status": 429, "retry_after": 1}, 3),
    ("any", {"kind": "html", "status": 502}, 2),
]
WEATHER: Final[list[dict[str, Any]]] = [{"latency_ms": 30}, {"latency_ms": 150}, {"listing_lag_ms": 1500}, {"deletion_lag_ms": 1500}, {"bandwidth_bytes_per_s": 2_000_000},
                                        {"metadata_lag_ms": 1000}, {}, {}]
CALM: Final = {"latency_ms": 0, "listing_lag_ms": 0, "deletion_lag_ms": 0, "bandwidth_bytes_per_s": 0, "metadata_lag_ms": 0}


class Others:
    """Everybody else, and the weather."""

    def __init__(self, emulator: EmulatorProcess, chance: random.Random) -> None:
        self._emulator = emulator           # given
        self._chance = chance               # given
        self._version = chance.randrange(10**9)
        self.changes = 0
        self.faults = 0

    def change(self) -> None:
        """One file comes, is replaced, or goes."""
        there = [file for file in self._emulator.files() if file["filename"].startswith(f"{SHARED}／")]
        if not there or (len(there) < MOST_FILES and self._chance.random() < 0.6):
            self._make(f"{SHARED}／{self._chance.randrange(40)}.txt")
        elif self._chance.random() < 0.4:
            self._make(self._chance.choice(there)["filename"])
        else:
            self._emulator.vanish(self._chance.choice(there)["id"])
        self.changes += 1

    def _make(self, filename: str) -> None:
        self._version += 1
        for older in [file for file in self._emulator.files() if file["filename"] == filename]:
            self._emulator.vanish(older["id"])
        self._emulator.generate(filename, stamped(filename.partition("／")[2], self._version, self._chance.randint(0, MOST_BYTES)), "text/plain")

    def turn(self) -> None:
        """Another fault, and perhaps other weather."""
        operation, action, most = self._chance.choice(FAULTS)
        times = self._chance.randint(1, most)
        self._emulator.fault(operation, action, times=times)
        self.faults += times
        if self._chance.random() < 0.3:
            self._emulator.switch(**{**CALM, **self._chance.choice(WEATHER)})
        if self._chance.random() < 0.1:
            self._emulator.abort_connections()
            self.faults += 1

    def calm(self) -> None:
        """No faults, no weather."""
        self.faults -= sum(max(0, fault["times"]) for fault in self._emulator.faults())        # those that met nobody
        self._emulator.clear_faults()
        self._emulator.switch(**CALM)


def stamped(name: str, version: int, size: int) -> bytes:
    """A content that says whose it is, in each of its lines."""
    line = f"{name} version {version:010} "
    count = max(1, size // (len(line) + 12))
    return "".join(f"{line}{number:06}/{count:<4}\n" for number in range(count)).encode()


def wrong_in(name: str, content: bytes) -> str | None:
    """What isn't as it was stamped; None: nothing."""
    first = content.split(b"\n", 1)[0].decode(errors="replace")
    words = first.rsplit(maxsplit=3)
    count_words = words[-1].partition("/")[2] if len(words) == 4 else ""
    if words[:2] != [name, "version"] or not words[2].isdigit() or not count_words.isdigit():
        return f"{name}: begins with {first[:60]!r}"
    count = int(count_words)
    line = f"{name} version {words[2]} "
    expected = "".join(f"{line}{number:06}/{count:<4}\n" for number in range(count)).encode()
    return None if content == expected else f"{name}: {len(content)} bytes, mixed or cut, of version {words[2]} with {len(expected)}"
