"""The last SDK of the beta shape takes the emulator for the service. It has an interpreter of its own, because two
versions of one package can't be imported together: ANTHROFS_BETA_PYTHON, or .venv-beta in the repository."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .process import ROOT

if TYPE_CHECKING:
    from .process import EmulatorProcess

HERE = Path(__file__).parent


def beta_python() -> Path:
    python = Path(os.environ.get("ANTHROFS_BETA_PYTHON") or ROOT / ".venv-beta" / "bin" / "python")
    if not python.exists():
        pytest.fail(f"The witness of the beta shape needs an interpreter of its own and {python} is missing. Make it: "
                    "python -m venv .venv-beta && .venv-beta/bin/pip install -r tests/emulator/witness_beta.txt, "
                    "or set ANTHROFS_BETA_PYTHON.", pytrace=False)
    return python


def test_the_pinned_sdk_is_the_one_that_runs() -> None:
    version = subprocess.run([beta_python(), "-c", "import anthropic; print(anthropic.__version__)"],
                             check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    assert (HERE / "witness_beta.txt").read_text().strip() == f"anthropic=={version}"


def test_the_beta_sdk_finds_what_the_service_would_show(emulator: EmulatorProcess) -> None:
    made = [emulator.generate(f"{number}.txt", str(number).encode())["id"] for number in range(7)][::-1]

    run = subprocess.run([beta_python(), HERE / "beta_script.py", emulator.url, emulator.key], input=json.dumps(made),
                         check=False, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)

    assert found["forwards"] == made
    assert found["backwards"] == made[:-1]
    assert found["upload"].keys() == {"type", "id", "size_bytes", "created_at", "filename", "mime_type", "downloadable"}
    assert found["unchanged"]
    assert found["downloaded"] == "6"
    assert found["errors"] == {
        "download": ["BadRequestError", 400, "invalid_request_error"],
        "name": ["BadRequestError", 400, "invalid_request_error"],
        "limit": ["BadRequestError", 400, "invalid_request_error"],
        "key": ["AuthenticationError", 401, "authentication_error"],
        "gone": ["NotFoundError", 404, "not_found_error"],
        "gone metadata": ["NotFoundError", 404, "not_found_error"],
    }
    assert found["deleted"]["type"] == "file_deleted"
    assert all("beta=true" in entry["query"] for entry in emulator.requests())
