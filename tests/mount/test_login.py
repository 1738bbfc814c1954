"""A login's token over a mount's life: when it is read, renewed, and by whom. The source of tokens is a function here, and so is time."""

import json
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.clock import Clock
from anthrofs.errors import AuthFailed, NoAnswer, RemoteError, Unavailable
from anthrofs.remote.identity import Token
from anthrofs.remote.login import AGAIN_S, FORCED_S, Login
from anthrofs.remote.profiles import load
from tests.fakes import EPOCH_NS, FakeClock

BEGAN_S: Final = EPOCH_NS // 10**9
LIFE_S: Final = 3600


class Source:
    """Where tokens come from."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, str]] = []
        self.problem: RemoteError | tuple[int, bytes] | None = None
        self.while_asked: Callable[[], object] = lambda: None

    def __call__(self, url: str, body: Mapping[str, str], betas: str) -> tuple[int, bytes]:
        assert (url, betas) == ("https://api.example/v1/oauth/token", "oauth-2025-04-20")
        self.asked.append(body)
        self.while_asked()
        if isinstance(self.problem, RemoteError):
            raise self.problem
        if self.problem is not None:
            return self.problem
        number = len(self.asked)
        return 200, json.dumps({"access_token": f"token-{number}", "refresh_token": f"refresh-{number}", "expires_in": LIFE_S}).encode()


class Desk:
    """One login, and the hands that write its files."""

    def __init__(self, folder: Path) -> None:
        self.environ = {"ANTHROPIC_CONFIG_DIR": str(folder), "ANTHROPIC_BASE_URL": "https://api.example"}
        self.path = folder / "credentials" / "work.json"
        self.config = folder / "configs" / "work.json"
        for path in (self.path, self.config):
            path.parent.mkdir(parents=True)
        self.configure(client_id="client")
        self.put("token-0", ends_in_s=LIFE_S)
        self.clock, self.source = FakeClock(), Source()
        self.login = self.begin()

    def begin(self) -> Login:
        return Login(load(self.environ, "work"), self.source, self.clock, self.environ)

    def configure(self, **auth: str) -> None:
        new = self.config.with_suffix(".new")
        new.write_text(json.dumps({"organization_id": "org", "authentication": {"type": "user_oauth", **auth}}))
        new.replace(self.config)

    def put(self, token: str, *, ends_in_s: float | None, refresh: str = "refresh-0", **more: Any) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"access_token": token, "refresh_token": refresh, **more, **({} if ends_in_s is None else {"expires_at": int(BEGAN_S + ends_in_s)})}))
        new.chmod(0o600)
        new.replace(self.path)

    def written(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_token_serves_until_two_minutes_before_its_end(desk: Desk) -> None:
    assert desk.login.token().value == "token-0"
    desk.clock.advance(LIFE_S - 121)
    assert (desk.login.token().value, desk.source.asked) == ("token-0", [])
    desk.clock.advance(2)
    assert desk.login.token().value == "token-1"
    assert desk.source.asked == [{"grant_type": "refresh_token", "refresh_token": "refresh-0", "client_id": "client"}]
    assert desk.written() | {"expires_at": 0} == {"version": "1.0", "type": "oauth_token", "access_token": "token-1", "refresh_token": "refresh-1",
                                                  "expires_at": 0}
    assert desk.path.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in desk.path.parent.iterdir()) == ["work.json"]


def test_what_others_keep_in_the_file_stays(desk: Desk) -> None:
    desk.put("token-0", ends_in_s=60, scopes=["a"], account={"email": "x"})
    assert desk.login.token().value == "token-1"
    assert (desk.written()["scopes"], desk.written()["account"]) == (["a"], {"email": "x"})


@pytest.mark.parametrize("problem", [(503, b""), (429, b"{}"), NoAnswer("cut", maybe_stored=False), (400, b'{"error": "invalid_grant"}'), (200, b"<html>"), (200, b'{"access_token": "a b"}')])
def test_a_renewal_that_fails_is_tried_again_a_little_later_while_the_old_one_serves(desk: Desk, problem: Any) -> None:
    desk.put("token-0", ends_in_s=100)
    desk.source.problem = problem
    for _ in range(3):
        assert desk.login.token().value == "token-0"
    assert len(desk.source.asked) == 1
    desk.clock.advance(AGAIN_S)
    assert desk.login.token().value == "token-0"
    assert len(desk.source.asked) == 2
    desk.clock.advance(90)                  # and now it doesn't serve any more
    with pytest.raises(RemoteError) as caught:
        desk.login.token()
    assert not caught.value.maybe_stored
    with pytest.raises(type(caught.value), match=re.escape(str(caught.value))):       # said again, and not asked for again
        desk.login.token()
    assert len(desk.source.asked) == 3
    desk.source.problem = None
    desk.clock.advance(AGAIN_S)
    assert desk.login.token().value.startswith("token-")


@pytest.mark.parametrize(("problem", "kind"), [((503, b""), Unavailable), ((400, b'{"error": "invalid_grant", "error_description": "refresh-0"}'), AuthFailed)])
def test_what_cant_be_renewed_says_why_without_what_was_sent(desk: Desk, problem: Any, kind: type[RemoteError]) -> None:
    desk.put("token-0", ends_in_s=-1)
    desk.source.problem = problem
    with pytest.raises(kind) as caught:
        desk.login.token()
    assert "refresh-0" not in str(caught.value)
    assert ("ant auth login" in str(caught.value)) is (kind is AuthFailed)


def test_many_threads_ask_for_one_new_token_and_all_get_it(desk: Desk) -> None:
    desk.put("token-0", ends_in_s=0)
    got: list[str] = []
    login = Login(load(desk.environ, "work"), desk.source, Clock(), desk.environ)       # whoever waits lets real time pass
    others = [threading.Thread(target=lambda: got.append(login.token().value)) for _ in range(5)]

    def start() -> None:
        for thread in others:
            thread.start()
    desk.source.while_asked = start
    got.append(login.token().value)
    for thread in others:
        thread.join()
    assert (got, len(desk.source.asked)) == (["token-1"] * 6, 1)


def test_a_401_makes_one_renewal_and_what_was_just_renewed_is_not_renewed_again(desk: Desk) -> None:
    first = desk.login.token()
    assert desk.login.rejected(first)
    second = desk.login.token()
    assert second.value == "token-1"
    assert desk.login.rejected(first)               # a request that was on its way: the new one is there already
    assert not desk.login.rejected(second)
    assert len(desk.source.asked) == 1
    desk.clock.advance(FORCED_S)
    assert desk.login.rejected(second)
    assert len(desk.source.asked) == 2


def test_a_401_to_a_token_that_somebody_else_renews_looks_into_the_file(desk: Desk) -> None:
    desk.configure()
    login = desk.begin()
    token = login.token()
    assert not login.rejected(token)
    desk.put("token-x", ends_in_s=None)
    assert login.rejected(token)
    assert (login.token().value, desk.source.asked) == ("token-x", [])


def test_a_token_that_somebody_else_wrote_is_strange_until_it_is_known(desk: Desk) -> None:
    assert not desk.login.token().strange
    desk.put("token-x", ends_in_s=LIFE_S)
    token = desk.login.token()
    assert (token.value, token.strange) == ("token-x", True)
    desk.login.known(token)
    desk.put("token-x", ends_in_s=2 * LIFE_S)       # the same one, written again
    assert not desk.login.token().strange
    desk.clock.advance(2 * LIFE_S)
    assert (desk.login.token().value, desk.login.token().strange) == ("token-1", False)     # our own renewal


def test_another_mount_was_first(desk: Desk) -> None:
    """Two of them renew at the same moment: the refresh token serves once, and the loser takes what the winner has written."""
    desk.put("token-0", ends_in_s=0)
    desk.source.problem = (400, b'{"error": "invalid_grant"}')
    desk.source.while_asked = lambda: desk.put("token-x", ends_in_s=LIFE_S, refresh="refresh-x")
    assert desk.login.token().value == "token-x"


def test_a_login_that_cant_be_written_down_lives_as_long_as_the_mount(desk: Desk, monkeypatch: pytest.MonkeyPatch,
                                                                      caplog: pytest.LogCaptureFixture) -> None:
    def full(_path: Path, _what: Mapping[str, Any]) -> None:
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("anthrofs.remote.login.write_credentials", full)
    desk.put("token-0", ends_in_s=0)
    assert desk.login.token().value == "token-1"
    assert "could not be written" in caplog.text
    assert not any(secret in caplog.text for secret in ("token-", "refresh-"))
    desk.clock.advance(LIFE_S)
    assert desk.login.token().value == "token-2"
    assert [asked["refresh_token"] for asked in desk.source.asked] == ["refresh-0", "refresh-1"]


def test_a_file_that_is_away_for_a_moment_takes_nothing_away(desk: Desk) -> None:
    assert desk.login.token().value == "token-0"
    desk.path.rename(desk.path.with_suffix(".away"))
    assert desk.login.token().value == "token-0"


@pytest.mark.parametrize("content", ["", "[]", '{"access_token": "a b"}', '{"access_token": "x", "expires_at": "soon"}', "\xff"])
def test_a_file_that_becomes_nonsense_is_said_without_its_content(desk: Desk, content: str) -> None:
    assert desk.login.token().value == "token-0"
    desk.path.write_text(content, encoding="latin-1")
    with pytest.raises(AuthFailed) as caught:
        desk.login.token()
    assert "a b" not in str(caught.value)
    desk.put("token-x", ends_in_s=LIFE_S)
    assert desk.login.token().value == "token-x"


@pytest.mark.parametrize("change", [{"organization_id": "another"}, {"workspace_id": "wrkspc_b"}, {"base_url": "https://other.example"}])
def test_a_profile_that_becomes_another_ones_is_refused_until_it_is_the_former_one_again(desk: Desk, change: dict[str, str]) -> None:
    before = desk.config.read_text()
    desk.login.token()
    desk.config.write_text(json.dumps({**json.loads(before), **change}))
    with pytest.raises(AuthFailed, match="unmount and mount again"):
        desk.login.token()
    desk.config.write_text(before)
    assert desk.login.token().value == "token-0"


def test_no_repr_shows_a_token(desk: Desk) -> None:
    token = desk.login.token()
    assert "token-0" not in repr(token)
    assert "secret" not in repr(Token("x", None, refresh="secret"))
