"""The wheel and the archive of sources, built once for all tests, and a user who has installed one of them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mounting import ROOT

BUILD_S = 300


@dataclass(frozen=True)
class Packages:
    wheel: Path
    sources: Path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """As `python -m build` makes them: the wheel from the archive of sources."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "uv", "build", "--quiet", "--out-dir", str(out), str(ROOT)], check=True, timeout=BUILD_S)
    return Packages(next(out.glob("*.whl")), next(out.glob("*.tar.gz")))


@dataclass(frozen=True)
class User:
    """Somebody with a home of their own, and what they have installed on the path."""

    home: Path
    variables: Mapping[str, str]

    def runs(self, *command: str, also: Mapping[str, str] | None = None) -> str:
        """Its standard output. Fails with its words."""
        done = subprocess.run(command, env={**self.variables, **(also or {})}, cwd=self.home, text=True, capture_output=True, timeout=BUILD_S, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    """Nothing of this process's environment reaches them but how to get at the package index."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name.upper().endswith("_PROXY") or name.startswith(("PIP_", "UV_", "SSL_", "REQUESTS_"))}
    bin_dir = home / ".local" / "bin"
    one = User(home, {**kept, "HOME": str(home), "PATH": f"{bin_dir}:/usr/bin:/bin", "LANG": "C.UTF-8", "UV_PYTHON_DOWNLOADS": "never",
                      "PIPX_HOME": str(home / "pipx"), "PIPX_BIN_DIR": str(bin_dir), "UV_TOOL_DIR": str(home / "tools"), "UV_TOOL_BIN_DIR": str(bin_dir),
                      "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))})
    yield one
    left = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(home) in line]
    for line in left:
        subprocess.run(["fusermount3", "-u", "-z", line.split()[1]], check=False)
    assert left == []
