"""A stored file as a value, and the spelling of times and ids.

Owns    StoredFile, Position and the formats of ids and times.
Trusts  its callers: values were checked before they became one of these.
Never   touches disk, clock or network.
"""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
SECOND_US = 1_000_000
LISTED_AFTER_EXPIRY_US = 30 * 24 * 3600 * SECOND_US


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a listing, meaningful in every order and also after its file is gone."""

    created_us: int
    file_id: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    file_id: str
    created_us: int             # unique: it is the order of listings
    filename: str
    mime_type: str
    size_bytes: int
    sha256: str                 # of the stored bytes, in hex
    content: str                # name of the bytes on disk; generated bulk files share one
    downloadable: bool
    scope_id: str | None        # the agent session that made it
    expires_us: int | None

    @property
    def position(self) -> Position:
        return Position(self.created_us, self.file_id)

    def expired(self, now_us: int) -> bool:
        return self.expires_us is not None and self.expires_us <= now_us

    def forgotten(self, now_us: int) -> bool:
        """Expired so long ago that not even its metadata is left."""
        return self.expires_us is not None and self.expires_us + LISTED_AFTER_EXPIRY_US <= now_us


def now_us() -> int:
    return time.time_ns() // 1000


def new_id(prefix: str) -> str:
    """Like file_011CdeLUpakHYCG43qGLsdXo: 116 random bits after a constant."""
    number = int.from_bytes(os.urandom(16))
    digits = []
    for _ in range(20):
        number, digit = divmod(number, 58)
        digits.append(BASE58[digit])
    return f"{prefix}_011C{''.join(digits)}"


def rfc3339(time_us: int) -> str:
    seconds, microseconds = divmod(time_us, SECOND_US)
    return f"{_second(seconds)}.{microseconds:06}Z"


@functools.lru_cache(maxsize=10_000)
def _second(seconds: int) -> str:
    # Kept, because files made in bulk share theirs: a page of 1000 takes 1 ms instead of 5.
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def us_of_rfc3339(text: str) -> int:
    """ValueError if it isn't a time; without an offset it is UTC."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = moment.replace(microsecond=0)
    # not timestamp() * 10**6: a float would lose microseconds
    return int(whole.timestamp()) * SECOND_US + moment.microsecond
