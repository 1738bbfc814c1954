"""Garbage in the store: files of which the workspace has no more, because nobody was there to remove them.

Trusts  a complete listing by the service, which is asked for when this begins, and the store's own clock.
Never   removes what is younger than AGE_NS, or what this state knows, or most of the store without being told so.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import BadAnswer, FsError, NotPermitted, NotStored
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.object_store import Listed, ObjectStore
from anthrofs.fleet.shelf import LAYOUT, Shelf, Stored
from anthrofs.model import FileId
from anthrofs.remote.api import RemoteFiles
from anthrofs.tree.database import Database

AGE_NS: Final = 7 * 24 * 3600 * 10**9
LISTING_S: Final = 600.0        # an older listing proves nothing
PAGE_FILES: Final = 1000
AT_ONCE: Final = 100            # files removed between two words to whoever waits


@dataclass(frozen=True, slots=True)
class Found:
    """An account of what was found and done so far."""

    files: int                  # in the store
    unknown: int                # of no file of the workspace, and old enough
    young: int                  # of no file of the workspace, and not
    size_bytes: int             # of the unknown ones
    removed: int


class Garbage:
    """One mount's look at it; a person has asked for it."""

    def __init__(self, objects: ObjectStore, shelf: Shelf, membership: Membership, db: Database,
                 remote: Callable[[], RemoteFiles], clock: Clock) -> None:
        """`remote`: the service, whose listing is this mount's own."""
        self._objects, self._shelf, self._membership = objects, shelf, membership       # given
        self._db, self._remote, self._clock = db, remote, clock     # given

    def collect(self, *, accept: bool, only_look: bool) -> Iterator[Found]:
        """Removes the garbage, and says how far it is. `accept`: also if that is most of the store. Raises NotPermitted
        when it is and isn't accepted; StoreAway, RemoteError.
        """
        began_s = self._clock.now_s()
        known = self._shelf.names(self._known())
        yield Found(0, 0, 0, 0, 0)
        now_ns = self._now_ns()
        files, young, unknown = 0, 0, list[Stored]()
        for stored in self._shelf.stored():
            files += 1
            if (stored.key_id, stored.mac) not in known:
                if stored.changed_ns > now_ns - AGE_NS:
                    young += 1
                else:
                    unknown.append(stored)
        found = Found(files, len(unknown), young, sum(each.size_bytes for each in unknown), 0)
        yield found
        if only_look or not unknown:
            return
        if 2 * len(unknown) > files and not accept:
            raise NotPermitted(f"{len(unknown)} of the {files} files in the store are of none of the workspace's: that "
                               "is most of it, so nothing was removed. `anthrofs fleet gc --accept` removes them.")
        for number, stored in enumerate(unknown, 1):
            if self._clock.now_s() - began_s > LISTING_S:
                raise FsError(f"it took too long: {number - 1} files were removed. Begin again for the rest")
            self._shelf.remove_stored(stored)
            if number % AT_ONCE == 0 or number == len(unknown):
                yield Found(files, len(unknown), young, found.size_bytes, number)

    def _known(self) -> set[FileId]:
        """Everything that the service lists, and everything that this state has to do with. Raises RemoteError."""
        remote, found = self._remote(), set[FileId]()
        page = remote.list(PAGE_FILES)
        while True:
            if page.skipped:
                raise BadAnswer("the listing has entries that make no sense, so it doesn't prove that anything is gone")
            before = len(found)
            found.update(file.file_id for file in page.files)
            if not self._membership.is_in(remote.workspace()):
                raise NotPermitted("the service answers for another workspace than this mount's: nothing was removed")
            if page.following is None:
                break
            if len(found) == before:
                raise BadAnswer("the listing doesn't go on, so it doesn't prove that anything is gone")
            page = remote.list(PAGE_FILES, page.following)
        with self._db.reading() as tx:
            return found | tx.shares.claimed()

    def _now_ns(self) -> int:
        """The store's clock: that of an object which is put for this."""
        path = f"{LAYOUT}/{self._shelf.key_id}/probe/{secrets.token_hex(8)}"
        self._objects.put(path, b"", create=True)
        try:
            folder = path.rpartition("/")[0]
            listed = list(self._objects.list(folder))
            mark = next((each for each in listed if each.path == path), None)
            if mark is None:
                raise NotStored("the store's listing is late: nothing can be told by it now")
            self._objects.remove([each.path for each in listed if _is_old(each, mark)])
            return mark.changed_ns
        finally:
            self._objects.remove([path])


def _is_old(probe: Listed, mark: Listed) -> bool:
    return probe.changed_ns < mark.changed_ns - AGE_NS
