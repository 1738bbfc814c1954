"""Manual, promises: nothing acknowledged is lost and nothing is there twice, in whichever moment the program is killed."""

import os
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from anthrofs.local_names import stays_local
from tests.core.core import Core
from tests.core.kernel import Kernel
from tests.core.moments import Moment, Recorder
from tests.core.one_thread import OneThread
from tests.core.test_model import REPLACED, Called
from tests.model import Model
from tests.model_machine import Deeds, step_at_random

Deed = Callable[[Deeds], object]

WRITTEN: Final = "was being written when anthrofs was ended"
RECOVERED: Final = " (recovered)"       # libfuse's first step of a replacement, without the second
LATER: Final = "later.txt"
PACKAGE: Final = Path(__file__).parents[2] / "anthrofs"


# ---- deeds

def write(path: str, content: bytes) -> Deed:
    return lambda deeds: deeds.write(path, content)


def edit(path: str, content: bytes, place: int) -> Deed:
    return lambda deeds: deeds.edit(path, content, place)


def rename(old: str, new: str, *, reading: bool = False) -> Deed:
    return lambda deeds: deeds.rename(old, new, reading=reading)


def remove(path: str) -> Deed:
    return lambda deeds: deeds.remove(path)


def others(path: str, content: bytes) -> Deed:
    return lambda deeds: deeds.others_make(path, content)


def fsynced(path: str, content: bytes) -> Deed:
    """Written and synced, and killed before its close, if that comes at all."""
    def deed(deeds: Deeds) -> None:
        user = kernel(deeds)
        number = user.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        user.pwrite(number, content, 0)
        user.fsync(number)
        deeds.model.write(path, content)
    return deed


def close_all(deeds: Deeds) -> None:
    kernel(deeds).close_all()


def remove_while_read(path: str) -> Deed:
    def deed(deeds: Deeds) -> None:
        with kernel(deeds).opened(path):
            deeds.remove(path)
    return deed


def link(old: str, new: str) -> Deed:
    """As some programs publish a helper file."""
    def deed(deeds: Deeds) -> None:
        kernel(deeds).link(old, new)
        deeds.model.write(new, deeds.model.files[old].content)
    return deed


def directory(path: str) -> Deed:
    return lambda deeds: deeds.make_directory(path)


def rename_directory(old: str, new: str) -> Deed:
    return lambda deeds: deeds.rename_directory(old, new)


def sync(deeds: Deeds) -> None:
    deeds.sync()


def kernel(deeds: Deeds) -> Kernel:
    assert isinstance(deeds.hands, Called)
    return deeds.hands.core.user


A, B, C = b"first " * 20, b"second " * 30, b"third " * 10

SCENARIOS: Final[dict[str, list[Deed]]] = {
    "create, and send": [write("a.txt", A), sync, write("b.txt", B), write("b.txt", C), sync],
    "sync, then close": [fsynced("a.txt", A), close_all, sync],
    "replace": [write("a.txt", A), sync, write("a.txt", B), sync, write("a.txt", C), write("a.txt", A), sync],
    "edit": [write("a.txt", A), sync, edit("a.txt", C, 3), sync, edit("a.txt", B, 200), edit("a.txt", b"x", 0), sync],
    "edit others'": [others("a.txt", A), edit("a.txt", C, 3), sync],
    "replace others'": [others("a.txt", A), write("a.txt", B), sync],
    "save as editors do": [write("a.txt", A), sync, write("a.txt.new", B), rename("a.txt.new", "a.txt"), sync],
    "save over what is read": [write("a.txt", A), sync, write("new.txt", B), rename("new.txt", "a.txt", reading=True), sync],
    "save with a backup": [write("a.txt", A), sync, rename("a.txt", "a.txt~"), write("a.txt", B), sync],
    "rename": [write("a.txt", A), sync, rename("a.txt", "b.txt"), sync],
    "rename what is to be sent": [write("a.txt", A), rename("a.txt", "b.txt"), sync],
    "there and back": [write("a.txt", A), sync, rename("a.txt", "b.txt"), rename("b.txt", "a.txt"), sync],
    "over another": [write("a.txt", A), write("b.txt", B), sync, rename("a.txt", "b.txt"), sync],
    "over others'": [write("a.txt", A), others("b.txt", B), rename("a.txt", "b.txt"), sync],
    "rename others'": [others("a.txt", A), rename("a.txt", "b.txt"), sync],
    "rename a directory": [directory("d"), write("d/a.txt", A), write("d/b.txt", B), sync, rename_directory("d", "e"), sync],
    "remove": [write("a.txt", A), sync, remove("a.txt"), sync],
    "remove what is to be sent": [write("a.txt", A), remove("a.txt"), sync],
    "remove others'": [others("a.txt", A), remove("a.txt"), sync],
    "remove what is read": [write("a.txt", A), sync, remove_while_read("a.txt"), sync],
    "publish by a link": [write("a.txt~", A), link("a.txt~", "a.txt"), remove("a.txt~"), sync],
}


def at_random(seed: int) -> list[Deed]:
    chance = random.Random(seed)
    return [lambda deeds: step_at_random(chance, deeds, ends=False)] * 15


# ---- kills

@pytest.fixture
def recorder(place: Path) -> Recorder:
    return Recorder(place)


@pytest.mark.parametrize("deeds", SCENARIOS.values(), ids=SCENARIOS)
def test_a_kill_in_any_moment_loses_nothing_and_leaves_nothing_twice(recorder: Recorder, deeds: list[Deed]) -> None:
    do(recorder, deeds)
    assert len(recorder.moments) > 5
    for moment in recorder.moments:
        assert_nothing_is_lost(recorder, moment)


@pytest.mark.parametrize("seed", range(6))
def test_a_kill_in_any_moment_of_a_random_sequence(recorder: Recorder, seed: int) -> None:
    do(recorder, at_random(seed))
    for moment in recorder.moments:
        assert_nothing_is_lost(recorder, moment)


def test_the_scenarios_have_every_label(place: Path) -> None:
    """Those of the state's directory are a beginning's; evicting and giving up copies lose nothing but blocks."""
    labels = set[str]()
    for number, deeds in enumerate(SCENARIOS.values()):
        (place / str(number)).mkdir()
        recorder = Recorder(place / str(number))
        do(recorder, deeds, record=False)
        labels |= set(recorder.labels)
    assert labels_in_the_package() - {"kept:new", "fetch:data", "fetch:dir"} <= labels
    assert {f"{label}+" for label in labels if not label.endswith("+") and label != "commit"} <= labels


def labels_in_the_package() -> set[str]:
    """As the disk's steps are written in store/; where the first half is the caller's, its callers' halves."""
    text = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    found = set(re.findall(r'_disk\.\w+\("([^"]+)"', text))
    halves = {"publish": ("data", "dir"), "link_of": ("link", "dir")}
    for verb, ends in halves.items():
        callers = set(re.findall(rf'\.{verb}\([^\n]*?"(\w+)"', text)) | set(re.findall(rf'def {verb}\([^\n]*"(\w+)"', text))
        found |= {f"{caller}:{end}" for caller in callers for end in ends}
    return found


def do(recorder: Recorder, deeds: list[Deed], *, record: bool = True) -> None:
    doer = Deeds(Called(recorder.core))
    recorder.model = doer.model
    for deed in deeds:
        if record:
            with recorder.deed():
                deed(doer)
        else:
            deed(doer)
    recorder.core.finish()


def assert_nothing_is_lost(recorder: Recorder, moment: Moment) -> None:
    clock = OneThread()
    clock.advance(moment.now_s)
    core = Core(recorder.base, clock=clock, files=moment.files.twin(clock), state=moment.state)
    core.expects(REPLACED, WRITTEN)
    core.leaves("belongs to nothing")
    try:
        core.sync()
        shown = core.user.files()
        named = {path.replace(RECOVERED, ""): content for path, content in shown.items()}
        assert len(named) == len(shown)
        matching = [model for model in (moment.before, moment.after) if shows(model) == named]
        assert matching, f"shown is {named}, acknowledged was {shows(moment.before)}, under way {shows(moment.after)}"
        if any(map(stays_local, shown)):        # what a backup has on the server makes way at the next upload, whichever that is
            core.user.write(LATER, A)
            core.sync()
            core.user.unlink(LATER)
            core.sync()
        stored = core.on_server()
        assert max(Counter(path for path, _ in stored).values(), default=1) == 1
        assert [(path.replace(RECOVERED, ""), content) for path, content in stored] in [model.on_server() for model in matching]
        core.refresh()
        assert core.user.files() == shown
        core.finish()
    except BaseException as exc:
        exc.add_note(f"killed at {moment.label}, moment {recorder.moments.index(moment)} of {len(recorder.moments)}")
        raise


def shows(model: Model) -> dict[str, bytes]:
    return {path: file.content for path, file in model.files.items()}
