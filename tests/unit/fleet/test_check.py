"""`anthrofs fleet check` finds out by using a store whether it is fit, and says of each lack what one suffers from it."""

from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from anthrofs.errors import StoreAway, StoreRefuses
from anthrofs.fleet.check import check_store
from anthrofs.fleet.keys import SECRET_BYTES, FleetKeys
from tests.fakes import EPOCH_NS, FakeClock
from tests.fleet.memory_objects import MemoryObjects

KEYS = FleetKeys([b"n" * SECRET_BYTES])
OTHERS = FleetKeys([b"o" * SECRET_BYTES])


class Checked(MemoryObjects):
    """With an address for what another client would see, and faults that only a check looks for."""

    def __init__(self) -> None:
        super().__init__()
        self.address: str | None = None
        self.keeps = ""             # why nothing is removed
        self.now_ns = EPOCH_NS

    def signed(self, path: str) -> str | None:
        return None if self.address is None else f"{self.address}/{path}"

    def remove(self, paths: Sequence[str]) -> None:
        if self.keeps:
            raise StoreRefuses(self.keeps)
        super().remove(paths)


@pytest.fixture
def store() -> Checked:
    return Checked()


def found(store: Checked) -> tuple[list[str], list[str]]:
    """What is good and what is bad."""
    all_ = list(check_store(store, KEYS, FakeClock()))
    return [each.text for each in all_ if each.good], [each.text for each in all_ if not each.good]


def test_a_store_that_is_fit_has_nothing_bad_and_nothing_of_the_check_stays(store: Checked) -> None:
    good, bad = found(store)
    assert bad == []
    assert len(good) == 7
    assert store.bodies == {}


def test_another_fleets_store_is_seen_by_its_key_ids(store: Checked) -> None:
    store.bodies[f"1/{OTHERS.ids[0]}/w/f/0"] = b"x"
    _, bad = found(store)
    assert bad == [f"the store has no file of this key, {KEYS.ids[0]}; and of {OTHERS.ids[0]}, which isn't known here"]
    store.bodies[f"1/{KEYS.ids[0]}/w/f/0"] = b"x"
    assert found(store)[1] == []


def test_an_older_keys_files_are_no_lack(store: Checked) -> None:
    store.bodies[f"1/{OTHERS.ids[0]}/w/f/0"] = b"x"
    good = [each.text for each in check_store(store, FleetKeys([b"n" * SECRET_BYTES, b"o" * SECRET_BYTES]), FakeClock()) if each.good]
    assert good[0] == f"the store has no file of this key, {KEYS.ids[0]}; of the older {OTHERS.ids[0]}"


def test_a_create_that_overwrites_is_said_and_no_lack(store: Checked) -> None:
    store.ignores_create = True
    good, bad = found(store)
    assert bad == []
    assert any(text.startswith("what is there is overwritten by a member that would create it") for text in good)


def test_a_listing_that_is_late_is_a_lack(store: Checked) -> None:
    store.lists_late = True
    assert found(store)[1] == ["what is put isn't in the store's listing at once: new mounts learn of it late"]


@pytest.mark.parametrize(("minutes", "bad"), [(0, False), (-10, True), (10, True)])
def test_clocks_that_are_apart_are_a_lack(store: Checked, minutes: int, bad: bool) -> None:
    store.now_ns += minutes * 60 * 10**9
    assert found(store)[1] == (["this machine's clock and the store's are 10 minutes apart: S3 refuses from 15 on"] if bad else [])


def test_what_cant_be_removed_is_a_lack(store: Checked) -> None:
    store.keeps = "the credentials may not do this"
    assert found(store)[1] == ["nothing can be removed, so what is deleted stays there: the credentials may not do this"]


def test_what_is_changed_on_its_way_is_a_lack_and_the_check_still_clears_up(store: Checked) -> None:
    def flip(call: str, path: str) -> None:
        if call == "get":
            store.bodies[path] = store.bodies[path][:-1] + b"?"
    store.mishap = flip
    assert [text.partition(":")[0] for text in found(store)[1]] == ["what was just put can't be read"]
    assert store.bodies == {}


def test_a_store_that_is_away_or_refuses_is_no_finding(store: Checked) -> None:
    store.refuses = "it is full"
    with pytest.raises(StoreRefuses, match="full"):
        found(store)

    def away(_call: str, _path: str) -> None:
        raise StoreAway("no answer")
    store.mishap = away
    with pytest.raises(StoreAway, match="no answer"):
        found(store)


# ---- a rule that deletes

class Handler(BaseHTTPRequestHandler):
    """S3's answer to a HEAD."""

    header = ""

    def do_HEAD(self) -> None:
        self.send_response(200)
        if self.header:
            self.send_header("x-amz-expiration", self.header)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:     # noqa: A002 - the base class's
        """Not to standard error."""


@pytest.fixture
def s3(store: Checked) -> Iterator[type[Handler]]:
    class Its(Handler):
        """Of this test."""
    with HTTPServer(("127.0.0.1", 0), Its) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        store.address = f"http://127.0.0.1:{server.server_port}"
        yield Its
        server.shutdown()
        thread.join()


def test_a_lifecycle_rule_that_deletes_is_a_lack(store: Checked, s3: type[Handler]) -> None:
    s3.header = 'expiry-date="Fri, 25 Sep 2026 14:13:20 GMT", rule-id="early"'      # four days after the fake clock's beginning
    _, bad = found(store)
    assert bad == ["a rule of the store deletes what is put there after 4 days, and the readable copies of uploads with it"]


def test_without_such_a_rule_that_is_said(store: Checked, s3: type[Handler]) -> None:
    s3.header = ""
    good, bad = found(store)
    assert bad == []
    assert "no rule of the store deletes what is put there" in good


def test_whoever_cant_look_for_it_says_so(store: Checked) -> None:
    store.address = "http://127.0.0.1:1"
    good, bad = found(store)
    assert bad == []
    assert any(text.startswith("whether a rule of its own deletes what is there can't be seen") for text in good)
