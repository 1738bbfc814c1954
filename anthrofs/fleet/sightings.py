"""Sightings: what a mount's reads have seen of files in the store.

Owns    one for each of the last REMEMBERED files that were asked for; memory only.
Trusts  nothing longer than to the next read of the same file.
"""

import threading
from dataclasses import dataclass
from typing import Final

from anthrofs.model import FileId, RemoteFile

REMEMBERED: Final = 4096


@dataclass(slots=True)
class _Sighting:
    file: RemoteFile | None = None      # as it was listed when it was asked for; None: it wasn't
    given: bool = False                 # the store has given all that it was asked for of it
    wrong: bool = False                 # the store has something else in its place
    told: bool = False                  # the log has why it couldn't be had


class Sightings:
    """One mount's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()       # guards everything below, and what is in it; a leaf
        self._seen: dict[FileId, _Sighting] = {}

    # ---- what reads see

    def asked(self, file_id: FileId, file: RemoteFile | None) -> RemoteFile | None:
        """A file is asked for now, and this is how it is listed. Returns the file, also if it has gone meanwhile."""
        with self._lock:
            seen = self._seen_locked(file_id)
            seen.file = file or seen.file
            return seen.file

    def gave(self, file_id: FileId) -> None:
        """The store has given of it, and that was right."""
        with self._lock:
            seen = self._seen_locked(file_id)
            seen.given, seen.wrong, seen.told = True, False, False

    def missed(self, file_id: FileId, *, wrong: bool) -> None:
        """The store lacks it, or a part. `wrong`: it has something else there."""
        with self._lock:
            seen = self._seen_locked(file_id)
            seen.given, seen.wrong = False, seen.wrong or wrong

    def tells(self, file_id: FileId) -> tuple[bool, str]:
        """Whether it is news that something is the matter with it, until the store gives it again; and its name."""
        with self._lock:
            seen = self._seen_locked(file_id)
            news, seen.told = not seen.told, True
            return news, "a file" if seen.file is None else seen.file.name

    # ---- what others ask

    def is_given(self, file_id: FileId) -> bool:
        """Whether the store has it, as far as reads have shown: it need not be put there."""
        with self._lock:
            return file_id in self._seen and self._seen[file_id].given

    def is_wrong(self, file_id: FileId) -> bool:
        """Whether the store has something else in its place: who puts it there puts it over that."""
        with self._lock:
            return file_id in self._seen and self._seen[file_id].wrong

    def _seen_locked(self, file_id: FileId) -> _Sighting:
        seen = self._seen.setdefault(file_id, _Sighting())
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return seen
