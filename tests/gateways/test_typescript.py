"""The newest TypeScript SDK takes the emulator for the service: a second witness, with a form of its own."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.emulator.process import EmulatorProcess
from tests.gateways.running import program

pytestmark = pytest.mark.gateways

HERE: Final = Path(__file__).with_name("typescript")
COUNT: Final = 7
NAMES: Final = ["plain.txt", "Äpfel 'rot' 🍎.txt", 'quote".txt', "percent%22.txt", "percent%41.txt", "bell\a.txt", "line\n.txt", "a\\b.txt"]


def found(emulator: EmulatorProcess, shape: str) -> tuple[list[str], dict[str, Any]]:
    if not (HERE / "node_modules").exists():
        pytest.fail("the TypeScript SDK isn't installed: run scripts/install gateways", pytrace=False)
    made = [emulator.generate(f"{number}.txt", str(number).encode())["id"] for number in range(COUNT)][::-1]
    run = subprocess.run([program("node"), HERE / "witness.mjs", emulator.url, emulator.key, shape], text=True, capture_output=True,
                         input=json.dumps({"generated": made, "names": NAMES}), timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return made, json.loads(run.stdout)


@pytest.mark.parametrize("shape", ["ga", "beta"])
def test_the_typescript_sdk_finds_what_the_service_would_show(emulator: EmulatorProcess, shape: str) -> None:
    made, said = found(emulator, shape)

    # With the beta header this SDK doesn't follow the cursors of the answer that it gets: the first page is all it lists.
    assert said["listed"] == (made if shape == "ga" else made[:2])
    fields = {"type", "id", "size_bytes", "created_at", "filename", "mime_type", "downloadable"}
    assert said["uploaded"].keys() == (fields | {"expires_at"} if shape == "ga" else fields)
    assert said["metadata"] == said["uploaded"]
    assert (said["uploaded"]["filename"], said["uploaded"]["mime_type"], said["uploaded"]["size_bytes"]) == ("a.txt", "text/plain", 10)
    assert said["downloaded"] == str(COUNT - 1)
    assert said["deleted"] == {"id": said["uploaded"]["id"], "type": "file_deleted"}
    assert said["errors"] == {
        "key": ["AuthenticationError", 401],
        "gone": ["NotFoundError", 404],
        "gone metadata": ["NotFoundError", 404],
        "download": ["FileNotDownloadableError", 400],
    }


@pytest.mark.parametrize("decoded", [True, False])
def test_the_typescript_sdk_sends_names_as_browsers_do(emulator: EmulatorProcess, decoded: bool) -> None:
    """A quote goes as %22, a line break as %0A, all else as it is; so a literal %22 can't be told from a quote, whatever a service does."""
    emulator.switch(decoded_names=decoded)
    refused = ["BadRequestError", 400]
    _, said = found(emulator, "ga")
    assert said["named"] == {
        "plain.txt": "plain.txt",
        "Äpfel 'rot' 🍎.txt": "Äpfel 'rot' 🍎.txt",
        'quote".txt': refused if decoded else "quote%22.txt",
        "percent%22.txt": refused if decoded else "percent%22.txt",
        "percent%41.txt": "percent%41.txt",
        "bell\a.txt": refused,
        "line\n.txt": refused if decoded else "line%0A.txt",
        "a\\b.txt": refused,
    }
