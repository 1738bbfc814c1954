"""The operation behind /v1/messages, as far as files go: a request names them, and the answer says which came.

Trusts  nothing of a request.
Never   has a model: the answer's text is a list of the files.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from .rules import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from .exchange import Exchange
    from .model import StoredFile

BODY_LIMIT = 1 << 20
# Blocks of a message, and the types of the files that each takes. A container takes any.
TAKES: dict[str, tuple[str, ...]] = {
    "document": ("application/pdf", "text/plain"),
    "image": ("image/jpeg", "image/png", "image/gif", "image/webp"),
}


async def message(exchange: Exchange) -> ASGIApp:
    """The operation."""
    body = b""
    async for data in exchange.body():
        body += data[:BODY_LIMIT - len(body)]
    asked = _asked(body)
    named = list(_named(asked["messages"]))
    files = [await run_in_threadpool(partial(_file, exchange, kind, file_id)) for kind, file_id in named]
    came = (f"{file.filename}: {file.size_bytes} bytes of {file.mime_type}" for file in files)
    text = "\n".join(came) or "No file came."
    return JSONResponse({
        "id": "msg_emulated", "type": "message", "role": "assistant", "model": asked["model"],
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0}})


def _asked(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        raise ApiError(400, "The request body is not valid JSON")
    for field, kind in (("model", str), ("max_tokens", int), ("messages", list)):
        if not isinstance(asked.get(field), kind):
            raise ApiError(400, f"{field}: Field required")
    return asked


def _named(messages: list[Any]) -> Iterator[tuple[str, str]]:
    """Blocks that name a file, and its id."""
    for each in messages:
        content = each.get("content") if isinstance(each, dict) else None
        for block in content if isinstance(content, list) else ():
            source = block.get("source") if isinstance(block, dict) else None
            if isinstance(source, dict) and source.get("type") == "file":
                yield str(block.get("type")), str(source.get("file_id"))
            elif isinstance(block, dict) and block.get("type") == "container_upload":
                yield "container_upload", str(block.get("file_id"))


def _file(exchange: Exchange, kind: str, file_id: str) -> StoredFile:
    file = exchange.parts.store.get(file_id)
    if file is None:
        raise ApiError(404, f"File not found: {file_id}")
    if kind in TAKES and file.mime_type not in TAKES[kind]:
        raise ApiError(400, f"A {kind} block takes no file of the type {file.mime_type}")
    return file
