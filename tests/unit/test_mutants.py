"""Planted bugs still apply, each in one place; scripts/mutants finds out that the tests find them."""

import ast
from pathlib import Path
from typing import Final

import pytest

from tests.mutants.patches import ROOT, DoesNotApply, Mutant, every, read
from tests.mutants.workshop import Workshop

ROOMS: Final = {"store", "tree", "upload", "download", "sync", "fs", "fuse", "remote", "daemon"}
MUTANTS: Final = every()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_still_applies(mutant: Mutant) -> None:
    source = ROOT / mutant.path
    assert source.is_relative_to(ROOT / "anthrofs")
    compile(mutant.apply(source.read_text()), mutant.path, "exec")


def test_there_are_many_in_each_room_and_few_that_need_a_mount() -> None:
    assert len(MUTANTS) >= 120
    assert {mutant.room for mutant in MUTANTS} >= ROOMS
    assert sum(not mutant.needs_mount for mutant in MUTANTS) >= 100


def test_the_tests_that_are_to_find_them_are_there() -> None:
    missing = [f"{mutant.name}: {test}" for mutant in MUTANTS for test in mutant.found_by if not is_there(test)]
    assert missing == []


def is_there(test: str) -> bool:
    file, _, name = test.partition("::")
    path = ROOT / file
    if not name:
        return path.exists()
    *owners, function = name.partition("[")[0].split("::")
    return path.exists() and {function, *owners} <= {node.name for node in ast.walk(ast.parse(path.read_text()))
                                                     if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


# ---- the test's own test

HEAD: Final = "Broken:   it is.\nCosts:    much,\n          very much.\nFound-by: tests/unit/test_a.py::test_b\n"
CHANGE: Final = "--- a/anthrofs/store/disk.py\n+++ b/anthrofs/store/disk.py\n@@ -1,2 +1,2 @@\n a = 1\n-b = 2\n+b = 3\n"
SOURCE: Final = "# first\na = 1\nb = 2\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "mutant.patch"
    path.write_text(text)
    return path


def test_a_patch_is_read_and_goes_where_its_lines_are(tmp_path: Path) -> None:
    mutant = read(written(tmp_path, HEAD + "diff --git a/x b/x\nindex 1..2 100644\n" + CHANGE))
    assert (mutant.name, mutant.room, mutant.module, mutant.needs_mount) == ("mutant", "store", "anthrofs.store.disk", False)
    assert (mutant.broken, mutant.costs, mutant.found_by) == ("it is.", "much, very much.", ("tests/unit/test_a.py::test_b",))
    assert mutant.apply(SOURCE) == "# first\na = 1\nb = 3\n"


@pytest.mark.parametrize("source", ["a = 1\nb = 4\n", SOURCE + SOURCE, ""])
def test_a_patch_whose_lines_are_in_no_or_two_places_does_not_apply(tmp_path: Path, source: str) -> None:
    with pytest.raises(DoesNotApply, match="Make the patch anew"):
        read(written(tmp_path, HEAD + CHANGE)).apply(source)


def test_a_patch_that_changes_only_words_does_not_apply(tmp_path: Path) -> None:
    change = CHANGE.replace("-b = 2\n+b = 3", "-b = 2\n+b = 2    # two")
    with pytest.raises(DoesNotApply, match="changes no code"):
        read(written(tmp_path, HEAD + change)).apply(SOURCE)


@pytest.mark.parametrize(("text", "why"), [
    (HEAD, "no patch"),
    (HEAD + CHANGE + CHANGE.split("\n", 2)[2], "more than one place"),
    (HEAD + CHANGE + CHANGE, "more than one place"),
    (HEAD + CHANGE.replace("+++ b/anthrofs/store/disk.py", "+++ b/anthrofs/store/blocks.py"), "more than one place"),
    (CHANGE, "has to say"),
    (HEAD.replace("Costs:    much,\n          very much.\n", "") + CHANGE, "has to say"),
    ("Whatever.\n" + HEAD + CHANGE, "neither its head nor its change"),
])
def test_what_is_no_patch_of_one_place_is_said(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(DoesNotApply, match=why):
        read(written(tmp_path, text))


def test_a_bug_is_planted_in_a_copy_and_what_finds_it_is_told(tmp_path: Path) -> None:
    """And the next one isn't planted on top of it."""
    tree, tests = tmp_path / "source", "tests/test_disk.py"
    for path, text in {"anthrofs/__init__.py": "", "anthrofs/store/__init__.py": "", "anthrofs/store/disk.py": SOURCE + "c = 4\n", tests:
                       "from anthrofs.store import disk\n\ndef test_a() -> None:\n    assert disk.a == 1\n\n"
                       "def test_b() -> None:\n    assert disk.b == 2\n"}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    (tmp_path / "work").mkdir()
    workshop = Workshop(tmp_path / "work", tree)
    found = read(written(tmp_path, HEAD + CHANGE))
    unfound = read(written(tmp_path, HEAD + CHANGE.replace(" a = 1\n-b = 2\n+b = 3", " b = 2\n-c = 4\n+c = 5")))
    verdicts = [workshop.try_out(mutant, [lambda _: [], lambda _: [tests]], passing=True) for mutant in (found, unfound)]
    assert [verdict.test for verdict in verdicts] == [f"{tests}::test_b", ""]
    assert (tree / found.path).read_text() == SOURCE + "c = 4\n"
