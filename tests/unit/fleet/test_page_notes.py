"""A page on the board is believed if a member has written it, for this workspace and place, and is as old as both clocks say."""

import logging
import zlib
from dataclasses import replace

import msgspec
import pytest

from anthrofs.config import Credentials
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.page_notes import AGAIN_S, KEPT_S
from anthrofs.model import Cursor, Workspace
from tests.fakes import SECOND_NS
from tests.unit.fleet.party import SERVICE, Member, Party

AFTER = Cursor("after_id", "file_000001")


@pytest.fixture
def party() -> Party:
    found = Party()
    found.one.notes.put(30, AFTER, found.files.list(30))
    return found


def test_what_a_member_writes_another_reads_whole(party: Party) -> None:
    party.clock.advance(3)
    found = party.other.notes.find(30, AFTER)
    assert found == party.files.list(30)
    assert (found.asked_s, found.answered_s, found.others) == (1000, 1000, True)


def test_the_name_of_a_page_tells_no_id_and_its_body_no_name_of_a_file(party: Party) -> None:
    name, body = party.body()
    assert "file_000001" not in name
    assert b"text/plain" not in body
    assert name != party.one.notes.name(31, AFTER) != party.one.notes.name(31, Cursor("page", AFTER.value))


@pytest.mark.parametrize("lie", [lambda body: body[:-1], lambda body: b"", lambda body: body[:-1] + bytes([body[-1] ^ 1]), lambda body: b"\0" * 500,
                                 lambda body: body + b"\0"], ids=["cut", "empty", "flipped", "noise", "longer"])  # fmt: skip
def test_what_no_member_has_written_is_not_believed_and_said_once(party: Party, caplog: pytest.LogCaptureFixture, lie: object) -> None:
    party.lie(lie(party.body()[1]))     # type: ignore[operator]
    for _ in range(3):
        assert party.other.notes.find(30, AFTER) is None
    assert party.other.counts.of("forged") == 3
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    party.clock.advance(AGAIN_S)
    party.lie(b"")
    party.other.notes.find(30, AFTER)
    assert len(caplog.records) == 2


@pytest.mark.parametrize("reader", [
    lambda party: party.member(FleetKeys([bytes(31) + b"1"])).join(),
    lambda party: party.member().join(Workspace("organization", "wrkspc_other")),
    lambda party: party.member().join(Workspace("another organization", "wrkspc_fake")),
    lambda party: party.member(service=replace(SERVICE, scope_id="session")).join(),
    lambda party: party.member(service=replace(SERVICE, base_url="http://elsewhere")).join(Workspace(None, None)),
    lambda party: party.member(service=replace(SERVICE, credentials=Credentials("x-api-key", "other"))).join(Workspace(None, None)),
], ids=["another key", "another workspace", "another organization", "a session", "another address", "another key of the service"])  # fmt: skip
def test_no_other_fleet_workspace_or_service_finds_or_opens_it(party: Party, reader: object) -> None:
    member: Member = reader(party)      # type: ignore[operator]
    assert member.notes.find(30, AFTER) is None
    scope, name = member.membership.scope, member.notes.name(30, AFTER)
    assert scope is not None
    (written, asked), = party.wall.pages.values()
    party.wall.pages[scope.text, name] = written, asked         # somebody copies it to where the other one looks
    assert member.notes.find(30, AFTER) is None
    assert member.counts.of("forged") == 1


@pytest.mark.parametrize(("limit", "cursor"), [(31, AFTER), (30, None), (30, Cursor("after_id", "file_000002")), (30, Cursor("page", AFTER.value))])
def test_a_page_of_another_place_in_the_listing_is_none(party: Party, limit: int, cursor: Cursor | None) -> None:
    ((scope, _), note), = party.wall.pages.items()
    party.wall.pages[scope, party.other.notes.name(limit, cursor)] = note
    assert party.other.notes.find(limit, cursor) is None
    assert party.other.counts.of("forged") == 1


def test_an_old_page_that_is_put_there_again_is_as_old_as_it_was(party: Party) -> None:
    body = party.body()[1]
    party.clock.advance(40)
    party.lie(body)
    found = party.other.notes.find(30, AFTER)
    assert found is not None
    assert found.asked_s == 1000
    party.clock.advance(KEPT_S - 39)
    party.lie(body)
    assert party.other.notes.find(30, AFTER) is None


@pytest.mark.parametrize("jump_s", [-60, -4, 4, 60])
def test_where_board_and_service_do_not_agree_on_its_age_it_is_not_taken(party: Party, jump_s: int) -> None:
    """A machine's clock has jumped, or the board's: the next answer of the service mends the first."""
    assert party.other.notes.find(30, AFTER) is not None
    party.other.jumped_ns = jump_s * SECOND_NS
    found = party.other.notes.find(30, AFTER)
    assert (found is None) == (abs(jump_s) > 4), "bounds of two seconds each, and two more"
    assert party.other.counts.of("forged") == 0


def test_a_page_of_another_version_is_no_page(party: Party) -> None:
    scope, keys = party.one.membership.scope, party.keys
    assert scope is not None
    sealed = keys.seal("page", ("page", scope.text, 30, "after_id", "file_000001"), zlib.compress(msgspec.msgpack.encode({"files": "none"})))
    party.lie(sealed)
    assert party.other.notes.find(30, AFTER) is None
