"""A row is in exactly one state, whatever its columns; every transition of the table is made by its function, and ends where the table says."""

import ast
import importlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from anthrofs import model
from anthrofs.clock import Clock
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.model import BY_ID, HIDDEN, ROOT, Attempt, FileId, Node, NodeId, RemoteFile, StageId
from anthrofs.names import SLASH
from anthrofs.tree import intents
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror, set_remote
from anthrofs.tree.node_states import SHOWN, TRANSITIONS, State, Transition, states_of
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import Step

FLAGS: Final = ("stage", "sealed", "resend", "wanted", "local", "remote", "hidden", "undecided")


def node_with(**has: bool) -> Node:
    remote = RemoteFile(FileId("file_1"), "a.txt", "text/plain", 1, 1, downloadable=True) if has["remote"] else None
    return Node(NodeId(9), HIDDEN if has["hidden"] else ROOT, "a.txt", directory=has.get("directory", False), mode=0o644, mtime_ns=1, size_bytes=1,
                wanted="a.txt" if has["wanted"] else None, local=has["local"], mime_type=None, expires_s=None,
                stage=StageId(1) if has["stage"] else None, sealed=has["sealed"], resend=has["resend"], confirmed=False, remote=remote,
                kept=False, hidden_from="a.txt" if has["undecided"] else None)


def every_combination() -> Iterator[dict[str, bool]]:
    for values in itertools.product((False, True), repeat=len(FLAGS)):
        yield dict(zip(FLAGS, values, strict=True))


def is_legal(has: dict[str, bool]) -> bool:
    """By the laws of the columns, without the table: what may be set beside what."""
    return ((has["stage"] or not has["sealed"])                                             # a seal is a stage's
            and (not has["resend"] or (has["remote"] and has["wanted"] and not has["stage"]))   # again: what the server has, by a name
            and not (has["local"] and has["wanted"])                                        # a name is the server's, or stays here
            and (has["stage"] or has["remote"] or has["local"] or has["wanted"]))           # a new file's is one of the two


def test_whatever_its_columns_a_row_is_in_one_state_or_damaged() -> None:
    for has in every_combination():
        assert len(states_of(node_with(**has))) == is_legal(has), has


def test_no_two_states_fit_the_same_columns() -> None:
    for has in every_combination():
        node = node_with(**has)
        assert sum(form.fit(node) for forms in SHOWN.values() for form in forms) <= 1, has


def test_a_folder_has_nothing_of_a_file_and_is_never_hidden() -> None:
    for has in every_combination():
        nothing = not any(has[flag] for flag in FLAGS if flag != "undecided")
        assert states_of(node_with(**has, directory=True)) == ({State.FOLDER} if nothing else set()), has


def test_a_view_is_no_row() -> None:
    for has in every_combination():
        assert states_of(replace(node_with(**has), node_id=NodeId(BY_ID + 1), parent=BY_ID)) == {State.VIEW}


def test_only_the_model_compares_with_the_places_that_are_no_directories() -> None:
    """Everybody else asks the node."""
    root = Path(model.__file__).parent
    found = {path.relative_to(root).as_posix() for path in root.rglob("*.py") for each in ast.walk(ast.parse(path.read_text()))
             if isinstance(each, ast.Compare) and {"HIDDEN", "BY_ID"} & {name.id for name in ast.walk(each) if isinstance(name, ast.Name)}}
    assert found - {"names.py"} == {"model.py"}        # names.py has the name of the directory of ids


# ---- the table

EDGES: Final = [(transition, start) for transition in TRANSITIONS for start in transition.starts]


def test_every_state_of_a_row_is_reached_and_left() -> None:
    rows: set[State | None] = {*State, None} - {State.VIEW}
    reached: set[State | None] = {None}
    while new := {each.end for each, start in EDGES if start in reached} - reached:
        reached |= new
    assert reached == rows
    ends: set[State | None] = {None}
    while new := {start for each, start in EDGES if each.end in ends} - ends:
        ends |= new
    assert ends == rows


def test_a_transition_stands_once_and_changes_something() -> None:
    named = [(start, each.by, each.end) for each, start in EDGES]
    assert len(set(named)) == len(named)
    assert [edge for edge in named if edge[0] is edge[2]] == []


@pytest.mark.parametrize("by", sorted({each.by for each in TRANSITIONS}))
def test_the_function_that_makes_a_transition_exists(by: str) -> None:
    module, *path = by.split(".")
    found = importlib.import_module(f"anthrofs.tree.{module}")
    for name in path:
        found = getattr(found, name)
    assert callable(found)


# ---- the walk: real rows, real functions

class Walker:
    """A database, one node in it, and the functions of the table."""

    def __init__(self, root: Path) -> None:
        self.db = Database(root / "state.db")
        self.mirror = Mirror(Surprises(Clock(), 1.0), "tree")
        self.node_id = NodeId(0)
        self._numbers = itertools.count(1)

    def look(self) -> Node:
        return self.db.nodes.node(self.node_id)

    def state(self) -> State | None:
        with self.db.reading() as tx:
            if tx.one("SELECT 1 FROM node WHERE node_id = ?", self.node_id) is None:
                return None
        found = states_of(self.look())
        assert len(found) == 1, self.look()
        return next(iter(found))

    def file(self, name: str) -> RemoteFile:
        """As the server would describe it after an upload."""
        return RemoteFile(FileId(f"file_{next(self._numbers)}"), name, "text/plain", 3, next(self._numbers), downloadable=False)

    def stage(self) -> StageId:
        return StageId(next(self._numbers))

    def promise(self, tx: Tx, wanted: str | None, *, sealed: bool) -> None:
        tx.nodes.promise(self.node_id, self.stage(), 3, 1, wanted, sealed=sealed)

    def attempt(self, tx: Tx) -> Attempt:
        """What the node wants to have sent is under way."""
        node = self.look()
        stage = self.stage() if node.stage is None else node.stage
        tx.uploads.attempt(node.node_id, stage, node.size_bytes)
        queued = tx.uploads.of(node.node_id)
        assert queued is not None
        return tx.uploads.send(queued, node.wanted or "a.txt", "text/plain", node.size_bytes, None, 1)

    def go(self, transition: Transition, start: State | None) -> None:
        """From there, where the node has to be, by the transition's function."""
        assert self.state() is start
        with self.db.transaction(durable=True) as tx:
            STEPS[transition.by](self, tx, transition.end)
        assert self.state() is transition.end, (transition.by, self.state())

    def go_to(self, goal: State | None) -> None:
        """From nothing, along ROAD."""
        if goal is None:
            return
        before = ROAD[goal]
        self.go_to(before)
        self.go(next(each for each, start in EDGES if start is before and each.end is goal), before)


# Where each state is come from, by the first transition that leads there.
ROAD: Final[dict[State, State | None]] = {
    State.NEW: None, State.SYNCED: State.NEW, State.SEALED: State.NEW, State.LOCAL: State.NEW, State.WITHHELD: State.SEALED, State.STORED: State.SEALED,
    State.RESEND: State.STORED, State.BACKUP: State.STORED, State.UNDECIDED: State.STORED, State.HIDDEN: State.STORED, State.FOLDER: None,
}
Steps = Callable[[Walker, Tx, State | None], None]


def create(walker: Walker, tx: Tx, end: State | None) -> None:
    walker.node_id = tx.nodes.create(ROOT, "a.txt", 0o644, 1, "a.txt")


def forget_unpromised(walker: Walker, tx: Tx, end: State | None) -> None:
    assert tx.nodes.forget_unpromised() == ["a.txt"]


def show(walker: Walker, tx: Tx, end: State | None) -> None:
    walker.mirror.show(tx, walker.file(f"folder{SLASH}a.txt" if end is State.FOLDER else "a.txt"), 1, ())
    walker.node_id = NodeId(tx.one("SELECT node_id FROM node WHERE parent = ?", ROOT)[0])


def promise(walker: Walker, tx: Tx, end: State | None) -> None:
    if end is State.LOCAL:
        intents.want(tx, walker.look(), None)
    walker.promise(tx, None if end is State.LOCAL else "a.txt", sealed=end is not State.SYNCED)


def seal(walker: Walker, tx: Tx, end: State | None) -> None:
    tx.nodes.seal(walker.node_id, 3)


def stored(walker: Walker, tx: Tx, end: State | None) -> None:
    if end is None:             # another node's upload turns out to be what was listed here
        file = walker.look().remote
        assert file is not None
        listed, walker.node_id = walker.node_id, tx.nodes.create(ROOT, "b.txt", 0o644, 1, "a.txt")
        walker.promise(tx, "a.txt", sealed=True)
        walker.mirror.stored(tx, walker.attempt(tx), file, found=False, copied=True)
        walker.node_id = listed
        return
    attempt = walker.attempt(tx)
    if end is State.RESEND:
        intents.want(tx, walker.look(), "renamed.txt")
    assert attempt.name is not None
    tx.uploads.step(attempt, Step.STORED)
    walker.mirror.stored(tx, attempt, walker.file(attempt.name), found=False, copied=True)


def keep_here(walker: Walker, tx: Tx, end: State | None) -> None:
    tx.nodes.keep_here(walker.node_id)


def set_resend(walker: Walker, tx: Tx, end: State | None) -> None:
    tx.nodes.set_resend(walker.node_id, end is State.RESEND)


def want(walker: Walker, tx: Tx, end: State | None) -> None:
    node = walker.look()
    if end in (State.SYNCED, State.SEALED) and (node.stage is None or node.sealed != (end is State.SEALED)):
        walker.promise(tx, node.wanted, sealed=end is State.SEALED)     # the same state, being written or at rest
    if end is State.BACKUP and node.remote is None:
        set_remote(tx, walker.node_id, walker.file("a.txt"))            # what it is to replace there
    remote = walker.look().remote
    name = (None if end in (State.LOCAL, State.BACKUP) else "renamed.txt" if end is State.RESEND else
            remote.name if remote is not None and end is State.STORED else "a.txt")
    intents.want(tx, walker.look(), name)


def detach(walker: Walker, tx: Tx, end: State | None) -> None:
    walker.mirror.detach(tx, walker.node_id, walker.stage())


def vanished(walker: Walker, tx: Tx, end: State | None) -> None:
    if walker.state() is State.FOLDER:
        tx.run("UPDATE node SET made = 0 WHERE node_id = ?", walker.node_id)
        walker.mirror.show(tx, walker.file(f"a.txt{SLASH}inside.txt"), 1, ())
        node = walker.db.nodes.entry(walker.node_id, "inside.txt")
    else:
        if end is State.LOCAL:
            walker.promise(tx, None, sealed=True)
        node = walker.look()
    assert node.remote is not None
    assert walker.mirror.vanished(tx, node.remote.file_id, ())


def end_id(walker: Walker, tx: Tx, end: State | None) -> None:
    walker.promise(tx, None, sealed=True)
    assert intents.unlink_id(tx, walker.look())


def give_back(walker: Walker, tx: Tx, end: State | None) -> None:
    tx.uploads.drop(walker.node_id)
    walker.mirror.give_back(tx, walker.look(), None if end is None else walker.file("a.txt"), (), 1)


def hide(walker: Walker, tx: Tx, end: State | None) -> None:
    tx.nodes.hide(walker.node_id, ".fuse_hidden0000000100000001", 1, by_libfuse=end is State.UNDECIDED)


def settle(walker: Walker, tx: Tx, end: State | None) -> None:
    tx.nodes.settle(walker.node_id)


def unhide(walker: Walker, tx: Tx, end: State | None) -> None:
    tx.nodes.unhide(walker.node_id)


def move(walker: Walker, tx: Tx, end: State | None) -> None:
    tx.nodes.move(walker.node_id, ROOT, "moved.txt", 1)


def end(walker: Walker, tx: Tx, end: State | None) -> None:
    intents.unlink(tx, walker.look(), 1)


def make_directory(walker: Walker, tx: Tx, end: State | None) -> None:
    walker.node_id = tx.nodes.make_directory(ROOT, "a.txt", 0o755, 1)


def remove(walker: Walker, tx: Tx, end: State | None) -> None:
    tx.nodes.remove(walker.node_id, 1)


def forget_server(walker: Walker, tx: Tx, end: State | None) -> None:
    walker.mirror.forget_server(tx)


STEPS: Final[dict[str, Steps]] = {
    "nodes.Nodes.create": create, "nodes.Nodes.forget_unpromised": forget_unpromised, "mirror.Mirror.show": show, "nodes.Nodes.promise": promise,
    "nodes.Nodes.seal": seal, "mirror.Mirror.stored": stored, "nodes.Nodes.keep_here": keep_here, "nodes.Nodes.set_resend": set_resend,
    "intents.want": want, "mirror.Mirror.detach": detach, "mirror.Mirror.vanished": vanished, "intents.unlink_id": end_id,
    "mirror.Mirror.give_back": give_back, "nodes.Nodes.hide": hide, "nodes.Nodes.settle": settle, "nodes.Nodes.unhide": unhide, "nodes.Nodes.move": move,
    "intents.unlink": end, "nodes.Nodes.make_directory": make_directory, "nodes.Nodes.remove": remove, "mirror.Mirror.forget_server": forget_server,
}


def label(edge: tuple[Transition, State | None]) -> str:
    transition, start = edge
    return "-".join([start.name if start else "nothing", transition.by.rpartition(".")[2], transition.end.name if transition.end else "nothing"])


@pytest.fixture
def walker(tmp_path: Path) -> Iterator[Walker]:
    one = Walker(tmp_path)
    try:
        yield one
    finally:
        one.db.close()


def test_each_function_of_the_table_is_walked_and_no_other() -> None:
    assert set(STEPS) == {each.by for each in TRANSITIONS}


@pytest.mark.parametrize("edge", EDGES, ids=label)
def test_the_function_makes_the_transition(walker: Walker, edge: tuple[Transition, State | None]) -> None:
    transition, start = edge
    if start in (State.UNDECIDED, State.HIDDEN) and transition.end in SHOWN:     # it comes back as what it was
        walker.go_to(transition.end)
        walker.go(next(each for each in TRANSITIONS if each.by.endswith("hide") and each.end is start), transition.end)
    else:
        walker.go_to(start)
    walker.go(transition, start)
