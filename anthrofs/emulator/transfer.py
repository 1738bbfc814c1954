"""Bytes in and out: the operations upload and download.

Owns    the order in which an upload's rules are checked, and how content becomes an answer.
Trusts  stored files; a form's parts only after rules.py has judged them.
Never   holds a whole file in memory.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from . import enact, rules
from .faults import Action, LateCommit, StoredLate, StoredShort
from .form import TEXT_LIMIT, Form
from .model import StoredFile, now_us
from .shapes import Shape, betas_of, file_json, looks_of, shape_of
from .store import NewFile, QuotaExceeded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from .exchange import Exchange
    from .switches import Switches

CHUNK_BYTES = 1 << 20
PROVENANCE = b"emulated provenance data\n"      # stands for what is added to media on delivery


async def upload(exchange: Exchange) -> ASGIApp:
    parts = exchange.parts
    limit_bytes = parts.switches.max_file_bytes
    # A form has other bytes, too: a body is surely too large only beyond a generous allowance for them.
    if int(exchange.headers.get("content-length", 0)) > limit_bytes + 2 * TEXT_LIMIT:
        raise rules.too_large(limit_bytes)
    form = Form(exchange.headers.get("content-type", ""), parts.store.contents.receive, limit_bytes,
                decode=parts.switches.decoded_names)
    action: Action | None = None
    handed_on = False
    try:
        action = await _read(exchange, form)
        handed_on = isinstance(action, (LateCommit, StoredLate))
        return await enact.finish(exchange, action, partial(_commit, exchange, form, action))
    finally:
        if not handed_on:
            form.discard()


async def _read(exchange: Exchange, form: Form) -> Action | None:
    """Read the whole form; the fault is taken as soon as the file's name is known."""
    action: Action | None = None
    named = False
    async for data in exchange.body():
        form.feed(data)
        if form.file is not None and not named:
            named = True
            exchange.entry.filename = form.filename
            action = enact.begin(exchange, form.filename, None)
            await exchange.pace_body()
    return action if named else enact.begin(exchange, None, None)


async def _commit(exchange: Exchange, form: Form, action: Action | None) -> ASGIApp:
    """Judge and store what arrived."""
    try:
        switches = exchange.parts.switches
        if switches.abandoned_uploads == "drop":
            await exchange.still_there()
        shape = shape_of(betas_of(exchange.headers.getlist("anthropic-beta")))
        incoming = form.finish()
        mime_type = rules.uploaded_type(form.mime_type, form.filename, required=shape is Shape.BETA)
        filename = rules.stored_name(rules.uploaded_name(form.filename, mime_type), switches.stored_names)
        expires = form.fields.get("expires_in_seconds")
        lifetime_s = None if expires is None else rules.expiry_s(expires)
        if incoming.size_bytes == 0 and switches.empty_uploads == "refuse":
            raise rules.ApiError(400, "file: is empty")
        sent_bytes = incoming.size_bytes
        if isinstance(action, StoredShort):
            incoming.shorten(action.bytes)
        new = NewFile(filename, mime_type, switches.uploads_downloadable, lifetime_s=lifetime_s)
        try:
            file = await run_in_threadpool(exchange.parts.store.add, new, incoming, quota_bytes=switches.quota_bytes)
        except QuotaExceeded:
            raise rules.quota_exceeded(switches.quota_status) from None
        exchange.entry.file_id = file.file_id
        if isinstance(action, StoredShort) and not action.honest:
            file = replace(file, size_bytes=sent_bytes)
        return JSONResponse(file_json(file, shape, **looks_of(switches)))
    finally:
        form.discard()


async def download(exchange: Exchange) -> ASGIApp:
    file = await run_in_threadpool(exchange.parts.store.get, exchange.file_id)
    if file is None:
        raise rules.not_found(exchange.file_id)
    if file.expired(now_us()):
        raise rules.expired(file.file_id)
    if not file.downloadable:
        raise rules.not_downloadable(file.file_id)
    switches = exchange.parts.switches
    size = delivered_bytes(file, switches)
    etag = f'"{file.sha256[:32]}-{size}"'
    headers = {"content-type": file.mime_type}
    if switches.etag:
        headers["etag"] = etag
    if switches.content_disposition:
        headers["content-disposition"] = "attachment"
    status, first, last = 200, 0, size - 1
    if switches.ranges:
        headers["accept-ranges"] = "bytes"
        # If-Range names the version the client has a part of; another one is sent whole.
        same = exchange.headers.get("if-range", etag) == etag
        strict = switches.senseless_ranges == "error400"
        asked = rules.byte_range(exchange.headers.get("range"), size, strict=strict) if same else None
        if asked is not None:
            first, last = asked
            status = 206
            headers["content-range"] = f"bytes {first}-{last}/{size}"
    if switches.content_length:
        headers["content-length"] = str(last - first + 1)
    return Delivery(exchange, file, first=first, last=last, status=status, headers=headers)


def delivered_bytes(file: StoredFile, switches: Switches) -> int:
    if not file.mime_type.startswith(rules.MEDIA):
        return file.size_bytes
    return max(0, file.size_bytes + switches.delivered_extra_bytes)


class Delivery:
    """A download's answer: bytes `first` to `last`, where those beyond the content are provenance."""

    def __init__(self, exchange: Exchange, file: StoredFile, *, first: int, last: int, status: int,
                 headers: Mapping[str, str]) -> None:
        self._exchange = exchange       # constant after construction
        self._file = file
        self._first = first
        self._last = last
        self._status = status
        self._headers = [(name.encode("latin-1"), value.encode("latin-1", "replace"))
                         for name, value in headers.items()]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            content = await run_in_threadpool(self._exchange.parts.store.contents.open, self._file.content)
        except FileNotFoundError:
            raise rules.not_found(self._file.file_id) from None     # deleted a moment ago
        with content:
            await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
            position = self._first
            while position <= self._last and not self._exchange.gone:
                data = await run_in_threadpool(self._piece, content, position)
                position += len(data)
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _piece(self, content: BinaryIO, position: int) -> bytes:
        count = min(CHUNK_BYTES, self._last + 1 - position)
        if position < self._file.size_bytes:
            content.seek(position)
            data = content.read(min(count, self._file.size_bytes - position))
            assert data, "content on disk is shorter than its row says"
            return data
        start = (position - self._file.size_bytes) % len(PROVENANCE)
        return (PROVENANCE * (count // len(PROVENANCE) + 2))[start:start + count]
