"""What tests put in the place of time and of the network, where the emulator would be slower without proving more.

Trusts  test_conformance.py to hold `FakeFiles` to what HttpFiles promises.
Never   lets real time pass on purpose: a back-off of ten minutes takes a millisecond.
"""


import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from hypothesis import settings

from anthrofs.clock import Clock
from anthrofs.errors import AuthFailed, Gone, NotDownloadable, Refused, RemoteError, RemoteTooLarge
from anthrofs.model import Cursor, FileId, NodeId, Page, RemoteFile, ServerClock, Workspace
from anthrofs.remote.api import Body, Download
from anthrofs.tree.lookups import Lookups

T = TypeVar("T")

SECOND_NS: Final = 10**9
EPOCH_NS: Final = 1_790_000_000 * SECOND_NS     # some day in 2026
PIECE_BYTES: Final = 1000                       # of a download: small, so that tests see several

law = settings(derandomize=True, deadline=None)     # of every property test: the same examples each time, and no timing


class FakeClock(Clock):
    """Moves when somebody waits, and by `advance`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()       # guards everything below
        self._now_ns = 0
        self.slept_s: list[float] = []      # what `sleep` was asked for, in order

    def now_s(self) -> float:
        with self._lock:
            return self._now_ns / SECOND_NS

    def time_ns(self) -> int:
        with self._lock:
            return EPOCH_NS + self._now_ns

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now_ns += round(seconds * SECOND_NS)

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Lets other threads in for a moment: what is waited for may be theirs to do."""
        if timeout_s is not None:
            self.advance(timeout_s)
        condition.wait(0.001 if timeout_s is not None else 5)

    def sleep(self, stopping: threading.Event, seconds: float) -> bool:
        with self._lock:
            self.slept_s.append(seconds)
        self.advance(seconds)
        return stopping.is_set()


@dataclass(frozen=True, slots=True)
class Failure:
    """One scripted mishap of one operation ("any": of the next, whichever it is)."""

    operation: str
    exc: RemoteError
    after_s: float | None       # what was asked for happens nevertheless, so many seconds later; None: never


class FakeFiles:
    """The Files API in memory."""

    def __init__(self, clock: Clock, *, max_file_bytes: int = 500_000_000) -> None:
        self._clock = clock                                 # given
        self.max_file_bytes = max_file_bytes                # tests may change these at any time
        self.ranges = True
        self.key_accepted = True
        self.lag_s = 0.0                                    # a listing shows a new file so much later
        self.named = Workspace("organization", "wrkspc_fake")
        self.sessions: set[str] = set()

        self._lock = threading.RLock()                      # guards everything below
        self.files: list[RemoteFile] = []                   # newest first
        self.contents: dict[FileId, bytes] = {}             # of every file that there ever was
        self.failures: deque[Failure] = deque()
        self.refusals: dict[str, RemoteError] = {}          # of an operation ("any": of all), until a test takes it away
        self.late: list[tuple[float, Callable[[], object]]] = []       # what happens by itself, and when
        self.asked: list[tuple[str, str]] = []  # (operation, name or id), failed ones too

    def generate(self, name: str, content: bytes, mime_type: str = "text/plain", *, downloadable: bool = True) -> RemoteFile:
        """A file as tools make it."""
        with self._lock:
            number = len(self.contents) + 1
            newest_ns = self.files[0].created_ns if self.files else 0
            created_ns = max(newest_ns + 1000, self._clock.time_ns() // 1000 * 1000)
            file = RemoteFile(FileId(f"file_{number:06}"), name, mime_type, len(content), created_ns, downloadable)
            self.files.insert(0, file)
            self.contents[file.file_id] = content
            return file

    def vanish(self, file_id: FileId) -> None:
        """Somebody else deletes it."""
        with self._lock:
            self.files.remove(self._known(file_id))

    def fail(self, operation: str, *exceptions: RemoteError, after: bool = False, after_s: float | None = None) -> None:
        """The next such requests end with these, each once; `after`: what they ask for happens nevertheless, at once or `after_s`."""
        late_s = 0.0 if after and after_s is None else after_s
        self.failures.extend(Failure(operation, exc, late_s) for exc in exceptions)

    def twin(self, clock: Clock) -> "FakeFiles":
        """Another service, that has what this one has now, and works."""
        with self._lock:
            twin = FakeFiles(clock, max_file_bytes=self.max_file_bytes)
            twin.files, twin.contents, twin.named = list(self.files), dict(self.contents), self.named
            return twin

    def catch_up(self) -> None:
        """What was to happen by now has happened."""
        with self._lock:
            due = [effect for at_s, effect in self.late if at_s <= self._clock.now_s()]
            self.late = [(at_s, effect) for at_s, effect in self.late if at_s > self._clock.now_s()]
            for effect in due:
                with suppress(RemoteError):         # nobody is told
                    effect()

    def requests(self) -> int:
        """So many were made."""
        return len(self.asked)

    def has_session(self, session_id: str) -> bool:
        """See build.Service."""
        return self._answer("session", session_id, lambda: session_id in self.sessions)

    # ---- RemoteFiles

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        def page() -> Page:
            start, latest_ns = 0, self._clock.time_ns() - round(self.lag_s * SECOND_NS)
            files = [file for file in self.files if not self.lag_s or file.created_ns <= latest_ns]
            if cursor is not None:
                ids = [file.file_id for file in files]
                if cursor.parameter != "after_id" or cursor.value not in ids:
                    raise Refused(f"cursor {cursor.value} is unknown", from_service=True, status=400, maybe_stored=False)
                start = ids.index(FileId(cursor.value)) + 1
            shown = tuple(files[start:start + limit])
            more = start + limit < len(files)
            return Page(shown, Cursor("after_id", shown[-1].file_id) if more else None)
        return self._answer("list", "" if cursor is None else cursor.value, page)

    def stat(self, file_id: FileId) -> RemoteFile:
        return self._answer("metadata", file_id, lambda: self._known(file_id))

    def upload(self, name: str, mime_type: str, body: Body, expires_s: int | None = None) -> RemoteFile:
        content = body.read()
        assert body.read() == b""           # as a sender does, who notices the end that way

        def store() -> RemoteFile:
            if len(content) > self.max_file_bytes:
                raise RemoteTooLarge("the file is too large", from_service=True, status=413, maybe_stored=False)
            file = self.generate(name, content, mime_type, downloadable=False)
            if expires_s is None:
                return file
            self.files[0] = replace(file, expires_ns=file.created_ns + expires_s * SECOND_NS)
            return self.files[0]
        return self._answer("upload", name, store)

    def delete(self, file_id: FileId) -> None:
        self._answer("delete", file_id, lambda: self.files.remove(self._known(file_id)))

    def download(self, file_id: FileId, first: int = 0, last: int | None = None) -> Download:
        def begin() -> FakeDownload:
            if not self._known(file_id).downloadable:
                raise NotDownloadable(f"File '{file_id}' is not downloadable", from_service=True, status=400, maybe_stored=False)
            content = self.contents[file_id]
            if not self.ranges or (first == 0 and last is None):
                return FakeDownload(content, 0, len(content), ranged=False)
            if first >= len(content):
                raise Refused("none of these bytes exist", from_service=True, status=416, maybe_stored=False)
            return FakeDownload(content[first:None if last is None else last + 1], first, len(content), ranged=True)
        return self._answer("download", file_id, begin)

    def clock(self) -> ServerClock | None:
        return ServerClock(-SECOND_NS, SECOND_NS) if self.asked else None

    def workspace(self) -> Workspace:
        return self.named if self.asked else Workspace(None, None)

    # ----

    def _known(self, file_id: FileId) -> RemoteFile:
        for file in self.files:
            if file.file_id == file_id:
                return file
        raise Gone(f"File '{file_id}' not found", from_service=True, status=404, maybe_stored=False)

    def _answer(self, operation: str, subject: str, effect: Callable[[], T]) -> T:
        with self._lock:
            self.catch_up()
            self.asked.append((operation, subject))
            failure = next((each for each in self.failures if each.operation in (operation, "any")), None)
            if failure is not None:
                self.failures.remove(failure)
                if failure.after_s == 0:
                    effect()
                elif failure.after_s is not None:
                    self.late.append((self._clock.now_s() + failure.after_s, effect))
                raise failure.exc
            refusal = self.refusals.get(operation) or self.refusals.get("any")
            if refusal is not None:
                raise refusal.with_traceback(None)
            if not self.key_accepted:
                raise AuthFailed("invalid x-api-key", from_service=True, status=401, maybe_stored=False)
            return effect()


class FakeDownload:
    """A body that never breaks."""

    def __init__(self, content: bytes, offset: int, total: int | None, *, ranged: bool) -> None:
        self._content = content
        self.offset = offset
        self.ranged = ranged
        self.total = total
        self.mime_type = ""
        self.encoding = ""
        self.signed = True

    def take_as_it_is(self) -> None:
        pass

    def park(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), PIECE_BYTES):
            yield self._content[start:start + PIECE_BYTES]


class FakeCarrier:
    """A connection that says what a test says."""

    def __init__(self, body: Body) -> None:
        self.left: int | None = body.size_bytes()
        self._handed = 0
        body.goes(self)
        body.begin(0)
        self._handed = body.size_bytes()
        body.end()

    def handed(self) -> int:
        return self._handed

    def unacknowledged(self) -> int | None:
        return self.left

    def shut_down(self) -> None:
        self.left = None


def body_of(folder: Path, content: bytes) -> Body:
    """A sealed stage with this content, on its way out."""
    path = folder / "stage"
    path.write_bytes(content)
    return Body(path, Clock(), lambda: False)


def entries(index: Lookups, parent: NodeId) -> list[tuple[str, NodeId, bool]]:
    """What Index.each_entry shows, as a list."""
    found: list[tuple[str, NodeId, bool]] = []
    index.each_entry(parent, lambda *entry: found.append(entry))
    return found
