"""The way to the simulated service, in the place of httpx's connections: a transport on which no real time passes.

Every step of a request is a point at which others may go on: before it comes to the service, between that and its answer,
between the pieces of both bodies. The whole client runs on it as it is: httpx writes the form and reads the answer, and
the limits that it was given for its waits end them here, by the simulated clock. httpx itself takes the time for `elapsed`,
which nobody asks for, and for cookies, which nobody sets, and draws a form's boundary, which is always as long: no run depends
on them.

Owns    requests that are whole and haven't come to the service yet: of those that a kill leaves, some come and some don't.
Trusts  `pause`: the simulated thread goes on when that has returned.
Never   waits, sleeps, or reads a clock otherwise than through what it was given.
"""

import random
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

import httpx

from anthrofs.remote import wire
from tests.simulation.asked import Asked, Twist, operation_of
from tests.simulation.bodies import Flow, Line, Stream
from tests.simulation.faults import Fault, Faults
from tests.simulation.rules import Answer
from tests.simulation.service import Service
from tests.simulation.spoilt import instead_of, spoilt

ARRIVES_S: Final = 20.0         # so long after a kill what was under way may still come to the service
ELSEWHERE: Final = "elsewhere.test"     # another host, which has the contents; a redirect may lead there
STEP_S: Final = 0.001
MORE_PIECES: Final = 12         # of a request's body that may go out although it was answered already
TAKEN_BYTES: Final = 65536   # of a request, by the kernel at a time
FOREVER_S: Final = 3600.0       # for whoever has no limit
SURE: Final = Fault("any", "late")      # nothing happens


class Wire(httpx.BaseTransport):
    """One process's way to the service."""

    def __init__(self, service: Service, faults: Faults, who: str, pause: Callable[[float], None], now_s: Callable[[], float],
                 chance: random.Random, latency_s: tuple[float, float] = (0.1, 0.5)) -> None:
        self.service = service          # given
        self.faults = faults            # given
        self.who = who                  # constant
        self.pause = pause              # given: so many seconds pass for whoever calls; 0: only a point of choice
        self.now_s = now_s              # given
        self.chance = chance            # given
        self.latency_s = latency_s      # constant: from, to

        self._home = ""         # the service's host: the first one that was asked
        self._dead = False
        self._numbers = count()
        self._whole: dict[int, Callable[[], object]] = {}       # requests of which the service could have all by now

    @property
    def dead(self) -> bool:
        """The process was killed."""
        return self._dead

    @dead.setter
    def dead(self, dead: bool) -> None:
        self._dead = dead
        for effect in self._whole.values():
            if self.service.rules.abandoned_uploads == "store" and self.chance.random() < 0.5:
                self.service.later(self.chance.random() * ARRIVES_S, effect)
        self._whole.clear()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx.BaseTransport."""
        self._home = self._home or request.url.host
        if request.url.host not in (self._home, ELSEWHERE):
            self.hop(self.latency_s[0])
            raise httpx.ConnectError("there is no such host")
        return _Trip(self, request).there_and_back()

    def whole(self, effect: Callable[[], object]) -> int:
        """All of a request is out of the client's hands. Returns its number."""
        number = next(self._numbers)
        self._whole[number] = effect
        return number

    def arrived(self, number: int) -> None:
        """The service has it. Raises where the process was killed before that."""
        if self._whole.pop(number, None) is None:
            raise httpx.ConnectError("the process is dead")

    def hop(self, seconds: float = 0.0) -> None:
        """Others go on meanwhile. Raises where the process was killed then."""
        if self._dead:
            raise httpx.ConnectError("the process is dead")
        self.pause(seconds)
        if self._dead:
            raise httpx.ConnectError("the process is dead")


class _Trip:
    """One request, there and back."""

    def __init__(self, wire_: Wire, request: httpx.Request) -> None:
        self._wire = wire_              # given
        self._request = request         # given
        self._limits: dict[str, float | None] = request.extensions.get("timeout", {})      # constant
        target = request.url.raw_path.decode("ascii")
        self._operation, subject = operation_of(request.method, target)
        self._subject = subject or getattr(getattr(request.stream, "_stream", None), "name", "")
        self._asked = Asked(wire_.who, request.method, target,
                            [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.headers.raw])
        self._fault = SURE

    def there_and_back(self) -> httpx.Response:
        if self._wire.dead:
            raise httpx.ConnectError("the process is dead")
        entry = self._wire.service.begin(self._wire.who, self._operation, self._subject)
        self._fault = self._wire.faults.take(self._operation, self._subject) or SURE
        first_s, last_s = self._latencies()
        self._connect(first_s)
        early = self._send()
        answer = self._arrive() if early is None else early
        self._wire.hop()
        if self._fault.action == "late":
            last_s += self._fault.seconds
        self._await(last_s)
        entry.status = answer.status
        return self._response(answer)

    # ---- there

    def _latencies(self) -> tuple[float, float]:
        low_s, high_s = self._wire.latency_s
        whole_s = low_s + (high_s - low_s) * self._wire.chance.random()
        first = self._wire.chance.random()
        return whole_s * first, whole_s * (1 - first)

    def _connect(self, latency_s: float) -> None:
        limit_s = self._limits.get("connect")
        if self._fault.action == "unreachable":
            self._wire.hop(FOREVER_S if limit_s is None else limit_s)
            raise httpx.ConnectTimeout("timed out")
        if limit_s is not None and latency_s > limit_s:
            self._wire.hop(limit_s)
            raise httpx.ConnectTimeout("timed out")
        self._wire.hop(latency_s)
        if self._fault.action == "refuse":
            raise httpx.ConnectError("connection refused")

    def _send(self) -> Answer | None:
        """The request's body goes out. Returns an answer that came before its end."""
        line = Line()
        carries = wire.CARRIES.get()
        if carries is not None:
            carries(line)
        assert isinstance(self._request.stream, httpx.SyncByteStream)
        early = None if self._request.url.host == ELSEWHERE else self._wire.service.turned_away(self._asked)
        cut_after = self._cut_after()
        patience = self._wire.chance.randrange(MORE_PIECES) if early is not None else -1     # pieces that are sent nevertheless
        pieces, sent_bytes = list[bytes](), 0
        for number, piece in enumerate(self._pieces(self._request.stream)):
            if carries is not None:
                carries(line)
            if number == patience:
                return early
            line.given += len(piece)
            if self._fault.action == "dead":
                line.left += len(piece)
                continue
            if cut_after is not None and sent_bytes + len(piece) > cut_after:
                line.left = len(piece)
                self._wire.hop()
                raise httpx.WriteError("connection reset")
            line.left = len(piece)
            self._write(len(piece), sent_bytes)
            line.left = 0
            pieces.append(piece)
            sent_bytes += len(piece)
        if self._fault.action == "dead":
            self._wire.hop(wire.DEAD_S + self._wire.chance.random() * wire.LOOK_S)
            raise httpx.ReadError("the other side is there no more")
        self._asked = Asked(self._asked.who, self._asked.method, self._asked.target, self._asked.headers, b"".join(pieces))
        return early

    @staticmethod
    def _pieces(stream: httpx.SyncByteStream) -> Iterator[bytes]:
        """As the kernel takes them."""
        return (piece[start:start + TAKEN_BYTES] for piece in stream for start in range(0, len(piece), TAKEN_BYTES))

    def _cut_after(self) -> int | None:
        if self._fault.action != "cut_early":
            return None
        length = int(self._asked.header("content-length") or 0)
        return min(self._fault.after_bytes, length - 1) if self._fault.after_bytes else self._wire.chance.randrange(max(1, length))

    def _write(self, size_bytes: int, sent_bytes: int) -> None:
        limit_s, needed_s = self._limits.get("write"), 0.0
        if self._fault.action == "slow":
            needed_s = size_bytes / self._fault.bytes_per_s
        elif self._fault.action == "held" and sent_bytes <= self._fault.after_bytes < sent_bytes + size_bytes:
            needed_s = self._fault.seconds
        if limit_s is not None and needed_s > limit_s:
            self._wire.hop(limit_s)
            raise httpx.WriteTimeout("timed out")
        self._wire.hop(needed_s)

    # ---- at the service

    def _arrive(self) -> Answer:
        """The request is whole. Returns the answer that sets out on its way back."""
        wire_, fault, service = self._wire, self._fault, self._wire.service
        number = wire_.whole(self._effect)
        wire_.hop()
        wire_.arrived(number)
        match fault.action:
            case "cut" | "cut_early":
                raise httpx.ReadError("connection reset")
            case "lost":
                self._effect()
                wire_.hop()
                raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
            case "later":
                service.later(fault.seconds, self._effect)
                if not fault.status:
                    raise httpx.ReadError("connection reset")
                return service.sealed(instead_of(fault, self._asked.target, "later"), self._asked)
            case "queued":
                answers = list[Answer]()
                service.later(fault.seconds, lambda: answers.append(self._effect()))
                self._await(fault.seconds)
                service.settle()
                while not answers:      # a clock that goes in other steps
                    wire_.hop(STEP_S)
                    service.settle()
                return answers[0]
            case "twice":
                self._effect()
                wire_.hop()
                return self._effect()
            case "silent":
                if fault.stored:
                    self._effect()
                self._await(FOREVER_S * 24)
                raise httpx.ReadError("connection reset")
            case "status" | "account" | "page" | "redirect" | "nonsense":
                if fault.stored:
                    self._effect()
                return service.sealed(instead_of(fault, self._asked.target, f"req_{number:020}"), self._asked)
            case _:
                return self._effect()

    def _effect(self) -> Answer:
        service, fault = self._wire.service, self._fault
        if self._request.url.host == ELSEWHERE:
            return service.answer_elsewhere(self._asked)
        if fault.action == "cached" and self._operation == "list":
            answer = service.answer(self._asked, Twist(view_us=service.now_us() - round(fault.seconds * 10**6)))
            answer.headers.append(("age", str(round(fault.seconds))))
            return answer
        if fault.action == "stored_short" and self._operation == "upload":
            return service.answer(self._asked, Twist(stored_bytes=fault.after_bytes, honest=fault.honest))
        return service.answer(self._asked)

    # ---- back

    def _await(self, seconds: float) -> None:
        """The answer's first byte comes after that."""
        limit_s = self._limits.get("read")
        if limit_s is not None and seconds > limit_s:
            self._wire.hop(limit_s)
            raise httpx.ReadTimeout("timed out")
        self._wire.hop(seconds)

    def _response(self, answer: Answer) -> httpx.Response:
        flow = Flow(answer.body, self._limits.get("read"))
        spoilt(self._fault, self._operation, answer, flow)
        stream = Stream(self._wire, flow, in_pieces=self._operation == "download")
        return httpx.Response(answer.status, headers=answer.headers, stream=stream, extensions={"network_stream": stream})
