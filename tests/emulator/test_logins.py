"""Logins: a token opens until its end, and what renews it serves once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from .raw import GA

if TYPE_CHECKING:
    from .process import EmulatorProcess

LOGIN = {"anthropic-beta": "oauth-2025-04-20"}
FEDERATION = {"anthropic-beta": "oauth-2025-04-20,oidc-federation-2026-04-01"}
GRANT = {"grant_type": "refresh_token", "client_id": "client"}


def listing(emulator: EmulatorProcess, token: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{emulator.url}/v1/files", headers={**GA, **LOGIN, "authorization": f"Bearer {token}", **headers})


def ask(emulator: EmulatorProcess, headers: dict[str, str], **body: Any) -> httpx.Response:
    return httpx.post(f"{emulator.url}/v1/oauth/token", json=body, headers=headers)


def test_a_token_opens_with_its_beta_until_its_end(emulator: EmulatorProcess) -> None:
    token = emulator.login()["access_token"]
    assert listing(emulator, token).status_code == 200
    assert "not supported" in listing(emulator, token, **{"anthropic-beta": "files-api-2025-04-14"}).json()["error"]["message"]
    assert listing(emulator, "sk-ant-oat-other").status_code == 401
    assert listing(emulator, emulator.login(lifetime_s=0)["access_token"]).status_code == 401
    emulator.end_tokens()
    assert "expired" in listing(emulator, token).json()["error"]["message"]
    assert token not in str(emulator.requests())


def test_a_refresh_token_serves_its_client_once_or_for_ever(emulator: EmulatorProcess) -> None:
    login = emulator.login()
    refresh = login["refresh_token"]
    assert ask(emulator, LOGIN, **{**GRANT, "client_id": "another"}, refresh_token=refresh).json()["error"] == "invalid_grant"
    assert ask(emulator, FEDERATION, **GRANT, refresh_token=refresh).status_code == 400
    answer = ask(emulator, LOGIN, **GRANT, refresh_token=refresh).json()
    assert answer["expires_in"] == 3600
    assert listing(emulator, answer["access_token"]).status_code == 200
    assert ask(emulator, LOGIN, **GRANT, refresh_token=refresh).status_code == 400
    emulator.switch(refresh_rotation=False, token_lifetime_s=60)
    again = ask(emulator, LOGIN, **GRANT, refresh_token=answer["refresh_token"]).json()
    assert (again["expires_in"], "refresh_token" in again) == (60, False)
    assert ask(emulator, LOGIN, **GRANT, refresh_token=answer["refresh_token"]).status_code == 200


@pytest.mark.parametrize(("assertion", "status"), [("emulated-identity-token", 200), ("another", 400)])
def test_a_federation_knows_one_word(emulator: EmulatorProcess, assertion: str, status: int) -> None:
    asked = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion, "federation_rule_id": "r", "organization_id": "o"}
    assert ask(emulator, FEDERATION, **asked).status_code == status
    assert ask(emulator, LOGIN, **asked).status_code == 400


def test_a_login_is_of_a_workspace_and_a_key_perhaps_of_several(emulator: EmulatorProcess) -> None:
    token = emulator.login(workspace_id="wrkspc_other")["access_token"]
    assert listing(emulator, token).headers["anthropic-workspace-id"] == "wrkspc_other"
    own = listing(emulator, emulator.key).headers["anthropic-workspace-id"]
    assert listing(emulator, emulator.key, **{"anthropic-workspace-id": "wrkspc_mine"}).headers["anthropic-workspace-id"] == own
    emulator.switch(named_workspace="as_asked")
    assert listing(emulator, emulator.key, **{"anthropic-workspace-id": "wrkspc_mine"}).headers["anthropic-workspace-id"] == "wrkspc_mine"


def test_the_journal_tells_how_it_was_asked_without_the_values(emulator: EmulatorProcess) -> None:
    listing(emulator, emulator.key, **{"x-secret": "value"})
    entry = emulator.requests()[-1]
    assert (entry["authorization"], entry["betas"]) == ("bearer", "oauth-2025-04-20")
    assert "x-secret" in entry["header_names"]
    assert "value" not in str(entry)
