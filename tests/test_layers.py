"""Imports go only downward, each foreign library has one door, and every module says what it is in a page or two."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = Path(__file__).parents[1] / "anthrofs"
MAX_LINES: Final = 350

# Upward. Modules of one set don't know each other.
LAYERS: Final[list[set[str]]] = [
    # words
    {"errors"}, {"blocks", "clock", "companions", "gaps", "mime", "model", "names", "schema"}, {"profiles"}, {"config"},
    # tools
    {"presence"}, {"callers", "disk", "db", "notify", "remote", "statedir"}, {"bodies", "process"},
    # state
    {"surprises", "pages", "blockfile", "batches", "course"},
    {"index", "outbox", "staging", "cache", "handles", "workspace", "walks", "xattrs"}, {"keeping", "lost", "mirror", "owed"},
    # workers
    {"coming", "copies", "feed", "listing", "renaming", "settings", "shares", "unlinking"}, {"looks", "restaging", "sendings"},
    {"deletion", "delivery", "expirer", "prober", "extents", "refresher", "sweeper", "waits"}, {"transfers", "turns"}, {"reader"},
    {"uploader"},
    # core
    {"promises", "attributes", "tree"}, {"contents"},
    {"decisions", "holdings", "links", "moves", "openfiles", "recovery", "report", "check"}, {"drain", "filesystem"},
    # edges
    {"binding"}, {"fuse_ops", "control", "commands", "mountpoint", "options"},
    # assembly
    {"demo", "greeting"}, {"daemon"},
    # commands
    {"output"}, {"asking", "launch"}, {"cli"}, {"__main__"},
]  # fmt: skip
RANK: Final = {name: rank for rank, names in enumerate(LAYERS) for name in names}

APART: Final = "emulator"                       # an independent witness: it knows nobody
KNOW_THE_EMULATOR: Final = {"cli"}

# Library: the modules that may import it.
DOORS: Final[dict[str, set[str]]] = {
    "cachetools": {"cache", "remote.pace"},
    "fuse": {"binding"},
    "httpcore": {"remote.wire"},
    "httpx": {"remote.download", "remote.http", "remote.transport"},
    "sqlite3": {"db"},
}


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Every module below the package as its dotted name in it; `remote` is remote/__init__.py."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(path: Path, module: str) -> set[str]:
    """Dotted names that a module imports, wherever in it: relative ones and those for types as well."""
    found: set[str] = set()
    package = ["anthrofs", *module.split(".")] if module else ["anthrofs"]
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, node.module] if node.module else base)
            # `from anthrofs import index` names a module; `from anthrofs.model import FileId` names something in one.
            found.update(f"{origin}.{alias.name}" if origin == "anthrofs" else origin for alias in node.names)
    return found


def problem(module: str, imported: str) -> str | None:
    """What is wrong with one import, or None."""
    own = module.split(".", maxsplit=1)[0]
    top, _, inside = imported.partition(".")
    if top != "anthrofs":
        if own != APART and module not in DOORS.get(top, {module}):
            return f"{module} imports {top}, which only {' and '.join(sorted(DOORS[top]))} may"
        return None
    other = inside.split(".")[0]
    if other == own or other.startswith("__version__"):
        return None
    if own == APART:
        return f"{module} imports {imported}, but the {APART} is apart"
    if other == APART:
        return None if own in KNOW_THE_EMULATOR else f"{module} imports {imported}, but the {APART} is apart"
    for name in (own, other):
        if name and name not in RANK:
            return f"{name} has no layer"
    if not own:
        return f"anthrofs/__init__.py imports {other}, but it is the map and imports nothing"
    if not other or RANK[other] < RANK[own]:
        return None
    return f"{module} imports {other}, which isn't below it"


def violations(root: Path) -> list[str]:
    found: list[str] = []
    for module, path in modules(root):
        own = module.split(".", maxsplit=1)[0]
        if own and own != APART and own not in RANK:
            found.append(f"{own} has no layer")
            continue
        problems = (problem(module, imported) for imported in sorted(imports(path, module)))
        found.extend(text for text in problems if text is not None)
    return found


def test_imports_go_only_downward_and_each_library_has_one_door() -> None:
    assert violations(PACKAGE) == []


def test_every_module_begins_by_saying_what_it_is() -> None:
    assert [str(path) for _, path in modules(PACKAGE) if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_no_module_is_longer_than_a_person_reads_at_once() -> None:
    lengths = {module: len(path.read_text().splitlines()) for module, path in modules(PACKAGE)}
    assert {module: length for module, length in lengths.items() if length > MAX_LINES} == {}


# ---- the test's own test: each kind of violation is found, and named by both sides

@pytest.mark.parametrize(("file", "source", "expected"), [
    ("model.py", "from anthrofs.names import path_of", "model imports names, which isn't below it"),
    ("model.py", "from anthrofs import config", "model imports config, which isn't below it"),
    ("model.py", "from . import config", "model imports config, which isn't below it"),
    ("model.py", "def f():\n    import anthrofs.index", "model imports index, which isn't below it"),
    ("cache.py", "from .index import Index", "cache imports index, which isn't below it"),
    ("remote/retry.py", "from ..reader import Reader", "remote.retry imports reader, which isn't below it"),
    ("disk.py", "from anthrofs.remote.http import x", "disk imports remote, which isn't below it"),
    ("helpers.py", "", "helpers has no layer"),
    ("cli.py", "from anthrofs.helpers import x", "helpers has no layer"),
    ("__init__.py", "from anthrofs.cli import main", "anthrofs/__init__.py imports cli, but it is the map and imports nothing"),
    ("reader.py", "import httpx", "reader imports httpx, which only remote.download and remote.http and remote.transport may"),
    ("remote/pace.py", "from httpx import Client", "remote.pace imports httpx, which only remote.download and remote.http and remote.transport may"),
    ("index.py", "import sqlite3", "index imports sqlite3, which only db may"),
    ("daemon.py", "from fuse import FUSE", "daemon imports fuse, which only binding may"),
    ("index.py", "import cachetools", "index imports cachetools, which only cache and remote.pace may"),
    ("emulator/app.py", "from anthrofs.model import FileId", "emulator.app imports anthrofs.model, but the emulator is apart"),
    ("check.py", "import anthrofs.emulator", "check imports anthrofs.emulator, but the emulator is apart"),
])  # fmt: skip
def test_a_wrong_import_is_named_by_both_sides(tmp_path: Path, file: str, source: str, expected: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(source)
    assert violations(tmp_path) == [expected]


@pytest.mark.parametrize(("file", "source"), [
    ("config.py", "from anthrofs.names import LOCAL_PATTERNS\nfrom anthrofs import errors, model"),
    ("remote/http.py", "import httpx\nfrom . import answers\nfrom anthrofs.remote.pace import Paced\nfrom ..model import FileId"),
    ("cli.py", "from anthrofs import __version__, daemon, emulator\nimport anthrofs.emulator.app"),
    ("emulator/app.py", "import sqlite3\nfrom . import store\nfrom anthrofs.emulator.faults import Fault"),
    ("cache.py", "import cachetools, threading"),
])  # fmt: skip
def test_a_right_import_is_no_violation(tmp_path: Path, file: str, source: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(source)
    assert violations(tmp_path) == []
