"""The object stores that obstore knows: S3 and what speaks its language, Google's, Azure's, and a directory.

Owns    clients, made in the mount's own process: one that was used doesn't survive a fork. Each call has a thread of
        its own, which may be left behind. (obstore's own asynchronous calls come back by threads that abort the process
        when it is about to end.)
Trusts  the environment for credentials, as the stores' own tools do; it is read once, when a store is made.
Never   waits without a bound: a call that a hung directory or a silent server keeps is left behind.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from urllib.parse import unquote, urlsplit

import obstore
from obstore import exceptions, store

from anthrofs.clock import Clock
from anthrofs.errors import NotStored, StoreAway, StoreRefuses
from anthrofs.fleet import directory, store_words
from anthrofs.fleet.aws_profile import Profile
from anthrofs.fleet.object_store import Listed
from anthrofs.fleet.rest import Rest
from anthrofs.fleet.seal import LARGEST_BYTES

log = logging.getLogger(__name__)

CONNECT_S: Final = 1.0
GET_S: Final = 15.0             # a chunk, or a page of a listing
PUT_S: Final = 120.0            # a chunk, over a line of 35 KB/s
SPARE_S: Final = 3.0            # over that, which a retry may begin anew, until a call is left behind
HANGING: Final = 64             # calls that were left behind and haven't come back: then no more are begun
PAGE: Final = 1000              # objects, as most stores list them
ENDING: Final = "the mount is ending"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Its own retry: a kept connection that the store has ended meanwhile. More than that is for the rest.
RETRY: "Final[store.RetryConfig]" = {
    "max_retries": 1, "retry_timeout": timedelta(seconds=2),
    "backoff": {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(milliseconds=100), "base": 2}}

Found = TypeVar("Found")


class Objects:
    """A prefix of one bucket, as object_store.py promises it."""

    def __init__(self, url: str, rest: Rest, clock: Clock) -> None:
        """Reads the environment; asks nothing yet."""
        self._url = url                         # constant
        self._rest, self._clock = rest, clock   # given
        self._directory = _directory_of(url)    # constant; None: the store isn't one

        self._lock = threading.Lock()           # guards the following; a leaf
        self._clients: dict[float, store.ObjectStore] = {}      # by the bounds of their calls
        self._refused: dict[str, str] = {}      # why, by what is refused; that is said once
        self._took_s: float | None = None       # the last call that the store did
        self._awaited = set[Future[Any]]()      # answers that somebody waits for
        self._hanging = list[Future[Any]]()     # those that nobody waits for any more
        self._stopping = False
        self._marked = False                    # the directory is known to have a mark, see directory.py

        if self._directory is None:             # a directory's may have to wait for it
            with contextlib.suppress(exceptions.BaseError):     # what is wrong is said when it is asked
                self._clients = {bound_s: _client_of(url, bound_s) for bound_s in (GET_S, PUT_S)}

    def put(self, path: str, body: bytes, *, create: bool) -> bool:
        """See ObjectStore."""
        def put() -> None:
            client = self._client(PUT_S)

            def one() -> None:
                obstore.put(client, path, body, mode="create" if create else "overwrite", use_multipart=False)
            if self._directory is None:
                one()
            else:
                directory.put(self._directory, path, one)
                self._mark(self._directory)
        try:
            self._ask("puts", put, PUT_S)
        except exceptions.AlreadyExistsError:
            return False
        except NotStored:
            raise self._refusal("puts", StoreRefuses(_nowhere(self._directory))) from None
        return True

    def expect(self) -> None:
        """Members have put something there: a directory without a mark isn't the store."""
        with self._lock:
            self._marked = True

    def get(self, path: str, patience_s: float | None = None) -> bytes:
        """See ObjectStore."""
        begun = threading.Event()

        def get() -> bytes:
            client = self._client(GET_S)
            if self._directory is not None:
                directory.look(self._directory, path)
            answer = obstore.get(client, path)
            begun.set()
            if answer.meta["size"] > LARGEST_BYTES:
                return b""              # no chunk is so large: it isn't worth its memory
            return bytes(answer.bytes())
        return self._ask("reads", get, GET_S, None if patience_s is None else lambda: begun.wait(patience_s))

    def has(self, path: str) -> bool:
        """See ObjectStore."""
        def head() -> None:
            client = self._client(GET_S)
            if self._directory is not None:
                directory.look(self._directory, path)
            else:
                obstore.head(client, path)
        try:
            self._ask("reads", head, GET_S)
        except NotStored:
            return False
        return True

    def list(self, prefix: str) -> Iterator[Listed]:
        """See ObjectStore."""
        pages: Iterator[Sequence[Listed]] | None = None

        def page() -> Sequence[Listed]:
            nonlocal pages
            pages = pages or self._pages(prefix)
            return next(pages, ())
        while found := self._ask("listings", page, GET_S):
            yield from found

    def _pages(self, prefix: str) -> Iterator[Sequence[Listed]]:
        client = self._client(GET_S)
        if self._directory is not None:
            files = directory.walk(self._directory, prefix)
            while found := list(islice(files, PAGE)):
                yield found
            return
        for page in obstore.list(client, prefix, chunk_size=PAGE):
            yield [Listed(each["path"], each["size"],
                          (each["last_modified"] - EPOCH) // timedelta(microseconds=1) * 1000) for each in page]

    def folders(self, prefix: str) -> Sequence[str]:
        """See ObjectStore."""
        def folders() -> Sequence[str]:
            client = self._client(GET_S)
            if self._directory is not None:
                return directory.folders(self._directory, prefix)
            found = obstore.list_with_delimiter(client, prefix)
            return [each.rstrip("/").rpartition("/")[2] for each in found["common_prefixes"]]
        return self._ask("listings", folders, GET_S)

    def remove(self, paths: Sequence[str]) -> None:
        """See ObjectStore."""
        for path in paths:
            def remove(path: str = path) -> None:
                client = self._client(GET_S)
                if self._directory is not None:
                    directory.remove_stages(self._directory, path)
                    directory.look(self._directory, path)
                obstore.delete(client, path)
            try:
                self._ask("removals", remove, GET_S)
            except NotStored:
                continue

    def stop(self) -> None:
        """Nobody waits for an answer any more: the mount is ending."""
        with self._lock:
            self._stopping, awaited = True, list(self._awaited)
        for answer in awaited:
            with contextlib.suppress(InvalidStateError):        # it has just come
                answer.set_exception(StoreAway(ENDING))

    def signed(self, path: str) -> str | None:
        """See fleet/check.CheckedStore."""
        def sign() -> str | None:
            client = self._client(GET_S)
            if not isinstance(client, store.S3Store):
                return None
            return obstore.sign(client, "HEAD", path, timedelta(minutes=1))
        return self._ask("reads", sign, GET_S)

    def hurry(self) -> None:
        """See ObjectStore."""
        self._rest.hurry()

    def facts(self) -> dict[str, Any]:
        """Returns what status shows of the store, from memory."""
        away = self._rest.away()
        with self._lock:
            refused, took_s = dict(self._refused), self._took_s
        why = "; ".join(f"{kind} are refused: {reason}" for kind, reason in refused.items() if kind != "puts")
        return {"answers_s": took_s, "away_since": None if away is None else away.since_ns / 1e9,
                "why": away.reason if away is not None else why or None, "refused": refused.get("puts")}

    def _ask(self, kind: str, call: Callable[[], Found], bound_s: float,
             begins: Callable[[], bool] | None = None) -> Found:
        """Runs the call by a thread of its own; its end is heard by the rest, whoever still waits for it."""
        probe, answer = self._rest.enter(), Future[Found]()
        with self._lock:
            if self._stopping:
                raise StoreAway(ENDING)
            self._hanging = hanging = [each for each in self._hanging if not each.done()]
            self._awaited.add(answer)
        try:
            if len(hanging) >= HANGING:
                raise self._failed("it hangs", probe=probe)
            return self._await(answer, threading.Thread(
                target=self._run, args=(answer, kind, call, probe), name="store", daemon=True), bound_s, begins)
        except TimeoutError:            # the client has no bound of its own: it is a directory's
            with self._lock:
                self._hanging.append(answer)
            raise self._failed("it hangs", probe=probe) from None
        except RuntimeError:            # the system gives no more threads
            raise self._failed("no thread for a call", probe=probe) from None
        finally:
            with self._lock:
                self._awaited.discard(answer)

    def _await(self, answer: Future[Found], thread: threading.Thread, bound_s: float,
               begins: Callable[[], bool] | None) -> Found:
        thread.start()
        if begins is not None and not begins() and not answer.done():
            raise StoreAway(f"{self._url} hasn't begun to answer")
        return answer.result(bound_s + SPARE_S)

    def _run(self, answer: Future[Found], kind: str, call: Callable[[], Found], probe: bool) -> None:
        try:
            found = self._told(kind, call, probe=probe)
        except BaseException as exc:
            with contextlib.suppress(InvalidStateError):        # nobody waits for it any more
                answer.set_exception(exc)
        else:
            with contextlib.suppress(InvalidStateError):        # the same
                answer.set_result(found)

    def _told(self, kind: str, call: Callable[[], Found], *, probe: bool) -> Found:
        began_s = self._clock.now_s()
        try:
            found = call()
        except FileNotFoundError as exc:
            self._rest.answered()
            if store_words.has_no_bucket(exc):
                raise self._refusal(kind, StoreRefuses(store_words.NO_BUCKET)) from None
            if self._directory is not None and not self._directory.is_dir():        # nothing is said of what it has
                raise self._refusal(kind, StoreRefuses(_nowhere(self._directory))) from None
            raise NotStored("the store has no such object") from None
        except exceptions.AlreadyExistsError:
            self._rest.answered()
            raise
        except (StoreRefuses, exceptions.BaseError, OSError, ValueError) as exc:
            means = exc if isinstance(exc, StoreRefuses) else store_words.meaning(exc)
            if isinstance(means, StoreRefuses):
                self._rest.answered()
                raise self._refusal(kind, means) from None
            raise self._failed(str(means), probe=probe) from None
        except Exception as exc:
            log.exception("bug in a store's call")
            raise self._failed(f"a bug: {type(exc).__name__}", probe=probe) from None
        self._rest.answered()
        self._accepted(kind, self._clock.now_s() - began_s)
        return found

    def _failed(self, reason: str, *, probe: bool) -> StoreAway:
        self._rest.failed(reason, probe=probe)
        return StoreAway(f"{self._url}: {reason}")

    def _refusal(self, kind: str, means: StoreRefuses) -> StoreRefuses:
        if means.of_one:
            return means
        with self._lock:
            was, self._refused[kind] = self._refused.get(kind), str(means)
        if was is None:
            log.warning("the store %s refuses %s: %s", self._url, kind, means)
        return StoreRefuses(f"{self._url}: {means}")

    def _accepted(self, kind: str, took_s: float) -> None:
        with self._lock:
            self._took_s = took_s
            was = self._refused.pop(kind, None)
        if was is not None:
            log.warning("the store %s takes %s again", self._url, kind)

    def _client(self, bound_s: float) -> store.ObjectStore:
        """Returns the client whose calls have that bound. Raises what making it raises, and StoreRefuses when its
        directory isn't the one that it was.
        """
        if self._directory is not None:
            self._recognize(self._directory)
        with self._lock:
            found = self._clients.get(bound_s)
        if found is None:
            found = _client_of(self._url, bound_s)
            with self._lock:
                self._clients[bound_s] = found
        return found

    def _recognize(self, root: Path) -> None:
        if not root.is_dir():
            raise StoreRefuses(_nowhere(root))
        with self._lock:
            known = self._marked        # before the look: another thread's put may make the mark meanwhile
        if directory.is_marked(root):
            self.expect()
        elif known:
            raise StoreRefuses(f"the directory {root} isn't the store, for there is no {directory.MARK} in it. Is its "
                               "disk mounted? (If it is empty on purpose, make that file)")

    def _mark(self, root: Path) -> None:
        with self._lock:
            if self._marked:
                return
        with contextlib.suppress(OSError):      # it is asked again at the next put
            directory.mark(root)
            self.expect()


def objects_of(url: str, clock: Clock) -> Objects:
    """Returns the store of that address, which hasn't been asked yet."""
    return Objects(url, Rest(f"the store {url}", StoreAway, clock), clock)


def _client_of(url: str, bound_s: float) -> store.ObjectStore:
    path = _directory_of(url)
    if path is not None:
        return store.LocalStore(path, automatic_cleanup=True)
    options: store.ClientConfig = {"connect_timeout": timedelta(seconds=CONNECT_S),
                                   "timeout": timedelta(seconds=bound_s), "allow_http": True}
    if url.startswith("s3:"):
        profile = Profile(os.environ, Path.home())
        region = cast("store.S3Config", {} if profile.region is None else {"region": profile.region})
        return store.from_url(url, config=region, client_options=options, retry_config=RETRY, credential_provider=cast(
            "store.S3CredentialProvider | None", profile if profile.has_keys() else None))
    return store.from_url(url, client_options=options, retry_config=RETRY)


def _directory_of(url: str) -> Path | None:
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _nowhere(directory: Path | None) -> str:
    return store_words.NO_BUCKET if directory is None else f"there is no directory {directory}"
