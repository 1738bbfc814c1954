"""The contents that the fleet shares, by file ids: sealed chunks in an object store.

    1/<key id>/<MAC of the workspace>/<MAC of the file id>/<number>

Chunk 0 is put last, and removed first: where it is, the rest may be relied on. There is no manifest and no index, so
nothing that two who write could tear. An older key's chunks are read where they are.

Trusts  what opens with a key of the fleet, at its place.
Never   asks before the service has named the workspace.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from anthrofs.errors import Forged, NotReadable, NotStored, StoreAway
from anthrofs.fleet import seal
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Scope
from anthrofs.fleet.object_store import Listed, ObjectStore
from anthrofs.fleet.seal import Chunk
from anthrofs.model import FileId

LAYOUT: Final = "1"
OBJECT: Final = re.compile(r"/([0-9a-f]{32})/(\d+)")    # below the workspace's; what else is there isn't a member's


@dataclass(frozen=True, slots=True)
class Stored:
    """A file as the store lists it, by whomever it was put there."""

    key_id: str
    mac: str                    # of its id
    paths: tuple[str, ...]
    size_bytes: int             # sealed
    changed_ns: int             # by the store's clock: its newest chunk's


ReadAt = Callable[[int, int], bytes]            # offset, size


class Shelf:
    """One workspace's. Every call raises StoreAway while the store can't be used, and StoreRefuses, one of those, when
    it has said no.
    """

    def __init__(self, objects: ObjectStore, keys: FleetKeys, scope: Callable[[], Scope | None]) -> None:
        """`scope`: the workspace, see Membership.scope."""
        self._objects, self._keys, self._named = objects, keys, scope       # given

    def put(self, file_id: FileId, size_bytes: int, read_at: ReadAt, *, create: bool) -> None:
        """Puts a whole file. `create`: only what isn't there, or isn't right, is put; otherwise everything is, over
        whatever is there: the content is this mount's own upload. Raises NotReadable when less than that can be read.
        """
        if create and self.has(file_id):
            return
        for number in (*range(1, seal.count_of(size_bytes)), 0):
            data = read_at(number * seal.CHUNK_BYTES, seal.length_of(size_bytes, number))
            if len(data) != seal.length_of(size_bytes, number):
                raise NotReadable(f"what is kept of {file_id} here isn't the whole file")
            body = seal.sealed(self._keys, self._scope(), file_id, number, Chunk(data, size_bytes))
            path = self.place(file_id, number)
            # What can't be created is what another has put, or this one by a try whose answer was lost, or forged.
            if not self._objects.put(path, body, create=create) and not self._is_right(file_id, number, size_bytes):
                self._objects.put(path, body, create=False)

    def chunk(self, file_id: FileId, number: int, patience_s: float | None = None) -> Chunk:
        """Returns one chunk and the whole file's length. Raises NotStored, Forged. `patience_s`: see ObjectStore.get.
        """
        forged: Forged | None = None
        for key_id in self._keys.ids:
            try:
                return self._opened(key_id, file_id, number, patience_s)
            except NotStored:
                continue
            except Forged as exc:
                forged = exc
        raise forged or NotStored(f"{file_id} isn't in the store")

    def has(self, file_id: FileId) -> bool:
        """Whether the whole file is there: its chunk 0 is."""
        return any(self._objects.has(f"{self._folder(key_id, file_id)}/0") for key_id in self._keys.ids)

    def hurry(self) -> None:
        """See ObjectStore."""
        self._objects.hurry()

    def known(self, candidates: Iterable[FileId]) -> set[FileId]:
        """Returns those of the candidates that are there, by one listing for each key."""
        there = {(key_id, match[1]) for key_id, match, _ in self._listed() if match[2] == "0"}
        return {each for each in candidates if not there.isdisjoint(self.names([each]))}

    def remove(self, file_id: FileId) -> None:
        """Removes the file, of all keys."""
        for key_id in self._keys.ids:
            folder = self._folder(key_id, file_id)
            self._remove(folder, [each.path for each in self._objects.list(folder)])

    # ---- for who looks at all of it

    @property
    def key_id(self) -> str:
        """The key that seals."""
        return self._keys.ids[0]

    def names(self, file_ids: Iterable[FileId]) -> set[tuple[str, str]]:
        """Returns what the files are called in the store: the key's id, and the MAC by that key."""
        return {(key_id, self._mac(key_id, file_id)) for file_id in file_ids for key_id in self._keys.ids}

    def stored(self) -> Iterator[Stored]:
        """All files that are there, whole or not."""
        for key_id in self._keys.ids:
            listed = sorted(((match[1], each) for _, match, each in self._listed(key_id)), key=_mac_of)
            for mac, chunks in groupby(listed, key=_mac_of):
                found = [each for _, each in chunks]
                yield Stored(key_id, mac, tuple(each.path for each in found), sum(each.size_bytes for each in found),
                             max(each.changed_ns for each in found))

    def _listed(self, *key_ids: str) -> Iterator[tuple[str, re.Match[str], Listed]]:
        """All chunks of one key, or of all: the key's id, what OBJECT finds in the path, and the object."""
        for key_id in key_ids or self._keys.ids:
            root = self._root(key_id)
            for each in self._objects.list(root):
                if match := OBJECT.fullmatch(each.path.removeprefix(root)):
                    yield key_id, match, each

    def remove_stored(self, stored: Stored) -> None:
        """Removes it."""
        self._remove(stored.paths[0].rpartition("/")[0], stored.paths)

    def _remove(self, folder: str, paths: Iterable[str]) -> None:
        first = f"{folder}/0"
        self._objects.remove([first, *sorted(set(paths) - {first})])

    def place(self, file_id: FileId, number: int) -> str:
        """Returns where a chunk is that is put now."""
        return f"{self._folder(self._keys.ids[0], file_id)}/{number}"

    def _opened(self, key_id: str, file_id: FileId, number: int, patience_s: float | None = None) -> Chunk:
        body = self._objects.get(f"{self._folder(key_id, file_id)}/{number}", patience_s)
        return seal.opened(self._keys, key_id, self._scope(), file_id, number, body)

    def _is_right(self, file_id: FileId, number: int, size_bytes: int) -> bool:
        try:
            return self._opened(self._keys.ids[0], file_id, number).size_bytes == size_bytes
        except (Forged, NotStored):
            return False

    def _root(self, key_id: str) -> str:
        return f"{LAYOUT}/{key_id}/{self._keys.name('workspace', self._scope(), key_id=key_id)}"

    def _folder(self, key_id: str, file_id: FileId) -> str:
        return f"{self._root(key_id)}/{self._mac(key_id, file_id)}"

    def _mac(self, key_id: str, file_id: FileId) -> str:
        return self._keys.name("file", self._scope(), file_id, key_id=key_id)

    def _scope(self) -> str:
        scope = self._named()
        if scope is None:
            raise StoreAway("the service hasn't named the workspace yet")
        return scope.text


def _mac_of(named: tuple[str, Listed]) -> str:
    return named[0]
