"""The ids that paths have had. A save, a rename and a new type give a file a new id, and the old one is dead: people
have put it into code, and ask what became of it.

Owns    the table history: a row for each id that a path got, or that came to its end. Each is written by the
        transaction that brings that about, so it costs no sync of its own.
Trusts  this machine's clock for the times, and nothing but what happened here, or what listings showed here.
Never   has a row for what a first listing shows; keeps more than MOST rows, or more than A_PATH of one path's ids.
"""

from typing import Any, Final, NamedTuple

from anthrofs.clock import Clock
from anthrofs.model import FileId, RemoteFile
from anthrofs.tree.rows import Rows

# Why a path has got an id.
SAVED: Final = "saved"
RENAMED: Final = "renamed"
SET: Final = "set"              # sent again with another type, or another time to live
AGAIN: Final = "again"          # the same content was sent again, as a person asked
OTHERS: Final = "others"        # somebody else uploaded a newer file of that name
BACK: Final = "back"            # `discard`, or a rename: an id that was to be deleted stays after all
# Why an id is nowhere any more, but for one that another has replaced: that is the other's row, in its column `was`.
REMOVED: Final = "removed"
COVERED: Final = "covered"      # another file here was given its name
GONE: Final = "gone"            # others removed it
EXPIRED: Final = "expired"
BEGINNINGS: Final = frozenset({SAVED, RENAMED, SET, AGAIN, OTHERS, BACK})
ENDS: Final = frozenset({REMOVED, COVERED, GONE, EXPIRED})

MOST: Final = 20_000
A_PATH: Final = 100
_TRIM_EACH: Final = 1024        # rows
_STEPS: Final = 1000            # from an id to what is there in the end: more saves than a path's rows
_COLUMNS: Final = "SELECT number, file_id, path, why, at_ns, was FROM history "
_ENDS: Final = ", ".join(f"'{why}'" for why in sorted(ENDS))
_BEGINNINGS: Final = ", ".join(f"'{why}'" for why in sorted(BEGINNINGS))


class Event(NamedTuple):
    """One row."""

    number: int
    file_id: FileId
    path: str                   # as it was shown then, from the mount's root
    why: str
    at_ns: int                  # our clock
    was: FileId | None          # the id that the path had before

    @property
    def is_end(self) -> bool:
        """The id came to its end, and no other one is its successor."""
        return self.why in ENDS


class History:
    """Rows of the table history."""

    def __init__(self, rows: Rows, clock: Clock) -> None:
        self._rows = rows           # given
        self._clock = clock         # given

    def began(self, file_id: FileId, path: str, why: str, was: FileId | None = None) -> None:
        """From now on the path has that id. `was`: the one that it had; of a save, also what it was renamed over."""
        if was is None and why == SAVED:
            before = max(self._events("WHERE path = ? ORDER BY number DESC LIMIT 1", path), default=None)
            was = before.file_id if before is not None and before.why == COVERED else None
        self._note(file_id, path, why, was)
        # A log that is saved each minute must not push out all others.
        self._rows.run("DELETE FROM history WHERE number IN (SELECT number FROM history WHERE path = ? ORDER BY number "
                       "DESC LIMIT -1 OFFSET ?)", path, A_PATH)

    def ended(self, file_id: FileId, path: str, why: str) -> None:
        """From now on nothing here has that id, which had been shown there."""
        self._note(file_id, path, why, None)

    def lost(self, file: RemoteFile, path: str) -> None:
        """The server has it no more, and nobody here has removed it."""
        over = file.expires_ns is not None and file.expires_ns <= self._clock.time_ns()
        self._note(file.file_id, path, EXPIRED if over else GONE, None)

    def _note(self, file_id: FileId, path: str, why: str, was: FileId | None) -> None:
        number = self._rows.insert("INSERT INTO history (file_id, path, why, at_ns, was) VALUES (?, ?, ?, ?, ?)",
                                   file_id, path, why, self._clock.time_ns(), was)
        if number % _TRIM_EACH == 0:
            self.trim()

    def trim(self) -> None:
        """The oldest rows go."""
        self._rows.run("DELETE FROM history WHERE number <= (SELECT number FROM history ORDER BY number DESC LIMIT 1 "
                       "OFFSET ?)", MOST)

    def forget_all(self) -> None:
        """Another workspace begins with none: its paths are others."""
        self._rows.run("DELETE FROM history")

    # ---- looking

    def of_path(self, path: str, now: FileId | None) -> list[Event]:
        """Returns what is known of the ids that a path has had, newest first, and of those that they took the place of
        under other names; and where the last of them went. `now`: the id that it has.
        """
        found = {event.number: event for event in self._events("WHERE path = ?", path)}
        pending = [each for event in found.values() for each in (event.file_id, event.was) if each is not None]
        pending += [] if now is None else [now]
        for file_id in set(pending):
            found |= {event.number: event for event in self._events("WHERE was = ?", file_id)}
        known = set[FileId]()
        while pending and len(known) < _STEPS:
            if (file_id := pending.pop()) in known:
                continue
            known.add(file_id)
            for event in self._events("WHERE file_id = ?", file_id):
                found[event.number] = event
                if event.was is not None:
                    pending.append(event.was)
        return sorted(found.values(), reverse=True)

    def fate(self, file_id: FileId) -> Event | None:
        """Returns the last that is known of an id that nothing here has: what took its place, or its end. None: it was
        never here, or that is too long ago.
        """
        events = [*self._events("WHERE was = ?", file_id),
                  *self._events(f"WHERE file_id = ? AND why IN ({_ENDS})", file_id)]
        replaced = [event for event in events if not event.is_end]
        return max(replaced or events, default=None)

    def last(self, file_id: FileId) -> tuple[FileId, Event | None]:
        """Returns what took an id's place in the end, after all that came between; and that one's own end, if it is
        known of.
        """
        seen = set[FileId]()
        while file_id not in seen and len(seen) < _STEPS:
            seen.add(file_id)
            end = self.fate(file_id)
            if end is None or end.is_end:
                return file_id, end
            file_id = end.file_id
        return file_id, None

    def path_of(self, file_id: FileId) -> str | None:
        """Returns the path that an id was given last."""
        events = self._events(f"WHERE file_id = ? AND why IN ({_BEGINNINGS})", file_id)
        return max(events).path if events else None

    def _events(self, which: str, *values: Any) -> list[Event]:
        return [Event(number, FileId(file_id), path, why, at_ns, None if was is None else FileId(was))
                for number, file_id, path, why, at_ns, was in self._rows.all(_COLUMNS + which, *values)]
