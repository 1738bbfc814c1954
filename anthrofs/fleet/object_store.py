"""An object store as five calls: whole objects by their paths. objects.py makes them with obstore.

Trusts  nothing that it reads: seal.py looks at each byte.
Never   keeps a caller longer than the bounds that the calls have.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Listed:
    """An object, as a listing of the store has it."""

    path: str
    size_bytes: int
    changed_ns: int         # by the store's clock


class ObjectStore(Protocol):
    """One prefix of a bucket; paths are below it. Each call raises StoreAway when no answer came within its bound, and
    StoreRefuses when the answer was that this mount may not, or that the store is full.
    """

    def put(self, path: str, body: bytes, *, create: bool) -> bool:
        """Puts an object, whole or not at all. False: it was to be created, and there is one by that name: maybe this
        very one, by a try whose answer was lost.
        """
        ...

    def get(self, path: str, patience_s: float | None = None) -> bytes:
        """Returns an object. Raises NotStored. `patience_s`: how long to wait for the first byte; None: as long as for
        the whole. A caller whose patience ends raises StoreAway, and what becomes of its request is still heard.
        """
        ...

    def has(self, path: str) -> bool:
        """Whether there is one by that name."""
        ...

    def list(self, prefix: str) -> Iterator[Listed]:
        """All below the prefix, a path's whole part, in no order. May be late: what was just put may be missing."""
        ...

    def folders(self, prefix: str) -> Sequence[str]:
        """The names of the folders in that one; none, if there is none."""
        ...

    def remove(self, paths: Sequence[str]) -> None:
        """Removes objects. What isn't there is no error."""
        ...

    def hurry(self) -> None:
        """A person waits: if the store rests, the next call asks it all the same."""
        ...
