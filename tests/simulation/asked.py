"""A request as the service gets it, and as it is remembered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from tests.simulation.shapes import betas_of, shape_of

OPERATIONS: Final = {("POST", 2): "upload", ("GET", 2): "list", ("GET", 3): "metadata", ("DELETE", 3): "delete", ("GET", 4): "download"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, once all of it is here."""

    who: str
    method: str
    target: str                                 # path and query, as sent
    headers: Sequence[tuple[str, str]]          # names in lower case
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return next((value for each, value in self.headers if each == name), None)

    def betas(self) -> frozenset[str]:
        return betas_of([value for name, value in self.headers if name == "anthropic-beta"])

    def shape(self) -> str:
        return shape_of(self.betas())


@dataclass(slots=True)
class Logged:
    """One request, as it is remembered."""

    at_ns: int
    who: str
    operation: str
    subject: str            # the name of an upload, the id of others; a list's cursor
    status: int = 0         # as its sender was told; 0: nothing was told


@dataclass(frozen=True, slots=True)
class Twist:
    """How a request is done otherwise than it should be."""

    view_us: int | None = None          # a list comes as it was then
    stored_bytes: int | None = None     # so many of an upload's bytes arrive
    honest: bool = True                 # and the answer says so


PLAIN: Final = Twist()

def operation_of(method: str, target: str) -> tuple[str, str]:
    """Which one it is, and the id that it is about."""
    path = target.partition("?")[0].split("/")[1:]
    if path[:2] == ["v1", "files"] and (len(path) < 4 or path[3:] == ["content"]):
        return OPERATIONS.get((method, len(path)), "other"), unquote(path[2]) if len(path) > 2 else ""
    if method == "GET" and path[:2] == ["v1", "sessions"] and len(path) == 3:
        return "session", unquote(path[2])
    return "other", ""
