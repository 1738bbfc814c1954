"""A key is read again when it is refused, and when a person says so; and whose it is has to be seen before it changes anything."""

import logging
import threading
from pathlib import Path

import pytest

from anthrofs.clock import Clock
from anthrofs.config import Credentials, KeySource
from anthrofs.errors import AuthFailed
from anthrofs.remote import held_key
from anthrofs.remote.held_key import AGAIN_S, HeldKey
from anthrofs.remote.identity import Identity
from anthrofs.remote.key_sources import read_key
from tests.fakes import FakeClock

OURS = {"anthropic-organization-id": "org_1", "anthropic-workspace-id": "wrkspc_1"}
THEIRS = {"anthropic-organization-id": "org_1", "anthropic-workspace-id": "wrkspc_2"}


class Desk:
    """A key file, and the key that was read from it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "key"
        self.put("key-0")
        self.clock = FakeClock()
        self.source = KeySource("file", (str(self.path),))
        self.key = HeldKey(Credentials("x-api-key", "key-0", self.source), self.source, self.clock, {})

    def put(self, text: str) -> None:
        self.path.write_text(text)
        self.path.chmod(0o600)

    def held(self) -> str:
        return self.key.token().value


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_key_that_is_refused_is_read_again_and_only_another_one_is_worth_a_second_try(desk: Desk) -> None:
    first = desk.key.token()
    assert not desk.key.rejected(first)
    desk.put("key-1\n")
    assert desk.held() == "key-0"           # nobody has refused it since
    assert desk.key.rejected(first)
    assert desk.held() == "key-1"
    assert desk.key.rejected(first)         # another request, which had gone with the former one
    assert not desk.key.rejected(desk.key.token())


def test_a_request_has_the_key_in_the_header_of_its_kind(desk: Desk) -> None:
    headers = {"x-api-key": "key-0", "anthropic-beta": "files"}
    desk.put("key-1")
    desk.key.rejected(desk.key.token())
    desk.key.sign(headers, desk.key.token())
    assert headers == {"x-api-key": "key-1", "anthropic-beta": "files"}


@pytest.mark.parametrize("content", ["", "two words", "ANTHROPIC_API_KEY=key-1"], ids=["empty", "words", "line"])
def test_a_source_that_has_no_key_leaves_the_one_that_there_was_and_isnt_quoted(
        desk: Desk, content: str, caplog: pytest.LogCaptureFixture) -> None:
    desk.put(content)
    assert not desk.key.rejected(desk.key.token())
    assert desk.held() == "key-0"
    assert "the key could not be read again: The key file " in caplog.text
    assert "two words" not in caplog.text
    assert "key-1" not in caplog.text


def test_a_command_is_asked_once_in_half_a_minute_and_at_once_when_a_person_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    asked = tmp_path / "asked"
    source = KeySource("command", ("sh", "-c", f"echo x >>{asked}; cat {desk.path}"))
    key = HeldKey(Credentials("x-api-key", "key-0", source), source, desk.clock, {"PATH": "/usr/bin:/bin"})
    for _ in range(5):
        assert not key.rejected(key.token())
    assert asked.read_text() == "x\n"
    desk.put("key-1")
    key.read_again()
    assert key.token().value == "key-1"
    assert asked.read_text() == 2 * "x\n"
    desk.clock.advance(AGAIN_S)
    desk.put("key-2")
    assert key.rejected(key.token())
    assert key.token().value == "key-2"


def test_many_requests_that_are_refused_together_read_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    readings, here, go = [0], threading.Event(), threading.Event()

    def slow(*arguments: object) -> Credentials:
        readings[0] += 1
        here.set()
        assert go.wait(30)
        return read_key(*arguments)     # type: ignore[arg-type]

    monkeypatch.setattr(held_key, "read_key", slow)
    desk.put("key-1")
    key = HeldKey(Credentials("x-api-key", "key-0", desk.source), desk.source, Clock(), {})     # on a fake clock nobody waits for another
    first, said = key.token(), list[bool]()
    threads = [threading.Thread(target=lambda: said.append(key.rejected(first))) for _ in range(8)]
    threads[0].start()
    assert here.wait(30)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(30)
    assert said == 8 * [True]
    assert readings == [1]


def test_a_variable_doesnt_change_and_a_person_is_told(caplog: pytest.LogCaptureFixture) -> None:
    source = KeySource("environment", ("ANTHROPIC_API_KEY",))
    key = HeldKey(Credentials("x-api-key", "key-0", source), source, FakeClock(), {"ANTHROPIC_API_KEY": "key-1"})
    assert not key.rejected(key.token())
    key.read_again()
    assert key.token().value == "key-0"
    assert "the variable ANTHROPIC_API_KEY doesn't change while a program runs" in caplog.text


def test_before_another_key_changes_anything_a_listing_shows_whose_it_is(desk: Desk) -> None:
    identity = Identity(desk.key)
    looks = list[str]()
    headers: dict[str, str] = {}

    def look() -> None:
        looks.append(desk.held())
        identity.answered(OURS, identity.sign({}, changing=False, look=look), well=True)

    identity.answered(OURS, identity.sign(headers, changing=True, look=look), well=True)
    assert looks == []                      # that of the start is trusted
    desk.put("key-1")
    desk.key.rejected(desk.key.token())
    identity.sign(headers, changing=True, look=look)
    assert (looks, headers["x-api-key"]) == (["key-1"], "key-1")
    identity.sign(headers, changing=True, look=look)
    assert looks == ["key-1"]               # now it is known


def test_another_workspaces_key_is_put_away_and_the_right_one_serves_when_it_is_there(desk: Desk) -> None:
    identity = Identity(desk.key)
    identity.answered(OURS, desk.key.token(), well=True)
    desk.put("key-of-others")
    desk.key.rejected(desk.key.token())
    with pytest.raises(AuthFailed, match="the key that was read again is another organization's or workspace's"):
        identity.answered(THEIRS, desk.key.token(), well=True)
    assert desk.held() == "key-0"
    desk.put("key-1")
    assert desk.key.rejected(desk.key.token())
    identity.answered(OURS, desk.key.token(), well=True)
    assert not desk.key.token().strange


def test_the_key_of_the_start_says_itself_whose_files_are_shown(desk: Desk) -> None:
    """A gateway may go to several organizations with what it is given: such a mount goes on, as long as its key is the one that it began with."""
    identity = Identity(desk.key)
    for named in (OURS, THEIRS, OURS):
        identity.answered(named, desk.key.token(), well=True)
        assert identity.workspace().workspace_id == named["anthropic-workspace-id"]
    desk.put("key-of-others")
    desk.key.rejected(desk.key.token())
    with pytest.raises(AuthFailed, match="read again"):
        identity.answered(THEIRS, desk.key.token(), well=True)
    assert identity.workspace().workspace_id == "wrkspc_1"


def test_a_key_that_becomes_valid_again_is_no_strangers(desk: Desk) -> None:
    desk.put("key-1")
    desk.key.rejected(desk.key.token())
    desk.put("key-0")
    desk.key.rejected(desk.key.token())
    assert (desk.held(), desk.key.token().strange) == ("key-0", False)


def test_neither_repr_nor_log_shows_a_key(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk.put("key-1")
    desk.key.rejected(desk.key.token())
    desk.key.read_again()
    assert "key-" not in caplog.text + repr(desk.key.token()) + repr(desk.key)
