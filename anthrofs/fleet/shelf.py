"""The contents that the fleet shares, by file ids: sealed chunks in an object store.

    1/<key id>/<MAC of the workspace>/<MAC of the file id>/<number>

Chunk 0 is put last, and removed first: where it is, the rest may be relied on. There is no manifest and no index, so
nothing that two who write could tear. An older key's chunks are read where they are.

Trusts  what opens with a key of the fleet, at its place.
Never   asks before the service has named the workspace.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from anthrofs.errors import Forged, NotReadable, NotStored, StoreAway
from anthrofs.fleet import seal
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Scope
from anthrofs.fleet.object_store import ObjectStore
from anthrofs.fleet.seal import Chunk
from anthrofs.model import FileId

LAYOUT: Final = "1"

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

    def known(self, candidates: Iterable[FileId]) -> set[FileId]:
        """Returns those of the candidates that are there, by one listing for each key."""
        there = {(key_id, mac) for key_id, mac, number in self._listed() if number == "0"}
        return {each for each in candidates
                if any((key_id, self._mac(key_id, each)) in there for key_id in self._keys.ids)}

    def remove(self, file_id: FileId) -> None:
        """Removes the file, of all keys."""
        for key_id in self._keys.ids:
            folder = self._folder(key_id, file_id)
            paths = {each.path for each in self._objects.list(folder)}
            self._objects.remove([f"{folder}/0", *sorted(paths - {f"{folder}/0"})])

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

    def _listed(self) -> Iterator[tuple[str, str, str]]:
        """Key id, file id's MAC and number of each chunk of this workspace."""
        for key_id in self._keys.ids:
            for each in self._objects.list(self._root(key_id)):
                *_, mac, number = each.path.split("/")
                yield key_id, mac, number

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
