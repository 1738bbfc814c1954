"""Requests for a new token, and what comes back; pure.

Trusts  nothing that comes back.
Never   repeats more of an answer than OAuth's own word for what is wrong: the rest may hold what was sent.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from anthrofs.config import Federation, Profile
from anthrofs.errors import AuthFailed, RemoteError, Unavailable

BETA: Final = "oauth-2025-04-20"                        # of each request with such a token
FEDERATION_BETA: Final = "oidc-federation-2026-04-01"   # of a federation's exchange, besides
LIFE_S: Final = 3600            # of a token whose source doesn't say
ASSERTION_BYTES: Final = 16 * 1024
RELOGIN: Final = "log in again with `ant auth login`"


@dataclass(frozen=True, slots=True)
class Grant:
    """A new token, as it came."""

    value: str = field(repr=False)
    ends_s: float               # since the epoch
    refresh: str | None = field(repr=False)     # the next one's; None: the old one serves on


def refresh_asked(profile: Profile, kept: Mapping[str, Any]) -> dict[str, str]:
    """The request for a new token of a login, by what its file holds. Raises AuthFailed."""
    refresh = kept.get("refresh_token")
    if profile.client_id is None or not isinstance(refresh, str) or not refresh:
        raise AuthFailed(f"the token of the {profile.said} ends, and there is nothing to renew it with: {RELOGIN}",
                         maybe_stored=False)
    return {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": profile.client_id}


def federation_asked(federation: Federation, assertion: str) -> dict[str, str]:
    """The request for a token in exchange for somebody else's. Raises AuthFailed."""
    if not 0 < len(assertion) <= ASSERTION_BYTES:
        raise AuthFailed("the identity token of the federation is empty, or too long to be one", maybe_stored=False)
    asked = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion,
             "federation_rule_id": federation.rule_id, "organization_id": federation.organization_id}
    if federation.service_account_id:
        asked["service_account_id"] = federation.service_account_id
    if federation.workspace_id:
        asked["workspace_id"] = federation.workspace_id
    return asked


def grant_of(profile: Profile, status: int, body: bytes, now_s: float) -> Grant:
    """Raises AuthFailed, or Unavailable for what may pass."""
    if status != 200:
        raise _refusal(profile, status, body)
    try:
        answer = json.loads(body)
        value, refresh = answer["access_token"], answer.get("refresh_token")
        ends_s = now_s + int(answer.get("expires_in", LIFE_S))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        value, refresh, ends_s = None, None, 0.0
    if not sendable(value):
        raise AuthFailed(f"the {profile.said} got no token from {profile.token_url}: what came is no such answer",
                         maybe_stored=False)
    return Grant(value, ends_s, refresh if isinstance(refresh, str) and refresh else None)


def sendable(token: object) -> bool:
    """A token that a header can hold."""
    return isinstance(token, str) and bool(token) and all("!" <= character <= "~" for character in token)


def _refusal(profile: Profile, status: int, body: bytes) -> RemoteError:
    words = f"the {profile.said} got no new token (HTTP {status}{_code_in(body)})"
    if status in (408, 429) or status >= 500:
        return Unavailable(words, maybe_stored=False)
    return AuthFailed(words if profile.federation else f"{words}: {RELOGIN}", maybe_stored=False)


def _code_in(body: bytes) -> str:
    try:
        answer = json.loads(body)
        error = answer.get("error")
        code = error.get("type") if isinstance(error, dict) else error
    except (ValueError, AttributeError, RecursionError):
        return ""
    return f", {code}" if isinstance(code, str) and code.replace("_", "").isalpha() and len(code) <= 40 else ""
