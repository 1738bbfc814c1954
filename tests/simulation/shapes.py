"""The three shapes of answers: what a list may be asked, and how files and pages look; pure."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from tests.simulation.rules import AGENTS_BETA, FILES_BETA, Refusal, Rules

BETA: Final = "beta"
GA: Final = "ga"
AGENTS: Final = "agents"
CURSORS: Final = {BETA: frozenset({"after_id", "before_id"}), GA: frozenset({"page", "ids"}),
                  AGENTS: frozenset({"after_id", "before_id", "page", "ids"})}
STEPS_US: Final = {"microseconds": 1, "milliseconds": 1000, "seconds": 1_000_000}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Stored:
    """A file, with its content."""

    file_id: str
    name: str
    mime_type: str
    content: bytes
    created_us: int             # unique: the order of listings
    recorded_us: int            # when it came, whatever created_us says
    downloadable: bool
    by: str                     # who sent or made it
    scope_id: str | None = None
    expires_us: int | None = None
    deleted_us: int | None = None
    deleted_by: str = ""
    listed_bytes: int | None = None     # what its description says of its size, where that isn't the truth

    @property
    def size_bytes(self) -> int:
        return len(self.content) if self.listed_bytes is None else self.listed_bytes


@dataclass(frozen=True, slots=True)
class Question:
    """Of a list; at most one of the cursors."""

    limit: int
    cursor: str         # its parameter's name; empty: none
    value: str
    ids: Sequence[str]
    scope_id: str | None


def shape_of(betas: frozenset[str]) -> str:
    if FILES_BETA in betas:
        return BETA
    return AGENTS if AGENTS_BETA in betas else GA


def betas_of(headers: Sequence[str]) -> frozenset[str]:
    return frozenset(name.strip() for header in headers for name in header.split(",") if name.strip())


def question_of(query: Sequence[tuple[str, str]], betas: frozenset[str]) -> Question:
    """Raises Refusal."""
    shape, given = shape_of(betas), dict(query)
    ids = list(dict.fromkeys(value for name, value in query if name in ("ids", "ids[]")))
    cursors = [name for name in ("after_id", "before_id", "page") if name in given] + (["ids"] if ids else [])
    if not CURSORS[shape].issuperset(cursors):
        raise Refusal(400, f"{', '.join(cursors)}: one of them isn't for this version of the API")
    if len(cursors) > 1 or (ids and "limit" in given):
        raise Refusal(400, f"{', '.join(cursors)}: not together, nor with a limit")
    if len(ids) > 100:
        raise Refusal(400, f"{len(ids)} ids are too many")
    if "scope_id" in given and AGENTS_BETA not in betas:
        raise Refusal(400, "scope_id: not for this version of the API")
    limit = given.get("limit", "20")
    if not re.fullmatch("[0-9]{1,9}", limit) or not 1 <= int(limit) <= 1000:
        raise Refusal(400, "limit: not from 1 to 1000")
    cursor = cursors[0] if cursors and not ids else ""
    return Question(int(limit), cursor, given.get(cursor, ""), ids, given.get("scope_id"))


def page_cursor_of(file: Stored) -> str:
    return "page_" + base64.b32encode(f"{file.created_us} {file.file_id}".encode()).decode().rstrip("=")


def place_of(page_cursor: str) -> tuple[int, str] | None:
    """The time and the id that a cursor of ours names; None: it isn't ours."""
    coded = page_cursor.removeprefix("page_")
    try:
        text = base64.b32decode(coded + "=" * (-len(coded) % 8)).decode()
    except (binascii.Error, ValueError):
        return None
    found = re.fullmatch(r"([0-9]{1,18}) (\w+)", text)
    return (int(found[1]), found[2]) if found and page_cursor.startswith("page_") else None


@lru_cache(maxsize=100_000)
def moment_of(time_us: int) -> str:
    return (EPOCH + timedelta(microseconds=time_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def file_json(file: Stored, shape: str, rules: Rules) -> dict[str, Any]:
    step_us = STEPS_US[rules.time_resolution]
    body: dict[str, Any] = {
        "type": "file", "id": file.file_id, "size_bytes": file.size_bytes,
        "created_at": moment_of(file.created_us // step_us * step_us),
        "filename": file.name, "mime_type": file.mime_type, "downloadable": file.downloadable,
    }
    if shape != BETA:
        body["expires_at"] = None if file.expires_us is None else moment_of(file.expires_us // step_us * step_us)
        if file.scope_id is not None:
            body["scope"] = {"id": file.scope_id, "type": "session"}
    if rules.extra_fields:
        body["something_new"] = [{"deep": None}, 1.5]
    return body


def list_json(files: Sequence[Stored], shape: str, rules: Rules, *, more: bool, beyond: bool) -> dict[str, Any]:
    """`more`: in the direction of the question; `beyond`: older ones follow the page, or may."""
    if rules.foreign_lists != "no":
        data = [{"id": file.file_id, "object": "file", "bytes": file.size_bytes, "created_at": file.created_us // 10**6,
                 "filename": file.name, "purpose": "user_data", "status": "processed"} for file in files]
        ends = {"first_id": files[0].file_id if files else None, "last_id": files[-1].file_id if files else None}
        return {"data": data} | ({"object": "list", "has_more": False, **ends} if rules.foreign_lists == "openai" else {})
    body: dict[str, Any] = {"data": [file_json(file, shape, rules) for file in files]}
    for entry in body["data"][:rules.unreadable_entries]:
        del entry["size_bytes"]
    if shape != GA:
        body |= {"has_more": more, "first_id": files[0].file_id if files else None, "last_id": files[-1].file_id if files else None}
    if shape != BETA:
        body["next_page"] = page_cursor_of(files[-1]) if files and beyond else None
    if rules.extra_fields:
        body["something_new"] = "of a list"
    return body
