"""From answers to facts that are printed; pure.

Trusts  nothing of an answer: what is missing or odd becomes a fact that says so.
Never   hands on a foreign file's name or content: a document that is pasted somewhere must not show them.
"""

import email.utils
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

import httpx

Facts = dict[str, Any]
WORDS_LIMIT: Final = 300
UNSURE: Final = "too few files to tell"
UNITS: Final = {0: "seconds", 3: "milliseconds", 6: "microseconds"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came over the wire. Times are the machine's, in seconds since the epoch."""

    status: int
    headers: httpx.Headers
    body: bytes
    sent_s: float
    came_s: float

    @property
    def fine(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """Empty when it isn't a JSON object."""
        try:
            found = httpx.Response(200, content=self.body).json()
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def files(self) -> list[dict[str, Any]]:
        """Of a listing; entries that aren't files are left out."""
        data = self.json().get("data")
        entries = data if isinstance(data, list) else []
        return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]

    def ids(self) -> list[str]:
        return [str(file["id"]) for file in self.files()]


def outcome(answer: Answer) -> Facts:
    """The status, and of a refusal what the service says about it."""
    if answer.fine:
        return {"status": answer.status}
    error = answer.json().get("error")
    if not isinstance(error, Mapping):
        return {"status": answer.status, "error": "not the service's own JSON"}
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, Mapping) else None
    facts = {"status": answer.status, "type": tame(error.get("type")), "message": tame(error.get("message"))}
    return facts if code is None else {**facts, "error_code": tame(code)}


def said(answer: Answer) -> str:
    """The same as one sentence."""
    facts = outcome(answer)
    return f"HTTP {answer.status}: {facts.get('message') or facts.get('error') or 'no words'} (request id {tame(answer.headers.get('request-id'))})"


def tame(text: object) -> str:
    """One line without control characters, for terminals."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+", " ", str(text))[:WORDS_LIMIT].strip()


def moment_s(text: object) -> float | None:
    """An RFC 3339 time in seconds since the epoch."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def date_s(text: str) -> float | None:
    """An HTTP date in seconds since the epoch."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def resolution(times: Sequence[str]) -> Facts:
    """How fine times are: trailing zeros that all of them have are no digits."""
    fractions = [match[1] if (match := re.search(r"\.(\d+)", text)) else "" for text in times]
    digits = max((len(fraction.rstrip("0")) for fraction in fractions), default=0)
    coarsest = next((unit for count, unit in UNITS.items() if digits <= count), "finer than microseconds")
    return {"unit": coarsest, "digits_used": digits, "digits_written": max(map(len, fractions), default=0)}


def order_of(files: Sequence[Mapping[str, Any]], mine: Sequence[str]) -> str:
    """Of a listing, by created_at; where that is the same, by our own uploads, which `mine` has newest first."""
    times = [moment_s(file.get("created_at")) or 0.0 for file in files]
    own = [mine.index(str(file["id"])) for file in files if file["id"] in mine]
    newest = all(first >= second for first, second in pairwise(times)) and own == sorted(own)
    oldest = all(first <= second for first, second in pairwise(times)) and own == sorted(own, reverse=True)
    if newest and oldest:
        return UNSURE
    return "newest_first" if newest else "oldest_first" if oldest else "neither"


def disposition(header: str | None) -> str | None:
    """Without the name in it, which is somebody's."""
    return None if header is None else re.sub(r"=[^;]*", "=…", tame(header))
