"""Redirects, and a gateway's own words: followed as far as the key may go, and whoever stands in the way is heard."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.process import EmulatorProcess
from tests.mounting import Mount, asks

# ---- with a mount

@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path / "bucket" / "data") as other:
        yield other


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_reading_follows_redirects(mount: Mount, status: int) -> None:
    mount.emulator.generate("a.txt", b"content" * 50_000)
    mount.emulator.fault("any", {"kind": "redirect", "status": status, "location": "{path}"})
    files = mount.mount()
    mount.emulator.fault("download", {"kind": "redirect", "status": status, "location": f"{mount.emulator.url}{{path}}"})
    assert (files / "a.txt").read_bytes() == b"content" * 50_000
    assert [entry["status"] for entry in mount.emulator.requests("list")] == [status, 200]


def test_a_files_bytes_may_lie_at_another_host_which_never_sees_the_key(mount: Mount, bucket: EmulatorProcess) -> None:
    mount.environment["ANTHROPIC_CUSTOM_HEADERS"] = "X-Gateway: s3cret-value"
    mount.emulator.generate("a.txt", b"content")
    files = mount.mount()
    mount.emulator.fault("download", {"kind": "redirect", "status": 302, "location": f"{bucket.url}/elsewhere"}, times=-1)
    mount.expects("where the content is said to be: x-api-key header is required")
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):      # the bucket, an emulator, wants a key: that says nothing of ours
        (files / "a.txt").read_bytes()
    assert mount.status()["online"]
    names = [name for entry in bucket.requests() for name in entry["header_names"]]
    assert names
    assert not {"x-api-key", "authorization", "x-gateway", "anthropic-version"} & set(names)


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("size", [10, 2_000_000])
def test_a_save_is_repeated_at_the_same_host_and_stored_once(mount: Mount, tmp_path: Path, status: int, size: int) -> None:
    files = mount.mount()
    content = os.urandom(size)
    for operation in ("upload", "delete"):
        mount.emulator.fault(operation, {"kind": "redirect", "status": status, "location": "{path}"})
    with asks(mount, upload=2):
        (files / "a.bin").write_bytes(content)
    stored = mount.emulator.files()
    assert [(file["filename"], mount.emulator.content(file["id"]) == content) for file in stored] == [("a.bin", True)]
    with asks(mount, delete=2):
        (files / "a.bin").unlink()
    assert mount.emulator.files() == []


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_a_lost_answer_behind_a_redirect_is_looked_for_and_the_file_is_stored_once(mount: Mount, size: int) -> None:
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "redirect", "status": 307, "location": "{path}"})
    mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit"})
    (files / "a.bin").write_bytes(bytes(size))
    mount.sync()
    assert [file["size_bytes"] for file in mount.emulator.files()] == [size]
    assert len(mount.emulator.requests("upload")) == 2


@pytest.mark.parametrize("action", [
    {"kind": "redirect", "status": 302, "location": "{path}"},
    {"kind": "redirect", "status": 308, "location": "https://elsewhere.example/v1/files"},
])
def test_a_save_that_is_redirected_otherwise_fails_with_the_target_and_is_kept(mount: Mount, action: dict) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", action, times=-1)
    mount.expects("was redirected", "not on the server")
    (files / "a.txt").write_text("kept")
    done = mount.run("sync", "--timeout", "8", files)
    assert done.returncode == 5
    target = action["location"].replace("{path}", f"{mount.emulator.url}/v1/files")
    assert f"was redirected (HTTP {action['status']}) to {target}" in mount.ok("status", files) + mount.log()
    mount.emulator.clear_faults()
    mount.ok("retry", "--all", files)
    mount.sync()
    assert [file["filename"] for file in mount.emulator.files()] == ["a.txt"]


def test_a_login_page_at_another_host_is_named_at_the_mount(mount: Mount) -> None:
    mount.emulator.fault("list", {"kind": "redirect", "status": 302, "location": "https://login.corp.example/sso?ticket=abc", "quiet": True}, times=-1)
    done = mount.run("mount", "--state-dir", mount.state_dir, mount.path)
    assert done.returncode != 0
    assert "redirected (HTTP 302) to https://login.corp.example/sso: the key isn't sent to another host" in done.stderr
    assert "ticket" not in done.stderr
    mount.expects(".*")


# ---- words

@pytest.mark.parametrize("status", [200, 401, 502])
def test_a_gateways_words_reach_the_user_without_the_key(mount: Mount, status: int) -> None:
    body = {"error": {"message": f"Team 7 may not: received key {mount.emulator.key}", "code": status}}
    mount.emulator.fault("list", {"kind": "raw_json", "status": status, "body": body}, times=-1)
    done = mount.run("mount", "--state-dir", mount.state_dir, mount.path)
    assert done.returncode != 0
    assert mount.emulator.key not in done.stderr
    if status != 200:                   # such a body isn't a listing: that is said
        assert "Team 7 may not: received key [secret]" in done.stderr
    mount.expects(".*")
