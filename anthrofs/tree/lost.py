"""Uploads whose answers were lost: whether a listed file can be one, and what was given up without knowing. A slow
service, or a proxy that had the whole body, can still store that, minutes later.

Owns    the table lost, and the fact uploads_downloadable in the table meta.
Trusts  nothing that turns up later to be ours: name, size, type and time of somebody else's file can be the same. So it
        is left, said, and never takes a name from what was saved since.
Never   keeps a try longer than a service can take.
"""

from typing import Final

from anthrofs.model import Attempt, NodeId, RemoteFile, StageId
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import UNKNOWN, is_later

LATE_NS: Final = 900 * 10**9        # after it was given up: official clients wait 600 s for an answer


def remember(tx: Tx, attempt: Attempt, now_ns: int) -> None:
    """Remembers a try that was given up: its content is sent again, or newer content is, or nothing."""
    tx.run("DELETE FROM lost WHERE until_ns < ?", now_ns)
    tx.run("INSERT INTO lost (stage, name, mime_type, size_bytes, sent_ns, until_ns) VALUES (?, ?, ?, ?, ?, ?)",
           attempt.stage, attempt.name, attempt.mime_type, attempt.size_bytes, attempt.sent_ns, now_ns + LATE_NS)


def rivals(tx: Tx, attempt: Attempt, now_ns: int) -> int:
    """How many given up tries of other content one listed file could be as well. (Of the same content it doesn't matter
    which.)
    """
    return int(tx.one("SELECT count(*) FROM lost WHERE name = ? AND size_bytes = ? AND stage != ? AND until_ns >= ?",
                      attempt.name, attempt.size_bytes, attempt.stage, now_ns)[0])


def turned_up(tx: Tx, attempt: Attempt) -> None:
    """A try that was given up has turned up, and is not expected any more."""
    tx.run("DELETE FROM lost WHERE stage = ? AND name = ? AND sent_ns IS ?", attempt.stage, attempt.name,
           attempt.sent_ns)


def every(tx: Tx, now_ns: int) -> list[Attempt]:
    """The tries that can still turn up."""
    rows = tx.all("SELECT stage, name, mime_type, size_bytes, sent_ns FROM lost WHERE until_ns >= ?", now_ns)
    return [Attempt(NodeId(0), StageId(stage), UNKNOWN, size_bytes, name, mime_type, None, sent_ns, 1, None, None)
            for stage, name, mime_type, size_bytes, sent_ns in rows]


def is_late(tries: list[Attempt], file: RemoteFile) -> bool:
    """One of them may have been stored as this after all."""
    return any(fits(attempt, file, file.downloadable) for attempt in tries)


def fits(attempt: Attempt, file: RemoteFile, downloadable: bool | None) -> bool:
    """Whether a listed file can be what this attempt has stored. `downloadable`: what this server says of uploads (see
    `learn`).
    """
    return (file.size_bytes == attempt.size_bytes and downloadable in (None, file.downloadable)
            and is_namesake(attempt, file))


def is_namesake(attempt: Attempt, file: RemoteFile) -> bool:
    """Whether it has the name and type, and came after it was sent."""
    return file.name == attempt.name and file.mime_type == attempt.mime_type and is_later(attempt, file)


def learn(tx: Tx, file: RemoteFile) -> None:
    """The service's answer to an upload: the real one says that nothing that was uploaded can be downloaded, others say
    that all can be.
    """
    said = "1" if file.downloadable else "0"
    if tx.get_meta("uploads_downloadable") != said:
        tx.set_meta("uploads_downloadable", said)


def learnt(tx: Tx) -> bool | None:
    """The last word on whether our uploads can be downloaded; None: nothing yet, so either may be."""
    said = tx.get_meta("uploads_downloadable")
    return None if said is None else said == "1"
