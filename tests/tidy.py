"""Style as a test: what a reader of the package's sources stumbles over, found by reading them as text and as syntax trees.

Each `find…` takes Sources and returns one line for each place: the file, the line, and what is wrong there. Nothing is imported or run.
"""

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

PACKAGE: Final = "anthrofs"
LINE_CHARACTERS: Final = 120
FUNCTION_LINES: Final = 60
PARAMETERS: Final = 10

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)

# A sentence that begins so has no subject, or one that only the code below tells.
FRAGMENTS: Final = frozenset({"It", "Its", "What", "Whatever", "Whose", "Those", "These", "They", "Them", "Their", "Of", "By", "In", "For", "And", "Which",
                              "Who", "True", "False", "None:"})
# Names that are written small.
SMALL: Final = frozenset({"anthrofs", "libfuse", "fusepy", "mfusepy", "fusermount", "rclone", "curl", "systemd", "httpx", "httpcore", "stat", "statvfs",
                          "fsync", "mmap"})
# `a.b` in prose, where that isn't a module and what is in it.
SUFFIXES: Final = frozenset({"db", "sock", "log", "conf", "json", "txt", "map", "md", "toml", "com", "dev", "org", "service", "c", "h", "so", "sql",
                             "tmp", "html", "wal", "partial", "lock", "gz"})
DOTTED: Final = re.compile(r"(?<![\w./<>{}-])[A-Za-z_][\w/]*(?:\.[A-Za-z_]\w*)+(?![\w/>*…-])")
SLASHED: Final = re.compile(r"(?<![\w./<>{}-])([a-z_]+)/([a-z_]+)(?![\w./>*-])")
OWNERS: Final = frozenset({"e", "i", "self", "cls", "user", "security", "system", "trusted"})      # the last ones: of extended attributes


@dataclass(frozen=True)
class Source:
    """One file."""

    path: Path          # below the repository
    module: str         # dotted, `anthrofs` first for the package's own
    text: str = field(repr=False)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def stored(self) -> set[str]:
        """Names that it defines or writes, wherever in it."""
        return _stored(self.nodes)

    @cached_property
    def documented(self) -> list[tuple[Documented, str]]:
        """Every docstring with whose it is."""
        return [(node, text) for node in self.nodes if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node))]

    @cached_property
    def comments(self) -> list[tuple[int, str]]:
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]

    def at(self, line: int) -> str:
        return f"{self.path}:{line}"


@dataclass(frozen=True)
class Sources:
    """The package, and what uses it beside itself."""

    package: Sequence[Source]
    users: Sequence[Source]

    @classmethod
    def below(cls, root: Path) -> "Sources":
        return cls(list(_sources(root, PACKAGE)), [*_sources(root, "tests"), *_sources(root, "scripts")])

    @cached_property
    def modules(self) -> set[str]:
        return {source.module for source in self.package}


def _sources(root: Path, folder: str) -> Iterator[Source]:
    for path in sorted((root / folder).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        yield Source(path.relative_to(root), ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path.read_text())


# ---- what nobody uses

def dead_files(sources: Sources, entries: Iterable[str]) -> list[str]:
    """Modules that no other module imports; `entries` are begun with. A package's own page needs nobody."""
    imported = {name for source in sources.package for name in imported_by(source)}
    return [f"{source.path}: nobody imports it" for source in sources.package
            if source.path.name not in ("__init__.py", "__main__.py") and source.module not in imported and source.module not in entries]


def imported_by(source: Source) -> Iterator[str]:
    """Modules, and also names in them: `from a import b` may mean either."""
    package = source.module.split(".") if source.path.name == "__init__.py" else source.module.split(".")[:-1]
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, node.module] if node.module else base)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def dead_definitions(sources: Sources) -> tuple[list[str], list[str]]:
    """`path:line: name` of what nothing names, and of what only tests and scripts name. A name counts as used wherever it is read, so the
    finder is blind where two things have one name: it never blames wrongly for that.
    """
    ours = Counter(name for source in sources.package for name in _names_read(source.nodes))
    theirs = Counter(name for source in sources.users for name in _names_read(source.nodes))
    nobody, tests = list[str](), list[str]()
    for source in sources.package:
        for definition, names in _definitions(source):
            inside = Counter(_names_read(ast.walk(definition))) if isinstance(definition, (*FUNCTIONS, ast.ClassDef)) else Counter[str]()
            for name in names:
                if ours[name] > inside[name]:
                    continue
                (tests if theirs[name] else nobody).append(f"{source.at(definition.lineno)}: {name}")
    return nobody, tests


def _definitions(source: Source) -> Iterator[tuple[Definition, list[str]]]:
    """Functions, classes and constants of a module, and what its classes have, but for what a foreign base class or a decorator calls."""
    known = {node.name for node in source.nodes if isinstance(node, ast.ClassDef)}
    foreign = _foreign_names(source)
    for node in source.tree.body:
        yield from _defined(node)
        if isinstance(node, ast.ClassDef) and not any(_root(base) in foreign - known for base in node.bases) and not _is_ordered(node):
            for inner in node.body:
                yield from _defined(inner)


def _is_ordered(owner: ast.ClassDef) -> bool:
    """A dataclass whose comparisons read every field."""
    return any(keyword.arg == "order" for decorator in owner.decorator_list if isinstance(decorator, ast.Call) for keyword in decorator.keywords)


def _defined(node: ast.stmt) -> Iterator[tuple[Definition, list[str]]]:
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        calls_it = any(_root(decorator) not in ("property", "staticmethod", "classmethod", "contextmanager", "contextlib", "dataclass", "functools",
                                                "cached_property", "cache", "override", "enum", "lru_cache") for decorator in node.decorator_list)
        if not calls_it and not (node.name.startswith("__") and node.name.endswith("__")):
            yield node, [node.name]
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        yield node, [name for name in names if not name.startswith("__")]


def _foreign_names(source: Source) -> set[str]:
    """What is imported from elsewhere than the package, but for what only gives a class its form."""
    found: set[str] = set()
    for node in source.nodes:
        if isinstance(node, ast.Import):
            found.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] != PACKAGE and not node.level:
            found.update(alias.asname or alias.name for alias in node.names)
    # The binding hands its library on.
    found.update(alias.name for node in source.nodes if isinstance(node, ast.ImportFrom) for alias in node.names if alias.name == "fuse")
    return found - {"Protocol", "NamedTuple", "TypedDict", "Enum", "IntEnum", "enum", "Generic", "ABC"}


def _root(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _names_read(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names and attributes that are read, and strings that are names: getattr's, a patch's, a kernel operation's."""
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if alias.asname)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield node.value
        elif isinstance(node, ast.MatchClass):
            yield from node.kwd_attrs


# ---- what isn't true any more

def untrue_names(sources: Sources) -> list[str]:
    """Docstrings and comments that name a file or a room's module which isn't there, or as `module.thing` or `Class.thing` what isn't in it."""
    known = _known(sources)
    files = {source.path.name for source in (*sources.package, *sources.users)}
    rooms = {source.module for source in sources.package if source.path.name == "__init__.py"}
    found: list[str] = []
    for source in sources.package:
        variables = {node.arg for node in source.nodes if isinstance(node, ast.arg)} | source.stored
        elsewhere = {name.split(".")[0] for name in imported_by(source)} | set(sys.stdlib_module_names) | variables
        docstrings = [(_docstring_line(node), text) for node, text in source.documented]
        for line, text in (*docstrings, *source.comments):
            for token in DOTTED.findall(text):
                owner, _, thing = token.rpartition("/")[2].partition(".")
                if thing == "py":
                    untrue = f"{owner}.py" not in files
                elif thing.rpartition(".")[2] in SUFFIXES or owner in OWNERS:
                    untrue = False
                elif owner in known:
                    untrue = thing.split(".")[0] not in known[owner]
                else:
                    untrue = owner not in elsewhere
                if untrue:
                    found.append(f"{source.at(line)}: there is no {token}")
            found += [f"{source.at(line)}: there is no {room}/{name}" for room, name in SLASHED.findall(text)
                      if f"{PACKAGE}.{room}" in rooms and f"{PACKAGE}.{room}.{name}" not in sources.modules]
    return found


def _known(sources: Sources) -> dict[str, set[str]]:
    """What is in each module, room and class, by its bare name."""
    known: dict[str, set[str]] = {}
    for source in (*sources.package, *(user for user in sources.users if user.module.count(".") <= 1)):
        *rooms, name = source.module.split(".")
        known.setdefault(name, set()).update(source.stored)
        if rooms:
            known.setdefault(rooms[-1], set()).add(name)
    for source in sources.package:
        for node in source.nodes:
            if isinstance(node, ast.ClassDef):
                bases = [base for base in map(_root, node.bases) if base]
                known.setdefault(node.name, set()).update(_stored(ast.walk(node)))
                for base in bases:
                    known[node.name] |= known.get(base, set())
    return known


def _stored(nodes: Iterable[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    return found


def _docstring_line(node: Documented) -> int:
    return node.body[0].lineno


# ---- how it reads

def subjectless_docstrings(sources: Sources) -> list[str]:
    """Docstrings that begin with a pronoun, a fragment or a small letter."""
    return [f"{source.at(_docstring_line(node))}: {' '.join(text.split()[:6])}" for source in sources.package for node, text in source.documented
            if _lacks_a_subject(text)]


def _lacks_a_subject(text: str) -> bool:
    first = text.split(maxsplit=1)[0]
    word = first.removesuffix("'s").rstrip(":,.;")
    small = word[0].islower() and word not in SMALL and not re.search(r"[._/(]", word)
    return not FRAGMENTS.isdisjoint({first, word}) or small


def serves_lines(sources: Sources) -> list[str]:
    """Heads that say whom a module serves: its imports do, and stay true."""
    return [f"{source.at(number)}: {line}" for source in (*sources.package, *sources.users)
            for number, line in enumerate((ast.get_docstring(source.tree) or "").splitlines(), 1) if re.match(r"Serves\b", line)]


def long_lines(sources: Sources) -> list[str]:
    return [f"{source.at(number)}: {len(line)} characters" for source in sources.package
            for number, line in enumerate(source.text.splitlines(), 1) if len(line) > LINE_CHARACTERS]


def long_functions(sources: Sources) -> list[str]:
    return [f"{source.at(node.lineno)}: {node.name} has {length} lines" for source in sources.package for node in source.nodes
            if isinstance(node, FUNCTIONS) and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES]


def wide_constructors(sources: Sources) -> list[str]:
    return [f"{source.at(node.lineno)}: {owner.name} is given {given} things"
            for source in sources.package for owner in source.nodes if isinstance(owner, ast.ClassDef)
            for node in owner.body if isinstance(node, FUNCTIONS) and node.name == "__init__"
            if (given := len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs) - 1) > PARAMETERS]
