"""Logins: tokens that end, and what renews them.

Owns    the tokens and refresh tokens, in memory.
Trusts  nothing of a request.
Never   keeps a login over a restart: clients meet a service that has forgotten them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .model import new_id

if TYPE_CHECKING:
    from collections.abc import Callable

LOGIN_BETA = "oauth-2025-04-20"
FEDERATION_BETA = "oidc-federation-2026-04-01"
IDENTITY_TOKEN = "emulated-identity-token"      # noqa: S105 - the only word of somebody else's that is taken for a
                                                # token


@dataclass(frozen=True, slots=True)
class Token:
    """An access token."""

    ends_s: float
    workspace_id: str | None = None     # None: the emulator's own


@dataclass(slots=True)
class Logins:
    clock_s: Callable[[], float] = time.time
    tokens: dict[str, Token] = field(default_factory=dict)              # by the token
    # refresh token → (client, workspace)
    refreshes: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    def begin(self, lifetime_s: float, client_id: str, workspace_id: str | None = None) -> dict[str, Any]:
        """A new login, as its token's answer looks."""
        refresh = new_id("sk-ant-ort")
        self.refreshes[refresh] = (client_id, workspace_id)
        return {**self._issue(lifetime_s, workspace_id), "refresh_token": refresh, "scope": "user:inference"}

    def refresh(self, asked: dict[str, Any], lifetime_s: float, *, rotate: bool) -> dict[str, Any] | None:
        """New tokens for a refresh token; None if that one serves nobody (any more)."""
        known = self.refreshes.get(str(asked.get("refresh_token")))
        if known is None or known[0] != asked.get("client_id"):
            return None
        if not rotate:
            return self._issue(lifetime_s, known[1])
        del self.refreshes[asked["refresh_token"]]
        return self.begin(lifetime_s, *known)

    def exchange(self, asked: dict[str, Any], lifetime_s: float) -> dict[str, Any] | None:
        """A federation's: None where it doesn't know that word."""
        needed = ("federation_rule_id", "organization_id")
        return (self._issue(lifetime_s, None) if asked.get("assertion") == IDENTITY_TOKEN
                and all(asked.get(name) for name in needed) else None)

    def end_all(self) -> None:
        """Every token, now; what renews them serves on."""
        self.tokens = {value: Token(0.0, token.workspace_id) for value, token in self.tokens.items()}

    def problem(self, value: str, betas: frozenset[str]) -> str | None:
        """Why a known token doesn't open."""
        if self.tokens[value].ends_s <= self.clock_s():
            return "OAuth token has expired. Please obtain a new token or refresh your existing token."
        return None if LOGIN_BETA in betas else "OAuth authentication is currently not supported."

    def _issue(self, lifetime_s: float, workspace_id: str | None) -> dict[str, Any]:
        value = new_id("sk-ant-oat")
        self.tokens[value] = Token(self.clock_s() + lifetime_s, workspace_id)
        return {"access_token": value, "token_type": "Bearer", "expires_in": round(lifetime_s)}
