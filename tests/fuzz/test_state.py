"""Whatever happens to a state's files: damage is a sentence, a line of `check` or an errno; never a traceback, never a byte that isn't the file's."""

import logging
import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from anthrofs.errors import SetupError
from anthrofs.model import NodeId
from anthrofs.store.state_dir import usable
from anthrofs.tree.database import Database
from anthrofs.tree.fsck import problems
from anthrofs.tree.state_sum import is_as_left
from tests.core.core import Core
from tests.fuzz.damage import DAMAGES, Damage, Damaged, Template, change_a_row, damage, disturb, used
from tests.fuzz.fuzzing import judge, target

seeds = st.integers(0, 2**64)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template(tmp_path_factory.mktemp("ended"), clean=True)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template(tmp_path_factory.mktemp("killed"), clean=False)


def lived_with(one: Damaged, template: Template, *, right: bool = True) -> bool:
    """A check, a mount, a look at everything, a change of everything. False: it was refused, with a sentence. `right`: what is damaged is
    known to show, so no byte may be wrong.
    """
    try:
        said = problems(one.state)
        with usable(one.state):
            core = one.core()
    except SetupError as exc:
        judge(exc, own=True)
        return False
    try:
        wild, other = used(core, template)
        assert not (right and wild), wild
        assert not (right and other) or said, other
        disturb(core)
        with suppress(AssertionError):
            core.sync()         # what is damaged may never be sent
        used(core, template)
    finally:
        logging.getLogger("anthrofs").removeHandler(core.log)
        core.parts.stopping.set()
        core._close()
    bugs = [line for line in core.log.lines if "Traceback" in line]
    assert not bugs, bugs
    return True


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Whatever a mount that never came to be has left."""
    log = logging.getLogger("anthrofs")
    before = list(log.handlers)
    yield
    log.handlers[:] = before


def nothing_promised(path: Path) -> bool:
    """Of a stage nobody keeps a sum: what its disk does to it can't be told."""
    return path.parent.name == "staging"


@target(40)
@given(seed=seeds, how=st.sampled_from(DAMAGES))
def test_a_database_that_the_disk_has_changed_is_refused(ended: Template, tmp_path_factory: pytest.TempPathFactory, seed: int, how: Damage) -> None:
    """Any bit of it, or any page."""
    one = Damaged(ended, tmp_path_factory.mktemp("d"))
    if damage(one.state / "state.db", random.Random(seed), how):
        assert not lived_with(one, ended)


@target(6)
@given(seed=seeds, how=st.sampled_from(DAMAGES), clean=st.booleans())
def test_whatever_file_the_disk_has_changed_no_byte_is_wrong(ended: Template, killed: Template, tmp_path_factory: pytest.TempPathFactory, seed: int,
                                                             how: Damage, *, clean: bool) -> None:
    """Also after a kill, whose last changes are in a log that may be cut: then `check` names what nobody knows any more."""
    template, chance = ended if clean else killed, random.Random(seed)
    one = Damaged(template, tmp_path_factory.mktemp("d"))
    path = chance.choice(sorted(each for each in one.state.rglob("*") if each.is_file()))
    damage(path, chance, how)
    lived_with(one, template, right=not nothing_promised(path))


@target(6)
@given(seed=seeds)
def test_whatever_a_row_has_is_lived_with_or_refused(ended: Template, tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """A hand has put it there, and may have meant it: its bytes are its own to judge."""
    one = Damaged(ended, tmp_path_factory.mktemp("d"))
    note(change_a_row(one.state, random.Random(seed)))
    lived_with(one, ended, right=False)


def test_a_sum_vouches_only_for_what_it_has_seen(ended: Template, tmp_path: Path) -> None:
    """Whoever writes to the database, at once or with its times kept, isn't taken for a disk that rots; a mount takes the sum away first."""
    one = Damaged(ended, tmp_path)
    path = one.state / "state.db"
    assert is_as_left(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE node SET mode = 0 WHERE name = 'read.txt'")
        db.commit()
    assert is_as_left(path) is None
    mounted = Database(path)
    assert not path.with_name("state.db.sum").exists()
    mounted.close()
    assert is_as_left(path)


@pytest.mark.parametrize("change", [
    "UPDATE node SET size_bytes = 'x' WHERE name = 'read.txt'", "UPDATE node SET size_bytes = -1 WHERE name = 'read.txt'", "UPDATE node SET name = 'a/b' WHERE name = 'read.txt'",
    "UPDATE node SET name = '..' WHERE name = 'read.txt'", "UPDATE node SET expires_ns = 'x' WHERE name = 'read.txt'", "UPDATE node SET lacks_code = 2147483648",
    "UPDATE attempt SET state = 'x'", "UPDATE attempt SET size_bytes = 0.5", "UPDATE attempt SET node_id = 1 WHERE rowid = (SELECT min(rowid) FROM attempt)",
    "UPDATE node SET server_mime = NULL WHERE name = 'read.txt'",
    "UPDATE node SET stage = 9223372036854775807 WHERE name = 'read.txt'", "UPDATE node SET lacks_code = 3", "UPDATE node SET expires_s = 9223372036854775807",
    "UPDATE doomed SET file_id = x'ff'", "UPDATE kept SET file_id = x'ff' WHERE rowid = (SELECT min(rowid) FROM kept)", "UPDATE attribute SET value = 'text'",
    "UPDATE meta SET value = '9223372036854775807' WHERE name = 'listing'", "UPDATE meta SET value = 'x' WHERE name = 'listed_ns'"])
def test_a_row_that_nobody_has_written_is_damage(ended: Template, tmp_path: Path, change: str) -> None:
    """Each was found by changing rows at random: a traceback in a worker, each time that it came to it."""
    one = Damaged(ended, tmp_path)
    with closing(sqlite3.connect(one.state / "state.db")) as db:
        assert db.execute(change).rowcount
        db.commit()
    with pytest.raises(SetupError, match="that anthrofs doesn't write"):
        problems(one.state)


def test_a_database_that_was_cut_in_its_last_page_is_damaged(ended: Template, tmp_path: Path) -> None:
    """SQLite fills it up with zeros, and finds nothing wrong."""
    one = Damaged(ended, tmp_path)
    path = one.state / "state.db"
    times = path.stat()
    os.truncate(path, times.st_size - 2852)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert is_as_left(path) is False
    assert not lived_with(one, ended)


@pytest.mark.parametrize("template", ["ended", "killed"])
def test_a_database_that_was_emptied_is_no_new_one(request: pytest.FixtureRequest, tmp_path: Path, template: str) -> None:
    """With what it knew of unsent content gone, nothing would bring that to the server."""
    one = Damaged(request.getfixturevalue(template), tmp_path)
    for path in one.state.glob("state.db*"):
        if path.suffix == ".db":
            path.write_bytes(b"")
        elif path.suffix != ".sum":
            path.unlink()
    with pytest.raises(SetupError, match="is empty"):
        problems(one.state)


@pytest.mark.parametrize(("start", "end"), [("folder", "folder"), ("folder", "folder/below")])
def test_a_tree_that_goes_round_is_no_endless_walk(tmp_path: Path, start: str, end: str) -> None:
    core = Core(tmp_path)
    core.user.mkdir("folder")
    core.user.mkdir("folder/below")
    inner, outer = core.user.stat(end)["st_ino"], core.user.stat(start)["st_ino"]
    with core.parts.local.db.transaction() as tx:
        tx.run("UPDATE node SET parent = ? WHERE node_id = ?", inner, outer)
    nodes = core.parts.local.db.nodes
    assert nodes.path(nodes.node(NodeId(inner)))
    with core.parts.local.db.reading() as tx:
        assert tx.nodes.below(NodeId(outer)) == []
    core.leaves("can't be reached")
    core.finish()
