"""The border of the Files API: every request enters here, and every exception ends here.

Owns    the order of checks (connect latency, key, version, workspace, rate) and the translation of errors to answers.
Trusts  no request.
Never   does what an operation does.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .connections import connection_of
from .exchange import ClientGone, CutNow, Exchange
from .model import new_id
from .rules import VERSIONS, ApiError
from .shapes import betas_of

if TYPE_CHECKING:
    from .parts import Parts

log = logging.getLogger(__name__)

Operation = Callable[[Exchange], Awaitable[ASGIApp]]


class Gate:
    """An ASGI application for one route."""

    def __init__(self, parts: Parts, name: str, operation: Operation, *, keyed: bool = True) -> None:
        self._parts = parts             # given
        self._name = name
        self._operation = operation
        self._keyed = keyed             # else it is where tokens are asked for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry = self._parts.journal.begin(
            self._name, method=scope["method"], path=scope["path"], query=scope["query_string"].decode("latin-1"),
            connection=connection_of(scope).number, started=time.time(), request_id=new_id("req"))
        entry.file_id = scope["path_params"].get("file_id")
        exchange = Exchange(self._parts, entry, scope, receive, send)
        entry.workspace_id = exchange.headers.get("anthropic-workspace-id")
        entry.range = exchange.headers.get("range")
        entry.betas = ",".join(exchange.headers.getlist("anthropic-beta"))
        entry.header_names = tuple(exchange.headers.keys())
        if "authorization" in exchange.headers:
            entry.authorization = exchange.headers["authorization"].partition(" ")[0].lower()
        try:
            await self._answer(exchange)
        except CutNow as cut:
            await exchange.connection.cut(flush=cut.flush)
        except ClientGone:
            pass
        except asyncio.CancelledError:
            # The server stops; uvicorn would log a cancelled request as a bug of ours.
            if not exchange.gone:
                raise
        finally:
            entry.finished = time.time()

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self._check(exchange)
            response = await self._operation(exchange)
            await response(exchange.scope, exchange.receive, exchange.send)
        except (CutNow, ClientGone):
            raise
        except Exception as error:
            if not isinstance(error, ApiError):
                log.exception("bug in %s %s", exchange.entry.method, exchange.entry.path)
            if exchange.started:
                raise CutNow from error
            refusal = error if isinstance(error, ApiError) else ApiError(500, "Internal server error")
            body = refusal.body(exchange.entry.request_id, details=self._parts.switches.error_details)
            response = JSONResponse(body, refusal.status, refusal.headers)
            await response(exchange.scope, exchange.receive, exchange.send)

    async def _check(self, exchange: Exchange) -> None:
        switches = self._parts.switches
        if exchange.connection.fresh:
            exchange.connection.fresh = False
            await asyncio.sleep(switches.connect_latency_ms / 1000)
        if not self._keyed:
            return
        key = _key_of(exchange)
        if key is not None:
            exchange.entry.key_hash = hashlib.sha256(key.encode()).hexdigest()[:16]
        if key in self._parts.logins.tokens:
            problem = self._parts.logins.problem(key, betas_of(exchange.headers.getlist("anthropic-beta")))
            if problem is not None:
                raise ApiError(401, problem)
            exchange.workspace_id = self._parts.logins.tokens[key].workspace_id or exchange.workspace_id
        elif key not in self._parts.keys:
            raise ApiError(401, "x-api-key header is required" if key is None else "invalid x-api-key")
        version = exchange.headers.get("anthropic-version")
        if version not in VERSIONS:
            problem = "header is required" if version is None else f"{version[:40]!r} is not a valid version"
            raise ApiError(400, f"anthropic-version: {problem}")
        workspace = exchange.headers.get("anthropic-workspace-id", self._parts.store.workspace_id)
        if switches.foreign_workspace == "error403" and workspace != self._parts.store.workspace_id:
            raise ApiError(403, "The API key does not belong to this workspace")
        if switches.named_workspace == "as_asked":
            exchange.workspace_id = workspace
        wait_s = self._parts.bucket.take(switches.requests_per_minute, switches.minute)
        if wait_s > 0:
            raise ApiError(429, "This request would exceed the rate limit for your organization",
                           headers={"retry-after": str(math.ceil(wait_s))})


def _key_of(exchange: Exchange) -> str | None:
    scheme, _, token = exchange.headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else None
    return exchange.headers.get("x-api-key", bearer)
