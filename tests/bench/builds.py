"""Versions of anthrofs side by side: this checkout, and the commit with which it is compared.

Owns    .cache/bench/<commit>: that commit's files, and an environment where it needs another one than this. Made once, kept, and known to no
        git worktree list.
Trusts  a folder of that name to be whole: it gets its name when it is.
Never   starts one version's command with another one's files: each says where it comes from before it is measured.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from tests.bench.wire import ROOT
from tests.emulator.process import EmulatorProcess
from tests.mounting import BOUND_S, Mount

CACHE: Final = ROOT / ".cache" / "bench"
PIP_S: Final = 600.0
FILES: Final = ("anthrofs", "pyproject.toml", "README.md", "LICENSE")


@dataclass(frozen=True, slots=True)
class Build:
    """One version that can be mounted."""

    name: str                   # in tables
    root: Path                  # its files; also where its command is started, for Python looks there first
    python: str
    options: tuple[str, ...] = ()       # of each of its mounts

    @property
    def command(self) -> list[str]:
        return [self.python, "-m", "anthrofs"]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.root), "ANTHROFS_CONFIG": os.devnull}

    def run(self, *arguments: str) -> str:
        """What its command prints."""
        return subprocess.run([*self.command, *arguments], cwd=self.root, env=self.environment, text=True, capture_output=True,
                              timeout=BOUND_S, check=True).stdout


class BuiltMount(Mount):
    """A mount of one version, and by its own commands."""

    def __init__(self, base: Path, emulator: EmulatorProcess, build: Build) -> None:
        super().__init__(base, emulator)
        self._build = build         # constant
        self.patience_s = BOUND_S   # for each command; a listing of a million takes longer
        self.environment["PYTHONPATH"] = str(build.root)

    def run(self, *arguments: str | Path, timeout: float = BOUND_S, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """See Mount."""
        timeout = max(timeout, self.patience_s)
        return subprocess.run([*self._build.command, *map(str, arguments)], env={**self.environment, **(environment or {})}, cwd=self._build.root,
                              text=True, capture_output=True, timeout=timeout, check=False)

    def mount(self, *options: str) -> Path:
        """See Mount."""
        return super().mount(*self._build.options, *options)

    def found_problems(self) -> list[str]:
        """As its own version finds them: this one may know the state by another schema."""
        done = self.run("check", "--state-dir", self.state_dir)
        return [] if done.returncode == 0 else [done.stdout + done.stderr]


def this_one(binding: str | None) -> Build:
    """This checkout. Raises SystemExit for a binding that it can't be told."""
    build = _checked(Build("anthrofs", ROOT, sys.executable))
    if binding is None:
        return build
    if "--binding" not in build.run("mount", "--help"):
        raise SystemExit("bench: this version can't be told which binding to use")
    return Build(f"anthrofs, {binding}", ROOT, sys.executable, ("--binding", binding))


def that_of(revision: str) -> Build:
    """Another commit's. Raises SystemExit where there is none of that name."""
    found = subprocess.run(["git", "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"], cwd=ROOT, text=True, capture_output=True, check=False)
    if found.returncode:
        raise SystemExit(f"bench: git knows no commit {revision!r} here")
    commit = found.stdout.strip()
    with _locked():
        place = CACHE / commit
        if not place.exists():
            _make(commit, place)
        # Where this environment has all that it needs, both run on the same libraries, which is the fairer comparison.
        own = [each for each in _needs(place) if not _is_here(Requirement(each))]
        python = str(place / "venv" / "bin" / "python") if own else sys.executable
        if not Path(python).exists():
            _make_environment(place)
    return _checked(Build(f"at {commit[:7]}", place, python))


@contextmanager
def _locked() -> Iterator[None]:
    """One run at a time makes a build."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(commit: str, place: Path) -> None:
    new = CACHE / f"{commit}.new"
    shutil.rmtree(new, ignore_errors=True)      # a run that was killed left it
    new.mkdir()
    archive = subprocess.run(["git", "archive", commit, *FILES], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(new)], input=archive, check=True)
    new.rename(place)


def _needs(place: Path) -> list[str]:
    needs: list[str] = tomllib.loads((place / "pyproject.toml").read_text())["project"]["dependencies"]
    return needs


def _is_here(needed: Requirement) -> bool:
    if needed.marker is not None and not needed.marker.evaluate():
        return True
    try:
        return needed.specifier.contains(version(needed.name), prereleases=True)
    except PackageNotFoundError:
        return False


def _make_environment(place: Path) -> None:
    venv = place / "venv"
    shutil.rmtree(venv, ignore_errors=True)
    _quietly([sys.executable, "-m", "venv", str(venv)])
    try:
        _quietly([str(venv / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install", *_needs(place)])
    except SystemExit:
        shutil.rmtree(venv)         # half of it would be taken for all
        raise


def _quietly(command: Sequence[str]) -> None:
    done = subprocess.run(command, text=True, capture_output=True, timeout=PIP_S, check=False)
    if done.returncode:
        raise SystemExit(f"bench: this failed: {' '.join(command)}\n{done.stdout}{done.stderr}")


def _checked(build: Build) -> Build:
    """Compiled, and surely its own files."""
    _quietly([build.python, "-m", "compileall", "-q", str(build.root / "anthrofs")])
    said = subprocess.run([build.python, "-c", "import anthrofs; print(anthrofs.__file__)"], cwd=build.root, env=build.environment, text=True,
                          capture_output=True, timeout=BOUND_S, check=True).stdout
    assert re.fullmatch(re.escape(str(build.root / "anthrofs" / "__init__.py")), said.strip()), said
    return build
