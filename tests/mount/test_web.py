"""Manual, web: 'Only your own programs on this machine can open the page, and only by its whole address', and what is clicked happens on the mount."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from anthrofs.client import asking
from anthrofs.errors import EXIT_BUSY, EXIT_USAGE
from anthrofs.web import watcher
from tests.mount.test_decisions import refused
from tests.mount.test_detached import detach
from tests.mounting import BOUND_S, COMMAND, USER, Mount, asks, forbid_looks, stored, wait_until

pytestmark = pytest.mark.desktop


class Page:
    """`anthrofs web`, as its page asks it."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = httpx.URL(address)
        self.origin = f"http://{self.address.netloc.decode()}"
        self.client = httpx.Client(base_url=address, headers={"origin": self.origin, "sec-fetch-site": "same-origin"}, timeout=BOUND_S, trust_env=False)

    def shows(self, true: Callable[[list[dict[str, Any]]], object]) -> list[dict[str, Any]]:
        """The mounts in the first picture of which that is true."""
        with self.client.stream("GET", "events") as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    mounts: list[dict[str, Any]] = json.loads(line.removeprefix("data: "))["mounts"]
                    if true(mounts):
                        return mounts
        raise AssertionError("the stream has ended")

    def act(self, **asked: object) -> httpx.Response:
        return self.client.post("act", json=asked)


@contextmanager
def page(mount: Mount, *arguments: str | Path, **environment: str) -> Iterator[Page]:
    process = subprocess.Popen([*COMMAND, "web", *map(str, arguments)], env={**mount.environment, **environment}, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline()
    told = re.fullmatch(r"The page is at (http://127\.0\.0\.1:\d+/[\w-]{32}/) \(Ctrl-C ends it\)\n", line)
    try:
        assert told is not None, (line, process.communicate(timeout=BOUND_S))
        one = Page(process, told[1])
        with one.client:
            yield one
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=BOUND_S)
    assert (process.returncode, said) == (0, "")


FOREIGN: Final[dict[str, tuple[str, str, dict[str, str], str]]] = {
    "no token": ("GET", "/", {}, ""),
    "a wrong token": ("GET", "/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/events", {}, ""),
    "a rebound name": ("GET", "{token}", {"host": "evil.example"}, ""),
    "another site's page": ("GET", "{token}events", {"sec-fetch-site": "cross-site"}, ""),
    "another port's page": ("POST", "{token}act", {"origin": "http://127.0.0.1:1"}, '{"do": "retry", "mount": "/", "path": ""}'),
    "a form": ("POST", "{token}act", {"content-type": "text/plain"}, '{"do": "retry", "mount": "/", "path": ""}'),
}

NONSENSE: Final = ("", "[]", "{", "null", '{"do": "retry"}', '{"do": "eat", "mount": "{root}", "path": ""}', '{"do": "retry", "mount": 1, "path": []}',
                   "[" * 60000, "x" * 2**17)


def test_strangers_get_a_no_and_the_page_loads_nothing_from_elsewhere(mount: Mount) -> None:
    files = mount.mount()
    with page(mount, files, "--no-browser") as one:
        for name, (method, path, headers, body) in FOREIGN.items():
            answer = one.client.request(method, one.origin + path.format(token=one.address.path), headers=headers, content=body)
            assert answer.status_code == 403, name
            assert one.address.path.strip("/") not in answer.text
        answer = one.client.get("")
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert re.findall(r"""(?:src|href)=["']?(?!data:)[^"'>]+""", answer.text) == []
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers
        assert one.client.get(str(one.address).rstrip("/")).headers["location"] == one.address.path
        for path, status in {"nothing": 404, "held?mount=/nowhere": 409, "act": 405}.items():
            answer = one.client.get(path)
            assert (answer.status_code, "Traceback" in answer.text) == (status, False)


def test_a_request_that_makes_no_sense_is_a_sentence(mount: Mount) -> None:
    files = mount.mount()
    with page(mount, files, "--no-browser") as one:
        one.shows(lambda mounts: mounts)
        for body in NONSENSE:
            answer = one.client.post("act", content=body.replace("{root}", str(files)), headers={"content-type": "application/json"})
            assert answer.status_code in (400, 413), body[:40]
            assert answer.json()["error"].startswith("That is "), body[:40]


def test_a_mount_is_shown_with_what_moves_waits_and_is_refused_and_costs_the_service_nothing(mount: Mount) -> None:
    mount.emulator.generate("out.csv", b"x" * 1000)
    files = mount.mount("--upload", "queue")
    (files / "a.txt").write_text("a")
    mount.sync()
    with page(mount, "--no-browser") as one, asks(mount):
        [shown] = [each for each in one.shows(lambda mounts: any(each["root"] == str(files) for each in mounts)) if each["root"] == str(files)]
        assert (shown["files"], shown["bytes"], shown["online"], shown["failed"]["count"]) == (2, 1001, True, 0)
        assert sum(shown["traffic"]["minutes"][-1].values()) + sum(shown["traffic"]["minutes"][-2].values()) == shown["requests"] == 2
        assert shown["traffic"]["per_minute"] == 450
        held = one.client.get("held", params={"mount": str(files)}).json()
        assert [(each["path"], each["files"], each["kept"]) for each in held["folders"]] == [("", 2, 1)]


def test_who_watches_does_not_look_so_the_mount_goes_on_asking_for_nobody(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at a file, the mount's own directory included, has it refresh its listing for two minutes."""
    files = mount.mount()
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, mount.environment[name])
    forbid_looks(monkeypatch, files)
    found = watcher.look(files)
    assert found is not None
    assert (found.picture["root"], found.state_dir) == (str(files), mount.state_dir)
    monkeypatch.setattr(asking, "state_dir", None)          # nor does it search again
    assert watcher.look(files, found) is not None
    with pytest.raises(AssertionError, match="looked at"):
        os.lstat(files)
    monkeypatch.undo()


def test_what_was_refused_is_sent_again_or_given_up_and_only_as_it_was_seen(mount: Mount) -> None:
    files = mount.mount()
    for name in ("again.txt", "given up.txt"):
        refused(mount, name, f"more than fits: {name}")
    with page(mount, files, "--no-browser") as one:
        [shown] = one.shows(lambda mounts: mounts[0]["failed"]["count"] == 2)
        reasons = {row["path"]: row["reason"] for row in shown["failed"]["rows"]}
        asked = {"mount": str(files), "path": "given up.txt"}
        answer = one.act(do="discard", **asked, reason="what it was yesterday")
        assert (answer.status_code, answer.json()["error"]) == (409, "given up.txt has changed since: look again before it is given up.")
        assert (files / "given up.txt").read_text() == "more than fits: given up.txt"

        assert one.act(do="retry", mount=str(files), path="again.txt").json() == {"said": "again.txt is sent again."}
        assert "gone" in one.act(do="discard", **asked, reason=reasons["given up.txt"]).json()["said"]
        assert one.act(do="discard", **asked, reason=reasons["given up.txt"]).status_code == 409
        one.shows(lambda mounts: mounts[0]["failed"]["count"] == 0)
        assert one.act(do="retry", mount=str(files), path="").json() == {"said": "Nothing was refused there; what waits is tried now."}
    assert os.listdir(files) == ["again.txt"]
    wait_until(lambda: stored(mount) == {"again.txt": b"more than fits: again.txt"}, "it is sent")


def test_a_mount_that_goes_and_comes_back_is_shown_so(mount: Mount) -> None:
    files = mount.mount()
    with page(mount, files, "--no-browser") as named, page(mount, "--no-browser") as every:
        def shown(mounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [each for each in mounts if each["root"] == str(files)]
        every.shows(shown)
        mount.umount()
        [gone] = named.shows(lambda mounts: mounts[0]["words"])
        assert gone["words"] == f"{files} is not in a mount of anthrofs."
        every.shows(lambda mounts: not shown(mounts))
        assert named.act(do="retry", mount=str(files), path="").status_code == 409
        mount.mount()
        named.shows(lambda mounts: not mounts[0]["words"])
        every.shows(shown)


@pytest.mark.parametrize("named", [True, False], ids=["named", "all"])
def test_a_mount_that_was_detached_is_shown_as_long_as_it_has_something_to_do(mount: Mount, named: bool) -> None:
    files, pid = mount.mount("--upload", "queue"), mount.pid()
    (files / "a.txt").write_text("a")
    mount.sync()
    with page(mount, *([files] if named else []), "--no-browser") as one:
        def mine(mounts: list[dict[str, Any]]) -> dict[str, Any]:
            return next((each for each in mounts if each["root"] == str(files)), {})
        with (files / "a.txt").open():
            detach(mount)
            found = mine(one.shows(lambda mounts: mine(mounts).get("left")))
            assert found["notes"][0].startswith(f"{files} was detached")
        one.shows(lambda mounts: mine(mounts).get("words", "gone"))
    mount.wait_for_end(pid)


def test_a_program_that_starts_it_gets_the_address_as_json(mount: Mount) -> None:
    mount.mount()
    with subprocess.Popen([*COMMAND, "web", "--json", "--no-browser"], env=mount.environment, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert told["pid"] == process.pid
        assert httpx.get(told["address"], trust_env=False).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""
    assert process.returncode == 0


def test_an_end_waits_for_no_browser(mount: Mount) -> None:
    """Ctrl-C, while two streams are open and one connection says nothing."""
    files = mount.mount()
    with page(mount, files, "--no-browser") as one, socket.create_connection(("127.0.0.1", one.address.port or 0)), \
            one.client.stream("GET", "events") as first, one.client.stream("GET", "events") as second:
        lines = [first.iter_lines(), second.iter_lines()]
        assert [next(each) for each in lines] == ["retry: 1000"] * 2
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(BOUND_S) == 0
        for each in lines:
            assert "Traceback" not in "".join(each)


def test_a_browser_gets_the_address_and_no_key(mount: Mount, tmp_path: Path) -> None:
    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f"#!/bin/sh\necho $* >{tmp_path}/told; env >{tmp_path}/environment; mv {tmp_path}/told {tmp_path}/address\n")
    opener.chmod(0o755)
    files = mount.mount()
    with page(mount, files, PATH=f"{opener.parent}:{os.environ['PATH']}", DISPLAY=":99", ANTHROFS_STORE_SECRET="s3cret") as one:
        wait_until((tmp_path / "address").exists, "the browser is started")
        assert (tmp_path / "address").read_text() == f"{one.address}\n"
    environment = (tmp_path / "environment").read_text()
    assert mount.emulator.key not in environment
    assert "s3cret" not in environment
    assert "DISPLAY=:99" in environment


@pytest.mark.root
def test_another_users_program_is_cut_off_though_it_has_the_address(mount: Mount) -> None:
    files = mount.mount()
    with page(mount, files, "--no-browser") as one:
        script = f"exec 3<>/dev/tcp/127.0.0.1/{one.address.port}; printf 'GET {one.address.path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n' >&3; cat <&3"
        ours = subprocess.run(["bash", "-c", script.replace("\\r\\n\\r\\n", "\\r\\nConnection: close\\r\\n\\r\\n")], capture_output=True, text=True, timeout=BOUND_S, check=True)
        theirs = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=BOUND_S, check=False, user=USER, cwd="/")
    assert ours.stdout.startswith("HTTP/1.1 200")
    assert theirs.stdout == ""


def test_a_port_in_use_and_a_directory_without_a_mount_are_sentences(mount: Mount, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = mount.run("web", "--no-browser", "--port", str(port))
        assert (done.returncode, done.stderr) == (
            EXIT_BUSY, f"anthrofs: Port {port} is in use by another program. Choose another one: --port 0 takes any that is free.\n")
    done = mount.run("web", "--no-browser", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (EXIT_USAGE, "", f"anthrofs: {tmp_path} is not in a mount of anthrofs.\n")
    files = mount.mount()
    (files / "folder").mkdir()
    done = mount.run("web", "--no-browser", files / "folder")
    assert (done.returncode, done.stderr) == (EXIT_USAGE, f"anthrofs: {files / 'folder'} is in the mount on {files}: anthrofs web {files}\n")
    done = mount.run("web", "--port", "70000")
    assert (done.returncode, "70000" in done.stderr) == (EXIT_USAGE, True)
