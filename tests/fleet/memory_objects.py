"""An object store in memory, which fails as a test tells it."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from anthrofs.errors import NotStored
from anthrofs.fleet.object_store import Listed


class MemoryObjects:
    """See ObjectStore. `mishap` is called before each call with its name and its path: it raises, waits, or changes what is there."""

    def __init__(self) -> None:
        self.mishap: Callable[[str, str], None] = lambda *_: None

        self._lock = threading.Lock()       # guards everything below
        self.bodies: dict[str, bytes] = {}
        self.asked = Counter[str]()

    def _begin(self, call: str, path: str) -> None:
        with self._lock:
            self.asked[call] += 1
        self.mishap(call, path)

    def put(self, path: str, body: bytes, *, create: bool) -> bool:
        self._begin("put", path)
        with self._lock:
            if create and path in self.bodies:
                return False
            self.bodies[path] = body
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
            return path in self.bodies

    def list(self, prefix: str) -> Iterator[Listed]:
        self._begin("list", prefix)
        with self._lock:
            found = [Listed(path, len(body), 0) for path, body in self.bodies.items() if path.startswith(f"{prefix}/")]
        yield from found

    def remove(self, paths: Sequence[str]) -> None:
        for path in paths:
            self._begin("remove", path)
            with self._lock:
                self.bodies.pop(path, None)

    def gets(self) -> int:
        """How many objects were asked for."""
        return self.asked["get"] + self.asked["patient get"]
