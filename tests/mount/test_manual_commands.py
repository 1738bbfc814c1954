"""The README's and the manual's commands, as they stand there, on a real mount: what is indented is typed, block by block."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from markdown_it import MarkdownIt

from anthrofs.cli import manual
from anthrofs.settings.config_file import parsed
from anthrofs.settings.findings import findings
from tests.emulator.process import EmulatorProcess
from tests.mounting import ROOT, Mount

KEY: Final = "sk-ant-..."       # as the pages have it
ID: Final = "file_011CPMxVD3fHLUhvTqtsQA5w"
PDF: Final = b"%PDF-1.7\nThe revenue of a year.\n"
# Blocks that aren't typed here, by their beginning, and why.
ELSEWHERE: Final = {
    "python3 -m venv ~/.venvs/anthrofs": "it installs from the package index: tests/packages/test_readme.py types it",
    "python3 -m venv /opt/anthrofs": "it installs for the whole machine: the same with another place",
    "pip install '.[fleet]'": "it names a bucket and a board of somebody's: tests/fleet does the same with its own",
    "pip install 'anthrofs[fleet]'": "the same",
    "anthrofs init                       #": "it needs a systemd: tests/services types it in a namespace of its own",
    "sudo anthrofs service": "the same",
    "anthrofs:work  /mnt/work": "the same: a line of fstab",
    "anthrofs emulator --data": "it runs until it is interrupted, on a port that is somebody's: tests/emulator begins it otherwise",
    "curl -s http://127.0.0.1:8080/_emulator": "it asks that one: tests/emulator/test_manual_emulator.py has the refusal taken",
    "anthrofs doctor": "it looks at all mounts of the machine, other tests' too, so its answer is another each time: mount/test_doctor.py runs its options",
    "scripts/install test": "these are how the tests came to run",
    ".venv/bin/python -m pytest": "the same",
}


class Block(NamedTuple):
    page: str
    text: str

    @property
    def elsewhere(self) -> bool:
        return any(self.text.startswith(beginning) for beginning in ELSEWHERE)

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.text.split()[:3])}"


def blocks() -> Iterator[Block]:
    for page, text in (("README", (ROOT / "README.md").read_text()), *((name, manual.page(name)) for name in manual.names())):
        for token in MarkdownIt("commonmark").enable("table").parse(text):
            if token.type in ("code_block", "fence"):
                yield Block(page, token.content)


ALL: Final = list(blocks())
SETTINGS: Final = [block for block in ALL if block.text.startswith("[defaults]")]
TYPED: Final = [block for block in ALL if not block.elsewhere and block not in SETTINGS]


def test_what_is_not_typed_here_is_there() -> None:
    assert [beginning for beginning in ELSEWHERE if not any(block.text.startswith(beginning) for block in ALL)] == []
    assert len(TYPED) > 5


@pytest.mark.parametrize("block", SETTINGS, ids=str)
def test_a_file_of_settings_is_one_as_it_stands(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in re.findall(r'key_file = "~/([^"]+)"', block.text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("sk-ant-one")
        (tmp_path / name).chmod(0o600)
    assert findings(parsed(tmp_path / "config.toml", block.text)) == []


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """One that takes the key as the pages have it."""
    with EmulatorProcess(tmp_path_factory.mktemp("service") / "data", key=KEY) as one:
        yield one


@pytest.fixture
def service(shared_service: EmulatorProcess) -> EmulatorProcess:
    """With what code execution made, and nothing else."""
    shared_service.forget_files()
    shared_service.generate("report.csv", b"month,revenue\n01,1037\n", "text/csv")
    return shared_service


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What the pages take for given: a folder, a paper, and `anthrofs` on the path."""
    one = tmp_path / "home"
    (one / "my-folder").mkdir(parents=True)
    (one / "files").mkdir()
    (one / "bin").mkdir()
    for name in ("paper.pdf", "my-folder/a.pdf", "my-folder/b.pdf"):
        (one / name).write_bytes(PDF)
    (one / "bin" / "anthrofs").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m anthrofs "$@"\n')
    (one / "bin" / "anthrofs").chmod(0o755)
    return one


@pytest.fixture
def mount(service: EmulatorProcess, tmp_path: Path, home: Path) -> Iterator[Mount]:
    """On ~/files, with the state where a user has it."""
    one = Mount(tmp_path / "of", service)
    one.path = home / "files"
    one.state_dir = Path(one.environment["XDG_STATE_HOME"], "anthrofs", "default")
    config = home / ".config" / "anthrofs" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[profile.work]\ndirectory = "~/work"\n')
    config.chmod(0o600)
    (home / "work").mkdir()
    one.environment |= {"HOME": str(home), "ANTHROFS_CONFIG": str(config), "PATH": f"{home / 'bin'}:{os.environ['PATH']}", "SHELL": "/bin/bash"}
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        one.environment.pop(name, None)
    yield one
    one.finish()


def furnish(block: Block, mount: Mount) -> str:
    """What the page has said before, as if it had been done; the block's text, with an id that there is."""
    for name in re.findall(r"states remove (\w+)", block.text):
        mount.ok("mount", "--profile", name, mount.path)
        mount.ok("umount", mount.path)
    if "anthrofs mount ~/files" not in block.text:
        mount.ok("mount", mount.path)
        for name in re.findall(r"files/([\w.-]+\.\w+)", block.text):
            if not (mount.path / name).exists():
                (mount.path / name).write_bytes(PDF)
    if ID not in block.text:
        return block.text
    named = mount.ok("id", mount.path / "paper.pdf").strip()
    (mount.path / "paper.pdf").write_bytes(PDF * 2)         # of which this is the old one
    mount.sync()
    return block.text.replace(ID, named)


@pytest.mark.parametrize("block", TYPED, ids=str)
def test_a_block_can_be_typed_as_it_stands(block: Block, mount: Mount, home: Path) -> None:
    text = furnish(block, mount)
    program = [sys.executable, "-"] if "import " in text else ["bash", "-eu", "-o", "pipefail"]
    if "exit code 1" in text:
        program = ["bash", "-u"]
    said = ["ANTHROPIC_API_KEY"] if f"ANTHROPIC_API_KEY={KEY}" in text else []       # the block itself sets it
    done = subprocess.run(program, input=text, env={name: value for name, value in mount.environment.items() if name not in said}, cwd=home, text=True,
                          capture_output=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "exit code 1" in text or "anthrofs:" not in done.stderr      # progress is no complaint
    for answer in expected(text):
        assert answer in done.stdout


def expected(text: str) -> list[str]:
    """What shows that it did what the page says."""
    if "/v1/messages" in text and "paper.pdf" in text:
        return [f"paper.pdf: {len(PDF)} bytes of application/pdf"]
    if "sales.csv" in text:
        return [f"sales.csv: {len(PDF)} bytes of text/csv"]
    if "import anthropic" in text:
        return [f"paper.pdf: {len(PDF)} bytes of application/pdf\n"]
    if "anthrofs path" in text:
        return ["files/paper.pdf\n", "file_"]
    return []
