"""A redirect is followed as far as the key may go, and one that isn't names its target."""

import pytest

from anthrofs.errors import InTheWay
from anthrofs.remote.redirects import Hop, hop_of

HERE = "https://api.example/v1/files?limit=1"


@pytest.mark.parametrize(("method", "status", "location", "hop"), [
    ("GET", 302, "/elsewhere?a=1", Hop("https://api.example/elsewhere?a=1", trusted=True)),
    ("GET", 301, "https://api.example:443/x", Hop("https://api.example:443/x", trusted=True)),
    ("GET", 308, "//api.example/x#part", Hop("https://api.example/x", trusted=True)),
    ("GET", 307, "https://me:pw@api.example/x", Hop("https://api.example/x", trusted=True)),
    ("POST", 307, "/x", Hop("https://api.example/x", trusted=True)),
    ("DELETE", 308, "/x", Hop("https://api.example/x", trusted=True)),
    ("GET", 304, "/x", None), ("GET", 200, "/x", None), ("GET", 302, None, None),
])
def test_a_redirect_within_the_host_is_followed_where_it_keeps_the_request(method: str, status: int, location: str | None, hop: Hop | None) -> None:
    assert hop_of(method, HERE, status, location, content=False, hops=0) == hop


@pytest.mark.parametrize(("method", "status", "location", "says", "maybe_stored"), [
    ("POST", 301, "/x", "to https://api.example/x, which would make another request of it", True),
    ("POST", 302, "/x", "would make another request", True),
    ("POST", 303, "/x", "would make another request", True),
    ("DELETE", 302, "/x", "would make another request", False),
    ("POST", 308, "https://other.example/x", "the key isn't sent to another host", False),
    ("DELETE", 307, "https://api.example:8443/x", "the key isn't sent to another host", False),
    ("GET", 302, "https://login.example/?token=one-time", r"to https://login.example/: the key isn't sent", False),
    ("GET", 302, "http://api.example/x", "where it can't go", False),
    ("GET", 302, "ftp://api.example/x", "an address that is none", False),
    ("GET", 302, "http://[", "an address that is none", False),
])
def test_a_redirect_that_isnt_followed_names_its_target(method: str, status: int, location: str, says: str, maybe_stored: bool) -> None:
    with pytest.raises(InTheWay, match=says) as caught:
        hop_of(method, HERE, status, location, content=False, hops=0)
    assert caught.value.maybe_stored is maybe_stored
    assert "one-time" not in str(caught.value)


def test_the_way_up_to_tls_is_the_same_host() -> None:
    assert hop_of("POST", "http://api.example/x", 308, "https://api.example/x", content=False, hops=0) == Hop("https://api.example/x", trusted=True)


def test_only_a_files_bytes_may_lie_elsewhere_and_no_redirect_goes_on_for_ever() -> None:
    assert hop_of("GET", HERE, 302, "https://bucket.example/x?sig=1", content=True, hops=0) == Hop("https://bucket.example/x?sig=1", trusted=False)
    with pytest.raises(InTheWay, match="for the 11th time"):
        hop_of("GET", HERE, 302, "/x", content=True, hops=10)


@pytest.mark.parametrize("location", ["/y", "https://bucket.example/y", "https://other.example/y", "https://api.example/y"])
def test_another_host_that_sends_on_gets_no_key_nor_whoever_it_names(location: str) -> None:
    hop = hop_of("GET", "https://bucket.example/x", 302, location, content=True, hops=1, trusted=False)
    assert hop is not None
    assert not hop.trusted
