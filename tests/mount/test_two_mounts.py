"""Two mounts of one workspace, and a client of the bare API: what one does the others see, nothing flaps, and in the end all are alike.

Each mount has its own state directory, as on two machines.
"""

import contextlib
import errno
import os
import random
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from anthrofs import names
from anthrofs.attribute_names import FILE_ID, STATE
from anthrofs.tree.xattrs import MIME_TYPE
from tests.emulator.process import EmulatorProcess
from tests.mounting import Mount, wait_until

WINDOW_S: Final = 1.0           # --refresh of these mounts
SLACK_S: Final = 4.0            # of a busy machine
FOR_S: Final = 3.0              # that they act against each other


class Pair:
    """Two users."""

    def __init__(self, base: Path, emulator: EmulatorProcess) -> None:
        self.emulator = emulator
        self.one, self.other = Mount(base / "one", emulator), Mount(base / "other", emulator)
        self.mounts = (self.one, self.other)

    def mount(self, *options: str) -> tuple[Path, Path]:
        one, other = (mount.mount("--refresh", str(WINDOW_S), *options) for mount in self.mounts)
        return one, other

    def settle(self) -> None:
        """All is on the server, and both know it."""
        for mount in self.mounts:
            mount.sync()
        for mount in self.mounts:
            mount.refresh()


@pytest.fixture
def pair(emulator: EmulatorProcess, tmp_path: Path) -> Iterator[Pair]:
    one = Pair(tmp_path, emulator)
    with contextlib.ExitStack() as stack:       # each of them is finished, whatever becomes of the others
        for mount in one.mounts:
            stack.callback(mount.finish)
        stack.callback(emulator.clear_faults)
        yield one


def tree(root: Path) -> dict[str, tuple[int, str]]:
    """Path → (size, id) of every file."""
    found: dict[str, tuple[int, str]] = {}
    for directory, _, files in os.walk(root):
        for name in files:
            path = Path(directory) / name
            found[str(path.relative_to(root))] = (path.stat().st_size, os.getxattr(path, FILE_ID).decode())
    return found


def within_two_windows(true: Any) -> None:
    until_s = time.monotonic() + 2 * WINDOW_S + SLACK_S
    while not true():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_what_one_does_the_other_sees_within_two_windows(pair: Pair) -> None:
    one, other = pair.mount()
    (one / "a.txt").write_text("a")
    within_two_windows((other / "a.txt").exists)
    (one / "a.txt").write_text("longer")
    within_two_windows(lambda: (other / "a.txt").stat().st_size == 6)
    (other / "a.txt").write_text("the other's")
    within_two_windows(lambda: (one / "a.txt").stat().st_size == 11)
    os.rename(other / "a.txt", other / "b.txt")
    within_two_windows(lambda: os.listdir(one) == ["b.txt"])
    (one / "folder").mkdir()
    (one / "folder" / "c.txt").write_text("c")
    within_two_windows((other / "folder" / "c.txt").exists)
    os.unlink(one / "b.txt")
    within_two_windows(lambda: os.listdir(other) == ["folder"])


def test_a_shell_that_waits_for_a_file_sees_it_within_two_windows(pair: Pair) -> None:
    one, other = pair.mount()
    with subprocess.Popen(["bash", "-c", "echo waiting; until [ -e f ]; do sleep .1; done"], cwd=other, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        (one / "f").write_text("!")
        assert shell.wait(2 * WINDOW_S + SLACK_S) == 0


@pytest.mark.parametrize("lags", [{}, {"deletion_lag_ms": 1500}, {"listing_lag_ms": 1500}], ids=str)
def test_what_was_removed_never_comes_back_and_what_is_shown_never_blinks(pair: Pair, lags: dict[str, int]) -> None:
    pair.emulator.switch(**lags)
    one, other = pair.mount()
    for number in range(6):
        (one / f"{number}.txt").write_text("!")
    for mount in pair.mounts:
        wait_until(lambda mount=mount: mount.refresh() and len(os.listdir(mount.path)) == 6, "all are there")  # type: ignore[misc]
    for number in (0, 1):
        os.unlink(one / f"{number}.txt")
        os.unlink(other / f"{number + 2}.txt")
    gone: dict[Path, set[str]] = defaultdict(set)
    until_s = time.monotonic() + 2 * WINDOW_S + 2.5
    while time.monotonic() < until_s:
        for root, own in ((one, {"0.txt", "1.txt"}), (other, {"2.txt", "3.txt"})):
            shown = set(os.listdir(root))
            assert {"4.txt", "5.txt"} <= shown
            assert not shown & (gone[root] | own)
            gone[root] |= {f"{number}.txt" for number in range(4)} - shown
    assert sorted(os.listdir(one)) == sorted(os.listdir(other)) == ["4.txt", "5.txt"]


# ---- at random

class Actor(threading.Thread):
    """One of the three, acting for a while. Its errors are the ordinary ones of a tree that others change, too."""

    def __init__(self, seed: str, until_s: float, emulator: EmulatorProcess, root: Path | None) -> None:
        super().__init__(name=seed)
        self.chance = random.Random(seed)
        self.until_s = until_s
        self.emulator = emulator
        self.root = root            # None: the bare API
        self.own = seed.rpartition(" ")[2]
        self.done: list[str] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while time.monotonic() < self.until_s:
                if self.root is None:
                    self.call()
                else:
                    try:
                        self.act(self.root)
                    except OSError as exc:
                        if exc.errno != errno.ESTALE:       # of an append to what others have just deleted
                            raise
                time.sleep(self.chance.random() * 0.15)
        except BaseException as exc:
            self.error = exc

    def name_of_file(self) -> str:
        name = self.chance.choice(("a.txt", "b.txt", "c.bin", f"{self.own}.txt", f"{self.own}2.txt"))
        return self.chance.choice(("", "", "d/", "e/")) + name

    def act(self, root: Path) -> None:
        path = root / self.name_of_file()
        with contextlib.suppress(FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError):
            match self.chance.choice(("write", "write", "write", "append", "remove", "remove", "rename", "rename", "move folder", "read")):
                case "write":
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(self.chance.randbytes(self.chance.randrange(1, 2000)))
                    self.done.append(f"write {path.relative_to(root)}")
                case "append":
                    with path.open("ab") as file:
                        file.write(b"more")
                    self.done.append(f"append {path.relative_to(root)}")
                case "remove":
                    path.unlink()
                    self.done.append(f"remove {path.relative_to(root)}")
                case "rename":
                    new = root / self.name_of_file()
                    os.rename(path, new)
                    self.done.append(f"rename {path.relative_to(root)} {new.relative_to(root)}")
                case "move folder":
                    folders = self.chance.sample(("d", "e", f"f{self.own}"), 2)
                    with contextlib.suppress(OSError):      # one that isn't empty
                        os.rename(root / folders[0], root / folders[1])
                        self.done.append(f"move folder {folders}")
                case "read":
                    with contextlib.suppress(OSError):      # it may have gone: ESTALE
                        path.read_bytes()

    def call(self) -> None:
        name = self.name_of_file().replace("/", "／")
        match self.chance.choice(("upload", "generate", "delete")):
            case "upload":
                self.request("POST", files={"file": (name, self.chance.randbytes(100), "text/plain")})
                self.done.append(f"upload {name}")
            case "generate":
                self.emulator.generate(name, self.chance.randbytes(self.chance.randrange(1, 2000)))
                self.done.append(f"generate {name}")
            case "delete":
                listed = self.request("GET")["data"]
                if listed:
                    chosen = self.chance.choice(listed)
                    with contextlib.suppress(httpx.HTTPStatusError):
                        self.request("DELETE", f"/{chosen['id']}")
                        self.done.append(f"delete {chosen['filename']} {chosen['id']}")

    def request(self, method: str, path: str = "", **more: Any) -> Any:
        headers = {"x-api-key": self.emulator.key, "anthropic-version": "2023-06-01", "anthropic-beta": "files-api-2025-04-14"}
        answer = httpx.request(method, f"{self.emulator.url}/v1/files{path}", headers=headers, timeout=30, trust_env=False, verify=False, **more)
        answer.raise_for_status()
        return answer.json()


WEATHER: Final[list[tuple[dict[str, int], tuple[str, ...]]]] = [
    ({}, ()), ({"deletion_lag_ms": 700}, ("--upload", "queue")), ({"listing_lag_ms": 700}, ()), ({"latency_ms": 60}, ("--api", "ga"))]


@pytest.mark.parametrize(("switches", "options"), WEATHER, ids=str)
@pytest.mark.timeout(150)
def test_two_mounts_and_a_client_of_the_api_agree_in_the_end(pair: Pair, switches: dict[str, int], options: tuple[str, ...]) -> None:
    seed = int(os.environ.get("ANTHROFS_SEED", "0")) or random.SystemRandom().randrange(10**6)
    print(f"ANTHROFS_SEED={seed}")
    pair.emulator.switch(**switches)
    for mount in pair.mounts:
        mount.expects("is not downloadable", "was uploaded elsewhere", "not found|does not exist|has gone|is gone", "keeps its name on the server", "sent again")
    roots = pair.mount(*options)
    until_s = time.monotonic() + FOR_S
    actors = [Actor(f"{seed} {name}", until_s, pair.emulator, root) for name, root in zip("xyz", (*roots, None), strict=True)]
    for actor in actors:
        actor.start()
    for actor in actors:
        actor.join(FOR_S + 60)
        print(actor.name, actor.done)
        assert actor.error is None, actor.error
        assert not actor.is_alive()
    settled(pair)


def settled(pair: Pair) -> None:
    """All are alike, once the lags are over."""
    pair.settle()
    lag_s = max(int(pair.emulator.switch()[name]) for name in ("deletion_lag_ms", "listing_lag_ms")) / 1000
    until_s = time.monotonic() + lag_s + 10
    while (problem := difference(pair)) is not None:
        assert time.monotonic() < until_s, problem
        time.sleep(0.3)
        pair.settle()


def difference(pair: Pair) -> str | None:
    """What the first one shows otherwise than the server or the other one."""
    listed = {file["id"]: file for file in pair.emulator.files()}
    try:
        shown = [tree(mount.path) for mount in pair.mounts]
    except FileNotFoundError as exc:
        return f"the kernel still believes {exc}"       # for a second, of a name that was gone and is another file's now
    for mount, files in zip(pair.mounts, shown, strict=True):
        ids = {file_id for _, file_id in files.values()}
        if ids != set(listed) or len(ids) != len(files):
            wrong = {path: file_id for path, (_, file_id) in files.items() if file_id not in listed}
            lacking = [f"{each['filename']} {file_id}" for file_id, each in listed.items() if file_id not in ids]
            return f"{mount.path} shows {wrong}, which are gone, and lacks {lacking}"
        for path, (size_bytes, file_id) in files.items():
            file = listed[file_id]
            if size_bytes != file["size_bytes"]:
                return f"{path} has {size_bytes} bytes in {mount.path}, {file}"
            state = os.getxattr(mount.path / path, STATE)
            if state == b"remote" and not is_named_after(path, file):
                return f"{path} in {mount.path} is {file}"
            if b"can't be read" not in state and (mount.path / path).read_bytes() != pair.emulator.content(file_id):
                return f"{path} in {mount.path} has other bytes than {file}"
    return None


def is_named_after(path: str, file: dict[str, Any]) -> bool:
    """It has the plain name, or its id name."""
    plain = names.path_of(file["filename"])
    folder, _, name = plain.rpartition("/")
    return path in (plain, f"{folder}/{names.id_name_of(name, file['id'])}".lstrip("/"))


# ---- whose the plain name is

def alike(pair: Pair) -> dict[str, tuple[int, str]]:
    """What both show in the end."""
    settled(pair)
    return tree(pair.one.path)


@pytest.mark.parametrize(("ours", "theirs"), [("a.txt", "a.txt"), ("rep", "rep\uff0fmay.txt")])
def test_a_file_of_others_that_comes_while_ours_is_being_sent_is_newer(pair: Pair, ours: str, theirs: str) -> None:
    """The server has stored ours, and its answer takes long."""
    one, _ = pair.mount()
    pair.emulator.fault({"operation": "upload", "filename": ours}, {"kind": "delay", "seconds": 3})
    program = subprocess.Popen(["sh", "-c", f"echo ours > {ours}"], cwd=one)
    wait_until(lambda: any(file["filename"] == ours for file in pair.emulator.files()), "ours is stored")
    made = pair.emulator.generate(theirs, b"newer than ours")
    pair.one.refresh()
    assert program.wait(30) == 0
    assert alike(pair)[names.path_of(theirs)] == (15, made["id"])


def test_what_is_saved_under_an_id_name_is_called_that_everywhere(pair: Pair) -> None:
    """Of others, or an own upload that others have displaced; and what others see under the plain name stays."""
    one, _ = pair.mount()
    theirs = pair.emulator.generate("a.txt", b"older")["id"]
    newest = pair.emulator.generate("a.txt", b"newest")["id"]
    (one / "b.txt").write_text("ours")
    ours = os.getxattr(one / "b.txt", FILE_ID).decode()
    theirs_of_b = pair.emulator.generate("b.txt", b"theirs")["id"]
    pair.settle()
    (one / f"a ({theirs}).txt").write_text("changed")
    os.setxattr(one / f"b ({ours}).txt", MIME_TYPE, b"text/csv")
    found = alike(pair)
    assert {name: found[name][0] for name in found} == {"a.txt": 6, f"a ({theirs}).txt": 7, "b.txt": 6, f"b ({ours}).txt": 4}
    assert (found["a.txt"][1], found["b.txt"][1]) == (newest, theirs_of_b)
    assert {file["filename"] for file in pair.emulator.files()} == set(found)


def test_what_a_discarded_save_leaves_is_older_than_what_others_have_uploaded_since(pair: Pair) -> None:
    one, _ = pair.mount()
    (one / "a.txt").write_text("ours")
    ours = os.getxattr(one / "a.txt", FILE_ID).decode()
    pair.one.expects("was refused")
    pair.emulator.fault("upload", {"kind": "status", "status": 400})
    with pytest.raises(OSError, match=r"\[Errno"):
        (one / "a.txt").write_text("refused")
    newer = pair.emulator.generate("a.txt", b"newer")["id"]
    pair.one.refresh()
    assert (one / "a.txt").read_text() == "refused"
    with (one / f"a ({newer}).txt").open():
        done = pair.one.run("discard", one / "a.txt")
        assert (done.returncode, "close it first" in done.stderr) == (1, True)
    assert f"shown as a ({ours}).txt" in pair.one.ok("discard", one / "a.txt")
    assert {name: file_id for name, (_, file_id) in alike(pair).items()} == {"a.txt": newer, f"a ({ours}).txt": ours}
