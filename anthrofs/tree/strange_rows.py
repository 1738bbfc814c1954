"""Rows that no version of anthrofs writes: SQLite keeps any value in any column, as damage or a hand has left it there.

Trusts  the schema for the kind of value that each column has.
Never   judges more than what would make no sense to the rest of the package; fsck.py knows all invariants.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, Protocol

from anthrofs.tree.history import BEGINNINGS, ENDS
from anthrofs.tree.upload_queue import NEXT

_STATES: Final = ", ".join(sorted({f"'{state}'" for state, _ in NEXT}))
_WORDS: Final = ", ".join(sorted(f"'{why}'" for why in BEGINNINGS | ENDS))
# Besides the kinds of their columns.
_WRONG: Final = {
    "node": "size_bytes < 0 OR server_size < 0 OR stage NOT BETWEEN 1 AND 1 << 60 OR expires_s NOT BETWEEN 0 AND 1 << "
            "31 OR lacks_code NOT BETWEEN 1 AND 4095 OR (lacks_code IS NOT NULL AND (lacks_from IS NULL OR lacks_to IS "
            "NULL)) OR (file_id IS NOT NULL AND (server_name IS NULL OR server_mime IS NULL OR server_size IS NULL OR "
            "created_ns IS NULL OR downloadable IS NULL)) OR (parent NOT IN (0, 2) AND (name IN ('', '.', '..') OR "
            "instr(name, '/') OR instr(name, char(0))))",
    # A kill may leave one without its node.
    "attempt": f"size_bytes < 0 OR code NOT BETWEEN 1 AND 4095 OR state NOT IN ({_STATES}) OR node_id IN (SELECT "
               "node_id FROM node WHERE directory)",
    "kept": "bytes < 0",
    "history": f"path = '' OR why NOT IN ({_WORDS})",
    "share": "size_bytes < 0 OR due_ns < 0 OR task NOT IN ('own', 'fetched', 'withdraw', 'doubted')",
}
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_LARGEST: Final = 2**62         # of a fact: what is counted on from there fits, too
_NUMBERS: Final = frozenset({"listing", "listed_ns", "swept_ns", "unreadable"})     # facts of the table meta


class _Connection(Protocol):
    def execute(self, statement: str, /) -> Any: ...


def strange_rows(db: _Connection) -> str | None:
    """Words about the first table with such a row; None: there is none."""
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' "
                                             "AND name NOT LIKE 'sqlite_%'")]
    for table in tables:
        wrong = " OR ".join([*map(_of_another_kind, db.execute(f"PRAGMA table_info({table})").fetchall()),
                             *([_WRONG[table]] if table in _WRONG else [])])
        if db.execute(f"SELECT 1 FROM {table} WHERE {wrong} LIMIT 1").fetchone() is not None:
            return f"the table {table} has a row that anthrofs doesn't write"
    if not _facts(db.execute("SELECT name, value FROM meta")):
        return "the table meta has a fact that anthrofs doesn't write"
    return None


def _of_another_kind(column: tuple[Any, ...]) -> str:
    _, name, kind, required, _, key = column
    kinds = f"'{kind.lower()}'" + ("" if required or key else ", 'null'")
    return f"typeof({name}) NOT IN ({kinds})"


def _facts(rows: Iterable[tuple[str, str]]) -> bool:
    return all(name not in _NUMBERS or (_NUMBER.fullmatch(value) and abs(int(value)) < _LARGEST)
               for name, value in rows)
