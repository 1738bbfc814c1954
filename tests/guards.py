"""Guards as the package's classes write them down, `self._lock = threading.Lock()   # guards everything below`, held to that while tests run.

An attribute is guarded from such a line on to the end of its group in `__init__`: to a blank line after "the following", else to a
comment of its own line at that depth, or to the end.

Trusts  a Lock that is locked to be the asking thread's: tests that use one thread see all, others miss some.
"""

import ast
import importlib
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

PACKAGE: Final = Path(__file__).parents[1] / "anthrofs"
GUARDS: Final = re.compile(r"self\.(\w+) = threading\.\w+\(.*# guards (everything below|the following)")
ASSIGNED: Final = re.compile(r"        self\.(\w+)(?:: [^=]+)? = ")


@dataclass(frozen=True, slots=True)
class Guarded:
    """One attribute, and its guard."""

    module: str
    owner: str
    name: str
    lock: str


def every() -> Iterator[Guarded]:
    """All that the package's classes say, but for the emulator's."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "emulator" in path.parts:
            continue
        text = path.read_text()
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for owner in ast.walk(ast.parse(text)):
            if isinstance(owner, ast.ClassDef):
                for made in owner.body:
                    if isinstance(made, ast.FunctionDef) and made.name == "__init__":
                        for name, lock in _guarded(text.splitlines()[made.lineno - 1:made.end_lineno]):
                            yield Guarded(module, owner.name, name, lock)


def _guarded(lines: list[str]) -> Iterator[tuple[str, str]]:
    lock, ends_at_blank = "", False
    for line in lines:
        if (guard := GUARDS.search(line)) is not None:
            lock, ends_at_blank = guard[1], guard[2] == "the following"
        elif lock and (re.match(r"        # ", line) or (ends_at_blank and not line.strip())):
            return
        elif lock and (assigned := ASSIGNED.match(line)) is not None and "threading." not in line and "# constant" not in line:
            yield assigned[1], lock


class _Watched:
    """A guarded attribute, in the place of the class's."""

    def __init__(self, guarded: Guarded, found: set[str]) -> None:
        self._guarded = guarded
        self._found = found

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is None:
            return self
        self._look(owner, "read")
        try:
            return owner.__dict__[self._guarded.name]
        except KeyError:
            raise AttributeError(self._guarded.name) from None

    def __set__(self, owner: Any, value: object) -> None:
        if self._guarded.name in owner.__dict__:        # else it is being made
            self._look(owner, "changed")
        owner.__dict__[self._guarded.name] = value

    def _look(self, owner: Any, how: str) -> None:
        lock = owner.__dict__[self._guarded.lock]
        held = lock.locked() if isinstance(lock, type(threading.Lock())) else lock._is_owned()
        if not held:
            caller = sys._getframe(2)
            if caller.f_code.co_name != "__init__" and "anthrofs" in Path(caller.f_code.co_filename).parts[-3:-1]:
                self._found.add(f"{self._guarded.owner}.{self._guarded.name} is {how} in {caller.f_code.co_name}, without {self._guarded.lock}")


def watch(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """From now on whoever touches a guarded attribute without its guard is noted in the set that this returns."""
    found = set[str]()
    for guarded in every():
        owner = getattr(importlib.import_module(guarded.module), guarded.owner)
        monkeypatch.setattr(owner, guarded.name, _Watched(guarded, found), raising=False)
    return found
