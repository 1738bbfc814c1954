"""The deletion queue: ids that the user doesn't want any more, in the order in which they wait, and tombstones of those
that are deleted.

Owns    the table doomed (see schema.py).
Never   lets an id go while something is still to be sent under its name and the server has nothing of that there, see
        _FREE. (The id that a save replaces is queued only after the new one was stored, in the same transaction.)
"""

from typing import Final

from anthrofs import names
from anthrofs.clock import Clock
from anthrofs.model import FileId, RemoteFile, StageId
from anthrofs.tree.rows import Rows
from anthrofs.tree.upload_queue import FAILED

# A listing can lag behind a deletion: for so long it doesn't bring an id back that we deleted.
TOMBSTONE_NS: Final = 3600 * 10**9
# what a save over it is called, see names.shown_path_of
_SAVED_AS: Final = f"replace(doomed.server_name, '/', '{names.SLASH}')"
# New before old is gone: the newest of a name stays while something of that name is to be sent, or was refused, of
# which the server has nothing by that name yet. Older ones go: a name that is saved again and again must not keep all
# of them. What arrived cut stays while its stage is still to be sent.
_FREE: Final = (
    "iif(wrong IS NULL, NOT EXISTS (SELECT 1 FROM node WHERE (node.stage IS NOT NULL OR node.resend) "
    f"AND node.wanted IN ({_SAVED_AS}, doomed.saved_as) AND node.server_name IS NOT node.wanted) OR EXISTS (SELECT 1 "
    "FROM doomed AS newer WHERE newer.server_name = doomed.server_name AND newer.saved_as IS doomed.saved_as AND "
    "newer.deleted_ns IS NULL AND newer.doubt IS NULL AND newer.wrong IS NULL AND (newer.created_ns, newer.rowid) > "
    "(doomed.created_ns, doomed.rowid)), NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.stage = doomed.wrong "
    f"AND attempt.state != '{FAILED}'))")
# Of an id in the order in which they are to be deleted: doomed_ns, and the number of its row, for those of one moment.
Place = tuple[int, int]
FIRST: Final[Place] = (-1, 0)


class Deletions:
    """Rows; the uploader has the threads."""

    def __init__(self, rows: Rows, clock: Clock) -> None:
        self._rows = rows           # given
        self._clock = clock         # given

        # Whose deletion is under way. Here and not with the upload room's schedule, which knows it too: `reprieve` must
        # see it under the lock of the rows, the database's, or it brings back an id whose request is out.
        self._ending = set[FileId]()

    def doom(self, file: RemoteFile, saved_as: str | None = None) -> None:
        """The user doesn't want this id any more. `saved_as`: the server name that what replaces it gets, if it isn't
        its own.
        """
        self._rows.run("INSERT OR IGNORE INTO doomed (file_id, server_name, saved_as, server_mime, server_size, "
                       "created_ns, downloadable, expires_ns, doomed_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                       file.file_id, file.name, saved_as, file.mime_type, file.size_bytes,
                       file.created_ns, file.downloadable, file.expires_ns, self._clock.time_ns())

    def doom_wrong(self, file: RemoteFile, stage: StageId, *, last: bool) -> None:
        """An upload of this stage arrived cut, or after it was given up. The id stays until a right one is there, or,
        with the `last`, none is tried for any more.
        """
        self.doom(file)
        self._rows.run("UPDATE doomed SET wrong = ? WHERE file_id = ?", stage, file.file_id)
        if last:
            self._rows.run("UPDATE doomed SET wrong = 0 WHERE wrong = ?", stage)

    def wrongs(self, stage: StageId) -> int:
        """How many uploads of this stage have arrived cut so far."""
        return int(self._rows.one("SELECT count(*) FROM doomed WHERE wrong = ?", stage)[0])

    def reprieve(self, server_name: str) -> RemoteFile | None:
        """The newest of that name that is not deleted yet, nor in this moment, stays after all. None: there is none."""
        rows = self._rows.all("SELECT file_id, server_name, server_mime, server_size, created_ns, downloadable, "
                              "expires_ns FROM doomed WHERE (server_name IN (?, ?) OR saved_as = ?) AND deleted_ns IS "
                              "NULL AND doubt IS NULL AND wrong IS NULL AND created_ns IS NOT NULL ORDER BY created_ns "
                              "DESC, rowid DESC", *_spellings(server_name), server_name)
        row = next((row for row in rows if row[0] not in self._ending), None)
        if row is None:
            return None
        self._rows.run("DELETE FROM doomed WHERE file_id = ?", row[0])
        return RemoteFile(FileId(row[0]), row[1], row[2], row[3], row[4], bool(row[5]), row[6])

    def deleted(self, file_id: FileId, now_ns: int) -> None:
        """The server has deleted it, or never had it."""
        self._rows.run("UPDATE doomed SET deleted_ns = ?, reason = NULL WHERE file_id = ?", now_ns, file_id)

    def forget_old(self, now_ns: int) -> None:
        """Takes away tombstones that have stood for long: a listing that still shows such a file is right."""
        self._rows.run("DELETE FROM doomed WHERE deleted_ns < ?", now_ns - TOMBSTONE_NS)

    def bury(self, file_id: FileId, now_ns: int, until_ns: int) -> None:
        """The file is gone without our deleting it, and listings may still show it until then."""
        self._rows.run("INSERT OR IGNORE INTO doomed (file_id, server_name) VALUES (?, '')", file_id)
        self.deleted(file_id, now_ns)
        self._rows.run("UPDATE doomed SET deleted_ns = ? WHERE file_id = ?", until_ns - TOMBSTONE_NS, file_id)

    def not_deleted(self, file_id: FileId, reason: str) -> None:
        """A file that wasn't deleted stays queued and visible in the status; its name stays gone."""
        self._rows.run("UPDATE doomed SET reason = ? WHERE file_id = ?", reason, file_id)

    def doubt(self, file_id: FileId, reason: str) -> None:
        """Whether the server has deleted it can't be told from the answer: the next whole listing decides, see
        `decide`.
        """
        self._rows.run("UPDATE doomed SET reason = ?, doubt = ? WHERE file_id = ?", reason,
                       int(self._rows.get_meta("listing") or 0), file_id)

    def saw(self, file_id: FileId, listing: int) -> None:
        """A listing shows an id that may have been deleted."""
        self._rows.run("UPDATE doomed SET seen = max(seen, ?) WHERE file_id = ? AND doubt >= 0", listing, file_id)

    def decide(self, listing: int) -> bool:
        """A whole listing has ended: the doubtful ids that it didn't show are gone, the others are to be asked for
        again. True: there were any.
        """
        return self._rows.run("UPDATE doomed SET doubt = iif(seen >= ?1, NULL, -1) WHERE doubt >= 0 AND doubt < ?1",
                              listing) > 0

    def is_any_doubtful(self) -> bool:
        """Whether some id waits for a whole listing to tell."""
        return self._rows.one("SELECT 1 FROM doomed WHERE deleted_ns IS NULL AND doubt >= 0 LIMIT 1") is not None

    def is_proved_gone(self, file_id: FileId) -> bool:
        """A listing has decided so."""
        return self._rows.one("SELECT 1 FROM doomed WHERE file_id = ? AND doubt = -1", file_id) is not None

    def begin(self, file_id: FileId) -> bool:
        """The server is about to be asked: until `ended` it can't be reprieved. False: it isn't to be deleted any more.
        """
        waiting = self._rows.one("SELECT 1 FROM doomed WHERE file_id = ? AND deleted_ns IS NULL", file_id) is not None
        if waiting:
            self._ending.add(file_id)
        return waiting

    def ended(self, file_id: FileId) -> None:
        """The request has ended, well or not."""
        self._ending.discard(file_id)

    def is_name_doomed(self, server_name: str) -> bool:
        """Something of that name is still to be deleted."""
        return self._rows.one("SELECT 1 FROM doomed WHERE (server_name IN (?, ?) OR saved_as = ?) "
                              "AND deleted_ns IS NULL",
                              *_spellings(server_name), server_name) is not None

    def is_deleted(self, file_id: FileId) -> bool:
        """We had it deleted, not long ago."""
        return self._rows.one("SELECT 1 FROM doomed WHERE file_id = ? AND deleted_ns IS NOT NULL", file_id) is not None

    def is_doomed(self, file_id: FileId) -> bool:
        """To be deleted, or deleted not long ago."""
        return self._rows.one("SELECT 1 FROM doomed WHERE file_id = ?", file_id) is not None

    def every(self) -> list[tuple[FileId, str, str | None]]:
        """(id, server name, reason of the last refusal) of what is still to be deleted."""
        return [(FileId(a), b, c) for a, b, c in self._rows.all(
            "SELECT file_id, server_name, reason FROM doomed WHERE deleted_ns IS NULL ORDER BY rowid")]

    def recover(self) -> None:
        """After a start: the gateway whose answer told nothing may be another one."""
        self._rows.run("UPDATE doomed SET doubt = NULL WHERE doubt >= 0")

    def is_empty(self) -> bool:
        """Nothing is to be deleted, or was deleted not long ago."""
        return self._rows.one("SELECT 1 FROM doomed LIMIT 1") is None

    def forget_all(self) -> None:
        """Another workspace begins with an empty queue."""
        self._rows.run("DELETE FROM doomed")

    # ---- in their order

    def deletable(self) -> list[FileId]:
        """All that may be deleted now, see _FREE, and those that wait for a listing to decide."""
        return [FileId(row[0]) for row in self._rows.all("SELECT file_id FROM doomed WHERE deleted_ns IS NULL "
                                                         f"AND {_FREE} ORDER BY doomed_ns, rowid")]

    def after(self, place: Place, limit: int) -> list[tuple[Place, FileId, bool, bool]]:
        """Some of the ids that are to be deleted, those that have waited longest first: where each is in that order,
        whether it may be deleted now, see _FREE, and whether a listing has shown that it is gone. `place`: behind that
        one.
        """
        return [((row[0], row[1]), FileId(row[2]), bool(row[3]), bool(row[4])) for row in self._rows.all(
            f"SELECT doomed_ns, rowid, file_id, coalesce(doubt, -1) < 0 AND {_FREE}, coalesce(doubt, 0) = -1 FROM "
            "doomed WHERE deleted_ns IS NULL AND (doomed_ns, rowid) > (?, ?) ORDER BY doomed_ns, rowid LIMIT ?", *place,
            limit)]

    def count(self) -> int:
        """How many ids are to be deleted, now or once their replacement is there."""
        return int(self._rows.one("SELECT owed FROM total")[0])

    def since_ns(self) -> int | None:
        """When the one of them was doomed that has waited longest, our clock; None: there is none."""
        first_ns = self._rows.one("SELECT min(doomed_ns) FROM doomed WHERE deleted_ns IS NULL")[0]
        return None if first_ns is None else int(first_ns)


def _spellings(server_name: str) -> tuple[str, str]:
    """A name as we save it, and as a tool may have, with / between its parts: the same file to whoever looks at the
    mount.
    """
    return server_name, server_name.replace(names.SLASH, "/")
