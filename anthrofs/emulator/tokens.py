"""The operation behind /v1/oauth/token.

Trusts  nothing of a request.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from .logins import FEDERATION_BETA, LOGIN_BETA
from .shapes import betas_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from .exchange import Exchange

BODY_LIMIT = 1 << 16


async def token(exchange: Exchange) -> ASGIApp:
    """The operation."""
    body = b""
    async for data in exchange.body():
        body += data[:BODY_LIMIT]
    try:
        asked = json.loads(body)
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        return _refused("invalid_request")
    parts = exchange.parts
    betas, switches = betas_of(exchange.headers.getlist("anthropic-beta")), parts.switches
    if asked.get("grant_type") == "refresh_token":
        given = parts.logins.refresh(asked, switches.token_lifetime_s,
                                     rotate=switches.refresh_rotation) if betas == {LOGIN_BETA} else None
    elif asked.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer":
        given = (parts.logins.exchange(asked, switches.token_lifetime_s) if betas == {LOGIN_BETA, FEDERATION_BETA}
                 else None)
    else:
        return _refused("unsupported_grant_type")
    return _refused("invalid_grant") if given is None else JSONResponse(given)


def _refused(code: str) -> ASGIApp:
    # RFC 6749, 5.2: not the envelope of the rest of the API.
    return JSONResponse({"error": code, "error_description": "scripted words"}, 400)
