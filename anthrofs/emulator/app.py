"""The ASGI application: both sets of routes, and what the connections need to find.

Owns    the order of routes and the lifespan's state.
Trusts  its parts to be ready.
Never   decides anything about a request.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Mount

from . import admin, files_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .parts import Parts


def build(parts: Parts) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
        # uvicorn hands this to every protocol it makes; see connections.py
        yield {"connections": parts.connections}

    return Starlette(routes=[Mount("/_emulator", routes=admin.routes(parts)), *files_api.routes(parts)],
                     lifespan=lifespan)
