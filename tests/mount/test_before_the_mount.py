"""What can be wrong before there is a mount: each is its own sentence and a non-zero exit, and nothing is mounted."""

import os
import signal
import socket
import subprocess
from ctypes.util import find_library
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from tests.mounting import BOUND_S, COMMAND, Mount


def refused(mount: Mount, *arguments: str | Path, code: int, says: str, **changes: str) -> str:
    done = mount.run("mount", "--state-dir", mount.state_dir, *arguments, environment=changes)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert mount.emulator.key not in done.stderr
    assert not mountpoint.is_mounted(mount.path)
    return done.stderr


def test_without_a_key_it_says_which_variable_to_set(mount: Mount) -> None:
    refused(mount, mount.path, code=2, says="set ANTHROPIC_API_KEY", ANTHROPIC_API_KEY="")
    assert mount.emulator.requests() == []


def test_a_key_with_a_line_break_is_refused_without_quoting_it(mount: Mount) -> None:
    words = refused(mount, mount.path, code=2, says="ANTHROPIC_API_KEY holds", ANTHROPIC_API_KEY="sk-very\nsecret")
    assert "secret" not in words


def test_a_wrong_key_is_said_at_the_mount(mount: Mount) -> None:
    words = refused(mount, mount.path, code=3, says="refused the credentials", ANTHROPIC_API_KEY="sk-wrong-key")
    assert "Set ANTHROPIC_API_KEY to a valid one" in words
    assert "sk-wrong-key" not in words
    mount.expects(".*")


def test_a_key_that_is_refused_is_said_with_the_place_where_it_was_read(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-wrong-key")
    (tmp_path / "key").chmod(0o600)
    for options, says in (("--key-file", f"{tmp_path}/key"), f"They are from the key file {tmp_path}/key: put a valid one there"), (
            ("--key-command", "echo sk-wrong-key"), "They are what the key command 'echo' prints: have it print a valid one"):
        words = refused(mount, *options, mount.path, code=3, says=says, ANTHROPIC_API_KEY="")
        assert "ANTHROPIC_API_KEY" not in words
    mount.expects(".*")


@pytest.mark.parametrize("answer", ["unauthorized", "forbidden", "on_hold", "cmek_key_disabled", "creator_left"])
def test_a_key_that_is_refused_is_said_at_the_mount_of_a_workspace_that_nobody_knows_yet(mount: Mount, answer: str) -> None:
    mount.emulator.fault("list", {"kind": "account", "answer": answer}, times=-1)
    assert answer in refused(mount, mount.path, code=3, says="refused the credentials")


def test_a_token_is_as_good_as_a_key(mount: Mount) -> None:
    mount.environment |= {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": mount.emulator.key}
    mount.emulator.generate("a.txt", b"a")
    assert (mount.mount() / "a.txt").read_bytes() == b"a"


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://", "http://host:99999"])
def test_an_address_that_is_none_is_refused(mount: Mount, url: str) -> None:
    refused(mount, mount.path, code=2, says="ANTHROPIC_BASE_URL", ANTHROPIC_BASE_URL=url)


def test_a_missing_mount_point(mount: Mount, tmp_path: Path) -> None:
    refused(mount, tmp_path / "nowhere", code=2, says="does not exist. Make it: mkdir -p")


def test_a_mount_point_that_is_a_file(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(mount, tmp_path / "file", code=2, says="is not a directory")


def test_a_mount_point_that_is_not_empty(mount: Mount) -> None:
    (mount.path / "photo.jpg").write_text("mine")
    refused(mount, mount.path, code=2, says="is not empty")
    assert (mount.path / "photo.jpg").read_text() == "mine"


def test_a_mount_point_that_is_mounted_already(mount: Mount) -> None:
    mount.mount()
    done = mount.run("mount", "--state-dir", mount.state_dir, mount.path)
    assert (done.returncode, "already mounted" in done.stderr) == (6, True)
    assert mountpoint.is_mounted(mount.path)


def test_a_stale_mount_point_is_said_and_cleared_by_the_next_mount(mount: Mount) -> None:
    mount.mount()
    os.kill(mount.pid(), 9)
    mount.wait_for_end()

    done = mount.run("status", mount.path)
    assert (done.returncode, "whose program has ended" in done.stderr) == (1, True)
    done = mount.run("mount", "--state-dir", mount.state_dir, mount.path)
    assert (done.returncode, "had ended without unmounting it" in done.stderr) == (0, True)
    assert mountpoint.is_mounted(mount.path)


def test_a_state_that_is_in_use_names_the_process_and_its_mount_point(mount: Mount, tmp_path: Path) -> None:
    mount.mount()
    (tmp_path / "other").mkdir()
    done = mount.run("mount", "--state-dir", mount.state_dir, tmp_path / "other")
    assert done.returncode == 6
    assert f"by process {mount.pid()}, mounted on {mount.path}" in done.stderr


def test_a_state_that_cant_be_made(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = mount.run("mount", "--state-dir", tmp_path / "file" / "state", mount.path)
    assert (done.returncode, "--state-dir" in done.stderr) == (1, True)


def test_a_state_of_another_version_is_left_alone(mount: Mount) -> None:
    import sqlite3
    mount.state_dir.mkdir()
    with sqlite3.connect(mount.state_dir / "state.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    refused(mount, mount.path, code=1, says="another version of anthrofs")
    (mount.state_dir / "state.db").unlink()


def test_a_damaged_state_says_what_to_move_away(mount: Mount) -> None:
    mount.state_dir.mkdir()
    (mount.state_dir / "state.db").write_bytes(os.urandom(10_000))
    refused(mount, mount.path, code=1, says="can't be used")
    (mount.state_dir / "state.db").unlink()


@pytest.mark.parametrize(("option", "says"), [("uid=me", "uid=me: it takes a number"), ("umask=9", "octal"), ("frobnicate", "not an option")])
def test_a_wrong_mount_option(mount: Mount, option: str, says: str) -> None:
    refused(mount, "-o", option, mount.path, code=2, says=says)


@pytest.mark.root      # the files are somebody else's
def test_mount_options_are_applied(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount("-o", "uid=1234,gid=2345", "-o", "umask=027,nosuid,ro")
    shown = (files / "a.txt").stat()
    assert (shown.st_uid, shown.st_gid, shown.st_mode & 0o777) == (1234, 2345, 0o640)
    with pytest.raises(OSError, match="Read-only"):
        (files / "b.txt").write_text("b")


def test_a_server_that_is_down_the_very_first_time(mount: Mount) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))       # bound, not listening: connections are refused
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        mount.expects("no connection to .* goes on by itself")
        words = refused(mount, mount.path, code=1, says="never listed here", ANTHROPIC_BASE_URL=url)
    assert "can't be reached" in words


@pytest.mark.parametrize("arguments", [(), ("--foreground",)], ids=["in the background", "in the foreground"])
def test_a_signal_ends_it_while_a_server_takes_the_first_request_and_says_nothing(mount: Mount, arguments: tuple[str, ...]) -> None:
    mount.expects("Ended by a signal")
    with socket.create_server(("127.0.0.1", 0)) as server:
        environment = {**os.environ, **mount.environment, "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{server.getsockname()[1]}"}
        starting = subprocess.Popen([*COMMAND, "mount", *arguments, "--state-dir", mount.state_dir, mount.path], env=environment,
                                    stderr=subprocess.PIPE, text=True)
        connection, _ = server.accept()
        with connection:
            os.kill(mount.pid(), signal.SIGTERM)
            _, words = starting.communicate(timeout=BOUND_S / 2)        # a request may take a minute
    assert (starting.returncode, "Ended by a signal before the mount was ready." in words) == (1, True)
    assert not mountpoint.is_mounted(mount.path)


def test_a_server_that_is_down_later_doesnt_keep_from_mounting(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    assert (files / "a.txt").read_bytes() == b"a"
    mount.umount()
    mount.emulator.stop()
    mount.expects("could not be refreshed", "mounted from the saved index", "no connection to")

    mount.mount()

    assert os.listdir(files) == ["a.txt"]
    assert (files / "a.txt").read_bytes() == b"a"       # from the cache
    assert mount.status()["online"] is False


@pytest.mark.parametrize("action", [
    {"kind": "html", "status": 502}, {"kind": "html", "status": 200}, {"kind": "garbage_json"},
    {"kind": "raw_json", "status": 200, "body": {"data": None}}, {"kind": "status", "status": 500},
])
def test_a_first_listing_that_makes_no_sense_says_so(mount: Mount, action: dict) -> None:
    mount.emulator.fault("list", action, times=-1)
    mount.expects("proxy.* goes on by itself")
    refused(mount, mount.path, code=1, says="The first listing failed")


def without(mount: Mount, *libraries: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """A mount on a system without these: in a mount namespace of its own their files are empty."""
    hidden = [path for name in libraries for path in Path("/usr").glob(f"lib*/**/{name}*") if not path.is_symlink()]
    script = " && ".join(["true", *(f"mount --bind /dev/null {path}" for path in hidden), 'exec "$@"'])
    command = [*COMMAND, "mount", "--state-dir", str(mount.state_dir), *options, str(mount.path)]
    environment = {name: value for name, value in mount.environment.items() if name != "ANTHROFS_BINDING"}
    return subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", *command], env=environment, text=True, capture_output=True,
                          timeout=60, check=False)


@pytest.mark.root
@pytest.mark.parametrize(("gone", "options", "packages"), [
    (("libfuse3.so.", "libfuse.so.2"), (), "apt-get install fuse3"),
    (("libfuse3.so.",), ("--binding", "mfusepy"), "apt-get install fuse3"),
    (("libfuse.so.2",), ("--binding", "fusepy"), "apt-get install fuse3 libfuse2"),
])
def test_without_libfuse_the_sentence_names_the_package(mount: Mount, gone: tuple[str, ...], options: tuple[str, ...], packages: str) -> None:
    done = without(mount, *gone, options=options)
    assert (done.returncode, packages in done.stderr, "Traceback" in done.stderr) == (4, True, False), done.stderr


# With libfuse 3 gone there has to be the other one: distributions end it.
@pytest.mark.root
@pytest.mark.parametrize(("gone", "binding"), [("libfuse.so.2", "mfusepy"), *([("libfuse3.so.", "fusepy")] if find_library("fuse") else [])])
def test_where_only_one_libfuse_is_there_that_one_is_taken(mount: Mount, gone: str, binding: str) -> None:
    done = without(mount, gone)
    assert done.returncode == 0, done.stderr
    assert mount.status()["binding"] == binding
    mount.end_now()                 # its mount is in a namespace that has ended


def test_a_binding_that_doesnt_exist_is_said(mount: Mount) -> None:
    refused(mount, mount.path, "--binding", "pyfuse3", code=2, says="--binding 'pyfuse3': it takes mfusepy or fusepy")


@pytest.mark.root
def test_without_the_fuse_device_the_sentence_says_what_a_container_needs(mount: Mount) -> None:
    # In a mount namespace of its own, /dev is empty.
    script = 'mount -t tmpfs none /dev && : > /dev/null && exec "$@"'
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", *COMMAND, "mount", "--state-dir", mount.state_dir, mount.path],
                          env=mount.environment, text=True, capture_output=True, timeout=30, check=False)
    assert (done.returncode, "--device /dev/fuse" in done.stderr, "package is fuse3" in done.stderr) == (4, True, True), done.stderr


@pytest.mark.parametrize("linked", [False, True])
def test_a_path_that_is_no_text_is_refused(mount: Mount, tmp_path: Path, linked: bool) -> None:
    path = tmp_path / os.fsdecode(b"latin-1 \xe9")
    path.mkdir()
    if linked:
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    refused(mount, path, code=2, says="is not UTF-8")
    assert not mount.state_dir.exists()


def test_without_fusermount_the_sentence_names_the_package(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    words = refused(mount, mount.path, code=4, says="fusermount3 is missing", PATH=str(tmp_path / "bin"))
    assert "apt-get install fuse3" in words


def test_another_workspaces_state_with_unsent_files_is_refused(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "status", "status": 503}, times=-1)
    (files / "mine.txt").write_text("for the first workspace")
    mount.end_now()
    mount.expects("not on the server yet")

    from tests.emulator.process import EmulatorProcess
    with EmulatorProcess(tmp_path / "other") as other:
        done = mount.run("mount", "--state-dir", mount.state_dir, mount.path, environment={"ANTHROPIC_BASE_URL": other.url})
        assert done.returncode == 2
        assert "another workspace" in done.stderr
        assert other.files() == []
    mount.emulator.clear_faults()
    mount.mount()
    mount.sync()
    assert [stored["filename"] for stored in mount.emulator.files()] == ["mine.txt"]
