"""Manual, commands: the commands, as typed, and as a script reads them."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from anthrofs.client import control_client
from anthrofs.fuse import mountpoint
from tests.mounting import COMMAND, Mount, runs, wait_until


def test_status_is_readable_and_one_json_value(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a" * 1500)
    files = mount.mount()
    (files / "mine.txt").write_text("mine")

    text = mount.ok("status", files)
    assert str(files) in text
    assert "2 files, 1.5 kB on the server, upload: wait" in text
    assert "everything is on the server" in text
    one = json.loads(mount.ok("status", "--json", files))
    assert (one["files"], one["mountpoint"], one["waiting"], one["failed"]) == (2, str(files), [], [])
    every = json.loads(mount.run("status", "--json").stdout)        # also those of other tests, some of which are being killed
    assert str(files) in [mounted["mountpoint"] for mounted in every]


def test_status_of_all_mounts_names_one_whose_program_has_ended_and_shows_the_others(mount: Mount, tmp_path: Path) -> None:
    mount.emulator.generate("a.txt", b"a")
    files, dead = mount.mount(), Mount(tmp_path / "dead", mount.emulator)
    dead.mount()
    pid = dead.pid()
    os.kill(pid, signal.SIGKILL)
    dead.wait_for_end(pid)
    try:
        done, as_json = mount.run("status"), mount.run("status", "--json")
        file_id = os.getxattr(files / "a.txt", "user.anthropic.file_id").decode()
        found = mount.run("path", file_id)
    finally:
        subprocess.run(["fusermount3", "-u", "-z", str(dead.path)], check=True, timeout=60)
    assert (done.returncode, as_json.returncode) == (1, 1)
    assert f"{dead.path} holds the rest of a mount" in done.stderr
    assert str(files) in done.stdout
    assert str(files) in [mounted["mountpoint"] for mounted in json.loads(as_json.stdout)]
    assert str(files / "a.txt") in found.stdout
    assert found.returncode == 0


def test_status_names_what_is_waiting_and_what_was_refused(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault({"operation": "upload", "filename": "no.txt"}, {"kind": "status", "status": 400, "message": "not this one"})
    mount.emulator.fault({"operation": "upload", "filename": "later.txt"}, {"kind": "status", "status": 503}, times=-1)
    mount.expects("was refused", "not on the server yet")
    (files / "no.txt").write_text("x")
    (files / "later.txt").write_text("x")
    wait_until(lambda: mount.status()["failed"], "the refusal")

    text = mount.ok("status", files)
    assert "later.txt (1 B): waiting" in text
    assert "no.txt: not this one (HTTP 400, request id req_" in text
    mount.emulator.clear_faults()
    os.unlink(files / "no.txt")


def test_id_prints_one_id_a_line_and_waits_for_an_upload(mount: Mount) -> None:
    made = mount.emulator.generate("a.txt", b"a")
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 1})
    (files / "b.txt").write_text("b")

    printed = mount.ok("id", files / "a.txt", files / "b.txt").splitlines()
    assert printed == [made["id"], next(stored["id"] for stored in mount.emulator.files() if stored["filename"] == "b.txt")]
    assert json.loads(mount.ok("id", "--json", files / "a.txt")) == {str(files / "a.txt"): made["id"]}


def test_id_says_why_there_is_none(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount()
    (files / ".a.swp").write_text("local")
    (tmp_path / "plain").write_text("")
    for path, says in ((files / ".a.swp", "has no id: local"), (files / "missing", "No such file"),
                       (tmp_path / "plain", "is not a file in a mount")):
        done = mount.run("id", path)
        assert done.returncode != 0
        assert says in done.stderr
        assert done.stdout == ""


def test_path_prints_where_each_id_is(mount: Mount, tmp_path: Path) -> None:
    ids = [mount.emulator.generate(name, b"x")["id"] for name in ("a.txt", "d\uff0fb.txt", "twice.txt", "twice.txt")]
    files = mount.mount()
    (files / "own.txt").write_text("own")
    (files / "own.txt").rename(files / "d" / "own.txt")
    own = mount.ok("id", files / "d" / "own.txt").strip()
    expected = [files / "a.txt", files / "d" / "b.txt", files / f"twice ({ids[2]}).txt", files / "twice.txt", files / "d" / "own.txt"]
    assert mount.ok("path", "--in", files, *ids, own).splitlines() == [str(path) for path in expected]
    assert str(files / "a.txt") in mount.ok("path", ids[0]).splitlines()        # all mounts are asked
    assert json.loads(mount.ok("path", "--json", "--in", files, ids[0])) == {ids[0]: str(files / "a.txt")}
    assert [mount.ok("id", path).strip() for path in expected[:4]] == ids


def test_path_names_the_ids_that_are_nowhere_and_prints_the_others(mount: Mount, tmp_path: Path) -> None:
    file_id = mount.emulator.generate("a.txt", b"x")["id"]
    files = mount.mount()
    done = mount.run("path", "--in", files, "file_none", file_id)
    assert (done.returncode, done.stdout) == (1, f"{files / 'a.txt'}\n")
    assert "file_none" in done.stderr
    assert file_id not in done.stderr
    assert mount.run("path", "--in", files, "file_none").stdout == ""
    assert mount.run("path", "--in", tmp_path, file_id).returncode == 2


@pytest.mark.parametrize("command", ["status", "sync", "umount", "retry", "refresh"])
def test_a_directory_that_is_no_mount_is_said_to_be_none(mount: Mount, command: str, tmp_path: Path) -> None:
    done = mount.run(command, tmp_path)
    assert (done.returncode, "is not in a mount of anthrofs" in done.stderr) == (2, True)
    done = mount.run(command, tmp_path / "nowhere")
    assert (done.returncode, "does not exist" in done.stderr) == (2, True)


def test_umount_returns_when_the_process_has_ended(mount: Mount) -> None:
    files = mount.mount()
    pid = mount.pid()
    mount.ok("umount", files)
    assert not runs(pid)
    assert not mountpoint.is_mounted(files)
    mount.mount()


def test_an_umount_that_finds_the_mount_in_use_leaves_nothing_behind(mount: Mount) -> None:
    files = mount.mount("--refresh", "300")
    process = Path(f"/proc/{mount.pid()}")

    def held() -> int:
        return len(os.listdir(process / "task")) + len(os.listdir(process / "fd"))

    with subprocess.Popen(["cat"], cwd=files, stdin=subprocess.PIPE):       # ends with the block
        done = mount.run("umount", files)
        before = held()
        for _ in range(20):             # what it does of that, without its start
            next(control_client.ask(mount.state_dir, "wait"))
        wait_until(lambda: held() < before + 10, "the askers' threads and descriptors go")     # libfuse may have a few threads more
    assert (done.returncode, "in use" in done.stderr) == (6, True)
    mount.ok("umount", files)


@pytest.mark.parametrize("options", [[], ["--lazy"]], ids=str)
def test_an_umount_never_waits_for_itself(mount: Mount, options: list[str]) -> None:
    """Whoever calls it may stand there, and leave it files open, which it doesn't use."""
    files, pid = mount.mount(), mount.pid()
    (files / "a.txt").write_text("x")
    command = shlex.join([*COMMAND, "umount", *options, ".."])
    (files / "sub").mkdir()
    done = subprocess.run(["sh", "-c", f"exec 4<a.txt <a.txt; cd sub; exec {command}"], cwd=files, env=mount.environment, capture_output=True,
                          text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr, mountpoint.is_mounted(files)) == (0, "", False)
    assert not runs(pid)


def test_a_lazy_umount_waits_a_moment_only_for_who_is_in_the_mount(mount: Mount) -> None:
    files, pid = mount.mount(), mount.pid()
    with subprocess.Popen(["cat"], cwd=files, stdin=subprocess.PIPE):       # ends with the block
        done = mount.run("umount", "--lazy", files)
        assert (done.returncode, "goes on until the last program has left it" in done.stderr) == (0, True)
        assert not mountpoint.is_mounted(files)
        assert runs(pid)
    mount.wait_for_end(pid)


def test_check_finds_nothing_in_a_clean_state_and_says_what_is_missing(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("a")
    done = mount.run("check", "--state-dir", mount.state_dir)
    assert (done.returncode, f"mounted on {files}" in done.stderr) == (6, True)
    mount.umount()
    assert mount.ok("check", "--state-dir", mount.state_dir) == "All is well.\n"
    assert json.loads(mount.ok("check", "--json", "--state-dir", mount.state_dir)) == []
    [kept] = [path for path in (mount.state_dir / "kept").iterdir() if not path.suffix]
    kept.unlink()
    done = mount.run("check", "--state-dir", mount.state_dir)
    assert (done.returncode, "the kept copy of file_" in done.stdout) == (1, True)
    mount.leaves("the kept copy of")


def test_the_demo_survives_a_remount(mount: Mount, tmp_path: Path) -> None:
    environment = {"ANTHROPIC_API_KEY": "", "ANTHROPIC_BASE_URL": ""}
    state = tmp_path / "demo"

    def command(*arguments: object) -> None:
        done = subprocess.run([*COMMAND, *map(str, arguments)], env={**mount.environment, **environment}, text=True,
                              capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    for time in range(2):
        command("mount", "--demo", "--state-dir", state, mount.path)
        assert "report.csv" in os.listdir(mount.path)
        assert (mount.path / "report.csv").read_text().startswith("month,")
        if time == 0:
            (mount.path / "mine.txt").write_text("mine")
        assert (mount.path / "mine.txt").read_text() == "mine"
        command("umount", mount.path)
    assert "demo-key" not in (state / "anthrofs.log").read_text()


def test_a_mount_names_the_variables_that_nothing_reads(mount: Mount) -> None:
    environment = {**mount.environment, "ANTHROFS_UPLAOD": "queue", "ANTHROFS_BASE_URL": "http://127.0.0.1:1"}
    done = subprocess.run([*COMMAND, "mount", "--state-dir", mount.state_dir, mount.path], env=environment, text=True, capture_output=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "ANTHROFS_UPLAOD means nothing here: did you mean ANTHROFS_UPLOAD?" in done.stderr
    assert "ANTHROFS_BASE_URL means nothing here: did you mean ANTHROPIC_BASE_URL?" in done.stderr


def test_a_mount_says_that_the_service_does_not_answer(mount: Mount) -> None:
    mount.expects("no connection to")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {**mount.environment, "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with subprocess.Popen([*COMMAND, "mount", "--state-dir", mount.state_dir, mount.path], env=environment, text=True,
                              stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            assert process.stderr.readline() == "mounting; nothing has come from 127.0.0.1 yet\n"
            silent.close()
            assert "The service can't be reached" in process.stderr.read()
    assert process.returncode == 1


def test_a_second_demo_is_told_how_to_be_one(mount: Mount, tmp_path: Path) -> None:
    mount.mount("--demo")
    second = tmp_path / "second"
    second.mkdir()
    done = mount.run("mount", "--demo", "--state-dir", mount.state_dir, second)
    assert (done.returncode, "anthrofs mount --demo --profile NAME DIR" in done.stderr) == (6, True)
    assert not mountpoint.is_mounted(second)


def test_the_log_and_the_process_list_hold_no_key_and_no_content(mount: Mount) -> None:
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "status", "status": 500}, times=2)
    (files / "a.txt").write_text("very private content")
    arguments = Path(f"/proc/{mount.pid()}/cmdline").read_text()
    assert mount.emulator.key not in arguments + mount.log()
    assert "very private content" not in arguments + mount.log()
    assert (mount.state_dir.stat().st_mode & 0o777) == 0o700


# Modules that a command waits for at each start, without a need, and of those only that are known to be big.
HEAVY: Final = frozenset({"anyio", "asyncio", "click", "ctypes", "dataclasses", "email", "fuse", "http", "httpcore", "httpx", "importlib.metadata", "importlib.resources", "inspect",
                          "logging", "mfusepy", "pydantic", "rich", "sqlite3", "ssl", "subprocess", "tempfile", "typer", "xxhash"})
# What a mount would hold for all its life.
HELD: Final = frozenset({"anthrofs.cli.demo", "asyncio", "click", "httpx._main", "multiprocessing", "pydantic", "pygments", "rich", "typer", "uvicorn"})
AT_REST: Final = """
import sys
from anthrofs.cli import commands
from anthrofs.daemon import process
process.prepare = lambda: (print("\\n".join(sys.modules), flush=True), sys.exit(0))       # all is built, and nothing mounted
commands.main()
"""
IMPORTED: Final = """
import sys
from anthrofs.cli import commands
commands.run(sys.argv[1:])
sys.stdout.flush()
print("\\n".join(sys.modules), file=sys.stderr)
"""


def imported_by(mount: Mount, *arguments: object) -> set[str]:
    done = subprocess.run([sys.executable, "-c", IMPORTED, *map(str, arguments)], env=mount.environment, text=True, capture_output=True, timeout=60, check=True)
    assert done.stdout or arguments[0] == "sync"
    return set(done.stderr.split())


@pytest.mark.parametrize("command", ["status", "id", "ls", "sync", "path"])
def test_a_command_that_asks_a_mount_imports_little(mount: Mount, command: str) -> None:
    file_id = mount.emulator.generate("a.txt", b"a")["id"]
    files = mount.mount()
    of = {"id": files / "a.txt", "path": file_id}.get(command, files)
    plain = set(subprocess.run([sys.executable, "-c", "import sys; print(*sys.modules)"], text=True, capture_output=True, timeout=60, check=True).stdout.split())
    found = imported_by(mount, command, of) - plain
    assert found & HEAVY == set()
    ours = {name for name in found if name.split(".")[0] == "anthrofs"}
    assert "anthrofs.client.asking" in ours
    assert not any(name.startswith(("anthrofs.model", "anthrofs.config", "anthrofs.store", "anthrofs.tree", "anthrofs.remote")) for name in ours)
    assert {name.split(".")[0] for name in found - ours} <= sys.stdlib_module_names | {"__editable___anthrofs_finder"}
    assert len(found) < 95


def test_a_mount_at_rest_holds_no_command_line_and_no_server(mount: Mount) -> None:
    done = subprocess.run([sys.executable, "-c", AT_REST, "mount", "--foreground", "--state-dir", str(mount.state_dir), str(mount.path)], env=mount.environment,
                          text=True, capture_output=True, timeout=60, check=True)
    found = set(done.stdout.split())
    assert {"anthrofs.daemon.build", "anthrofs.fuse.operations", "httpx"} <= found
    assert found & HELD == set()


def test_httpx_without_its_command_line_leaves_click_to_others() -> None:
    code = ("from anthrofs.remote import client_library; client_library.load(); import sys; assert 'httpx._main' not in sys.modules; "
            "import httpx, click; httpx.Client().close(); client_library.load(); assert sys.modules['click'] is click")
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


@pytest.mark.root
def test_a_mount_in_the_background_says_nothing_to_nobody(mount: Mount) -> None:
    """A process that has a key shows its descriptors to root only."""
    mount.mount()
    assert [os.readlink(f"/proc/{mount.pid()}/fd/{number}") for number in range(3)] == ["/dev/null"] * 3
