"""The emulator as a process: what survives it, what it leaves, what it costs."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from .process import ROOT, EmulatorProcess
from .raw import AGENTS, GA, Api, closed, connect, error_of, file_part, upload_head

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def own(tmp_path: Path) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path / "emulator") as emulator:
        yield emulator
    assert emulator.stderr() == ""


def api_of(emulator: EmulatorProcess) -> Api:
    return Api(httpx.Client(base_url=emulator.url, headers={"x-api-key": emulator.key, **GA}, trust_env=False, verify=False))


@pytest.mark.parametrize("end", ["restart", "kill"])
def test_a_restart_keeps_files_ids_order_and_workspace(own: EmulatorProcess, end: str) -> None:
    with api_of(own).client as client:
        api = Api(client)
        own.generate("one.png", b"1" * 1000, "image/png", scope_id="sesn_1")
        own.generate("two", b"2" * 1000, expires_in_seconds=9000)
        uploaded = api.upload("three", b"3").json()
        gone = api.upload("four", b"4").json()
        api.delete(gone["id"])
        before = (own.files(), own.url, api.listing(AGENTS).json(), workspace(api))
        page = api.listing(limit=1).json()["next_page"]

    if end == "restart":
        own.restart()
    else:
        own.kill()
        own.start()

    with api_of(own).client as client:
        api = Api(client)
        assert (own.files(), own.url, api.listing(AGENTS).json(), workspace(api)) == before
        assert [own.content(file["id"])[:1] for file in before[0]] == [b"3", b"2", b"1"]
        assert api.names(page=page) == ["two"]
        assert api.upload("five").json()["created_at"] > uploaded["created_at"]
        assert api.metadata(gone["id"]).status_code == 404


def test_two_workspaces_are_not_the_same(own: EmulatorProcess, tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path / "other") as other, api_of(own).client as first, api_of(other).client as second:
        assert workspace(Api(first)).isdisjoint(workspace(Api(second)))


def test_what_a_killed_upload_left_is_swept(own: EmulatorProcess) -> None:
    body = closed(file_part(b"x" * 1_000_000, "left.bin"))
    with connect(own) as wire:
        wire.sendall(upload_head(own, len(body)) + body[:500_000])
        incoming = own.data / "incoming"
        deadline = time.monotonic() + 10
        while not list(incoming.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        own.kill()
    assert list(incoming.iterdir())
    own.start()
    assert list(incoming.iterdir()) == []
    assert own.files() == []


def test_deleted_content_leaves_the_disk(own: EmulatorProcess) -> None:
    own.bulk(3)
    names = [file["id"] for file in own.files()]
    own.vanish(names[0])
    assert own.content(names[1])
    for name in names[1:]:
        own.vanish(name)
    assert list((own.data / "content").iterdir()) == []


def test_memory_stays_flat_during_a_large_upload_and_download(own: EmulatorProcess) -> None:
    size = 200_000_000

    def body() -> Iterator[bytes]:
        start, end = closed(file_part(b"|", "large.bin")).split(b"|")
        yield start
        for _ in range(size // 1_000_000):
            yield b"x" * 1_000_000
        yield end

    with api_of(own).client as client:
        api = Api(client)
        api.upload("warm.bin", b"x" * 3_000_000)
        before = peak_memory_bytes(own.pid)
        answer = client.post("/v1/files", content=body(), headers={"content-type": "multipart/form-data; boundary=x-boundary-x"},
                             timeout=60)
        assert answer.json()["size_bytes"] == size
        generated = own.client.post("/_emulator/files", params={"filename": "g"}, content=body()).json()["id"]
        with client.stream("GET", f"/v1/files/{generated}/content") as download:
            assert sum(len(piece) for piece in download.iter_raw()) >= size
        assert peak_memory_bytes(own.pid) - before < 20_000_000


def test_sigterm_ends_it_at_once_although_connections_are_open(own: EmulatorProcess) -> None:
    generated = own.generate("a.bin", b"x" * 50_000_000)["id"]
    own.fault("list", {"kind": "delay", "seconds": 60})
    with (connect(own) as idle, connect(own) as waiting, connect(own) as uploading, api_of(own).client as client,
          client.stream("GET", f"/v1/files/{generated}/content")):
        waiting.sendall(f"GET /v1/files HTTP/1.1\r\nhost: x\r\nx-api-key: {own.key}\r\nanthropic-version: 2023-06-01\r\n\r\n".encode())
        uploading.sendall(upload_head(own, 1000))
        deadline = time.monotonic() + 10
        while len(own.requests()) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        start = time.monotonic()
        own.stop()
        assert time.monotonic() - start < 1.5
        assert idle.recv(1) == b""


def test_it_exits_with_status_0_on_sigterm_and_when_stdin_ends(tmp_path: Path) -> None:
    for end in ("sigterm", "stdin"):
        process = subprocess.Popen([sys.executable, "-m", "anthrofs.emulator", "--data", tmp_path, "--exit-with-stdin"],
                                   cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with process:
            assert process.stdout is not None
            assert process.stdin is not None
            ready = process.stdout.readline()
            assert re.fullmatch(rf'{{"url": "http://127.0.0.1:\d+", "pid": {process.pid}}}\n', ready)
            if end == "sigterm":
                process.terminate()
            else:
                process.stdin.close()
            assert process.wait(10) == 0
            assert process.stdout.read() == ""


def test_a_data_directory_has_one_emulator(own: EmulatorProcess) -> None:
    second = subprocess.run([sys.executable, "-m", "anthrofs.emulator", "--data", own.data], cwd=ROOT, check=False,
                            capture_output=True, text=True, timeout=30)
    assert second.returncode != 0
    assert "is used by another emulator" in second.stderr
    assert second.stdout == ""


def test_a_bug_is_answered_500_and_logged(tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path / "emulator") as emulator, api_of(emulator).client as client:
        api = Api(client)
        short = emulator.generate("short.bin", b"x" * 1000)["id"]
        (emulator.data / "content" / short).write_bytes(b"x" * 100)
        with pytest.raises(httpx.RemoteProtocolError):
            api.download(short)

        with contextlib.closing(sqlite3.connect(emulator.data / "emulator.db")) as database:
            database.execute("DROP TABLE file")
        answer = api.listing()

        assert answer.status_code == 500
        assert error_of(answer) == {"type": "api_error", "message": "Internal server error"}
        assert "shorter than its row" in emulator.stderr()
        assert "bug in GET /v1/files\n" in emulator.stderr()


def test_it_imports_nothing_of_the_client() -> None:
    program = ("import sys, anthrofs.emulator.server as _\n"
               "print(*sorted(name for name in sys.modules if name.startswith('anthrofs.')))")
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True,
                            timeout=30).stdout.split()
    assert [name for name in loaded if not name.startswith("anthrofs.emulator")] == []


def workspace(api: Api) -> set[str]:
    answer = api.listing()
    return {answer.headers["anthropic-organization-id"], answer.headers["anthropic-workspace-id"]}


def peak_memory_bytes(pid: int) -> int:
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match[1]) * 1024
