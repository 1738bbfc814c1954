"""A journal of what was asked: one entry a request of the Files API, never keys or contents.

Owns    the entries, in memory, the newest HISTORY of them.
Trusts  its callers to write an entry only while its request is under way.
Never   records admin requests.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

HISTORY = 200_000


@dataclass(slots=True)
class Entry:
    n: int                              # counts from 1, also after clearing
    operation: str
    method: str
    path: str
    query: str
    connection: int                     # counts accepted connections from 1
    started: float                      # seconds since 1970
    request_id: str
    status: int | None = None           # None: no answer began
    filename: str | None = None
    file_id: str | None = None
    bytes_in: int = 0                   # of the bodies, as they came and went
    bytes_out: int = 0
    key_hash: str | None = None
    workspace_id: str | None = None     # that the request named
    range: str | None = None            # that the request asked for, as it was sent
    authorization: str | None = None    # the scheme of that header: bearer, basic; None: there was none
    betas: str = ""                     # the header anthropic-beta
    header_names: tuple[str, ...] = ()  # all of the request's, in lower case, in order; their values may be secrets
    finished: float | None = None       # None: under way


class Journal:
    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=HISTORY)
        self._count = 0

    def begin(self, operation: str, *, method: str, path: str, query: str, connection: int, started: float,
              request_id: str) -> Entry:
        self._count += 1
        entry = Entry(self._count, operation, method, path, query, connection, started, request_id)
        self._entries.append(entry)
        return entry

    def clear(self) -> None:
        self._entries.clear()

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(entry) for entry in self._entries]
