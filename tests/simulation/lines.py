"""A finer simulation: another thread may go on between any two lines of the package, as the interpreter lets it.

Each statement of the package gets a call before it, when its module is compiled; there the scheduler draws. Five times as
slow, and the only way to meet what happens between two lines without a lock.

Owns    the finder that compiles so, from `install` on: it has to come before any import of the package.
"""

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType
from typing import Final

from tests.simulation.threads import Turns

CALL: Final = "__turn__"
ROOMS: Final = ("download", "fs", "store", "sync", "tree", "upload", "remote")
PARSED: Final = ("anthrofs.remote.answers", "anthrofs.tree.schema")        # nothing there is shared


class _Lines(ast.NodeTransformer):
    """Puts the call before each statement of each function."""

    def __init__(self) -> None:
        self._depth = 0         # of functions around the node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1
        node.body = _called(node.body)
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if self._depth and not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.Lambda)):
            for name in ("body", "orelse", "finalbody"):
                if isinstance(block := getattr(node, name, None), list):
                    setattr(node, name, _called(block))
        return node


def _called(block: list[ast.stmt]) -> list[ast.stmt]:
    found = list[ast.stmt]()
    for statement in block:
        if not isinstance(statement, (ast.Nonlocal, ast.Global)):
            call = ast.Expr(ast.Call(ast.Name(CALL, ast.Load()), [], []))
            found.append(ast.copy_location(call, statement))
        found.append(statement)
    return found


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """Never from a cache, never into one."""
        path = self.get_filename(fullname)
        tree = ast.fix_missing_locations(_Lines().visit(ast.parse(self.get_data(path), path)))
        return compile(tree, path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)[CALL] = turn
        super().exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, _target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith(tuple(f"anthrofs.{room}." for room in ROOMS)) or name in PARSED:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path)
        if found is None or found.origin is None:
            return None
        return importlib.util.spec_from_file_location(name, found.origin, loader=_Loader(name, found.origin))


def turn() -> None:
    """A line of the package is about to be run."""
    scheduler = getattr(Turns, "scheduler", None)
    if scheduler is not None:
        scheduler.line()


def install() -> None:
    """All modules of the package that are imported from now on are fine."""
    assert not any(name.startswith("anthrofs.tree.") for name in sys.modules), "the package was imported already"
    sys.meta_path.insert(0, _Finder())
