"""Mounts of a fleet share one listing: what it costs together, how soon one knows what another did, and that nothing on the board makes it
wrong. Real mounts, a real redis-server; the server's log counts the requests.
"""

import os
import random
import signal
import sqlite3
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from anthrofs.attribute_names import FILE_ID, SHARED
from tests.emulator.process import EmulatorProcess
from tests.fleet.redis_server import RedisServer
from tests.fleet.team import Team, finish_all
from tests.fleet.wires import Wire
from tests.mounting import Mount, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES: Final = 3
FILES: Final = 3000


def lists(emulator: EmulatorProcess) -> int:
    return len(emulator.requests("list"))


def sees(mount: Mount, name: str) -> bool:
    return name in os.listdir(mount.path)


def spared(mount: Mount) -> int:
    return int(mount.status()["fleet"]["tale"]["spared"])


# ---- what it costs

@pytest.mark.parametrize("mounts", [1, 3])
def test_mounts_that_look_ask_together_as_often_as_one(team: Team, emulator: EmulatorProcess, mounts: int) -> None:
    """README of the fleet: one listing serves all. The window is short here; a minute of refreshes of 10 s is the same six."""
    window_s, windows = 2.0, 6
    emulator.bulk(20, size_bytes=3)
    made = [team.mount("--refresh", str(window_s)) for _ in range(mounts)]
    emulator.forget_requests()
    until_s = time.monotonic() + window_s * windows
    while time.monotonic() < until_s:
        for mount in made:
            assert len(os.listdir(mount.path)) == 20
        time.sleep(0.05)
    assert windows / 2 <= lists(emulator) <= windows + 1
    assert Counter(request["operation"] for request in emulator.requests()).keys() == {"list"}


def test_a_first_mount_on_many_machines_lists_each_page_once(team: Team, emulator: EmulatorProcess) -> None:
    emulator.bulk(FILES, size_bytes=3)
    emulator.forget_requests()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: team.mount("--refresh", "300"), range(4)))
    assert [len(os.listdir(mount.path)) for mount in made] == [FILES] * 4
    assert PAGES <= lists(emulator) <= PAGES + len(made)
    assert sum(map(spared, made)) >= (len(made) - 1) * (PAGES - 1)


def swept_long_ago(mount: Mount) -> None:
    """Not mounted now."""
    with sqlite3.connect(mount.state_dir / "state.db") as state:
        state.execute("UPDATE meta SET value = '1' WHERE name = 'swept_ns'")
    state.close()


def test_what_is_gone_is_found_by_one_sweep_for_all(team: Team, emulator: EmulatorProcess) -> None:
    emulator.bulk(1500, size_bytes=3)
    made = [team.mount("--refresh", "300") for _ in range(3)]
    for mount in made:
        mount.umount()
        swept_long_ago(mount)
    old = next(file for file in emulator.files() if file["filename"] == "bulk-000020.txt")
    emulator.vanish(old["id"])
    emulator.forget_requests()
    for mount in made:
        team.again(mount, "--refresh", "2", "--poll")
    wait_until(lambda: all(len(os.listdir(mount.path)) == 1499 for mount in made), "it goes on all of them")
    # Each that has just been mounted begins with a page of its own; what follows they have together.
    assert len([request for request in emulator.requests("list") if "limit=1000" in str(request)]) <= len(made) + 1


# ---- what one does, the others know

def test_what_one_saves_changes_and_removes_the_others_show_at_once_for_no_request(team: Team, emulator: EmulatorProcess) -> None:
    one, other, third = (team.mount("--refresh", "300") for _ in range(3))
    emulator.forget_requests()
    (one.path / "a.txt").write_text("a")
    wait_until(lambda: sees(other, "a.txt") and sees(third, "a.txt"), "it shows")
    (one.path / "a.txt").write_text("longer")
    one.sync()
    new = os.getxattr(one.path / "a.txt", FILE_ID)
    wait_until(lambda: os.getxattr(other.path / "a.txt", FILE_ID) == new, "its new content shows")
    wait_until(lambda: os.listdir(other.path) == ["a.txt"], "and its old one doesn't any more")
    (one.path / "folder").mkdir()
    (one.path / "folder" / "b.txt").write_text("b")
    wait_until((other.path / "folder" / "b.txt").exists, "a file in a folder shows")
    (other.path / "a.txt").unlink()
    (one.path / "folder" / "b.txt").unlink()
    wait_until(lambda: os.listdir(third.path) == [], "what is removed goes")
    assert Counter(request["operation"] for request in emulator.requests()) == {"upload": 3, "delete": 3}


def test_what_one_saves_the_others_can_read_at_once_for_no_request(team: Team, emulator: EmulatorProcess, tmp_path: Path) -> None:
    """Manual: with a board it takes about a second after the close, and what the store needs."""
    store = ("--store", f"file://{tmp_path}/store", "--refresh", "300")
    (tmp_path / "store").mkdir()
    one, other = (team.mount(*store) for _ in range(2))
    emulator.forget_requests()
    (one.path / "a.txt").write_text("of the one")
    wait_until(lambda: sees(other, "a.txt") and os.getxattr(other.path / "a.txt", SHARED) == b"true", "it is there")
    assert (other.path / "a.txt").read_text() == "of the one"
    assert Counter(request["operation"] for request in emulator.requests()) == {"upload": 1}


def test_what_was_said_before_a_mount_came_changes_nothing_there(team: Team, emulator: EmulatorProcess) -> None:
    one = team.mount("--refresh", "300")
    (one.path / "gone.txt").write_text("!")
    (one.path / "there.txt").write_text("!")
    (one.path / "gone.txt").unlink()
    one.sync()
    late = team.mount("--refresh", "300")
    (one.path / "new.txt").write_text("!")
    wait_until(lambda: sees(late, "new.txt"), "it has heard of all that was said")
    assert sorted(os.listdir(late.path)) == ["new.txt", "there.txt"]


def test_what_the_board_loses_the_listing_shows(team: Team, emulator: EmulatorProcess, redis: RedisServer) -> None:
    one, other = (team.mount("--refresh", "1") for _ in range(2))
    for mount in team.mounts:
        mount.expects("the board .* is away", "the board .* answers again")
    for number in range(4):
        (one.path / f"{number}.txt").write_text("!")
        redis.restart()
    wait_until(lambda: len(os.listdir(other.path)) == 4 or not other.refresh(), "all show")
    wait_until(lambda: "away_since" not in other.status()["fleet"]["board"], "the board is back")
    (one.path / "last.txt").write_text("!")
    wait_until(lambda: sees(other, "last.txt"), "and serves again")


# ---- others on the same board

@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_two_services_on_one_board_never_meet(team: Team, emulator: EmulatorProcess, redis: RedisServer, tmp_path: Path, named: bool) -> None:
    """Also where neither says whose workspace it is: then their addresses keep them apart."""
    with EmulatorProcess(tmp_path / "second" / "data") as second:
        there = Team(tmp_path / "there", second, redis.url)
        there.key = team.key
        try:
            for service, name in ((emulator, "here"), (second, "there")):
                service.switch(identity_headers=named)
                service.generate(f"{name}.txt", b"!")
            mounts = {"here": [team.mount("--refresh", "1") for _ in range(2)], "there": [there.mount("--refresh", "1") for _ in range(2)]}
            for name, (one, other) in mounts.items():
                (one.path / f"new-{name}.txt").write_text("!")
                wait_until(lambda other=other, name=name: sees(other, f"new-{name}.txt"), "each hears its own")      # type: ignore[misc]
            served = {name: [spared(mount) for mount in made] for name, made in mounts.items()}
            wait_until(lambda: all(sum(spared(mount) for mount in made if os.listdir(mount.path)) > sum(served[name]) for name, made in mounts.items()),
                       "each has the other's pages")
            for name, made in mounts.items():
                for mount in made:
                    assert sorted(os.listdir(mount.path)) == sorted([f"{name}.txt", f"new-{name}.txt"])
        finally:
            finish_all(there.mounts)


# ---- the board is silent

def test_without_the_board_each_mount_asks_for_itself_and_less_often(team: Team, emulator: EmulatorProcess, redis: RedisServer) -> None:
    made = [team.mount("--refresh", "1", "--poll") for _ in range(2)]
    for mount in made:
        mount.expects("the board .* is away", "the board .* answers again")
    redis.signal(signal.SIGSTOP)
    wait_until(lambda: all("away_since" in mount.status()["fleet"]["board"] for mount in made), "they have noticed")
    for mount in made:
        mount.refresh()
    emulator.forget_requests()
    emulator.generate("new.txt", b"new")
    began_s = time.monotonic()
    for mount in made:
        mount.refresh()
    assert time.monotonic() - began_s < 5
    assert all(sees(mount, "new.txt") for mount in made)
    assert lists(emulator) == len(made)         # a refresh of each, which was asked for; their own are 30 s apart now
    redis.signal(signal.SIGCONT)
    wait_until(lambda: all("away_since" not in mount.status()["fleet"]["board"] for mount in made), "the board is back")


@pytest.mark.parametrize("mishap", ["refuse", "lose", "silence", "cut", "flip", "slow"])
def test_whatever_happens_on_the_way_to_the_board_each_sees_what_is_there_and_nothing_hangs(
        team: Team, emulator: EmulatorProcess, redis: RedisServer, mishap: str) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    with Wire("127.0.0.1", redis.port) as wire:
        one, other = team.mount("--refresh", "1"), team.mount("--refresh", "1", "--poll", url=f"redis://127.0.0.1:{wire.port}/0")
        other.expects("the board .* is away", "the board .* answers again", "a page of the listing on the board", "is of no member")
        wait_until(lambda: spared(other) > 0 or not one.refresh(), "it is served by the board")
        after = chance.randrange(6)
        mishaps: dict[str, Callable[[], None]] = {
            "refuse": wire.refuse, "lose": wire.lose, "silence": lambda: wire.silence(after_requests=after), "slow": lambda: wire.slow(1000),
            "cut": lambda: wire.cut(after_requests=after, after_bytes=chance.randrange(100)),
            "flip": lambda: wire.flip(after_requests=after, after_bytes=chance.randrange(100))}
        mishaps[mishap]()
        for number in range(3):
            emulator.generate(f"{number}.txt", b"new")
            began_s = time.monotonic()
            other.refresh()
            assert time.monotonic() - began_s < 10
            assert sees(other, f"{number}.txt")
        (other.path / "own.txt").write_text("!")
        other.umount()                                      # while it is so
        wire.mend()
        one.refresh()
        assert len(os.listdir(one.path)) == 4


# ---- lies on the board

def pages(redis: RedisServer) -> dict[bytes, dict[bytes, bytes]]:
    with redis.client() as client:
        return {key: dict(client.hgetall(key)) for key in client.keys("*:page:*")}


def forge(redis: RedisServer, lies: dict[bytes, dict[bytes, bytes]]) -> None:
    """They stand there as if they had been asked for in this moment, and stay."""
    with redis.client() as client:
        seconds, micros = client.time()
        for key, lie in lies.items():
            client.hset(key, mapping={**lie, b"asked": str(seconds * 10**6 + micros)})
            client.pexpire(key, 60_000)


@pytest.mark.parametrize("lie", ["flipped", "cut", "empty", "old", "of another place"])
def test_a_page_that_no_member_has_written_there_now_is_not_believed(team: Team, emulator: EmulatorProcess, redis: RedisServer, lie: str) -> None:
    emulator.bulk(1200, size_bytes=3)
    one, other = (team.mount("--refresh", "300") for _ in range(2))
    if lie != "old":
        for mount in (one, other):
            mount.expects("a page of the listing on the board is of no member of this fleet")
    one.refresh()       # a page of 30 is there, and the second one of 1,000
    wait_until(lambda: len(pages(redis)) == 2, "both pages are there")
    before = pages(redis)
    old = next(file for file in emulator.files() if file["filename"] == "bulk-001190.txt")
    emulator.vanish(old["id"])
    emulator.generate("new.txt", b"new")
    lies = {key: {b"body": told[b"body"]} for key, told in before.items()}
    bodies = [told[b"body"] for told in lies.values()]
    for told in lies.values():
        body = told[b"body"]
        told[b"body"] = {"flipped": body[:-20] + bytes([body[-20] ^ 1]) + body[-19:], "cut": body[:-1], "empty": b"", "old": body,
                         "of another place": next(each for each in bodies if each != body)}[lie]
    forge(redis, lies)
    other.umount()
    swept_long_ago(other)
    team.again(other, "--refresh", "1", "--poll")
    wait_until(lambda: sees(other, "new.txt") and not sees(other, "bulk-001190.txt"), "it sees what is there")
    assert len(os.listdir(other.path)) == 1200
