"""TCP connections, so that an answer can be withheld: ASGI alone has no way to cut one.

Owns    the protocol class that uvicorn runs, and one Connection for every socket it accepted.
Trusts  uvicorn's H11Protocol to copy `app_state` into each request's scope, and asyncio's transports.
Never   looks at HTTP.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.types import Scope

FLUSH_S = 5.0       # for a peer that doesn't read what is still to be sent


class Connection:
    def __init__(self, number: int, transport: asyncio.Transport) -> None:
        self.number = number                # constant after construction
        self._transport = transport
        self.lost = asyncio.Event()         # set once, by the protocol
        self.fresh = True                   # no request was seen yet
        self.last_words: bytes | None = None    # what a client that left had sent of its request; None: not all of it

    def listen(self) -> None:
        """Notice from now on that the peer leaves: uvicorn may have stopped reading in a body, and goes on for the next
        one only.
        """
        self._transport.resume_reading()

    def abort(self) -> None:
        """End it now; what was not sent yet is dropped."""
        self._transport.abort()

    async def cut(self, *, flush: bool) -> None:
        """End it, after what was written so far if `flush`. Returns when the protocol has noticed, for only then
        does uvicorn stop expecting an answer."""
        if flush:
            self._transport.close()
            try:
                await asyncio.wait_for(self.lost.wait(), FLUSH_S)
                return
            except TimeoutError:
                pass
        self.abort()
        await self.lost.wait()


class Connections:
    """All that are open. Used on the event loop only."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._count = 0

    def add(self, transport: asyncio.Transport) -> Connection:
        self._count += 1
        connection = Connection(self._count, transport)
        self._open.add(connection)
        return connection

    def remove(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.lost.set()

    def abort_all(self, but: Connection | None = None) -> int:
        victims = self._open - {but}
        for connection in victims:
            connection.abort()
        return len(victims)


class CuttableProtocol(H11Protocol):
    """Puts its Connection where requests find it. The application's lifespan provides `connections`."""

    def connection_made(self, transport: asyncio.Transport) -> None:    # type: ignore[override]
        super().connection_made(transport)
        connections: Connections = self.app_state["connections"]
        self._connection = connections.add(transport)
        self.app_state = {**self.app_state, "connection": self._connection}

    def connection_lost(self, exc: Exception | None) -> None:
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            self._connection.last_words = bytes(cycle.body)
        super().connection_lost(exc)
        self.app_state["connections"].remove(self._connection)


def connection_of(scope: Scope) -> Connection:
    connection: Connection = scope["state"]["connection"]
    return connection
