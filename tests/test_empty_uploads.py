"""README: 'a service that takes no empty files gets it when something is in it'."""

import os
import subprocess

import pytest

from tests.mounting import Mount, asks, wait_until


def state(mount: Mount, name: str) -> str:
    return os.getxattr(mount.path / name, "user.anthropic.state").decode()


def stored(mount: Mount) -> dict[str, bytes]:
    return {file["filename"]: mount.emulator.content(file["id"]) for file in mount.emulator.files()}


@pytest.mark.parametrize("upload", ["wait", "queue"])
def test_an_empty_file_that_the_service_refuses_stays_here_until_it_has_content(mount: Mount, upload: str) -> None:
    mount.emulator.switch(empty_uploads="refuse")
    files = mount.mount("--upload", upload)
    with asks(mount, upload=1):
        (files / "a.txt").touch()
        mount.sync()
        assert state(mount, "a.txt") == "local"
    status = mount.status()
    assert status["failed"] == status["waiting"] == status["deletions"] == []
    assert "no id: local" in mount.run("id", files / "a.txt").stderr
    assert mount.ok("retry", files) == "Nothing was refused there; what waits is tried now.\n"

    mount.emulator.forget_requests()
    mount.ok("umount", files)
    mount.mount("--upload", upload)
    mount.sync()
    assert {request["operation"] for request in mount.emulator.requests()} == {"list"}
    assert state(mount, "a.txt") == "local"
    assert os.stat(files / "a.txt").st_size == 0

    with asks(mount, upload=1):
        (files / "a.txt").write_text("content")
    assert state(mount, "a.txt") == "remote"
    assert stored(mount) == {"a.txt": b"content"}


def test_emptying_a_file_leaves_its_old_content_on_a_server_that_takes_no_empty_ones(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("old")
    mount.emulator.switch(empty_uploads="refuse")
    with asks(mount, upload=1):
        os.truncate(files / "a.txt", 0)
        mount.sync()
        assert (state(mount, "a.txt"), (files / "a.txt").read_bytes()) == ("local", b"")
    mount.refresh()
    assert os.listdir(files) == ["a.txt"]
    assert stored(mount) == {"a.txt": b"old"}
    with asks(mount, upload=1, delete=1):
        (files / "a.txt").write_text("new")
    assert stored(mount) == {"a.txt": b"new"}


def test_what_is_done_to_an_empty_file_that_stays_here(mount: Mount) -> None:
    mount.emulator.switch(empty_uploads="refuse")
    files = mount.mount()
    for name in ("removed.txt", "renamed.txt", "replaced.txt"):
        (files / name).touch()
    mount.sync()
    with asks(mount):
        (files / "removed.txt").unlink()
    (files / "renamed.txt").rename(files / "new name.txt")
    mount.sync()
    assert state(mount, "new name.txt") == "local"
    (files / "new.tmp").write_text("new")
    (files / "new.tmp").rename(files / "replaced.txt")
    mount.sync()
    assert sorted(os.listdir(files)) == ["new name.txt", "replaced.txt"]
    assert stored(mount) == {"replaced.txt": b"new"}


def test_another_refusal_of_an_empty_file_is_a_refusal(mount: Mount) -> None:
    mount.expects("was refused")
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "status", "status": 422})
    subprocess.run(["touch", files / "a.txt"], check=True)
    wait_until(lambda: mount.status()["failed"], "it is refused")
    assert state(mount, "a.txt").startswith("failed: ")
    mount.ok("retry", files)
    mount.sync()
    assert stored(mount) == {"a.txt": b""}
