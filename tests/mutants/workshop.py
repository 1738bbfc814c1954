"""A copy of the repository in which bugs are planted one after the other, and the tests run on each.

Owns    one directory below TMPDIR, and the process that tests there.
Never   changes the repository, or takes a bug for found by a test that fails without it, too.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tests.mutants.levels import LEFT_OUT, Level
from tests.mutants.patches import ROOT, Mutant

LEVEL_S: Final = 900        # all tests of a level
NOT_COPIED: Final = (".*", "__pycache__", "node_modules", "*.egg-info")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One mutant's end."""

    mutant: Mutant
    test: str               # "" when nothing found it
    seconds: float          # from the first level on, up to the test that failed

    @property
    def level(self) -> str:
        """Of the test: the folder that it is in."""
        return self.test.split("/")[1] if self.test else ""


class Workshop:
    """One copy."""

    def __init__(self, base: Path, source: Path = ROOT) -> None:
        self._root = base / "tree"          # constant
        shutil.copytree(source, self._root, ignore=shutil.ignore_patterns(*NOT_COPIED))
        self._environment = {**os.environ, "PYTHONPATH": str(self._root), "TMPDIR": str(base)}     # constant
        self._environment.pop("PYTEST_ADDOPTS", None)

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Self]:
        """Gone at the end."""
        with tempfile.TemporaryDirectory(prefix="anthrofs-mutants-") as base:
            yield cls(Path(base))

    def try_out(self, mutant: Mutant, levels: Sequence[Level], *, passing: bool) -> Verdict:
        """The levels in their order, until a test of one fails. Unless all are known to be `passing` without the mutant, that one has to
        pass without it.
        """
        began_s = time.monotonic()
        with self._planted(mutant):
            find = self.first_failure if passing else self._lasting_failure
            test = next((test for level in levels if (test := find(level(mutant))) is not None), "")
        seconds = time.monotonic() - began_s
        if test and not passing:
            assert self.first_failure([test]) is None, f"{test} fails without {mutant.name}, too"
        return Verdict(mutant, test, seconds)

    def _lasting_failure(self, tests: Sequence[str]) -> str | None:
        """The first that fails each time: not because this machine was busy in that moment."""
        passing_again = list[str]()
        while (test := self.first_failure(tests, passing_again)) is not None:
            if self.first_failure([test]) is not None:
                return test
            passing_again.append(test)
        return None

    def first_failure(self, tests: Sequence[str], but: Sequence[str] = ()) -> str | None:
        """The first of the tests that fails, or hangs, by pyproject.toml's bound; None: all pass."""
        if not tests:
            return None
        left_out = [argument for test in (*LEFT_OUT, *but) for argument in ("--deselect", test)]
        command = [sys.executable, "-m", "pytest", "-x", "-v", "-p", "no:cacheprovider", "-p", "no:xdist", *left_out, *tests]
        done = subprocess.run(command, cwd=self._root, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=LEVEL_S, check=False)
        if done.returncode == 0:
            return None
        said = re.findall(r"^(tests/\S+?\.py::.+?) (PASSED|FAILED|ERROR)\b", done.stdout, re.MULTILINE)
        failed = [str(test) for test, how in said if how != "PASSED"]
        if failed:
            return failed[0]
        begun = re.findall(r"^(tests/\S+?\.py::.+?) (?!PASSED)", done.stdout, re.MULTILINE)
        assert begun, f"no test ran: {done.stdout[-3000:]}"
        return str(begun[-1])               # the one that was running when the process ended

    @contextmanager
    def _planted(self, mutant: Mutant) -> Iterator[None]:
        source = self._root / mutant.path
        before = source.read_text()
        self._write(source, mutant.apply(before))
        try:
            said = subprocess.run([sys.executable, "-c", f"import {mutant.module}; print({mutant.module}.__file__)"], cwd=self._root,
                                  env=self._environment, capture_output=True, text=True, check=True).stdout
            assert Path(said.strip()) == source, f"the tests would import {said.strip()}"
            yield
        finally:
            self._write(source, before)

    @staticmethod
    def _write(source: Path, text: str) -> None:
        """Python takes compiled code for current by its source's size and second: both may be those of the one before."""
        source.write_text(text)
        Path(importlib.util.cache_from_source(str(source))).unlink(missing_ok=True)
