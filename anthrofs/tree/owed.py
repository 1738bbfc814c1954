"""What is owed to the server: ids that are to be deleted there, in the order in which they wait, and which of them may go now.

Never   changes anything.
"""

from typing import Final

from anthrofs import names
from anthrofs.model import FileId
from anthrofs.tree.database import Tx
from anthrofs.tree.outbox import FAILED

_SAVED_AS: Final = f"replace(doomed.server_name, '/', '{names.SLASH}')"        # what a save over it is called, see names.shown_path_of
# New before old is gone: the newest of a name stays while something of that name is to be sent, or was refused, of which the server has
# nothing by that name yet. Older ones go: a name that is saved again and again must not keep all of them. What arrived cut stays while its
# stage is still to be sent.
_FREE: Final = (
    "iif(wrong IS NULL, NOT EXISTS (SELECT 1 FROM node WHERE (node.stage IS NOT NULL OR node.resend) "
    f"AND node.wanted IN ({_SAVED_AS}, doomed.saved_as) AND node.server_name IS NOT node.wanted) OR EXISTS (SELECT 1 FROM doomed AS newer "
    "WHERE newer.server_name = doomed.server_name AND newer.saved_as IS doomed.saved_as AND newer.deleted_ns IS NULL AND newer.doubt IS NULL AND newer.wrong IS NULL "
    "AND (newer.created_ns, newer.rowid) > (doomed.created_ns, doomed.rowid)), "
    f"NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.stage = doomed.wrong AND attempt.state != '{FAILED}'))")
# Of an id in the order in which they are to be deleted: doomed_ns, and the number of its row, for those of one moment.
Place = tuple[int, int]
FIRST: Final[Place] = (-1, 0)


def deletable(tx: Tx) -> list[FileId]:
    """All that may be deleted now, see _FREE, and those that wait for a listing to decide."""
    return [FileId(row[0]) for row in tx.all(f"SELECT file_id FROM doomed WHERE deleted_ns IS NULL AND {_FREE} ORDER BY doomed_ns, rowid")]


def after(tx: Tx, place: Place, limit: int) -> list[tuple[Place, FileId, bool, bool]]:
    """Some of the ids that are to be deleted, those that have waited longest first: where each is in that order, whether it may be deleted
    now, see _FREE, and whether a listing has shown that it is gone. `place`: behind that one.
    """
    return [((row[0], row[1]), FileId(row[2]), bool(row[3]), bool(row[4])) for row in tx.all(
        f"SELECT doomed_ns, rowid, file_id, coalesce(doubt, -1) < 0 AND {_FREE}, coalesce(doubt, 0) = -1 FROM doomed "
        "WHERE deleted_ns IS NULL AND (doomed_ns, rowid) > (?, ?) ORDER BY doomed_ns, rowid LIMIT ?", *place, limit)]


def count(tx: Tx) -> int:
    """How many ids are to be deleted, now or once their replacement is there."""
    return int(tx.one("SELECT owed FROM total")[0])


def since_ns(tx: Tx) -> int | None:
    """When the one of them was doomed that has waited longest, our clock; None: there is none."""
    first_ns = tx.one("SELECT min(doomed_ns) FROM doomed WHERE deleted_ns IS NULL")[0]
    return None if first_ns is None else int(first_ns)
