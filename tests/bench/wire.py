"""The proxy as a child process, and what it counted.

Owns    one child; it ends with our end of its standard input, whatever becomes of us.
Trusts  the child's first line: once it is printed, all doors are open.
"""

import json
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.gateways.running import await_end

ROOT: Final = Path(__file__).parents[2]
READY_S: Final = 20.0
STOP_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What went through one door so far; a difference is what a measurement cost."""

    connections: int
    requests: int
    bytes_up: int
    bytes_down: int

    def __sub__(self, before: Self) -> "Counts":
        return Counts(self.connections - before.connections, self.requests - before.requests,
                      self.bytes_up - before.bytes_up, self.bytes_down - before.bytes_down)


class Wire:
    """`with Wire(["127.0.0.1:8000"]) as wire: ... wire.url(0)`"""

    def __init__(self, targets: list[str], *, connect_ms: float = 50, answer_ms: float = 50) -> None:
        command = [sys.executable, "-m", "tests.bench.proxy", str(connect_ms), str(answer_ms), *targets]
        # A session of its own: Ctrl-C is for us, and we end the child when nobody needs it any more.
        self._process = subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._ports = self._answer()    # constant

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        await_end(self._process, STOP_S)
        self._process.stdout.close()

    def port(self, door: int) -> int:
        port: int = self._ports[door]
        return port

    def url(self, door: int) -> str:
        return f"http://127.0.0.1:{self.port(door)}"

    def limit(self, bytes_per_s: float) -> None:
        """Of all doors together, each way; 0: none."""
        self._ask({"bytes_per_s": bytes_per_s})

    def counts(self, door: int) -> Counts:
        return Counts(**self._ask({})[door])

    def _ask(self, line: dict[str, float]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], READY_S)
        line = self._process.stdout.readline() if readable else ""
        assert line, "the proxy doesn't answer"
        return json.loads(line)
