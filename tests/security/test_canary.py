"""A key, a password and a content that are like no other: a mount is driven through its life, and then nothing has them that may not.

Manual, security: 'The key is in the memory of the mount'
"""

import base64
import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

from anthrofs.daemon.control_address import address
from anthrofs.fuse import mountpoint
from tests.emulator.process import EmulatorProcess
from tests.mounting import COMMAND, Mount, wait_until

KEY: Final = "sk-ant-c4n4ry-Kk7_yQ+/2~vZ0xW9uPqLmN3sTbRdE5fGhJ"
HEADER: Final = "h34der-c4n4ry-Aq8_Zr+/7~wX1yV6tOpKnM2lSaQcB4eDgFi"
PASSWORD: Final = "p4ssw0rd-c4n4ry-Bs9Ct0Du1Ev2Fw3Gx4Hy5Iz6Ja7Kb8Lc"
TOKEN: Final = "t0ken-c4n4ry-Md9Ne0Of1Pg2Qh3Ri4Sj5Tk6Ul7Vm8Wn9Xo"
SECRETS: Final = (KEY, HEADER, PASSWORD, TOKEN)
CONTENT: Final = "c0ntent-c4n4ry-Yp1Zq2Ar3Bs4Ct5Du6Ev7Fw8Gx9Hy0Iz"
MAY_HAVE_CONTENT: Final = {"staging", "kept", "cache"}
RECORDER: Final = """#!/bin/sh
# Stands before the real one, and writes down what it is given.
{{ tr '\\0' '\\n' </proc/$$/environ; tr '\\0' ' ' </proc/$$/cmdline; echo; }} >>{said}
exec {real} "$@"
"""


def spellings(secret: str) -> dict[str, bytes]:
    """The ways in which it may lie somewhere."""
    raw = secret.encode()
    found = {"as it is": raw, "backwards": raw[::-1], "hexadecimal": raw.hex().encode(), "HEXADECIMAL": raw.hex().upper().encode(),
             "percent": quote(secret, safe="").encode(), "all percent": "".join(f"%{byte:02X}" for byte in raw).encode(),
             "UTF-16": secret.encode("utf-16-le"), "repr": repr(secret)[1:-1].encode()}
    for shift in range(3):              # where in three bytes it begins decides what base64 makes of it
        packed = base64.b64encode(bytes(shift) + raw)[4:-4]
        found |= {f"base64 from {shift}": packed, f"base64 for URLs from {shift}": packed.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def holding(data: bytes, *secrets: str) -> list[str]:
    return [f"{secret[:12]}… {way}" for secret in secrets for way, spelled in spellings(secret).items() if spelled in data]


def found_below(root: Path, *, apart: Path) -> list[str]:
    """Every file (and name) with a secret in it, and every one with the content where none may be."""
    found = []
    for path in sorted(root.rglob("*")):
        if apart in (path, *path.parents):
            continue
        found += [f"the name {path}" for _ in holding(os.fsencode(path.name), *SECRETS, CONTENT)]
        if stat.S_ISREG(path.lstat().st_mode):
            data = path.read_bytes()
            found += [f"{path}: {what}" for what in holding(data, *SECRETS)]
            if not MAY_HAVE_CONTENT & set(path.relative_to(root).parts):
                found += [f"{path}: {what}" for what in holding(data, CONTENT)]
    return found


def test_the_search_finds_what_it_is_for(tmp_path: Path) -> None:
    for number, spelled in enumerate(spellings(KEY).values()):
        (tmp_path / str(number)).write_bytes(b"before " + spelled + b" behind")
        assert holding(b"before " + spelled + b" behind", KEY)
    (tmp_path / "staging").mkdir()
    for place in ("staging/1", "log"):
        (tmp_path / place).write_text(CONTENT)
    assert len(found_below(tmp_path, apart=tmp_path / "nowhere")) >= len(spellings(KEY)) + 1
    assert [line for line in found_below(tmp_path, apart=tmp_path / "nowhere") if "staging" in line] == []
    assert holding(base64.b64encode(f"x{PASSWORD}y".encode()), PASSWORD)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Mount]:
    """A mount with secrets for its service, and with a fusermount that writes down what it is given."""
    with EmulatorProcess(tmp_path / "emulator" / "data", key=KEY) as emulator:
        one = Mount(tmp_path / "user", emulator)
        (tmp_path / "bin").mkdir()
        for name in ("fusermount", "fusermount3"):
            real = next((Path(folder) / name for folder in os.environ["PATH"].split(":") if (Path(folder) / name).exists()), None)
            if real is not None:
                (tmp_path / "bin" / name).write_text(RECORDER.format(said=tmp_path / "children", real=real))
                (tmp_path / "bin" / name).chmod(0o755)
        one.environment |= {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "ANTHROPIC_CUSTOM_HEADERS": f"X-Gateway: {HEADER}",
                            "HTTPS_PROXY": f"http://user:{PASSWORD}@127.0.0.1:9"}
        one.expects(".*")
        try:
            yield one
        finally:
            emulator.clear_faults()
            one.finish()


class Life:
    """What was said in it is kept beside the state, for the search."""

    def __init__(self, mount: Mount, said: Path) -> None:
        self._mount = mount
        self._said = said
        said.mkdir()

    def runs(self, *arguments: str | Path, **environment: str) -> str:
        done = self._mount.run(*arguments, environment=environment)
        (self._said / f"{len(os.listdir(self._said))}").write_text(f"{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    def notes(self, what: bytes) -> None:
        (self._said / f"{len(os.listdir(self._said))}").write_bytes(what)

    def mounts(self, *options: str, **environment: str) -> str:
        return self.runs("mount", "--state-dir", self._mount.state_dir, *options, self._mount.path, **environment)

    def processes(self) -> None:
        """What everybody on the machine sees of the mount, and what its log says by now."""
        folder = Path(f"/proc/{self._mount.pid()}")
        for name in ("cmdline", "comm", "status", "maps"):
            self.notes((folder / name).read_bytes())


def failed_starts(life: Life, mount: Mount) -> None:
    """Logins, proxies, redirects, pages that quote what they were sent."""
    body = {"error": {"message": f"what is {KEY}? or {HEADER}?", "code": 1}}
    for action in ({"kind": "raw_json", "status": 401, "body": body}, {"kind": "html", "status": 502},
                   {"kind": "redirect", "status": 302, "location": f"https://user:{TOKEN}@elsewhere.example/?key={TOKEN}", "quiet": True}):
        mount.emulator.fault("list", action, times=-1)
        assert "anthrofs:" in life.mounts()
        mount.emulator.clear_faults()
    assert "anthrofs:" in life.mounts(ANTHROPIC_API_KEY=f"{KEY}wrong")
    assert "anthrofs:" in life.mounts(ANTHROPIC_CUSTOM_HEADERS=f"no name {HEADER}: {HEADER}")
    assert "anthrofs:" in life.mounts(http_proxy=f"http://user:{PASSWORD}@127.0.0.1:9")
    assert "anthrofs:" in life.mounts(ANTHROPIC_BASE_URL=f"http://user:{PASSWORD}@127.0.0.1:9/x")
    assert not mountpoint.is_mounted(mount.path)


def work(life: Life, mount: Mount) -> None:
    """Saves, reads and refusals, with an answer that quotes the key, and bugs that are provoked."""
    files = mount.path
    mount.emulator.generate("made.txt", CONTENT.encode() * 1000)
    mount.refresh()
    assert (files / "made.txt").read_bytes() == CONTENT.encode() * 1000
    (files / "mine.txt").write_text(CONTENT)
    (files / "folder").mkdir()
    mount.emulator.fault("upload", {"kind": "raw_json", "status": 400, "body": {"type": "error", "error": {
        "type": "invalid_request_error", "message": f"x-api-key: {KEY}, x-gateway: {HEADER}"}}})
    (files / "folder" / "refused.txt").write_text(CONTENT)
    wait_until(lambda: mount.status()["failed"], "it was refused")
    mount.emulator.clear_faults()
    for arguments in (("status",), ("ls", "--json", files / "folder"), ("refresh", files), ("fetch", files / "made.txt"),
                      ("retry", files / "folder" / "refused.txt"), ("check", "--state-dir", mount.state_dir)):
        life.runs(*arguments)
    life.notes(json.dumps(mount.status()).encode())
    descriptor = os.open(mount.state_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for question in (b"{\n", b"[]\n", b'{"op": "paths", "file_ids": 7}\n', b'{"op": "free"}\n', b'{"op": "nothing"}\n', b"\xff\n"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
                asker.settimeout(20)
                asker.connect(address(descriptor))
                asker.sendall(question)
                life.notes(asker.recv(65536))
    finally:
        os.close(descriptor)
    provoke_a_bug(mount)
    life.processes()


def provoke_a_bug(mount: Mount) -> None:
    """Somebody has put a directory in place of what is to be sent, and it is read: the log has a traceback."""
    mount.emulator.fault("upload", {"kind": "status", "status": 503})
    before = set(os.listdir(mount.state_dir / "staging"))
    (mount.path / "waits.txt").write_text(CONTENT)
    wait_until(lambda: mount.emulator.requests("upload")[-1]["status"] == 503, "it was tried")
    [name] = set(os.listdir(mount.state_dir / "staging")) - before
    stage = mount.state_dir / "staging" / name
    stage.unlink()
    stage.mkdir()
    with contextlib.suppress(OSError):
        (mount.path / "waits.txt").read_text()
    wait_until(lambda: "Traceback" in mount.log(), "that is a bug")
    wait_until(lambda: mount.status()["failed"], "it can't be sent either")
    stage.rmdir()
    stage.write_text(CONTENT)
    mount.ok("retry", mount.path / "waits.txt")
    mount.sync()


@pytest.mark.timeout(240)      # some twenty commands, one after the other
def test_secrets_are_nowhere_and_content_is_only_where_the_page_files_says(watched: Mount, tmp_path: Path) -> None:
    mount, life = watched, Life(watched, tmp_path / "said")
    failed_starts(life, mount)
    life.mounts("--upload", "queue")
    assert mountpoint.is_mounted(mount.path)
    work(life, mount)
    mount.kill()
    life.mounts("--upload", "wait")
    (mount.path / "mine.txt").write_text(CONTENT * 2)
    life.runs("umount", mount.path)
    life.runs("check", "--state-dir", mount.state_dir)

    assert "-u" in (tmp_path / "children").read_text()          # it was asked, and what it was given is among what is searched
    assert [file for file in mount.emulator.files() if file["filename"] == "mine.txt"]
    searched = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"state.db", "anthrofs.log", "requests", "lock", "children"} <= {path.name for path in searched}
    assert found_below(tmp_path, apart=tmp_path / "emulator") == []
    # and it has looked where the content is
    assert [path for path in searched if "kept" in path.parts and CONTENT.encode() in path.read_bytes()]


ENVIRON: Final = """
import os
from anthrofs.cli import commands
from anthrofs.daemon import mount
mount.Mount.run = lambda self: os.system("env") and 1
commands.main()
"""


def test_the_program_that_libfuse_starts_gets_no_key(watched: Mount) -> None:
    """Who may not mount by themselves have fusermount do it: libfuse starts it with the environment that we have then."""
    done = subprocess.run([sys.executable, "-c", ENVIRON, "mount", "--foreground", "--state-dir", str(watched.state_dir), str(watched.path)],
                          env=watched.environment, capture_output=True, text=True, timeout=60, check=True)
    assert f"PATH={watched.environment['PATH']}\n" in done.stdout
    assert "ANTHROPIC" not in done.stdout
    assert "proxy" not in done.stdout.lower()
    assert holding(done.stdout.encode(), *SECRETS) == []


def test_the_demos_server_gets_no_key_and_listens_on_this_machine_only(watched: Mount) -> None:
    watched.ok("mount", "--demo", "--state-dir", watched.state_dir, watched.path)
    try:
        children = [Path(f"/proc/{pid}") for pid in Path(f"/proc/{watched.pid()}/task/{watched.pid()}/children").read_text().split()]
        assert len(children) == 1
        port = int(watched.status()["service"].rpartition(":")[2].partition("/")[0])
        listening = {line.split()[1] for line in (children[0] / "net/tcp").read_text().splitlines() if line.split()[1].endswith(f":{port:04X}")
                     and line.split()[3] == "0A"}
        assert listening == {f"0100007F:{port:04X}"}            # 127.0.0.1, and nowhere else
        for name in ("environ", "cmdline"):
            assert holding((children[0] / name).read_bytes(), *SECRETS) == []
    finally:
        watched.umount()


# ---- core dumps, and this user's other programs

DUMPS: Final = "import os; os.abort()"


def test_a_crash_leaves_no_core(watched: Mount, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    limited = ["prlimit", "--core=unlimited", "--"]
    other = subprocess.run([*limited, sys.executable, "-c", DUMPS], cwd=tmp_path / "here", timeout=60, check=False)
    assert other.returncode == -6
    cores = len(os.listdir(tmp_path / "here"))           # 1 where the kernel writes them beside the program, as most containers' do
    done = subprocess.run([*limited, *COMMAND, "mount", "--state-dir", watched.state_dir, watched.path], cwd=tmp_path / "here", env=watched.environment,
                          timeout=60, check=False)
    assert done.returncode == 0
    pid = watched.pid()
    assert [line.split()[4:6] for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max core")] == [["0", "0"]]
    os.kill(pid, 6)
    watched.wait_for_end(pid)
    subprocess.run(["fusermount3", "-u", "-z", str(watched.path)], check=True, timeout=60)
    assert len(os.listdir(tmp_path / "here")) == cores


def test_the_command_that_waits_for_the_mount_leaves_no_core_either(watched: Mount) -> None:
    watched.emulator.fault("list", {"kind": "delay", "seconds": 2})
    with subprocess.Popen(["prlimit", "--core=unlimited", "--", *COMMAND, "mount", "--state-dir", watched.state_dir, watched.path],
                          env=watched.environment) as waiting:
        wait_until(lambda: watched.emulator.requests("list"), "it lists")
        limits = Path(f"/proc/{waiting.pid}/limits").read_text()
        assert waiting.wait(60) == 0
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")] == [["0", "0"]]


POWERLESS: Final = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.geteuid() == 0 else []


@pytest.mark.parametrize("private", [True, False])
def test_not_even_this_users_other_programs_can_look_into_its_memory_and_environment(watched: Mount, private: bool) -> None:
    """Of a mount, that is: of any other program they can."""
    script = f"from anthrofs.daemon.process import keep_private\nif {private}: keep_private()\nprint(input(), flush=True)\ninput()"
    with subprocess.Popen([*POWERLESS, sys.executable, "-c", script], env=watched.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
        assert one.stdin is not None
        assert one.stdout is not None
        one.stdin.write(b"ready\n")
        one.stdin.flush()
        assert one.stdout.readline() == b"ready\n"
        for name in ("environ", "maps"):
            done = subprocess.run([*POWERLESS, "cat", f"/proc/{one.pid}/{name}"], capture_output=True, timeout=20, check=False)
            assert (done.returncode, b"denied" in done.stderr, done.stdout == b"") == (int(private), private, private)
            assert private or name != "environ" or KEY.encode() in done.stdout
        one.stdin.write(b"end\n")
