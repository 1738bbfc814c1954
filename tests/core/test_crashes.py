"""Manual, promises: nothing acknowledged is lost and nothing is there twice, in whichever moment the program is killed."""

import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from anthrofs.local_names import stays_local
from tests.core.core import Core
from tests.core.moments import Moment, Recorder
from tests.core.one_thread import OneThread
from tests.core.scenarios import SCENARIOS, A, Deed, at_random
from tests.core.test_model import REPLACED, Called
from tests.model import Model
from tests.model_machine import Deeds

WRITTEN: Final = "was being written when anthrofs was ended"
RECOVERED: Final = " (recovered)"       # libfuse's first step of a replacement, without the second
LATER: Final = "later.txt"
PACKAGE: Final = Path(__file__).parents[2] / "anthrofs"


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
    assert {f"{label}+" for label in labels if not label.endswith("+")} <= labels


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
        exc.add_note(f"ended at {moment.label} ({moment.mode} lost), moment {recorder.moments.index(moment)} of {len(recorder.moments)}")
        raise


def shows(model: Model) -> dict[str, bytes]:
    return {path: file.content for path, file in model.files.items()}
