"""Nothing in the package is dead, untrue, longer than one reads, or a sentence without a subject; tidy.py finds what is."""

from pathlib import Path
from typing import Final

import pytest

from tests import tidy
from tests.tidy import Sources

ROOT: Final = Path(__file__).parents[2]
ENTRIES: Final = {"anthrofs.cli.commands"}     # as pyproject.toml begins it
# What the package has for others than itself, and why.
FOR_OTHERS: Final = {
    "bytes_in": "the emulator's journal tells it as JSON",
    "bytes_out": "the same",
    "header_names": "the same",
    "finished": "the same",
    "TRANSITIONS": "a table that people read, and that a test walks",
    "starts": "a column of it",
}


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources.below(ROOT)


def test_every_module_is_imported(sources: Sources) -> None:
    assert tidy.dead_files(sources, ENTRIES) == []


def test_everything_that_is_defined_is_used(sources: Sources) -> None:
    """By the package itself, not only by its tests."""
    nobody, tests = tidy.dead_definitions(sources)
    assert nobody == []
    assert [found for found in tests if found.rpartition(" ")[2] not in FOR_OTHERS] == []
    assert {found.rpartition(" ")[2] for found in tests} == set(FOR_OTHERS)


def test_what_docstrings_and_comments_name_is_there(sources: Sources) -> None:
    assert tidy.untrue_names(sources) == []


def test_every_docstring_has_a_subject(sources: Sources) -> None:
    assert tidy.subjectless_docstrings(sources) == []


def test_no_head_says_whom_a_module_serves(sources: Sources) -> None:
    assert tidy.serves_lines(sources) == []


def test_no_line_is_longer_than_one_reads(sources: Sources) -> None:
    assert tidy.long_lines(sources) == []


def test_no_function_is_longer_than_a_screen(sources: Sources) -> None:
    assert tidy.long_functions(sources) == []


def test_nobody_is_given_more_than_ten_things(sources: Sources) -> None:
    assert tidy.wide_constructors(sources) == []


# ---- the test's own test: each kind of violation is found

def written(root: Path, **files: str) -> Sources:
    """`written(tmp_path, anthrofs__fs__paths="…")` is anthrofs/fs/paths.py, and so on; a room's face is `anthrofs__fs__face`."""
    for name, text in files.items():
        path = root / (name.replace("__face", "____init__").replace("__", "/", name.count("__")) + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Sources.below(root)


@pytest.mark.parametrize("importing", ["from anthrofs.fs import paths", "from anthrofs.fs.paths import join", "import anthrofs.fs.paths", "from .fs import paths"])
def test_a_file_that_somebody_imports_is_alive(tmp_path: Path, importing: str) -> None:
    found = written(tmp_path, anthrofs__fs__paths="", anthrofs__cli=importing, anthrofs__old="", tests__test_old="import anthrofs.old")
    assert tidy.dead_files(found, {"anthrofs.cli"}) == ["anthrofs/old.py: nobody imports it"]


@pytest.mark.parametrize(("definition", "use", "dead"), [
    ("def join(): ...", "", ["join"]),
    ("def join():\n    join()", "", ["join"]),
    ("def join(): ...", "from anthrofs.paths import join", ["join"]),
    ("def join(): ...", "from anthrofs import paths\npaths.join()", []),
    ("def join(): ...", "from anthrofs.paths import join\nprint(join)", []),
    ("def join(): ...", "from anthrofs.paths import join as joined\njoined()", []),
    ("LONGEST: int = 5", "", ["LONGEST"]),
    ("LONGEST = SHORTEST = 5", "LONGEST", ["SHORTEST"]),
    ("LONGEST = 5\ndef all_of(): return LONGEST", "all_of()", []),
    ("class Path:\n    def up(self): ...\n    def __len__(self): ...", "Path()", ["up"]),
    ("class Path:\n    def up(self): ...", "Path().up()", []),
    ("class Path:\n    def up(self): ...", "getattr(Path(), 'up')", []),
    ("@dataclass\nclass Path:\n    up: int", "Path(up=5)", ["up"]),
    ("@dataclass\nclass Path:\n    up: int", "Path(5).up = 6", ["up"]),
    ("@dataclass(order=True)\nclass Path:\n    up: int", "sorted([Path(5)])", []),
    ("class Kind(enum.Enum):\n    A = 1\n    B = 2", "Kind.A", ["B"]),
    ("import threading\nclass Thread(threading.Thread):\n    def run(self): ...", "Thread()", []),
    ("@app.command()\ndef mount(): ...", "", []),
    ("class Path:\n    @property\n    def up(self): ...", "Path()", ["up"]),
])  # fmt: skip
def test_a_definition_that_nothing_names_is_dead(tmp_path: Path, definition: str, use: str, dead: list[str]) -> None:
    nobody, tests = tidy.dead_definitions(written(tmp_path, anthrofs__paths=definition, anthrofs__cli=use))
    assert ([found.rpartition(" ")[2] for found in nobody], tests) == (dead, [])


def test_a_definition_that_only_tests_name_is_told_apart(tmp_path: Path) -> None:
    found = written(tmp_path, anthrofs__paths="def join(): ...\ndef split(): ...", tests__test_paths="paths.join()", scripts__probe__run="paths.split()")
    assert tidy.dead_definitions(found) == ([], ["anthrofs/paths.py:1: join", "anthrofs/paths.py:2: split"])


@pytest.mark.parametrize(("prose", "untrue"), [
    ('"""See paths.py and fs/paths.py."""', []),
    ('"""See pathes.py."""', ["pathes.py"]),
    ('"""See fs/paths, and/or fs/cache/paths."""', []),
    ('"""See fs/pathes: it was renamed."""', ["fs/pathes"]),
    ('"""See paths.join, Path.up, Path.parts and fs.paths."""', []),
    ('"""See paths.joins: it was renamed."""', ["paths.joins"]),
    ('"""Path.down was removed."""', ["Path.down"]),
    ('"""Trusts  roads.join."""', ["roads.join"]),
    ('"""state.db, os.stat, self.x and anthropic.com are something else, e.g. user.mime_type."""', []),
    ('"""Errors are errors.EXIT_* or errors.EXIT_…"""', []),
    ("# see paths.joins", ["paths.joins"]),
    ('x = "paths.joins"', []),
    ('def f(road):\n    """road.join is its own."""', []),
])  # fmt: skip
def test_a_name_that_is_not_there_is_found(tmp_path: Path, prose: str, untrue: list[str]) -> None:
    paths = "def join(): ...\nclass Base:\n    def up(self): self.parts = 1\nclass Path(Base): ..."
    found = written(tmp_path, anthrofs__fs__face="", anthrofs__fs__paths=paths, anthrofs__cli=prose)
    assert [line.rpartition(" ")[2] for line in tidy.untrue_names(found)] == untrue


@pytest.mark.parametrize(("docstring", "lacking"), [
    ("It waits.", True), ("Its place.", True), ("What waits.", True), ("Those that wait.", True), ("True: it waits.", True), ("None: nobody waits.", True),
    ("None removes it.", False), ("True when it waits.", True), ("Who waits.", True), ("Of a mount.", True), ("By handle.", True), ("In seconds.", True), ("the rest of it", True), ("waits", True),
    ("Whether it waits.", False), ("Items wait.", False), ("fusepy's class.", False), ("state.db: the files.", False), ("rename(2), as we do it.", False),
    ("`tell` is told.", False), ("Nonetheless, it waits.", False), ("20 files at once.", False),
])  # fmt: skip
def test_a_docstring_without_a_subject_is_found(tmp_path: Path, docstring: str, lacking: bool) -> None:
    found = written(tmp_path, anthrofs__paths=f'"""Paths."""\ndef f():\n    """{docstring}"""')
    assert tidy.subjectless_docstrings(found) == ([f"anthrofs/paths.py:3: {docstring}"] if lacking else [])


def test_a_head_that_says_whom_it_serves_is_found(tmp_path: Path) -> None:
    found = written(tmp_path, anthrofs__paths='"""Paths.\n\nOwns    nothing.\nServes  fs.\n"""', tests__test_paths='"""Serves nobody."""')
    assert tidy.serves_lines(found) == ["anthrofs/paths.py:4: Serves  fs.", "tests/test_paths.py:1: Serves nobody."]


def test_long_lines_functions_and_constructors_are_found(tmp_path: Path) -> None:
    parameters = ", ".join(f"p{number}" for number in range(11))
    source = "\n".join(["#" * 120, "#" * 121, "def long():", *["    ..."] * 60, "def short():", *["    ..."] * 59,
                        "class Wide:", f"    def __init__(self, {parameters}): ...", "class Wider:", "    def __init__(self, p0, *, p1): ..."])
    found = written(tmp_path, anthrofs__paths=source)
    assert tidy.long_lines(found) == ["anthrofs/paths.py:2: 121 characters"]
    assert tidy.long_functions(found) == ["anthrofs/paths.py:3: long has 61 lines"]
    assert tidy.wide_constructors(found) == ["anthrofs/paths.py:125: Wide is given 11 things"]
