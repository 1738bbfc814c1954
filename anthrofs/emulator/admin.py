"""The routes under /_emulator: tests and demos tell the emulator itself how to behave, and ask what it was asked.

Owns    its routes: switches, faults, files as tools make them, the journal, open connections.
Trusts  its callers not to be hostile, but says clearly what is wrong with a request.
Never   is journaled, delayed, limited or faulted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from .connections import connection_of
from .model import StoredFile, us_of_rfc3339
from .rules import OCTET_STREAM
from .shapes import Shape, file_json
from .store import NewFile

if TYPE_CHECKING:
    from .parts import Parts

Handler = Callable[[Request], Awaitable[Response]]
COUNT_LIMIT = 10**6


class BadRequest(ValueError):
    """The words of this error say why."""


def routes(parts: Parts) -> list[BaseRoute]:
    handlers = [*_behaviour(parts), *_files(parts)]
    return [Route(path, _worded(handler), methods=[method]) for method, path, handler in handlers]


def _behaviour(parts: Parts) -> list[tuple[str, str, Handler]]:
    async def show_switches(_request: Request) -> Response:
        return JSONResponse(parts.switches.as_json())

    async def change_switches(request: Request) -> Response:
        parts.switches = parts.switches.updated(await _json_of(request))
        parts.cached.clear()
        return JSONResponse(parts.switches.as_json())

    async def show_faults(_request: Request) -> Response:
        return JSONResponse(parts.faults.as_json())

    async def add_faults(request: Request) -> Response:
        parts.faults.add(await _json_of(request))
        return JSONResponse(parts.faults.as_json())

    async def clear_faults(_request: Request) -> Response:
        parts.faults.clear()
        return JSONResponse([])

    async def show_requests(_request: Request) -> Response:
        return JSONResponse(parts.journal.as_json())

    async def clear_requests(_request: Request) -> Response:
        parts.journal.clear()
        return JSONResponse([])

    async def abort_connections(request: Request) -> Response:
        # The asker's own connection stays, or it would never know.
        return JSONResponse({"aborted": parts.connections.abort_all(but=connection_of(request.scope))})

    async def begin_login(request: Request) -> Response:
        asked = await _json_of(request)
        if not isinstance(asked, dict) or not set(asked) <= {"lifetime_s", "client_id", "workspace_id"}:
            raise BadRequest("lifetime_s, client_id and workspace_id are expected")
        return JSONResponse(parts.logins.begin(float(asked.get("lifetime_s", 3600)),
                                               str(asked.get("client_id", "client")), asked.get("workspace_id")))

    async def begin_session(request: Request) -> Response:
        asked = await _json_of(request)
        if not isinstance(asked, dict) or not isinstance(asked.get("id"), str):
            raise BadRequest("id is expected")
        parts.sessions.add(asked["id"])
        return JSONResponse(sorted(parts.sessions))

    async def end_tokens(_request: Request) -> Response:
        parts.logins.end_all()
        return JSONResponse([])

    return [
        ("POST", "/sessions", begin_session), ("POST", "/logins", begin_login), ("POST", "/logins/end", end_tokens),
        ("GET", "/switches", show_switches), ("PATCH", "/switches", change_switches),
        ("GET", "/faults", show_faults), ("POST", "/faults", add_faults), ("DELETE", "/faults", clear_faults),
        ("GET", "/requests", show_requests), ("DELETE", "/requests", clear_requests),
        ("POST", "/connections/abort", abort_connections),
    ]


def _files(parts: Parts) -> list[tuple[str, str, Handler]]:
    store = parts.store

    async def generate(request: Request) -> Response:
        new = _new_file(request)
        incoming = store.contents.receive()
        try:
            async for data in request.stream():
                incoming.write(data)
            return _metadata(await run_in_threadpool(store.add, new, incoming))
        finally:
            incoming.discard()

    async def bulk(request: Request) -> Response:
        asked = await _json_of(request)
        if not isinstance(asked, dict) or not set(asked) <= {"count", "prefix", "size_bytes", "suffix", "mime_type"}:
            raise BadRequest("count, prefix, size_bytes, suffix and mime_type are expected")
        count, size_bytes = int(asked.get("count", 0)), int(asked.get("size_bytes", 0))
        if not 0 < count <= COUNT_LIMIT or size_bytes < 0:
            raise BadRequest(f"count is from 1 to {COUNT_LIMIT}, size_bytes 0 or more")
        prefix, suffix = asked.get("prefix", "bulk-"), asked.get("suffix", ".txt")
        names = [f"{prefix}{number:06}{suffix}" for number in range(count)]
        incoming = store.contents.receive()
        try:
            incoming.write(b"0123456789" * (size_bytes // 10) + b"0123456789"[:size_bytes % 10])
            await run_in_threadpool(store.add_many, names, asked.get("mime_type", "text/plain"), incoming)
        finally:
            incoming.discard()
        return JSONResponse({"count": count})

    async def show_files(_request: Request) -> Response:
        files = await run_in_threadpool(store.everything)
        return await run_in_threadpool(JSONResponse, [_with_sha256(file) for file in files])

    async def content(request: Request) -> Response:
        file = await run_in_threadpool(store.get, request.path_params["file_id"])
        if file is None:
            return JSONResponse({"error": "no such file"}, 404)
        return FileResponse(store.contents.path_of(file.content), media_type=OCTET_STREAM)

    async def vanish(request: Request) -> Response:
        deleted = await run_in_threadpool(store.delete, request.path_params["file_id"])
        return JSONResponse({"deleted": deleted}, 200 if deleted else 404)

    async def forget_files(_request: Request) -> Response:
        await run_in_threadpool(store.clear)
        return JSONResponse([])

    return [
        ("GET", "/files", show_files), ("POST", "/files", generate), ("DELETE", "/files", forget_files),
        ("POST", "/bulk", bulk),
        ("GET", "/files/{file_id}/content", content), ("DELETE", "/files/{file_id}", vanish),
    ]


def _new_file(request: Request) -> NewFile:
    """A file as a tool makes it; its name is not checked, for that is how hostile names come to exist."""
    given = request.query_params
    unknown = set(given) - {"filename", "mime_type", "downloadable", "scope_id", "expires_in_seconds", "created_at"}
    if unknown or "filename" not in given:
        raise BadRequest(f"filename is needed, {sorted(unknown)} unknown")
    downloadable = given.get("downloadable", "true").lower()
    if downloadable not in ("true", "false"):
        raise BadRequest("downloadable is true or false")
    created_at, lifetime_s = given.get("created_at"), given.get("expires_in_seconds")
    return NewFile(
        given["filename"], given.get("mime_type", OCTET_STREAM), downloadable == "true", given.get("scope_id"),
        lifetime_s=None if lifetime_s is None else int(lifetime_s),
        created_us=None if created_at is None else us_of_rfc3339(created_at))


def _with_sha256(file: StoredFile) -> dict[str, Any]:
    return {**file_json(file, Shape.AGENTS, extra_fields=False), "sha256": file.sha256}


def _metadata(file: StoredFile) -> Response:
    return JSONResponse(_with_sha256(file))


async def _json_of(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error


def _worded(handler: Handler) -> Handler:
    """ValueErrors become 400 with their words: BadSwitch, BadScript and BadRequest are some."""
    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
    return handle
