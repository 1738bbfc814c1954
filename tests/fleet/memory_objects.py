"""An object store in memory, as anthrofs/fleet/object_store.py promises one, which fails and lies as a test tells it."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from anthrofs.errors import NotStored, StoreRefuses
from anthrofs.fleet.object_store import Listed


class MemoryObjects:
    """See ObjectStore. `mishap` is called before each call with its name and its path: it raises, waits, or changes what is there."""

    def __init__(self) -> None:
        self.mishap: Callable[[str, str], None] = lambda *_: None
        self.refuses = ""               # why nothing is taken
        self.ignores_create = False
        self.lists_late = False         # what is there is in no listing yet
        self.hides = False              # whoever looks for one sees none
        self.now_ns = 0                 # of the store's clock

        self._lock = threading.Lock()       # guards everything below
        self.bodies: dict[str, bytes] = {}
        self.changed_ns: dict[str, int] = {}
        self.removed: list[str] = []
        self.asked = Counter[str]()

    def _begin(self, call: str, path: str) -> None:
        with self._lock:
            self.asked[call] += 1
        self.mishap(call, path)

    def hurry(self) -> None:
        """It never rests."""

    def put(self, path: str, body: bytes, *, create: bool) -> bool:
        self._begin("put", path)
        if self.refuses:
            raise StoreRefuses(self.refuses)
        with self._lock:
            if create and path in self.bodies and not self.ignores_create:
                return False
            self.bodies[path], self.changed_ns[path] = body, self.now_ns
            return True

    def get(self, path: str, patience_s: float | None = None) -> bytes:
        self._begin("get" if patience_s is None else "patient get", path)
        with self._lock:
            if path not in self.bodies:
                raise NotStored(path)
            return self.bodies[path]

    def has(self, path: str) -> bool:
        self._begin("has", path)
        with self._lock:
            return path in self.bodies and not self.hides

    def list(self, prefix: str) -> Iterator[Listed]:
        self._begin("list", prefix)
        with self._lock:
            found = [Listed(path, len(body), self.changed_ns.get(path, 0)) for path, body in self.bodies.items() if path.startswith(f"{prefix}/")]
        yield from [] if self.lists_late else found

    def folders(self, prefix: str) -> Sequence[str]:
        self._begin("folders", prefix)
        with self._lock:
            return sorted({path.removeprefix(f"{prefix}/").split("/")[0] for path in self.bodies if path.startswith(f"{prefix}/")})

    def remove(self, paths: Sequence[str]) -> None:
        for path in paths:
            self._begin("remove", path)
            with self._lock:
                self.removed.append(path)
                self.bodies.pop(path, None)

    def gets(self) -> int:
        """How many objects were asked for."""
        return self.asked["get"] + self.asked["patient get"]
