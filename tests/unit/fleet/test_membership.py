"""Mounts are of one workspace if the service says so; where it says nothing, if address and key are the same. No others meet."""

from dataclasses import replace

import pytest

from anthrofs.config import Credentials, Profile, Service
from anthrofs.fleet.membership import Membership, scope_of
from anthrofs.model import Workspace

SERVICE = Service("http://fake", Credentials("x-api-key", "key"))
OTHERS = [replace(SERVICE, base_url="http://elsewhere"), replace(SERVICE, credentials=Credentials("x-api-key", "other")),
          replace(SERVICE, credentials=Profile("work", "http://fake/token"))]
UNNAMED, NAMED = Workspace(None, None), Workspace("organization", "workspace")


@pytest.mark.parametrize("other", OTHERS, ids=["address", "key", "profile"])
def test_a_named_workspace_is_the_same_by_any_address_and_key_and_an_unnamed_one_by_its_own_only(other: Service) -> None:
    assert scope_of(NAMED, SERVICE) == scope_of(NAMED, other)
    assert scope_of(UNNAMED, SERVICE) == scope_of(UNNAMED, SERVICE)
    here, there = scope_of(UNNAMED, SERVICE), scope_of(UNNAMED, other)
    assert here.organization != there.organization
    assert here.workspace != there.workspace
    assert "key" not in here.text.replace("unnamed", "")


def test_a_sessions_files_are_a_listing_of_their_own() -> None:
    whole, one, two = (scope_of(NAMED, replace(SERVICE, scope_id=each)) for each in (None, "one", "two"))
    assert len({whole.text, one.text, two.text}) == 3
    assert whole.organization == one.organization == two.organization


def test_a_mount_is_of_what_the_last_answer_named() -> None:
    one, other = Membership(SERVICE, "host:/mnt"), Membership(SERVICE, "host:/mnt")
    assert (one.scope, one.is_of(NAMED)) == (None, False)
    assert one.member != other.member
    for named in (UNNAMED, NAMED, NAMED):
        one.join(named)
        assert one.scope == scope_of(named, SERVICE)
        assert (one.is_of(named), one.is_of(Workspace("organization", "other"))) == (True, False)
