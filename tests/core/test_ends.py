"""Manual, promises: what an end waits for, and what the next start makes of what a kill has left."""

import errno
import os

import pytest

from anthrofs.errors import Offline, Unavailable
from tests.core.core import Core

A, B = b"first " * 20, b"second " * 30
WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


# ---- ends

def test_a_drain_waits_as_long_as_it_may_for_what_the_service_asks_to_be_sent_later(core: Core) -> None:
    core.files.fail("upload", Unavailable("503", status=503, from_service=True, maybe_stored=False, retry_after_s=30.0))
    core.user.write("a.txt", A)
    assert core.drain(60.0)["waiting"] == []
    assert core.on_server() == [("a.txt", A)]


def test_a_drain_waits_for_renames_and_removals(core: Core) -> None:
    for name in ("a.txt", "b.txt"):
        core.user.write(name, A)
    core.sync()
    core.user.rename("a.txt", "c.txt")
    assert [entry["path"] for entry in next(core.parts.drain.run(lambda: 0.0))["waiting"]] == ["c.txt"]
    core.drain()
    core.user.unlink("b.txt")
    core.drain()
    assert core.on_server() == [("c.txt", A)]


def test_a_drain_waits_for_what_was_removed_while_it_was_being_closed(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """libfuse hides it, and the release is so quick that nobody unlinks it: a thread ends it, and takes three seconds to come to that."""
    core.user.write("a.txt", A)
    core.sync()
    settle = core.parts.hidden.settle
    with monkeypatch.context() as patched:
        patched.setattr(core.parts.hidden, "settle", lambda: settle(3.0))
        core.user._hide("a.txt")
        assert core.drain()["deletions"] == []
    assert core.on_server() == []


def test_a_last_close_that_a_full_disk_has_stopped_is_finished_by_the_drain(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    core.expects("could not be made durable")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    number = core.user.open("a.txt", WRITE)
    core.user.pwrite(number, A, 0)
    with monkeypatch.context() as patched:
        patched.setattr(core.disk, "sync", full)
        with pytest.raises(OSError) as raised:
            core.user.close(number)
        assert raised.value.errno == errno.ENOSPC
        [stuck] = core.drain(1.0)["failed"]
        assert (stuck["path"], stuck["bytes"]) == ("a.txt", len(A))
    assert core.drain()["failed"] == []
    assert core.on_server() == [("a.txt", A)]


# ---- starts

def test_what_an_fsync_has_promised_is_sent_by_the_next_mount(core: Core) -> None:
    core.expects("not on the server yet")
    number = core.user.open("a.txt", WRITE)
    core.user.pwrite(number, A, 0)
    core.user.fsync(number)
    core.crash()
    assert core.user.read("a.txt") == A
    core.sync()
    assert core.on_server() == [("a.txt", A)]


def test_what_an_fsync_has_promised_is_not_changed_in_place_by_the_next_mount(core: Core) -> None:
    """Its stage may be on its way already when somebody writes on."""
    core.expects("mounted from the saved index", "could not be refreshed", "What is to be sent stays queued")
    number = core.user.open("a.txt", WRITE)
    core.user.pwrite(number, A, 0)
    core.user.fsync(number)
    core.files.refusals = {"any": Offline("no connection", maybe_stored=False)}
    core.crash()
    node = core.parts.local.db.nodes.node(core.parts.serving.paths.file("/a.txt").node_id)
    assert (node.sealed, node.size_bytes) == (True, len(A))
    core.files.refusals = {}


def test_the_stage_of_a_renamed_upload_outlives_a_kill(core: Core) -> None:
    """It is a second name of the kept copy, as those are which a kill has left behind their commit."""
    core.expects("mounted from the saved index", "could not be refreshed", "What is to be sent stays queued")
    core.user.write("a.txt", A)
    core.sync()
    core.files.refusals = {"upload": Unavailable("503", status=503, from_service=True, maybe_stored=False)}
    core.user.rename("a.txt", "b.txt")
    core.drain(1.0)
    assert len(list((core.state_dir / "staging").iterdir())) == 1
    core.crash()
    assert len(list((core.state_dir / "staging").iterdir())) == 1
    core.files.refusals = {}
    core.sync()
    assert core.on_server() == [("b.txt", A)]


def test_a_stage_that_a_kill_has_left_behind_its_commit_goes(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(core.parts.local.staging, "remove", lambda _: None)
        core.user.write("a.txt", A)
        core.sync()
    assert len(list((core.state_dir / "staging").iterdir())) == 1
    core.crash()
    assert list((core.state_dir / "staging").iterdir()) == []
    assert core.user.read("a.txt") == A


def test_half_of_a_replacement_is_undone(core: Core) -> None:
    """libfuse hides what is open, and then comes the kill: perhaps the other half never."""
    core.expects("was being replaced or removed when anthrofs was ended: it is kept")
    core.user.write("a.txt", A)
    core.sync()
    core.user.open("a.txt")
    core.user._hide("a.txt")
    core.crash()
    assert core.user.files() == {"a (recovered).txt": A}
