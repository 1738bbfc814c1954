"""The servers with which the manual's page on fleets has one tried: each is started as it says, and a fleet's check likes it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anthrofs.cli import manual
from tests.mounting import BOUND_S, ROOT, Mount


@contextmanager
def tried(server: str) -> Iterator[dict[str, str]]:
    """`python -m tests.fleet SERVER`, and what it exports."""
    with subprocess.Popen([sys.executable, "-m", "tests.fleet", server], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
                          text=True) as process:
        assert process.stdout is not None
        found = dict[str, str]()
        try:
            for line in process.stdout:
                if line.startswith("#"):
                    break
                name, _, value = line.removeprefix("export ").strip().partition("=")
                found[name] = value.strip("'")
            yield found
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(BOUND_S) == 0


def test_redis(mount: Mount, tmp_path: Path) -> None:
    with tried("redis") as exported:
        assert exported["ANTHROFS_BOARD"].startswith("redis://127.0.0.1:")
        (tmp_path / "key").write_text(mount.ok("fleet", "key"))
        (tmp_path / "key").chmod(0o600)
        mount.environment |= {**exported, "ANTHROFS_FLEET_KEY_FILE": str(tmp_path / "key")}
        mount.mount()
        mount.umount()


@pytest.mark.fleet
@pytest.mark.parametrize("what", ["ceph", "azurite"])
def test_a_store_of_the_manual_is_fit_for_a_fleet(mount: Mount, tmp_path: Path, what: str) -> None:
    (tmp_path / "key").write_text(mount.ok("fleet", "key"))
    (tmp_path / "key").chmod(0o600)
    with tried(what) as exported:
        mount.environment |= {**exported, "ANTHROFS_FLEET_KEY_FILE": str(tmp_path / "key"), "AWS_ALLOW_HTTP": "true"}
        done = mount.run("fleet", "check")
        assert done.returncode == 0, done.stdout + done.stderr
        mount.mount()
        (mount.path / "a.txt").write_text("a")
        mount.ok("sync", mount.path)
        mount.umount()


def test_the_page_names_them() -> None:
    page = manual.page("fleet")
    for server in ("ceph", "azurite", "redis"):
        assert f"python -m tests.fleet {server}" in page
