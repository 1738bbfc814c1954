"""Manual, promises: what has to survive power loss is on the disk before the step that relies on it. Each save is told here step by step."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from anthrofs.store import disk
from tests.core.core import Core
from tests.core.kernel import Kernel
from tests.core.moments import LabelledDisk, ToldFiles
from tests.core.one_thread import OneThread
from tests.mounting import ROOT

A, B = b"first " * 20, b"second " * 30
PROMISED: Final = ["stage:data", "stage:dir", "durable commit"]         # a name shows a stage: bytes, their name, the row
SENT: Final = ["durable commit", "upload", "kept:link", "kept:dir", "durable commit", "staging:remove"]
SUMS: Final = ["kept:map"]                                              # of the copy: read unchecked until then
RECOPIED: Final = ["rename:link", "rename:dir", "durable commit"]       # what is renamed is to be sent from its copy
DELETED: Final = ["delete", "commit", "cache:map", "cache:data", "cache:map", "cache:data"]


class Told:
    """A mount that tells its steps."""

    def __init__(self, base: Path) -> None:
        self.steps: list[str] = []
        self._durable = False
        clock = OneThread()
        self.core = Core(base, clock=clock, files=ToldFiles(clock, self._step), disk=LabelledDisk(self._step))
        self.user = self.core.user
        self._listen()
        self.steps.clear()

    def _listen(self) -> None:
        # Private, but the only place where a commit passes.
        self.core.parts.local.db._connection.set_trace_callback(self._said)

    def _said(self, statement: str) -> None:
        if statement.startswith("PRAGMA synchronous"):
            self._durable = statement.endswith("FULL")
        elif statement == "COMMIT":
            self._step("durable commit" if self._durable else "commit")

    def _step(self, label: str) -> None:
        if not label.endswith("+"):
            self.steps.append(label)

    def of(self, deed: Callable[[], object]) -> list[str]:
        """Steps of a deed, in their order; the server is asked for nothing meanwhile but what it is about."""
        self.steps.clear()
        deed()
        return [step for step in self.steps if step != "list"]


@pytest.fixture
def told(place: Path) -> Told:
    return Told(place)


def test_each_sync_has_its_row_in_the_table_and_the_bug_that_lacks_it() -> None:
    rows = re.findall(r"^ .*(stage:data|stage:dir|kept:dir|commit)  .* (\S+)$", disk.__doc__ or "", re.MULTILINE)
    assert [step for step, _ in rows] == [step.removeprefix("durable ") for step in (*PROMISED, *SENT)
                                          if step in ("stage:data", "stage:dir", "kept:dir", "durable commit")]
    assert all((ROOT / "tests" / "mutants" / f"{bug}.patch").exists() for _, bug in rows)


def written(user: Kernel, path: str, content: bytes) -> int:
    number = user.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    user.pwrite(number, content, 0)
    return number


def test_a_close_promises_bytes_then_their_name_then_the_row(told: Told) -> None:
    number = written(told.user, "a.txt", A)
    assert told.of(lambda: told.user.close(number)) == PROMISED
    told.core.finish()


def test_an_fsync_does_the_same_and_its_close_hands_over_durably(told: Told) -> None:
    number = written(told.user, "a.txt", A)
    assert told.of(lambda: told.user.fsync(number)) == PROMISED
    assert told.of(lambda: told.user.close(number))[-1] == "durable commit"
    told.core.finish()


def test_what_replaces_a_file_while_it_is_written_is_promised_before_the_name_changes(told: Told) -> None:
    told.user.write("a.txt", A)
    number = written(told.user, "new.txt", B)
    assert told.of(lambda: told.user.rename("new.txt", "a.txt"))[:len(PROMISED) + 1] == [*PROMISED, "durable commit"]
    told.user.close(number)
    told.core.finish()


def test_an_upload_is_noted_before_it_goes_out_and_its_stage_goes_after_the_row_says_that_it_is_there(told: Told) -> None:
    told.user.write("a.txt", A)
    assert told.of(told.core.sync) == [*SENT, *SUMS]
    told.core.finish()


def test_the_old_id_goes_after_the_new_one_is_there(told: Told) -> None:
    told.user.write("a.txt", A)
    told.core.sync()
    told.user.write("a.txt", B)
    steps = told.of(told.core.sync)
    assert steps == [*SENT, *SUMS, *DELETED]
    told.core.finish()


def test_a_renamed_upload_is_copied_by_name_durably_before_it_is_sent(told: Told) -> None:
    told.user.write("a.txt", A)
    told.core.sync()
    assert told.of(lambda: told.user.rename("a.txt", "b.txt")) == ["durable commit"]
    assert told.of(told.core.sync) == [*RECOPIED, *SENT, *SUMS, *DELETED]
    told.core.finish()


def test_names_that_come_and_go_are_durable_when_the_call_returns(told: Told) -> None:
    told.user.write("a.txt", A)
    told.core.sync()
    for deed in (lambda: told.user.rename("a.txt", "b.txt"), lambda: told.user.unlink("b.txt")):
        assert "durable commit" in told.of(deed)
    told.core.finish()


def test_a_stage_that_a_newer_one_replaces_goes_after_the_commit(told: Told) -> None:
    told.user.write("a.txt", A)
    number = written(told.user, "a.txt", B)
    assert told.of(lambda: told.user.close(number)) == [*PROMISED, "staging:remove"]
    told.core.finish()
