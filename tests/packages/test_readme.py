"""README, five minutes: from a clone to a mount, typed as it stands there by somebody who has read nothing else; and the picture above it."""

import shutil
import subprocess
import sys

import pytest
from markdown_it import MarkdownIt

from tests.mounting import ROOT
from tests.packages.conftest import User

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]


def test_what_the_first_screen_says_can_be_typed(user: User) -> None:
    block = next(token.content for token in MarkdownIt("commonmark").parse((ROOT / "README.md").read_text()) if token.type == "code_block")
    clone = user.home / "anthrofs"
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".git", ".venv*", ".cache", "node_modules", "__pycache__", "tests"))
    (clone / "my-folder").mkdir()
    for name in ("a.pdf", "b.pdf"):
        (clone / "my-folder" / name).write_bytes(b"%PDF-1.7\n")
    done = subprocess.run(["bash", "-eu", "-o", "pipefail"], input=block, env={**user.variables}, cwd=clone, text=True, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("file_") == 4          # two of `ls`, two of `id`
    assert "month,revenue" in done.stdout
    assert "everything is on the server" in done.stdout


def test_the_picture_shows_what_a_session_shows() -> None:
    done = subprocess.run([sys.executable, "-m", "scripts.picture", "--check"], cwd=ROOT, text=True, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
