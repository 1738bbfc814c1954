"""Scripted faults at work on a request: data from faults.py becomes behaviour on the wire.

Owns    the meaning of each kind, in two steps: `begin` before an upload's bytes are read, `finish` around the effect.
Trusts  actions, which faults.py has checked.
Never   knows what the effect is; it runs it, runs it later, or doesn't.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp

from .exchange import CutNow, Exchange
from .faults import (
    Account,
    Action,
    Cut,
    CutBody,
    Delay,
    Encoded,
    GarbageJson,
    Gateway,
    Html,
    LateCommit,
    RawJson,
    Redirect,
    ShortBody,
    SlowBody,
    Stall,
    Status,
    StatusAfterCommit,
    StoredLate,
)
from .rules import ACCOUNT, GATEWAY, ApiError

log = logging.getLogger(__name__)

T = TypeVar("T")
Effect = Callable[[], Awaitable[ASGIApp]]
PAGE = ("<html>\r\n<head><title>{0} Bad "
        "Gateway</title></head>\r\n<body><center><h1>{0}</h1></center></body>\r\n</html>\r\n")


async def perform(exchange: Exchange, effect: Effect) -> ASGIApp:
    """An operation without a body to read: its effect, or what the script says."""
    file_id = exchange.scope["path_params"].get("file_id")
    filename = None
    if file_id is not None:
        file = await run_in_threadpool(exchange.parts.store.get, file_id)
        filename = exchange.entry.filename = None if file is None else file.filename
    action = begin(exchange, filename, file_id)
    return await finish(exchange, action, effect)


def begin(exchange: Exchange, filename: str | None, file_id: str | None) -> Action | None:
    """Take the request's fault and do what concerns its body. Raises CutNow."""
    action = exchange.parts.faults.take(exchange.entry.operation, filename, file_id)
    pace = exchange.pace_in if exchange.entry.operation == "upload" else exchange.pace_out
    match action:
        case Cut(when="before_body"):
            raise CutNow
        case CutBody(after_bytes):
            pace.cut_after = after_bytes
        case ShortBody(after_bytes, length):
            exchange.mangle.end_after(after_bytes, says_length=length)
        case Encoded(packed):
            exchange.mangle.label("gzip", packed=packed)
        case SlowBody(bytes_per_s):
            pace.limit(bytes_per_s)
        case Stall(seconds, after_bytes):
            pace.stall_after, pace.stall_s = after_bytes, seconds
        case Delay(seconds):
            exchange.delay_s += seconds
    return action


async def finish(exchange: Exchange, action: Action | None, effect: Effect) -> ASGIApp:
    """The answer; the request's body has been read. Raises CutNow, and ApiError where the effect does."""
    match action:
        case Status():
            return _status(exchange, action)
        case Html(status, size, chunked):
            exchange.signed = False
            page = PAGE.format(status).ljust(size).encode()
            return (StreamingResponse(iter([page]), status, media_type="text/html") if chunked
                    else HTMLResponse(page, status))
        case Account(answer):
            return _account(exchange, answer)
        case Gateway():
            return _gateway(exchange, action)
        case Redirect(status, location, quiet):
            exchange.signed = not quiet
            asked = exchange.entry.path + (f"?{exchange.entry.query}" if exchange.entry.query else "")
            return Response(status_code=status, headers={"location": location.replace("{path}", asked)})
        case RawJson(body, status):
            return JSONResponse(body, status)
        case GarbageJson():
            return Response('{"data": [{"type": "fi', media_type="application/json")
        case Cut(when="after_commit"):
            await _quietly(effect)
            raise CutNow
        case Cut():
            raise CutNow
        case LateCommit(seconds, status):
            _later(exchange, seconds, effect)
            if status == 200:
                raise CutNow
            exchange.signed = False
            return HTMLResponse(PAGE.format(status), status)
        case StoredLate(seconds):
            return await asyncio.shield(_kept(exchange, _after(seconds, effect)))
        case StatusAfterCommit(status):
            await _quietly(effect)
            return _status(exchange, Status(status))
    return await effect()


def _status(exchange: Exchange, action: Status) -> Response:
    headers = {
        "retry-after": action.retry_after,
        "retry-after-ms": action.retry_after_ms,
        "x-should-retry": None if action.should_retry is None else str(action.should_retry).lower(),
    }
    error = ApiError(action.status, action.message, error_type=action.error_type, error_code=action.error_code)
    response = JSONResponse(error.body(exchange.entry.request_id, details=True), action.status,
                            {name: str(value) for name, value in headers.items() if value is not None})
    if not action.gzip:
        return response
    named = {name: value for name, value in response.headers.items() if name != "content-length"}
    return Response(gzip.compress(bytes(response.body)), action.status, {**named, "content-encoding": "gzip"})


def _account(exchange: Exchange, answer: str) -> Response:
    status, error_type, error_code, more = ACCOUNT[answer]
    error = ApiError(status, f"scripted: {answer}", error_type=error_type, error_code=error_code, more=more)
    return JSONResponse(error.body(exchange.entry.request_id, details=exchange.parts.switches.error_details), status)


def _gateway(exchange: Exchange, action: Gateway) -> Response:
    exchange.signed = False
    content_type, words = GATEWAY[action.form]
    headers = {
        "retry-after": action.retry_after,
        "x-should-retry": None if action.should_retry is None else str(action.should_retry).lower(),
        "www-authenticate": 'Basic realm="gateway"' if action.status == 401 else None,
        "proxy-authenticate": 'Basic realm="proxy"' if action.status == 407 else None,
        "location": "https://login.example.com/" if 300 <= action.status < 400 else None,
    }
    return Response(words.format(action.status, HTTPStatus(action.status).phrase), action.status,
                    {name: str(value) for name, value in headers.items() if value is not None}, content_type)


async def _quietly(effect: Effect) -> None:
    """The effect without its answer, for nobody will see it."""
    try:
        await effect()
    except ApiError as error:
        log.info("an effect whose answer is withheld was refused: %s", error)


def _later(exchange: Exchange, seconds: float, effect: Effect) -> None:
    async def act() -> None:
        await asyncio.sleep(seconds)
        await _quietly(effect)

    _kept(exchange, act())


async def _after(seconds: float, effect: Effect) -> ASGIApp:
    await asyncio.sleep(seconds)
    return await effect()


def _kept(exchange: Exchange, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task that goes on whatever becomes of the request."""
    task = asyncio.get_running_loop().create_task(work)
    exchange.parts.later.add(task)
    task.add_done_callback(exchange.parts.later.discard)
    return task
