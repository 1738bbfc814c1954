"""The three shapes of answers: which one a request gets, what it may ask, and how files and lists look in it.

Owns    the choice by `anthropic-beta`, the parameters of a list, the spelling of page cursors, the JSON of answers.
Trusts  stored files; nothing of a query.
Never   reads the store: it turns values into values.
"""

from __future__ import annotations

import base64
import binascii
import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from .model import SECOND_US, Position, StoredFile, rfc3339
from .rules import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .switches import Switches

FILES_BETA = "files-api-2025-04-14"
AGENTS_BETA = "managed-agents-2026-04-01"
DEFAULT_LIMIT = 20
MAX_LIMIT = 1000
MAX_IDS = 100
STEPS_US = {"microseconds": 1, "milliseconds": 1000, "seconds": SECOND_US}


class Shape(enum.Enum):
    BETA = "beta"
    GA = "ga"
    AGENTS = "agents"


#: The cursors each shape knows; any other one gets a 400.
CURSORS = {
    Shape.BETA: {"after_id", "before_id"},
    Shape.GA: {"page", "ids"},
    Shape.AGENTS: {"after_id", "before_id", "page", "ids"},
}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """At most one of the cursors is given."""

    limit: int = DEFAULT_LIMIT
    after_id: str | None = None
    before_id: str | None = None
    page: str | None = None
    ids: tuple[str, ...] | None = None
    scope_id: str | None = None


def betas_of(headers: Iterable[str]) -> frozenset[str]:
    """The beta names of all `anthropic-beta` headers; each may be a comma-separated list."""
    return frozenset(name.strip() for header in headers for name in header.split(",") if name.strip())


def shape_of(betas: frozenset[str]) -> Shape:
    if FILES_BETA in betas:
        return Shape.BETA
    return Shape.AGENTS if AGENTS_BETA in betas else Shape.GA


def list_query(parameters: Sequence[tuple[str, str]], betas: frozenset[str]) -> ListQuery:
    """A list request's question. Unknown parameters are ignored. Raises ApiError(400)."""
    single = dict(parameters)
    ids = tuple(dict.fromkeys(value for name, value in parameters if name in ("ids", "ids[]")))
    shape = shape_of(betas)
    given = {name for name in ("after_id", "before_id", "page") if name in single} | ({"ids"} if ids else set())
    for name in sorted(given - CURSORS[shape]):
        raise ApiError(400, f"{name}: not supported by this version of the API")
    if len(given) > 1:
        raise ApiError(400, f"{' and '.join(sorted(given))} can't be combined")
    if ids and "limit" in single:
        raise ApiError(400, "ids and limit can't be combined")
    if len(ids) > MAX_IDS:
        raise ApiError(400, f"ids: {len(ids)} are too many, at most {MAX_IDS} are allowed")
    if "scope_id" in single and AGENTS_BETA not in betas:
        raise ApiError(400, f"scope_id: needs the header anthropic-beta: {AGENTS_BETA}")
    return ListQuery(
        limit=_limit_of(single.get("limit")),
        after_id=single.get("after_id"), before_id=single.get("before_id"), page=single.get("page"),
        ids=ids or None, scope_id=single.get("scope_id"),
    )


def page_of(position: Position) -> str:
    text = f"{position.created_us}:{position.file_id}"
    return "page_" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_of(page: str) -> Position | None:
    """The place that a cursor names; None if nobody here made this cursor."""
    encoded = page.removeprefix("page_")
    try:
        text = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
    match = re.fullmatch(r"([0-9]{1,18}):(\w+)", text)
    return Position(int(match[1]), match[2]) if match and page.startswith("page_") else None


class Looks(TypedDict):
    """The looks of answers, besides their shape."""

    extra_fields: bool
    step_us: int


def looks_of(switches: Switches) -> Looks:
    return {"extra_fields": switches.extra_fields, "step_us": STEPS_US[switches.time_resolution]}


def file_json(file: StoredFile, shape: Shape, *, extra_fields: bool, step_us: int = 1) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": "file", "id": file.file_id, "size_bytes": file.size_bytes,
        "created_at": rfc3339(_whole(file.created_us, step_us)),
        "filename": file.filename, "mime_type": file.mime_type, "downloadable": file.downloadable,
    }
    if shape is not Shape.BETA:
        body["expires_at"] = None if file.expires_us is None else rfc3339(_whole(file.expires_us, step_us))
        if file.scope_id is not None:
            body["scope"] = {"id": file.scope_id, "type": "session"}
    if extra_fields:
        body["later_invention"] = {"nested": [1, None]}
    return body


def list_json(files: Sequence[StoredFile], shape: Shape, *, more: bool, next_position: Position | None,
              extra_fields: bool, step_us: int) -> dict[str, Any]:
    """`more`: in the direction that was asked; `next_position`: where the following page begins, if there is one."""
    body: dict[str, Any] = {"data": [file_json(file, shape, extra_fields=extra_fields, step_us=step_us)
                                     for file in files]}
    if shape is not Shape.GA:
        body["has_more"] = more
        body["first_id"] = files[0].file_id if files else None
        body["last_id"] = files[-1].file_id if files else None
    if shape is not Shape.BETA:
        body["next_page"] = None if next_position is None else page_of(next_position)
    if extra_fields:
        body["later_invention"] = "of a list"
    return body


def foreign_list_json(files: Sequence[StoredFile], way: str) -> dict[str, Any]:
    """A page as a gateway shows it that speaks OpenAI's files API; `bare` is all that LiteLLM leaves of it."""
    data = [{"id": file.file_id, "object": "file", "bytes": file.size_bytes, "created_at": file.created_us // SECOND_US,
             "filename": file.filename, "purpose": "user_data", "status": "processed"} for file in files]
    if way == "bare":
        return {"data": data}
    return {"object": "list", "data": data, "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None, "has_more": False}


def _whole(time_us: int, step_us: int) -> int:
    return time_us - time_us % step_us


def _limit_of(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise ApiError(400, f"limit: {text[:40]!r} is not between 1 and {MAX_LIMIT}")
    return int(text)
