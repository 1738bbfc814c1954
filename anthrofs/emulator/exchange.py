"""One request and its answer, as they pass over the wire.

Owns    the pace in both directions, the headers every answer has, and the journal's entry while the request lasts.
Trusts  uvicorn's receive and send.
Never   knows what an operation means.
"""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, QueryParams

from .connections import connection_of
from .mangle import Mangle
from .pace import Pace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Message, Receive, Scope, Send

    from .journal import Entry
    from .parts import Parts


ABANDON_S = 0.2     # so long a server that drops abandoned uploads looks whether its client is there


class CutNow(Exception):
    """The connection is to end here, without an answer or within one."""

    def __init__(self, *, flush: bool = False) -> None:
        super().__init__()
        self.flush = flush


class ClientGone(Exception):
    """The client left before its request was complete."""


class Exchange:
    def __init__(self, parts: Parts, entry: Entry, scope: Scope, receive: Receive, send: Send, *,
                 clock_s: Callable[[], float] = time.monotonic) -> None:
        self.parts = parts                                      # constant after construction
        self.entry = entry
        self.scope = scope
        self.headers = Headers(scope=scope)
        self.query = QueryParams(scope["query_string"])
        self.connection = connection_of(scope)
        self.receive = receive
        self._send = send
        self._clock_s = clock_s

        self.pace_in = Pace(bytes_per_s=parts.switches.bandwidth_bytes_per_s)       # used by the request's task only
        self.pace_out = Pace(bytes_per_s=parts.switches.bandwidth_bytes_per_s)
        self.mangle = Mangle()
        self.workspace_id = parts.store.workspace_id            # whose the answer is said to be
        self.delay_s = 0.0                                      # before the answer, besides the latency
        self.signed = True                                      # with the headers of the service; a proxy has none
        self.dated_s: float | None = None                       # when the answer was made; None: now
        self.started = False                                    # the answer's headers went out
        self._body_over = False                                 # the whole request was read

    @property
    def file_id(self) -> str:
        file_id: str = self.scope["path_params"]["file_id"]
        return file_id

    @property
    def gone(self) -> bool:
        return self.connection.lost.is_set()

    async def body(self) -> AsyncIterator[bytes]:
        """The request's body, at its pace; can be continued by calling it again. Raises ClientGone and CutNow."""
        while not self._body_over:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                message = self._last_words()
            data = message.get("body", b"")
            self._body_over = not message.get("more_body", False)
            if self._body_over and not self.gone:
                self.connection.listen()
            self.entry.bytes_in += len(data)
            await self.pace_body(len(data))
            yield data

    def _last_words(self) -> Message:
        """The rest of a body whose client left after its last byte; uvicorn forgets it then. Raises ClientGone if it
        isn't all.
        """
        if self.connection.last_words is None or self.parts.switches.abandoned_uploads == "drop":
            raise ClientGone
        return {"type": "http.request", "body": self.connection.last_words, "more_body": False}

    async def still_there(self) -> None:
        """A client that left right after its request has done so by the end of this. Raises ClientGone."""
        await self._sleep(ABANDON_S)
        if self.gone:
            raise ClientGone

    async def pace_body(self, count: int = 0) -> None:
        """Let so many bytes of the request pass; 0: apply a pace that has just been set to what passed already.

        A request is read as it comes, so events happen at the next border of what the network delivered.
        """
        await self._sleep(self.pace_in.pass_by(count, self._clock_s()))
        await self._sleep(self.pace_in.stall())
        if self.pace_in.severed:
            raise CutNow

    async def drain(self) -> None:
        async for _ in self.body():
            pass

    async def send(self, message: Message) -> None:
        """Responses send through this instead of uvicorn's own send. Raises CutNow."""
        if message["type"] == "http.response.start":
            await self._sleep(self.delay_s + self.parts.switches.latency_ms / 1000)
            self.started = True
            self.entry.status = message["status"]
            headers = self.mangle.start([*message.get("headers", ()), *self._common_headers()],
                                        self.parts.switches.dropped())
            await self._send({**message, "headers": headers})
        elif not self.mangle.over:
            body, more = self.mangle.body(message.get("body", b""), more=message.get("more_body", False))
            await self._send_body(body, more=more)

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        pace, start = self.pace_out, 0
        while not self.gone:
            if pace.severed:
                raise CutNow(flush=True)
            await self._sleep(pace.stall())
            stop = start + pace.room(len(body) - start)
            last = stop == len(body)
            await self._sleep(pace.pass_by(stop - start, self._clock_s()))
            self.entry.bytes_out += stop - start
            await self._send({"type": "http.response.body", "body": body[start:stop], "more_body": more or not last})
            start = stop
            if last:
                return

    def _common_headers(self) -> list[tuple[bytes, bytes]]:
        # Our own date: uvicorn's is renewed once a second only, and clients compare it with created_at.
        headers = [("date", formatdate(self.dated_s, usegmt=True))]
        if self.signed:
            headers.append(("request-id", self.entry.request_id))
            if self.parts.switches.identity_headers:
                headers.append(("anthropic-organization-id", self.parts.store.organization_id))
                headers.append(("anthropic-workspace-id", self.workspace_id))
            if self.parts.switches.ratelimit_headers:
                headers.append(("anthropic-ratelimit-requests-limit", "500"))
                headers.append(("anthropic-ratelimit-requests-remaining", "499"))
        return [(name.encode(), value.encode()) for name, value in headers]

    async def _sleep(self, seconds: float) -> None:
        """Also ends when the client leaves: nobody is kept waiting."""
        if seconds <= 0:
            return
        try:
            await asyncio.wait_for(self.connection.lost.wait(), seconds)
        except TimeoutError:
            return
