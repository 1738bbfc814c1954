"""Manual, promises: whatever step of this machine's disk fails, nothing acknowledged is lost, and the mount goes on once the disk works."""

import copy
import errno
import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final
from unittest import mock

import pytest

from anthrofs.local_names import stays_local
from tests.core.core import Core
from tests.core.scenarios import SCENARIOS, A, B, Deed, at_random
from tests.core.test_crashes import LATER, RECOVERED, shows
from tests.core.test_model import Called
from tests.model import Model
from tests.model_machine import Deeds
from tests.simulation.disk import ForgetfulDisk

CODES: Final = (errno.EIO, errno.ENOSPC)


@pytest.fixture
def core(place: Path) -> Core:
    return Core(place, disk=ForgetfulDisk(place / "state", random.Random(1)))


def disk_of(core: Core) -> ForgetfulDisk:
    assert isinstance(core.disk, ForgetfulDisk)
    return core.disk


def test_what_was_written_after_an_fsync_is_durable_when_it_is_handed_over_after_a_kill(core: Core) -> None:
    number = core.user.open("a.txt", os.O_RDWR | os.O_CREAT)
    core.user.pwrite(number, A, 0)
    core.user.fsync(number)
    core.user.pwrite(number, B, len(A))
    core.crash()
    core.sync()
    core.crash("all")
    assert core.on_server() == [("a.txt", A + B)]
    assert core.user.files() == {"a.txt": A + B}
    core.finish()


def test_a_sync_that_comes_after_one_that_failed_is_not_believed(core: Core) -> None:
    """The kernel takes what it could not write for clean: a second fsync says that all is well, and has written nothing."""
    core.expects("this machine's disk")
    disk_of(core).fail("stage:data", errno.EIO)
    number = core.user.open("a.txt", os.O_RDWR | os.O_CREAT)
    core.user.pwrite(number, A, 0)
    with pytest.raises(OSError, match="Input/output error"):
        core.user.fsync(number)
    core.user.fsync(number)
    core.crash("all")
    assert core.user.files() == {"a.txt": A}
    core.sync()
    core.crash("all")
    assert core.user.files() == {"a.txt": A}
    core.finish()


def test_a_file_whose_sync_failed_goes_on_in_another_stage_and_what_was_promised_of_it_stays(core: Core) -> None:
    number = core.user.open("a.txt", os.O_RDWR | os.O_CREAT)
    core.user.pwrite(number, A, 0)
    core.user.fsync(number)
    core.user.pwrite(number, B, 0)
    core.expects("this machine's disk")
    disk_of(core).fail("stage:data", errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        core.user.fsync(number)
    disk_of(core).fail("stage:dir", errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        core.user.fsync(number)
    core.user.pwrite(number, b"!", len(B))
    core.user.close(number)
    assert core.user.read("a.txt") == B + b"!"
    core.crash("all")
    assert core.user.files() == {"a.txt": B + b"!"}
    core.leaves("belongs to nothing")       # the stage before: that it is removed is nobody's promise
    core.finish()


def test_a_full_disk_refuses_what_is_new_and_the_mount_goes_on_when_there_is_room(core: Core) -> None:
    core.expects("No space left", "no room on the disk", "is not sent")
    core.user.write("a.txt", A)
    core.sync()
    disk_of(core).full = True
    refused: list[Callable[[], None]] = [
        lambda: core.user.write("b.txt", B), lambda: core.user.mkdir("d"), lambda: core.user.rename("a.txt", "c.txt"),
        lambda: core.user.unlink("a.txt"), lambda: core.user.write("a.txt", B, os.O_WRONLY | os.O_APPEND)]
    for deed in refused:
        with pytest.raises(OSError, match="No space left"):
            deed()
    assert core.user.files() == {"a.txt": A}
    disk_of(core).mend()
    core.user.write("b.txt", B)
    core.user.rename("a.txt", "c.txt")
    core.sync()
    core.crash("all")
    assert core.user.files() == {"b.txt": B, "c.txt": A}
    core.finish()


def test_a_disk_that_gets_full_in_the_middle_of_a_write_takes_a_part_and_what_lacks_is_never_sent(core: Core) -> None:
    core.expects("No space left", "is not sent", "lacks")
    core.user.write("a.txt", A)
    core.sync()
    number = core.user.open("a.txt", os.O_RDWR)
    core.user.pwrite(number, B[:len(A)], 0)
    disk_of(core).full = True
    assert core.user.pwrite(number, B, 10) == len(A) - 10
    disk_of(core).mend()
    with pytest.raises(OSError, match="No space left"):
        core.user.close(number)
    core.crash("all")
    assert core.on_server() == [("a.txt", A)]
    core.user.write("a.txt", B)
    core.sync()
    assert core.on_server() == [("a.txt", B)]
    core.leaves("belongs to nothing")
    core.finish()


def test_a_file_whose_replacement_failed_has_its_name_again(core: Core) -> None:
    """Who has it open has it hidden for the replacement, and libfuse unlinks what it has hidden."""
    core.expects("no room on the disk")
    core.user.write("a.txt", A)
    core.user.write("new.txt", B)
    core.sync()
    disk, hide = disk_of(core), core.user._hide

    def hide_and_fill(path: str) -> None:
        hide(path)
        disk.full = True

    with core.user.opened("a.txt"):
        with mock.patch.object(core.user, "_hide", hide_and_fill), pytest.raises(OSError, match="No space left"):
            core.user.rename("new.txt", "a.txt")
        disk.mend()
    core.sync()
    assert core.user.files() == {"a.txt": A, "new.txt": B}
    assert core.on_server() == [("a.txt", A), ("new.txt", B)]
    core.finish()


# ---- any step

class OneFault(ForgetfulDisk):
    """One step of those from now on fails."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, random.Random(1), self._comes)
        self.seen: list[str] = []           # steps since `arm`
        self._number, self._code = -1, 0

    def arm(self, number: int, code: int) -> None:
        self.seen, self._number, self._code = [], number, code

    def _comes(self, label: str) -> None:
        if not label.endswith("+") and label != "stage:write":      # what a refused write means has tests of its own
            if len(self.seen) == self._number:
                self.fail(label, self._code)
            self.seen.append(label)


class JudgedLater(Called):
    """While a step fails, the server may have less than is wanted, or more."""

    def server_becomes(self, expected: list[tuple[str, str]]) -> None:
        """By `run`, at its end."""


def run(base: Path, deeds: list[Deed], number: int, code: int, expected: list[Model]) -> tuple[list[str], list[Model]]:
    """Returns the steps, and the model after each deed. With `number` below 0 nothing fails. The first deed that does is the last."""
    base.mkdir()
    disk = OneFault(base / "state")
    core = Core(base, disk=disk)
    core.expects(r"^(?!.*\bbug\b)")
    core.leaves("belongs to nothing")
    disk.arm(number, code)
    doer, models = Deeds(JudgedLater(core)), [Model()]
    try:
        for deed in deeds:
            deed(doer)
            models.append(copy.deepcopy(doer.model))
        allowed = models[-1:]
    except OSError as exc:
        if exc.errno != code:
            raise
        allowed = [models[-1], expected[len(models)]]       # done or not: nobody said that it is
    with suppress(OSError):
        core.user.close_all()
    core.clock.pass_s(1)            # what failed in the background is tried again
    core.sync()
    assert_is_one_of(core, allowed, ended=False)
    core.crash("all")
    core.sync()
    assert_is_one_of(core, allowed, ended=True)
    core.finish()
    return disk.seen, models


def assert_is_one_of(core: Core, models: list[Model], *, ended: bool) -> None:
    shown = {path.replace(RECOVERED, ""): content for path, content in core.user.files().items()}
    matching = [model for model in models if shows(model) == shown]
    assert matching, f"shown is {shown}, allowed are {[shows(model) for model in models]}"
    if not ended and any(map(stays_local, shown)):
        return              # what a backup has on the server makes way at the next mount's first upload
    if any(map(stays_local, shown)):
        core.user.write(LATER, A)
        core.sync()
        core.user.unlink(LATER)
        core.sync()
    assert [(path.replace(RECOVERED, ""), content) for path, content in core.on_server()] in [model.on_server() for model in matching]


def try_all(base: Path, deeds: Callable[[], list[Deed]]) -> None:
    steps, models = run(base / "as it should be", deeds(), -1, 0, [])
    for number, label in enumerate(steps):
        code = CODES[number % 2]         # either comes at each label, over all sequences
        try:
            run(base / str(number), deeds(), number, code, models)
        except BaseException as exc:
            exc.add_note(f"{errno.errorcode[code]} at {label}, step {number} of {len(steps)}")
            raise


@pytest.mark.parametrize("deeds", SCENARIOS.values(), ids=SCENARIOS)
def test_any_one_step_of_the_disk_may_fail(place: Path, deeds: list[Deed]) -> None:
    try_all(place, lambda: deeds)


@pytest.mark.parametrize("seed", range(2))
def test_any_one_step_of_a_random_sequence_may_fail(place: Path, seed: int) -> None:
    try_all(place, lambda: at_random(seed))
