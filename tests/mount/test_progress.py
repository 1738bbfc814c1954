"""Manual, commands: 'A command that takes longer than a second says how it goes on'; and what became of what was asked for."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.mounting import BOUND_S, COMMAND, Mount, state_of, wait_until
from tests.terminal import Terminal

BAD = {"kind": "status", "status": 400, "message": "not this one"}


class Halted:
    """A mount whose server has stopped in the middle of an upload, until it goes on."""

    def __init__(self, mount: Mount) -> None:
        self.mount = mount
        self.files = mount.mount("--upload", "queue", "--refresh", "300")
        os.kill(mount.emulator.pid, signal.SIGSTOP)
        (self.files / "big.bin").write_bytes(os.urandom(8_000_000))
        wait_until(lambda: mount.status()["waiting"][0]["sent"], "some of it has arrived")

    def goes_on(self) -> None:
        os.kill(self.mount.emulator.pid, signal.SIGCONT)

    def first_line(self, *command: str | Path) -> str:
        """What the command says first on standard error, while nothing moves; then all goes on, and it succeeds."""
        with subprocess.Popen([*COMMAND, *map(str, command)], env=self.mount.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            line = process.stderr.readline()
            self.goes_on()
            process.communicate(timeout=BOUND_S)
            assert process.returncode == 0
        return line


@pytest.fixture
def halted(mount: Mount) -> Iterator[Halted]:
    made = Halted(mount)
    yield made
    made.goes_on()


# ---- bytes that have arrived, bytes that are on their way, and the wait for the answer

def test_an_upload_tells_what_has_arrived_from_what_is_on_its_way(halted: Halted) -> None:
    [entry] = halted.mount.status()["waiting"]
    assert 0 < entry["sent"] < entry["handed"] <= entry["bytes"]
    assert entry["answer_since"] is None
    text = halted.mount.ok("status", halted.files)
    assert re.search(r"big.bin \(8.0 MB\): uploading \d+%, .* have arrived, .* are on their way", text)
    states = set[str]()

    def is_sent() -> bool:
        states.add(state_of(halted.files / "big.bin"))
        return "remote" in states

    halted.goes_on()
    wait_until(is_sent, "it is sent")
    assert not [state for state in states if "100%" in state]


def test_a_wait_for_an_answer_is_told_as_such(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 8})         # longer than a command takes to start, and waits before it says so
    (files / "a.txt").write_text("a")
    wait_until(lambda: [each for each in mount.status()["waiting"] if each["answer_since"]], "all of it has arrived")
    done = mount.run("sync", files)
    assert done.returncode == 0
    assert "1 file sent, waiting for the answer for " in done.stderr


# ---- commands that take longer than a moment

@pytest.mark.parametrize("command", ["sync", "umount", "id"])
def test_a_command_that_waits_says_so_on_a_pipe(halted: Halted, command: str) -> None:
    if command == "id":
        line = halted.first_line("id", halted.files / "big.bin")
        assert re.match(f"{halted.files}/big.bin has no id yet: uploading, .*B of 8.0 MB", line)
    else:
        assert re.match(r"sending 1 file, \S+ .?B of [78]\.. MB", halted.first_line(command, halted.files))


def test_a_sync_on_a_terminal_shows_how_it_goes_on(halted: Halted, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in halted.mount.environment.items():
        monkeypatch.setenv(name, value)
    with Terminal([*COMMAND, "sync", str(halted.files)], halted.files.parent) as terminal:
        terminal.shows("sending 1 file")
        halted.goes_on()
        assert terminal.ends() == 0


def test_a_fetch_says_how_much_of_what_it_has(mount: Mount) -> None:
    mount.emulator.generate("big.bin", os.urandom(2_000_000))
    files = mount.mount()
    mount.emulator.switch(bandwidth_bytes_per_s=500_000)
    done = mount.run("fetch", files)
    assert done.stdout == f"{files}: 2.0 MB fetched\n"
    assert done.stderr.splitlines()[-1].startswith("fetching big.bin, ")
    assert " of 2.0 MB" in done.stderr


def test_an_id_that_can_not_come_says_at_once_why(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.expects("can't be asked", "not on the server yet", "no connection", "refresh")
    mount.emulator.stop()
    (files / "a.txt").write_text("a")
    wait_until(lambda: mount.status()["closed"], "the mount has seen that the service is away")
    with subprocess.Popen([*COMMAND, "id", str(files / "a.txt")], env=mount.environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as waiting:
        assert waiting.stderr is not None
        line = waiting.stderr.readline()            # it goes on waiting
        mount.emulator.start()
        mount.run("retry", "--all", files)
        assert waiting.wait(BOUND_S) == 0
    assert line.startswith(f"{files}/a.txt has no id yet: waiting; THE SERVICE CAN'T BE ASKED since ")
    done = mount.run("id", "--timeout", "0", files / "a.txt")
    assert done.returncode == 0


# ---- ids of many files

def test_ids_of_files_with_a_folder_among_them_are_printed_and_the_folder_is_named(mount: Mount) -> None:
    files = mount.mount()
    (files / "folder").mkdir()
    for name in ("a.txt", "folder/b.txt", "folder/.c.swp", "z.txt"):
        (files / name).write_text(name)
    ids = [os.getxattr(files / name, "user.anthropic.file_id").decode() for name in ("a.txt", "z.txt", "folder/b.txt")]
    done = subprocess.run(["bash", "-c", f'"$@" {files}/*', "bash", *COMMAND, "id"], env=mount.environment, text=True, capture_output=True,
                          timeout=BOUND_S, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (1, ids[:2])
    assert done.stderr == f"anthrofs: {files}/folder is a folder: anthrofs id -R {files}/folder\n"
    every = mount.run("id", "-R", files)
    assert (every.returncode, every.stdout.splitlines()) == (0, [f"{ids[0]}  {files}/a.txt", f"{ids[1]}  {files}/z.txt",
                                                                 f"{ids[2]}  {files}/folder/b.txt"])
    assert f"stay on this machine: {files}/folder/.c.swp" in every.stderr
    assert json.loads(mount.ok("id", "-R", "--json", files / "folder")) == {f"{files}/folder/b.txt": ids[2]}


def test_an_id_that_is_missing_keeps_none_of_the_others_back(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("a")
    done = mount.run("id", files / "missing", files / "a.txt", files / "gone")
    assert (done.returncode, done.stdout) == (2, mount.ok("id", files / "a.txt"))
    assert done.stderr.count("No such file") == 2
    assert json.loads(mount.run("id", "--json", files / "missing", files / "a.txt").stdout) == {str(files / "a.txt"): done.stdout.strip()}


# ---- what was refused

def refused(mount: Mount, *names: str) -> Path:
    files = mount.mount("--upload", "queue")
    mount.expects("was refused", "not on the server yet")
    for name in names:
        mount.emulator.fault({"operation": "upload", "filename": name}, BAD, times=-1)
        (files / name).write_text(name)
    wait_until(lambda: len(mount.status()["failed"]) == len(names), "they are refused")
    return files


def test_status_names_what_can_be_done_about_what_was_refused(mount: Mount) -> None:
    files = refused(mount, "a b.txt")
    text = mount.ok("status", files)
    assert "REFUSED, kept here, and not sent again by itself" in text
    [discard] = [line.partition(": ")[2] for line in text.splitlines() if "give it up" in line]
    assert f"send it again: anthrofs retry '{files}/a b.txt'" in text
    done = subprocess.run(["bash", "-c", discard.replace("anthrofs ", '"$@" '), "bash", *COMMAND], env=mount.environment, timeout=BOUND_S, check=True,
                          capture_output=True)
    assert b"the server never had it" in done.stdout


@contextmanager
def unable(mount: Mount) -> Iterator[Path]:
    """The service has said that it can't take a.txt now; after the block it can, and has it."""
    files = mount.mount("--upload", "queue")
    mount.expects("not on the server yet", "may have been stored by an earlier try")
    mount.emulator.fault("upload", {"kind": "status", "status": 500}, times=-1)
    (files / "a.txt").write_text("a")
    wait_until(lambda: mount.status()["busy"], "it has said so")
    yield files
    mount.emulator.clear_faults()
    mount.ok("retry", "--all", files)
    mount.sync()


def test_who_waits_is_told_that_the_service_says_it_can_not_now(mount: Mount) -> None:
    with unable(mount) as files:
        words = "the service takes no uploads since "
        assert words in mount.ok("status", files)
        asked = mount.run("id", "--timeout", "0.5", files / "a.txt")
        assert (asked.returncode, "a.txt has no id after " in asked.stderr, words in asked.stderr, "HTTP 500" in asked.stderr) == (5, True, True, True)
        synced = mount.run("sync", "--timeout", "0.5", files)
        assert (synced.returncode, words in synced.stderr) == (5, True)
    assert mount.status()["busy"] == []


def test_a_retry_waits_for_what_becomes_of_it_and_fails_with_the_reason_when_it_is_refused_again(mount: Mount) -> None:
    files = refused(mount, "a.txt", "b.txt")
    mount.emulator.clear_faults()
    mount.emulator.fault({"operation": "upload", "filename": "a.txt"}, BAD, times=-1)
    done = mount.run("retry", "--all", files)
    assert (done.returncode, done.stdout) == (1, f"b.txt is on the server: {mount.ok('id', files / 'b.txt')}")
    assert "Refused again, and kept on this machine" in done.stderr
    assert "a.txt: not this one (HTTP 400" in done.stderr
    as_json = mount.run("retry", "--json", files / "a.txt")
    assert (as_json.returncode, list(json.loads(as_json.stdout)["refused"])) == (1, ["a.txt"])
    mount.ok("discard", files / "a.txt")


def test_a_retry_that_takes_too_long_is_still_sent(mount: Mount) -> None:
    files = refused(mount, "a.txt")
    mount.emulator.clear_faults()
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 2})
    done = mount.run("retry", "--timeout", "0", files / "a.txt")
    assert (done.returncode, "Sent again, and not on the server yet" in done.stderr) == (5, True)
    mount.sync()
    assert state_of(files / "a.txt") == "remote"
