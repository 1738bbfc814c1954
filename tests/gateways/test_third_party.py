"""A server of this API that somebody else wrote, with failings of its own: mounted, listed, filled, read, emptied."""

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.gateways.battery import MB, bytes_of, write
from tests.gateways.running import free_port, program
from tests.mounting import Mount, wait_until

pytestmark = pytest.mark.gateways

# mock-ai-api 0.1.1. What it does otherwise than the service, so that a test that fails here is read rightly.
FAILINGS: Final = {
    "request-id": "no answer has one, nor an organization or a workspace",
    "order": "oldest first",
    "limit": "a listing is always whole, has_more always false",
    "downloadable": "true, also of what was uploaded",
    "range": "a download is always whole, 200",
    "key": "none is asked for",
    "names": "any is taken, and %22 stays as it is",
    "time": "created_at is in whole seconds",
    "memory": "an upload is held in memory, and gone at its end",
}


class Server:
    def __init__(self, url: str) -> None:
        self.url = url

    def files(self) -> dict[str, dict[str, Any]]:
        """By name; each name once."""
        with urllib.request.urlopen(f"{self.url}/v1/files", timeout=10) as answer:
            listed = json.load(answer)["data"]
        named = {file["filename"]: file for file in listed}
        assert len(named) == len(listed), listed
        return named

    def content(self, file_id: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}/v1/files/{file_id}/content", timeout=30) as answer:
            content: bytes = answer.read()
        return content


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Its own uvicorn and application, as its command starts them, without the half that speaks for others."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    python = str(Path(program("mock-ai-api")).with_name("python"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with (tmp_path / "other.log").open("w") as log:
        process = subprocess.Popen([python, "-m", "uvicorn", "app.anthropic_app:app", "--host", "127.0.0.1", "--port", str(port)],
                                   cwd=tmp_path, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def answers() -> bool:
        assert process.poll() is None, (tmp_path / "other.log").read_text()
        try:
            urllib.request.urlopen(f"{url}/health", timeout=1).close()
        except OSError:
            return False
        return True

    try:
        wait_until(answers, "the other server answers")
        yield Server(url)
    finally:
        process.terminate()
        process.wait(20)


def test_another_implementation_of_the_api_can_be_mounted(mount: Mount, other: Server) -> None:
    mount.environment["ANTHROPIC_BASE_URL"] = other.url
    files = mount.mount("--refresh", "300")
    assert list(files.iterdir()) == []

    contents = {"a.txt": b"short", "big.bin": bytes_of("big", 5 * MB), "empty": b"", "it's.csv": b"1,2\n" * 1000}
    for name, content in contents.items():
        write(files / name, content)
    mount.sync()
    assert {name: other.content(file["id"]) for name, file in other.files().items()} == contents

    write(files / "a.txt", b"longer than before")
    (files / "big.bin").rename(files / "large.bin")
    (files / "empty").unlink()
    mount.ok("umount", files)
    wanted = {"a.txt": b"longer than before", "large.bin": contents["big.bin"], "it's.csv": contents["it's.csv"]}
    assert {name: other.content(file["id"]) for name, file in other.files().items()} == wanted

    # Somebody else's mount has no copies: it downloads.
    shutil.rmtree(mount.state_dir)
    files = mount.mount()
    assert {path.name: path.read_bytes() for path in files.iterdir()} == wanted
    with (files / "it's.csv").open("ab") as file:
        file.write(b"3,4\n")
    (files / "large.bin").unlink()
    mount.ok("umount", files)
    assert {name: other.content(file["id"]) for name, file in other.files().items()} == {
        "a.txt": b"longer than before", "it's.csv": contents["it's.csv"] + b"3,4\n"}
