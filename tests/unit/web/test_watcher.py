"""The mounts are asked while somebody looks, and by nobody else; one that is silent holds up none of the others."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anthrofs.client import asking
from anthrofs.daemon.control import Control
from anthrofs.errors import SetupError
from anthrofs.fuse import mountpoint
from anthrofs.web import watcher
from anthrofs.web.watcher import Seen, Watcher
from tests.unit.web.test_picture import STATUS

BOUND_S = 20.0
ONE, TWO = Path("/one"), Path("/two")


class Mounts:
    """Mounts that answer as a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there = [ONE, TWO]
        self.left = list[Path]()
        self.asked = Counter[Path]()
        self.answers: dict[Path, Callable[[], Any]] = {}
        monkeypatch.setattr(watcher, "EVERY_S", 0.01)
        monkeypatch.setattr(watcher, "SILENT_S", 0.05)
        monkeypatch.setattr(watcher, "BEAT_S", 0.05)
        monkeypatch.setattr(watcher, "look", self._look)
        monkeypatch.setattr(watcher, "every_detached", lambda: [SimpleNamespace(mountpoint=path) for path in self.left])
        monkeypatch.setattr(mountpoint, "mounts", lambda: list(self.there))

    def _look(self, path: Path, _before: Seen | None) -> Seen | None:
        self.asked[path] += 1
        answer = self.answers.get(path)
        found = self.asked[path] if answer is None else answer()
        return None if found is None else Seen(path, None, {"root": str(path), "words": "", "look": found})


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mounts]:
    yield Mounts(monkeypatch)
    for thread in threading.enumerate():
        if thread.name == "page-asks":
            thread.join(BOUND_S)
            assert not thread.is_alive()


async def shows(one: Watcher, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first picture of which that is true; then nobody looks any more."""
    async def find() -> dict[str, Any]:
        pictures = one.pictures()
        try:
            async for text in pictures:
                if text is not None:
                    found = {each["root"]: each for each in json.loads(text)["mounts"]}
                    if true(found):
                        return found
        finally:
            await pictures.aclose()
        raise AssertionError("it ended before")
    return await asyncio.wait_for(find(), BOUND_S)


def test_the_first_picture_has_all_mounts_and_others_follow(mounts: Mounts) -> None:
    async def look() -> None:
        one = Watcher(None)
        assert (await shows(one, lambda _: True)).keys() == {"/one", "/two"}
        await shows(one, lambda found: found["/one"]["look"] > 2)
    asyncio.run(look())


def test_nobody_is_asked_when_nobody_looks(mounts: Mounts) -> None:
    async def look() -> None:
        one = Watcher(None)
        for _ in range(3):
            await shows(one, lambda found: len(found) == 2)
            if one._task is not None:
                await asyncio.wait_for(one._task, BOUND_S)      # the only one that asks; it ends without being told to
            assert one._task is None
        assert mounts.asked[ONE] >= 3
    asyncio.run(look())


def test_many_viewers_cost_the_mounts_no_more_than_one(mounts: Mounts) -> None:
    async def look() -> None:
        one = Watcher(None)
        release = threading.Event()
        mounts.answers[ONE] = lambda: release.wait(BOUND_S) and 1
        viewers = [asyncio.create_task(shows(one, lambda found: found.get("/one", {}).get("look") == 1)) for _ in range(20)]
        await shows(one, lambda found: found.get("/one", {}).get("words", "") != "")
        assert mounts.asked[ONE] == 1
        release.set()
        await asyncio.gather(*viewers)
    asyncio.run(look())


def test_a_mount_that_is_silent_is_said_to_be_and_the_others_go_on(mounts: Mounts) -> None:
    async def look() -> None:
        one = Watcher(None)
        release = threading.Event()
        mounts.answers[ONE] = lambda: release.wait(BOUND_S) and 1
        found = await shows(one, lambda found: "has not answered for" in found.get("/one", {}).get("words", "") and found["/two"]["look"] > 3)
        assert mounts.asked[ONE] == 1
        assert found["/two"]["words"] == ""
        release.set()
        await shows(one, lambda found: found["/one"]["words"] == "")
    asyncio.run(look())


def test_a_mount_that_goes_and_comes_back_and_one_that_fails(mounts: Mounts) -> None:
    def gone() -> None:
        raise SetupError("/one is not in a mount of anthrofs.")

    async def look() -> None:
        one = Watcher(None)
        await shows(one, lambda found: len(found) == 2)
        mounts.there.remove(TWO)
        mounts.answers[TWO] = gone
        await shows(one, lambda found: found.keys() == {"/one"})
        mounts.there.append(TWO)
        mounts.answers.clear()
        await shows(one, lambda found: found.keys() == {"/one", "/two"})
        mounts.answers[ONE] = gone
        await shows(one, lambda found: found["/one"]["words"] == "/one is not in a mount of anthrofs.")
        mounts.answers.clear()
        await shows(one, lambda found: found["/one"]["words"] == "")
    asyncio.run(look())


def test_a_mount_that_had_left_before_anybody_looked_is_shown_until_it_ends(mounts: Mounts) -> None:
    def gone() -> None:
        raise SetupError("it has ended")

    async def look() -> None:
        one, left = Watcher(None), Path("/left")
        mounts.left = [left]
        assert (await shows(one, lambda found: "/left" in found)).keys() == {"/one", "/two", "/left"}
        mounts.answers[left] = gone
        await shows(one, lambda found: "/left" not in found)
    asyncio.run(look())


def test_another_users_mount_is_not_shown_and_holds_nothing_up(mounts: Mounts) -> None:
    async def look() -> None:
        mounts.answers[ONE] = lambda: None
        found = await shows(Watcher(None), lambda found: bool(found) and found["/two"]["look"] > 3)
        assert found.keys() == {"/two"}
    asyncio.run(look())


def test_an_answer_that_makes_no_sense_is_a_sentence(mounts: Mounts, caplog: pytest.LogCaptureFixture) -> None:
    async def look() -> None:
        mounts.answers[ONE] = lambda: 1 // 0
        await shows(Watcher(None), lambda found: "can't be understood" in found["/one"]["words"])
    asyncio.run(look())
    assert "ZeroDivisionError" in caplog.text


def test_only_the_directory_that_was_named_is_asked_and_the_end_ends_every_stream(mounts: Mounts) -> None:
    async def look() -> None:
        one = Watcher(TWO)
        assert (await shows(one, lambda _: True)).keys() == {"/two"}
        pictures, beats = one.pictures(), list[object]()
        async for text in pictures:
            beats.append(text)
            one.end()
        assert len(beats) == 1
        assert [text async for text in one.pictures()] == []
    asyncio.run(look())
    assert ONE not in mounts.asked


def test_a_mount_of_an_earlier_version_counts_nothing_and_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control = Control(tmp_path, {"status": lambda _request: iter([STATUS])})
    control.start()
    monkeypatch.setattr(asking, "state_dir", lambda _path: tmp_path)
    try:
        found = watcher.look(Path("/m"))
    finally:
        control.stop()
    assert found is not None
    assert (found.state_dir, found.picture["name"], found.picture["traffic"]) == (tmp_path, "m", None)
