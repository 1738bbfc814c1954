"""Scripted faults as data: which request meets which mishap, how often.

Owns    the script and what is left of it; the kinds of mishaps and their parameters.
Trusts  nothing that is posted: a script with one bad entry is refused whole.
Never   does I/O; used on the event loop only, so it needs no lock.
"""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Final, get_type_hints

from .rules import ACCOUNT, GATEWAY

OPERATIONS = ("upload", "list", "download", "metadata", "delete", "token", "session")
FOREVER = -1


class BadScript(ValueError):
    """The script can't be used; its words say why."""


@dataclass(frozen=True, slots=True)
class Status:
    """Answered instead of the operation, in the API's error envelope."""

    status: int
    error_type: str | None = None
    message: str = "scripted"
    error_code: str | None = None
    retry_after: str | int | None = None
    retry_after_ms: int | None = None
    should_retry: bool | None = None
    gzip: bool = False          # the body comes compressed, though nobody asked for that


@dataclass(frozen=True, slots=True)
class Html:
    """A proxy's page, instead of the operation; with spaces behind it up to so many bytes, and chunked, if it is to be.
    """

    status: int = 502
    bytes: int = 0
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """The service answers with what it says of the key or the account, by its name in rules.ACCOUNT, instead of the
    operation.
    """

    answer: str


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway, a proxy or a login page answers in its own form, instead of the operation."""

    status: int
    form: str = "html"
    retry_after: str | int | None = None
    should_retry: bool | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """Another address, instead of the operation; `{path}` in it stands for the path and query that were asked for."""

    status: int
    location: str
    quiet: bool = False         # without the headers of the service, as a proxy


@dataclass(frozen=True, slots=True)
class RawJson:
    """Any JSON with any status, instead of the operation."""

    body: Any
    status: int = 200


@dataclass(frozen=True, slots=True)
class GarbageJson:
    """200 with a JSON content type and a body that ends in the middle, instead of the operation."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends without an answer: before the upload's bytes are read, before the effect, or after it."""

    when: str = "before_commit"


@dataclass(frozen=True, slots=True)
class LateCommit:
    """The connection ends now, or a proxy answers with a page of that status; the effect comes later."""

    seconds: float
    status: int = 200           # of the page; 200: there is none


@dataclass(frozen=True, slots=True)
class StoredLate:
    """The effect comes later, whether or not the client waits for it, and then the answer."""

    seconds: float


@dataclass(frozen=True, slots=True)
class StatusAfterCommit:
    """The effect happens, the answer is an error."""

    status: int


@dataclass(frozen=True, slots=True)
class Delay:
    """The effect at once, the answer late."""

    seconds: float


@dataclass(frozen=True, slots=True)
class CutBody:
    """The connection ends after so many bytes: of the answer's body, or of an upload's request."""

    after_bytes: int


@dataclass(frozen=True, slots=True)
class StoredShort:
    """Only so many bytes of an upload arrive, as if that were all. The answer says so; or it says what was sent, and
    only listings tell.
    """

    bytes: int
    honest: bool = True


@dataclass(frozen=True, slots=True)
class ShortBody:
    """The answer's body ends cleanly after so many bytes: chunked, or as its Content-Length says."""

    after_bytes: int
    length: bool = False


@dataclass(frozen=True, slots=True)
class Encoded:
    """The answer says that its body is gzip: which is true, or isn't."""

    packed: bool


@dataclass(frozen=True, slots=True)
class SlowBody:
    """Bytes trickle: of the answer's body, or of an upload's request."""

    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing moves for a while once so many bytes have: of the answer's body, or of an upload's request."""

    seconds: float
    after_bytes: int = 0


Action = (Status | Html | Account | Gateway | Redirect | RawJson | GarbageJson | Cut | LateCommit | StoredLate
          | StatusAfterCommit | Delay
          | CutBody | StoredShort | ShortBody | Encoded | SlowBody | Stall)

KINDS: Final[dict[str, type[Action]]] = {
    "status": Status, "html": Html, "account": Account, "gateway": Gateway, "redirect": Redirect, "raw_json": RawJson,
    "garbage_json": GarbageJson, "cut": Cut, "late_commit": LateCommit, "stored_late": StoredLate,
    "status_after_commit": StatusAfterCommit, "delay": Delay, "cut_body": CutBody,
    "stored_short": StoredShort, "short_body": ShortBody, "encoded": Encoded, "slow_body": SlowBody, "stall": Stall,
}
# Texts that a parameter can have.
CHOICES: Final = {"when": ("before_body", "before_commit", "after_commit"), "answer": tuple(ACCOUNT),
                  "form": tuple(GATEWAY)}


@dataclass(slots=True)
class Fault:
    operation: str              # one of OPERATIONS, or any
    filename: str | None        # exactly this one; None: every
    file_id: str | None
    action: Action
    times: int                  # left; FOREVER
    skip: int                   # matching requests that are spared first

    def matches(self, operation: str, filename: str | None, file_id: str | None) -> bool:
        return (self.times != 0 and self.operation in ("any", operation)
                and self.filename in (None, filename) and self.file_id in (None, file_id))

    def as_json(self) -> dict[str, Any]:
        kind = next(name for name, each in KINDS.items() if isinstance(self.action, each))
        match = {"operation": self.operation, "filename": self.filename, "file_id": self.file_id}
        return {"match": {name: value for name, value in match.items() if value is not None},
                "times": self.times, "skip": self.skip, "action": {"kind": kind, **asdict(self.action)}}


class Faults:
    def __init__(self) -> None:
        self._script: list[Fault] = []          # in the order of posting; the first match is taken

    def add(self, script: object) -> None:
        if not isinstance(script, list):
            raise BadScript("a JSON list of faults is expected")
        self._script += [_fault_of(entry) for entry in script]

    def clear(self) -> None:
        self._script.clear()

    def as_json(self) -> list[dict[str, Any]]:
        return [fault.as_json() for fault in self._script if fault.times != 0]

    def take(self, operation: str, filename: str | None, file_id: str | None) -> Action | None:
        """Counts this request, and tells what happens to it."""
        for fault in self._script:
            if not fault.matches(operation, filename, file_id):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times != FOREVER:
                fault.times -= 1
            return fault.action
        return None


def _fault_of(entry: object) -> Fault:
    if not isinstance(entry, dict) or not set(entry) <= {"match", "times", "skip", "action"}:
        raise BadScript(f"a fault has match, times, skip and action, not {entry!r}")
    match = entry.get("match", {})
    if not isinstance(match, dict) or not set(match) <= {"operation", "filename", "file_id"}:
        raise BadScript(f"match has operation, filename and file_id, not {match!r}")
    operation = match.get("operation", "any")
    if operation not in (*OPERATIONS, "any"):
        raise BadScript(f"operation is any or one of {', '.join(OPERATIONS)}, not {operation!r}")
    times, skip = entry.get("times", 1), entry.get("skip", 0)
    if type(times) is not int or times < FOREVER or type(skip) is not int or skip < 0:
        raise BadScript(f"times is a number, or {FOREVER} for ever, and skip 0 or more; not {times!r} and {skip!r}")
    return Fault(operation, match.get("filename"), match.get("file_id"), _action_of(entry.get("action")), times, skip)


def _action_of(entry: object) -> Action:
    if not isinstance(entry, dict) or entry.get("kind") not in KINDS:
        raise BadScript(f"an action has a kind, one of {', '.join(KINDS)}; not {entry!r}")
    parameters = {name: value for name, value in entry.items() if name != "kind"}
    kind = KINDS[entry["kind"]]
    hints = get_type_hints(kind)
    for name, value in parameters.items():
        if name not in hints:
            raise BadScript(f"{entry['kind']} has no parameter {name!r}")
        wanted = hints[name]
        if wanted is not Any and not isinstance(value, (int, float) if wanted is float else wanted):
            raise BadScript(f"{name} of {entry['kind']} can't be {value!r}")
    for each in fields(kind):
        if each.default is MISSING and each.name not in parameters:
            raise BadScript(f"{entry['kind']} needs {each.name}")
    for name in CHOICES.keys() & parameters.keys():
        if parameters[name] not in CHOICES[name]:
            raise BadScript(f"{name} is one of {', '.join(CHOICES[name])}")
    if not 200 <= parameters.get("status", 200) <= 599:
        raise BadScript("status is a number from 200 to 599")
    return kind(**parameters)
