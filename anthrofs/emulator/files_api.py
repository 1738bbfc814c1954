"""The five operations of the Files API, and the routes to them and to what takes a file by its id.

Owns    list, metadata and delete, and which path means what.
Trusts  gate.py: whoever comes here has a key.
Never   touches the wire.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from . import messages, rules, tokens, transfer
from .enact import perform
from .gate import Gate, Operation
from .shapes import (
    ListQuery,
    Shape,
    betas_of,
    file_json,
    foreign_list_json,
    list_json,
    list_query,
    looks_of,
    position_of,
    shape_of,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from .exchange import Exchange
    from .model import Position, StoredFile
    from .parts import Parts
    from .store import View


def routes(parts: Parts) -> list[BaseRoute]:
    def route(path: str, method: str, name: str, operation: Operation) -> Route:
        return Route(path, Gate(parts, name, operation), methods=[method])

    return [
        route("/v1/files", "POST", "upload", transfer.upload),
        route("/v1/files", "GET", "list", lambda exchange: perform(exchange, partial(list_files, exchange))),
        route("/v1/files/{file_id}/content", "GET", "download",
              lambda exchange: perform(exchange, partial(transfer.download, exchange))),
        route("/v1/files/{file_id}", "GET", "metadata",
              lambda exchange: perform(exchange, partial(metadata, exchange))),
        route("/v1/files/{file_id}", "DELETE", "delete", lambda exchange: perform(exchange, partial(delete, exchange))),
        route("/v1/sessions/{session_id}", "GET", "session",
              lambda exchange: perform(exchange, partial(session, exchange))),
        route("/v1/messages", "POST", "message",
              lambda exchange: perform(exchange, partial(messages.message, exchange))),
        Route("/v1/oauth/token",
              Gate(parts, "token", lambda exchange: perform(exchange, partial(tokens.token, exchange)), keyed=False),
              methods=["POST"]),
        Route("/{path:path}", Gate(parts, "other", nothing_here)),
    ]


async def list_files(exchange: Exchange) -> ASGIApp:
    """Lists what there is, or, with a cache on the way, what there was."""
    cache, address, now_s = exchange.parts.cached, exchange.entry.query, time.time()
    known = cache.get(address)
    if known is not None and now_s - known[0] < exchange.parts.switches.listing_cache_s:
        exchange.dated_s = known[0]
        return Response(known[1], media_type="application/json", headers={"age": str(int(now_s - known[0]))})
    response = await _list_now(exchange)
    if exchange.parts.switches.listing_cache_s:
        cache[address] = now_s, bytes(response.body)
        response.headers["age"] = "0"
    return response


async def _list_now(exchange: Exchange) -> Response:
    betas = betas_of(exchange.headers.getlist("anthropic-beta"))
    query = list_query(exchange.query.multi_items(), betas)
    view = exchange.parts.view(query.scope_id)
    if (query.scope_id is not None and exchange.parts.switches.unknown_scope != "empty"
            and not await _is_session(exchange, query.scope_id)):
        status = 404 if exchange.parts.switches.unknown_scope == "error404" else 400
        raise rules.ApiError(status, f"Session '{query.scope_id}' not found")
    try:
        files, more = await run_in_threadpool(_found, exchange.parts, view, query)
    except NothingThere:
        files, more = [], False
    switches = exchange.parts.switches
    if switches.foreign_lists != "no":
        return JSONResponse(foreign_list_json(files, switches.foreign_lists))
    beyond = more or query.before_id is not None
    body = list_json(files, shape_of(betas), more=more, next_position=files[-1].position if files and beyond else None,
                     **looks_of(switches))
    for entry in body["data"][:switches.unreadable_entries]:
        del entry["size_bytes"]
    return JSONResponse(body)


async def session(exchange: Exchange) -> ASGIApp:
    session_id = exchange.scope["path_params"]["session_id"]
    if not await _is_session(exchange, session_id):
        raise rules.ApiError(404, f"Session '{session_id}' not found")
    return JSONResponse({"type": "session", "id": session_id, "status": "idle"})


async def _is_session(exchange: Exchange, session_id: str) -> bool:
    if session_id in exchange.parts.sessions:
        return True
    found, _ = await run_in_threadpool(exchange.parts.store.page, exchange.parts.view(session_id), 1, None)
    return bool(found)


class NothingThere(Exception):
    """An unknown cursor is taken for one behind the last file."""


def _found(parts: Parts, view: View, query: ListQuery) -> tuple[list[StoredFile], bool]:
    if query.ids is not None:
        return parts.store.get_many(query.ids, view), False
    start = _start(parts, view, query)
    return parts.store.page(view, query.limit, start, backwards=query.before_id is not None and start is not None)


def _start(parts: Parts, view: View, query: ListQuery) -> Position | None:
    """Where the page begins; None: at the beginning of all. Raises ApiError or NothingThere where the cursor is
    unknown.
    """
    cursor = query.after_id or query.before_id
    if cursor is not None:
        position = parts.store.place_of(cursor, view)
        if position is None and parts.switches.deleted_cursor == "in_place":
            position = parts.store.grave_of(cursor)
    elif query.page is not None:
        cursor, position = query.page, position_of(query.page)
    else:
        return None
    if position is None:
        match parts.switches.unknown_cursor:
            case "error404":
                raise rules.not_found(cursor)
            case "error400":
                raise rules.ApiError(400, f"cursor {cursor[:80]!r} is unknown")
            case "empty":
                raise NothingThere
    return position


async def metadata(exchange: Exchange) -> ASGIApp:
    parts = exchange.parts
    file = await run_in_threadpool(parts.store.get_late, exchange.file_id, parts.view().metadata_lag_us)
    if file is None:
        raise rules.not_found(exchange.file_id)
    return JSONResponse(file_json(file, _shape(exchange), **looks_of(parts.switches)))


async def delete(exchange: Exchange) -> ASGIApp:
    deleted = await run_in_threadpool(exchange.parts.store.delete, exchange.file_id)
    if not deleted and exchange.parts.switches.second_delete == "error404":
        raise rules.not_found(exchange.file_id)
    match exchange.parts.switches.delete_answer:
        case "no_content":
            return Response(status_code=204)
        case "other_json":
            return JSONResponse({"id": exchange.file_id, "object": "file", "deleted": True})
        case "page":
            return HTMLResponse("<html><body>Done.</body></html>")
        case _:
            return JSONResponse({"id": exchange.file_id, "type": "file_deleted"})


async def nothing_here(exchange: Exchange) -> ASGIApp:
    raise rules.ApiError(404, f"Not found: {exchange.entry.method} {exchange.entry.path[:200]}")


def _shape(exchange: Exchange) -> Shape:
    return shape_of(betas_of(exchange.headers.getlist("anthropic-beta")))
