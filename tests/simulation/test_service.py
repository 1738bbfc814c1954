"""The simulated service answers as the emulator does, which the official SDKs have been held against."""

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from anthrofs.errors import Gone, QuotaExceeded, RateLimited
from anthrofs.model import Cursor, FileId
from tests.emulator.process import EmulatorProcess
from tests.simulation.differential import Drawer, Side
from tests.simulation.faults import Faults
from tests.simulation.rig import Rig
from tests.simulation.service import Service
from tests.simulation.wire import Wire

# ---- where only the simulated service has its time in hand

@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path, latency_s=(0.0, 0.0)) as one:
        yield one


def shown(rig: Rig, limit: int = 100) -> list[str]:
    names, cursor, more = list[str](), None, True
    while more:
        page = rig.files.list(limit, cursor)
        names += [file.name for file in page.files]
        cursor, more = page.following, page.following is not None
    return names


def test_what_is_new_or_gone_shows_after_its_lag(rig: Rig) -> None:
    rig.rule(listing_lag_ms=2000, deletion_lag_ms=5000, metadata_lag_ms=3000)
    file_id = rig.generate(name="a.csv")
    assert shown(rig) == []
    assert rig.files.stat(file_id).name == "a.csv"
    rig.clock.advance(2)
    assert shown(rig) == ["a.csv"]

    rig.files.delete(file_id)
    with pytest.raises(Gone):
        rig.files.download(file_id)
    rig.clock.advance(2.9)
    assert shown(rig) == ["a.csv"]
    assert rig.files.stat(file_id).name == "a.csv"
    rig.clock.advance(0.2)
    with pytest.raises(Gone):
        rig.files.stat(file_id)
    assert shown(rig) == ["a.csv"]
    rig.clock.advance(2)
    assert shown(rig) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled"])
def test_each_file_is_on_one_page_in_any_order(rig: Rig, order: str, limit: int) -> None:
    rig.rule(order=order)
    names = [f"{number}.csv" for number in range(7)]
    for name in names:
        rig.generate(name=name)
    assert sorted(shown(rig, limit)) == names


def test_a_cursor_whose_file_was_deleted_is_unknown_or_in_its_place(rig: Rig) -> None:
    ids = [rig.generate(name=f"{number}.csv") for number in range(4)]
    rig.service.vanish(ids[2])
    rig.rule(deleted_cursor="in_place")
    assert [file.file_id for file in rig.files.list(10, Cursor("after_id", ids[2])).files] == [ids[1], ids[0]]


def test_a_minute_has_so_many_requests_wherever_it_begins(rig: Rig) -> None:
    rig.rule(requests_per_minute=5)
    for _ in range(5):
        rig.clock.advance(1)
        rig.files.list(1)
    with pytest.raises(RateLimited) as caught:
        rig.files.list(1)
    wait_s = caught.value.retry_after_s
    assert wait_s is not None
    assert wait_s == pytest.approx(56, abs=1)
    rig.clock.advance(wait_s)
    rig.files.list(1)


def test_a_full_storage_has_room_again_after_a_deletion(rig: Rig) -> None:
    rig.rule(quota_bytes=10)
    file = rig.upload(content=bytes(8))
    with pytest.raises(QuotaExceeded):
        rig.upload(content=bytes(3))
    rig.files.delete(file.file_id)
    assert rig.upload(content=bytes(10)).size_bytes == 10


def test_whoever_owns_the_service_sees_every_file_and_who_did_what(rig: Rig) -> None:
    mine, theirs = rig.upload("a.txt"), FileId(rig.service.generate("b.txt", b"tool", scope_id="session_a"))
    rig.files.delete(mine.file_id)
    rig.service.vanish(theirs, "another")

    assert rig.service.files() == []
    assert {file.name: (file.by, file.deleted_by, file.content) for file in rig.service.known.values()} == {
        "a.txt": ("client", "client", b"text"), "b.txt": ("tool", "another", b"tool")}


# ---- and the emulator

SEEDS: Final = 20
ASKED: Final = 60       # requests for each


@contextmanager
def sides(emulator: EmulatorProcess) -> Iterator[tuple[Side, Side, Service]]:
    """Both empty."""
    service = Service(time.time_ns, key="demo-key")
    wire = Wire(service, Faults(), "raw", lambda _: None, time.monotonic, random.Random(1), (0.0, 0.0))

    def by_tool(wanted: Mapping[str, Any]) -> str:
        params = {name: wanted[name] for name in ("scope_id",) if wanted[name] is not None}
        if wanted["lifetime_s"] is not None:
            params["expires_in_seconds"] = wanted["lifetime_s"]
        if wanted["days"]:
            params["created_at"] = datetime.fromtimestamp(wanted["created_s"], UTC).isoformat()
        return str(emulator.generate(wanted["name"], wanted["content"], wanted["mime_type"], downloadable=wanted["downloadable"], **params)["id"])

    def by_hand(wanted: Mapping[str, Any]) -> str:
        return service.generate(wanted["name"], wanted["content"], wanted["mime_type"], wanted["downloadable"], scope_id=wanted["scope_id"],
                                created_us=round(wanted["created_s"]) * 10**6 if wanted["days"] else None, lifetime_s=wanted["lifetime_s"])
    with (httpx.Client(base_url=emulator.url, trust_env=False, timeout=30, verify=False) as outside,
          httpx.Client(base_url=emulator.url, trust_env=False, transport=wire) as inside):
        headers = {"x-api-key": "demo-key", "anthropic-version": "2023-06-01"}
        named = outside.get("/v1/files", headers=headers).headers["anthropic-workspace-id"]
        yield Side(outside, by_tool, named), Side(inside, by_hand, service.workspace_id), service


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_simulated_service_answers_as_the_emulator_does(emulator: EmulatorProcess, seed: int) -> None:
    drawer, chance, began_s = Drawer(seed), random.Random(f"{seed} order"), time.time()
    with sides(emulator) as (emulated, simulated, service):
        switches = drawer.switches()
        print("seed", seed, switches)
        emulator.session("session_b")
        service.sessions.add("session_b")
        emulator.switch(**switches, **({"minute": "sliding"} if "requests_per_minute" in switches else {}))
        service.rules = replace(service.rules, **switches)
        for number in range(ASKED):
            if number < 6 or chance.random() < 0.1:
                wanted = drawer.file()
                wanted["created_s"] = round(began_s) - wanted["days"] * 86400 + number
                emulated.made(wanted)
                simulated.made(wanted)
            ask = drawer.ask()
            assert simulated.asked(ask) == emulated.asked(ask), f"seed {seed}, {switches}, request {number}: {ask}"
        shown, stored = emulator.files(), service.files()
        assert ([(file["filename"], file["mime_type"], file["size_bytes"], file["downloadable"]) for file in shown]
                == [(file.name, file.mime_type, file.size_bytes, file.downloadable) for file in stored])
