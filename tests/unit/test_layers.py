"""Imports go only downward through the rooms, each foreign library has one door, and every module says what it is in a page or two."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = Path(__file__).parents[2] / "anthrofs"
UNIT: Final = Path(__file__).parent
MAX_LINES: Final = 350
OF_NO_MODULE: Final = {"remote.conformance"}    # one suite for each implementation of remote/api.py

# Each may import those before it, and not those beside it. Inside a room there is no circle.
ROOMS: Final[list[set[str]]] = [
    {"attribute_names", "errors", "clock", "model", "text", "journal", "state_place"}, {"names", "local_names", "worker"}, {"config"}, {"store", "desktop"}, {"remote", "tree"}, {"sync", "download", "fleet"},
    {"upload"}, {"fs"}, {"fuse"}, {"daemon"}, {"client", "settings"}, {"web", "doctor", "service"}, {"cli"}, {"__main__"},
]
RANK: Final = {name: rank for rank, names in enumerate(ROOMS) for name in names}

APART: Final = "emulator"                       # an independent witness: it knows nobody
KNOW_THE_EMULATOR: Final = {"cli"}

# Library: the modules that may import it.
DOORS: Final[dict[str, set[str]]] = {
    "cryptography": {"fleet.keys"},
    "cachetools": {"store.block_cache", "remote.pace"},
    "fuse": {"fuse.libfuse2"},
    "h11": {"remote.direct"},
    "jeepney": {"desktop.session_bus"},
    "httpcore": {"remote.direct", "remote.wire"},
    "httpx": {"remote.client_library", "remote.direct", "remote.download", "remote.holders", "remote.http", "remote.transport"},
    "mfusepy": {"fuse.libfuse3"},
    "obstore": {"fleet.objects"},
    "sqlite3": {"tree.database", "tree.left_state", "tree.rows", "tree.state_file"},
    "starlette": {"web.app"},
    "uvicorn": {"web.server"},
    "valkey": {"fleet.valkey_board"},
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
            found.update(_named(origin, alias.name) for alias in node.names)
    return found


def _named(origin: str, name: str) -> str:
    """The module that `from origin import name` names: `from anthrofs.tree import nodes` one, `from anthrofs.model import FileId` another."""
    if origin == "anthrofs" or (origin.startswith("anthrofs.") and origin.count(".") == 1 and origin.split(".")[1] in HAVE_MODULES):
        return f"{origin}.{name}"
    return origin


HAVE_MODULES: Final = {"doctor", "fleet", "store", "desktop", "remote", "tree", "sync", "download", "upload", "fs", "fuse", "daemon", "client", "settings", "web", "service", "cli", "emulator"}


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
            return f"{name} has no room"
    if not own:
        return f"anthrofs/__init__.py imports {other}, but it is the map and imports nothing"
    if not other or RANK[other] < RANK[own]:
        return None
    return f"{module} imports {inside}, which isn't below it"


def violations(root: Path) -> list[str]:
    """Wrong imports, circles inside rooms, and faces that re-export: with those, every import of a room would load all of it."""
    found: list[str] = []
    inside: dict[str, set[str]] = {}
    for module, path in modules(root):
        own = module.split(".", maxsplit=1)[0]
        if own and own != APART and own not in RANK:
            found.append(f"{own} has no room")
            continue
        named = sorted(imports(path, module))
        if path.name == "__init__.py" and own and own != APART and named:
            found.append(f"{module}/__init__.py imports {named[0]}, but faces import nothing")
            continue
        found.extend(text for name in named if (text := problem(module, name)) is not None)
        inside[module] = {name.removeprefix("anthrofs.") for name in named if name.startswith(f"anthrofs.{own}.")}
    return found + [f"{' → '.join(circle)}: a circle" for circle in circles(inside)]


def circles(inside: dict[str, set[str]]) -> list[list[str]]:
    """Of each circle of imports one way around; each module is named in one at most."""
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> None:
        if module in way:
            found.append([*way[way.index(module):], module])
        elif module not in done:
            for other in sorted(inside.get(module, ())):
                visit(other, [*way, module])
            done.add(module)

    for module in sorted(inside):
        visit(module, [])
    return found


def test_imports_go_only_downward_and_each_library_has_one_door() -> None:
    assert violations(PACKAGE) == []


def test_every_room_has_modules_and_every_module_a_room() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms == HAVE_MODULES
    assert rooms - {APART} <= RANK.keys()


def test_every_module_begins_by_saying_what_it_is() -> None:
    assert [str(path) for _, path in modules(PACKAGE) if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_the_face_of_a_room_is_six_to_ten_lines() -> None:
    lengths = {room: len((PACKAGE / room / "__init__.py").read_text().splitlines()) for room in HAVE_MODULES - {APART}}
    assert {room: lines for room, lines in lengths.items() if not 6 <= lines <= 10} == {}


def test_each_test_of_a_module_is_found_by_its_name() -> None:
    known = {module for module, _ in modules(PACKAGE)} | OF_NO_MODULE
    tested = [f"{path.parent.name}.{path.stem.removeprefix('test_')}" for path in UNIT.glob("*/test_*.py")]
    assert sorted(set(tested) - known) == []


def test_no_module_is_longer_than_a_person_reads_at_once() -> None:
    lengths = {module: len(path.read_text().splitlines()) for module, path in modules(PACKAGE)}
    assert {module: length for module, length in lengths.items() if length > MAX_LINES} == {}


# ---- the test's own test: each kind of violation is found, and named by both sides

@pytest.mark.parametrize(("file", "source", "expected"), [
    ("model.py", "from anthrofs.names import path_of", "model imports names, which isn't below it"),
    ("model.py", "from anthrofs import config", "model imports config, which isn't below it"),
    ("model.py", "from . import config", "model imports config, which isn't below it"),
    ("model.py", "def f():\n    import anthrofs.tree.nodes", "model imports tree.nodes, which isn't below it"),
    ("store/block_cache.py", "from ..tree.nodes import Index", "store.block_cache imports tree.nodes, which isn't below it"),
    ("remote/retry.py", "from ..tree.nodes import Index", "remote.retry imports tree.nodes, which isn't below it"),
    ("sync/expirer.py", "from anthrofs.download import reader", "sync.expirer imports download.reader, which isn't below it"),
    ("store/disk.py", "from anthrofs.remote.http import x", "store.disk imports remote.http, which isn't below it"),
    ("helpers.py", "", "helpers has no room"),
    ("cli/commands.py", "from anthrofs.helpers import x", "helpers has no room"),
    ("__init__.py", "from anthrofs.cli import main", "anthrofs/__init__.py imports cli, but it is the map and imports nothing"),
    ("tree/__init__.py", "from anthrofs.tree.nodes import Index", "tree/__init__.py imports anthrofs.tree.nodes, but faces import nothing"),
    ("download/reader.py", "import httpx", "download.reader imports httpx, which only remote.client_library and remote.direct and remote.download and remote.holders and remote.http and remote.transport may"),
    ("remote/pace.py", "from httpx import Client", "remote.pace imports httpx, which only remote.client_library and remote.direct and remote.download and remote.holders and remote.http and remote.transport may"),
    ("tree/nodes.py", "import sqlite3", "tree.nodes imports sqlite3, which only tree.database and tree.left_state and tree.rows and tree.state_file may"),
    ("daemon/mount.py", "from fuse import FUSE", "daemon.mount imports fuse, which only fuse.libfuse2 may"),
    ("tree/nodes.py", "import cachetools", "tree.nodes imports cachetools, which only remote.pace and store.block_cache may"),
    ("emulator/app.py", "from anthrofs.model import FileId", "emulator.app imports anthrofs.model, but the emulator is apart"),
    ("tree/fsck.py", "import anthrofs.emulator", "tree.fsck imports anthrofs.emulator, but the emulator is apart"),
    ("tree/nodes.py", "from anthrofs.tree import nodes", "tree.nodes → tree.nodes: a circle"),
])  # fmt: skip
def test_a_wrong_import_is_named_by_both_sides(tmp_path: Path, file: str, source: str, expected: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(source)
    assert violations(tmp_path) == [expected]


def test_a_circle_inside_a_room_is_found(tmp_path: Path) -> None:
    (tmp_path / "fs").mkdir()
    for name, other in (("contents", "promises"), ("promises", "renames"), ("renames", "contents")):
        (tmp_path / "fs" / f"{name}.py").write_text(f"from anthrofs.fs.{other} import x")
    assert violations(tmp_path) == ["fs.contents → fs.promises → fs.renames → fs.contents: a circle"]


@pytest.mark.parametrize(("file", "source"), [
    ("config.py", "from anthrofs.names import LOCAL_PATTERNS\nfrom anthrofs import errors, model"),
    ("remote/http.py", "import httpx\nfrom . import answers\nfrom anthrofs.remote.paced import Paced\nfrom ..model import FileId"),
    ("cli/commands.py", "from anthrofs import __version__, daemon, emulator\nimport anthrofs.emulator.app"),
    ("emulator/app.py", "import sqlite3\nfrom . import store\nfrom anthrofs.emulator.faults import Fault"),
    ("store/block_cache.py", "import cachetools, threading"),
    ("fuse/operations.py", "from anthrofs.fuse import callers"),
])  # fmt: skip
def test_a_right_import_is_no_violation(tmp_path: Path, file: str, source: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(source)
    assert violations(tmp_path) == []
