"""The five calls over HTTP.

Owns    the connection pool's use, and, through its parts, what answers teach on the way: the server's clock, the
        workspace's name.
Trusts  nothing that comes back: answers.py reads it.
Never   retries, waits for a budget, or logs a header: the key is in one.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from urllib.parse import quote

import httpx

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Service, Timeouts
from anthrofs.errors import (
    EXIT_USAGE,
    BadAnswer,
    Gone,
    InTheWay,
    NoAnswer,
    Offline,
    RemoteError,
    SetupError,
    Unavailable,
)
from anthrofs.model import Cursor, FileId, Page, RemoteFile, ServerClock, Workspace
from anthrofs.remote import answers, wire
from anthrofs.remote.api import Body
from anthrofs.remote.bounds import ANSWER_BYTES, ERROR_BYTES, begin_of
from anthrofs.remote.dates import Dates
from anthrofs.remote.download import HttpDownload
from anthrofs.remote.form import Form
from anthrofs.remote.identity import Holder, Identity, Token
from anthrofs.remote.redirects import NEUTRAL, Hop, hop_of
from anthrofs.remote.transport import Transport
from anthrofs.remote.words import without_secrets

BETAS: Final = {"beta": "files-api-2025-04-14", "agents": "managed-agents-2026-04-01"}      # a header chooses the shape
ACCEPTED: Final = frozenset({200, 201, 206})
NO_CONTENT: Final = 204
DELETED: Final = frozenset({200, 202, NO_CONTENT})
WORDS_LIMIT: Final = 500        # of what a library says of a connection
UNCACHED: Final = {"cache-control": "no-cache, no-store", "pragma": "no-cache"}
CACHED_TRIES: Final = 3             # for a listing that doesn't come out of a cache on the way
CACHED_LIMITS: Final = 50           # ways to ask for nearly the same number of files


def connect(service: Service, timeouts: Timeouts, environ: Mapping[str, str] = os.environ,
            transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """A pool for this service, by the way that the environment says, or over another transport. Raises SetupError for
    an environment that can't be used.
    """
    headers = {"anthropic-version": "2023-06-01", "user-agent": "anthrofs/0.1", "accept-encoding": "identity"}
    if isinstance(service.credentials, Credentials):        # a profile's token comes with each request
        headers[service.credentials.header.lower()] = service.credentials.value
    headers |= dict(service.headers)
    if service.shape in BETAS:
        headers["anthropic-beta"] = BETAS[service.shape]
    if service.workspace_id:
        headers["anthropic-workspace-id"] = service.workspace_id
    try:
        base_url = httpx.URL(service.base_url)
    except (httpx.InvalidURL, ValueError):          # a host's name in letters that no name has
        raise SetupError("The base URL has a host that can't be asked for: correct ANTHROPIC_BASE_URL.",
                         EXIT_USAGE) from None
    return httpx.Client(
        base_url=base_url,
        headers=headers,
        params={"beta": "true"} if service.shape == "beta" else None,
        timeout=httpx.Timeout(connect=timeouts.connect_s, read=timeouts.read_s, write=timeouts.write_s,
                              pool=timeouts.pool_s),
        transport=transport or Transport(environ, service.base_url, direct=service.direct), trust_env=False,
    )


class HttpFiles:
    """One workspace behind one pool of connections."""

    def __init__(self, client: httpx.Client, clock: Clock, first_s: float = Timeouts.first_s,
                 scope_id: str | None = None, holder: Holder | None = None, answer_s: float = Timeouts.answer_s,
                 sent: Callable[[], None] = lambda: None) -> None:
        self._client = client                   # given
        self._clock = clock                     # given
        self._sent = sent                       # given: told before each request to the service, of which a call may
                                                # take several
        self._identity = Identity(holder)       # without a holder the client's headers say it
        self._dates = Dates(clock)              # constant
        self._scope = {} if scope_id is None else {"scope_id": scope_id}    # constant
        limits = client.timeout
        # Of an upload: as long as the connection lives (wire.py), the other side may be busy with what it has.
        self._answer_patience = httpx.Timeout(connect=limits.connect, read=answer_s, write=answer_s,
                                              pool=limits.pool)      # constant
        # constant
        self._patience = httpx.Timeout(connect=limits.connect, read=first_s, write=limits.write, pool=limits.pool)

        self._lock = threading.Lock()           # guards everything below
        self._requests = 0
        self._cached = 0            # listings that came out of a cache on the way

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        """See RemoteFiles."""
        params: dict[str, str | int] = {"limit": limit, **self._scope}
        if cursor is not None:
            params[cursor.parameter] = cursor.value
        for _ in range(CACHED_TRIES):
            asked_s = self._clock.now_s()
            with ExitStack() as stack:
                response = self._send("GET", "/v1/files", params=params, headers=UNCACHED)
                stack.callback(response.close)
                body = self._body_of(response)
                page = answers.plain_page_of(body)
                answer = None if page is not None else _value(response, body)
            if answers.age_s(response.headers) <= 0 or limit == 1:
                break
            # Caches know the address only, and some ignore what the request says of them.
            with self._lock:
                self._cached += 1
                params["limit"] = limit - self._cached % min(limit, CACHED_LIMITS)
        return (page or answers.page_of(answer, sample=limit == 1)).between(asked_s, self._clock.now_s())

    def stat(self, file_id: FileId) -> RemoteFile:
        """See RemoteFiles."""
        return answers.only_file_of(self._json("GET", _path(file_id), headers=UNCACHED))

    def delete(self, file_id: FileId) -> None:
        """See RemoteFiles. A gateway may answer without a body, or with JSON of its own; a page proves nothing."""
        with ExitStack() as stack:
            response = self._send("DELETE", _path(file_id), accepted=DELETED)
            stack.callback(response.close)
            answer = self._json_of(response) if response.status_code != NO_CONTENT else {}
        if not isinstance(answer, dict) or "error" in answer:
            raise BadAnswer("the answer to a deletion doesn't say that it was done", status=response.status_code)

    def upload(self, name: str, mime_type: str, body: Body, expires_s: int | None = None) -> RemoteFile:
        """See RemoteFiles."""
        form, sent_ns = Form(name, mime_type, body, expires_s), self._clock.time_ns()
        carried = wire.CARRIES.set(body.goes)
        try:
            file = answers.only_file_of(self._json("POST", "/v1/files", content=form, headers=form.headers(),
                                    timeout=self._answer_patience))
        except NoAnswer as exc:
            # The end of the body was not handed over, so the server can't have all of it.
            exc.maybe_stored = exc.maybe_stored and body.over_s is not None
            raise
        finally:
            wire.CARRIES.reset(carried)
        self._dates.stored(file, sent_ns)
        return file

    def download(self, file_id: FileId, first: int = 0, last: int | None = None) -> "HttpDownload":
        """See RemoteFiles."""
        headers = {"accept": "application/binary"}
        if first or last is not None:
            headers["range"] = f"bytes={first}-{'' if last is None else last}"
        response = self._send("GET", f"{_path(file_id)}/content", headers=headers, timeout=self._patience)
        return HttpDownload(response, first)

    def has_session(self, session_id: str) -> bool:
        """Whether the service knows this agent session. Raises RemoteError where it doesn't say."""
        try:
            self._json("GET", f"/v1/sessions/{quote(session_id, safe='')}")
        except Gone:
            return False
        return True

    def clock(self) -> ServerClock | None:
        """See RemoteFiles."""
        return self._dates.clock()

    def workspace(self) -> Workspace:
        """See RemoteFiles."""
        return self._identity.workspace()

    def read_key_again(self) -> bool:
        """Somebody says that there is another key. False: it was given once and for all."""
        return self._identity.read_again()

    def requests(self) -> int:
        """How many requests were sent since the start."""
        with self._lock:
            return self._requests

    def _json(self, method: str, path: str, **kwargs: Any) -> object:
        with ExitStack() as stack:
            response = self._send(method, path, **kwargs)
            stack.callback(response.close)
            return self._json_of(response)

    def _json_of(self, response: httpx.Response) -> object:
        """The JSON of a success."""
        body = self._body_of(response)
        return _value(response, body) if body or response.request.method != "DELETE" else {}

    def _body_of(self, response: httpx.Response) -> bytes:
        """The whole body of a success, as it was before it was packed."""
        try:
            raw = begin_of(response.iter_raw(), self._clock, ANSWER_BYTES)
        except httpx.TransportError as exc:
            raise NoAnswer(f"the answer was cut: {words_of(exc)}") from exc
        body = answers.decoded(raw, response.headers.get("content-encoding", ""), ANSWER_BYTES)
        if max(len(raw), len(body)) >= ANSWER_BYTES:
            raise BadAnswer(f"the answer is longer than any: more than {ANSWER_BYTES} bytes",
                            status=response.status_code)
        return body

    def _send(self, method: str, path: str, *, accepted: frozenset[int] = ACCEPTED, **kwargs: Any) -> httpx.Response:
        """One exchange, up to the headers of a success; more for redirects, and for a token that had ended. Raises
        RemoteError's classes only. A body goes out again where the first answer said that nothing was stored.
        """
        hop, hops, renewed, own = None, 0, False, None
        while True:
            request, token = self._request(method, path, hop, kwargs)
            elsewhere = hop is not None and not hop.trusted
            own = own if own is not None and elsewhere else request     # the last one with the key
            response = self._answer(request, elsewhere=elsewhere)
            with ExitStack() as stack, _discreet(own):
                stack.callback(response.close)
                if not elsewhere:
                    self._identity.answered(response.headers, token, well=response.status_code in ACCEPTED)
                if response.status_code in accepted:
                    stack.pop_all()
                    return response
                hop = hop_of(method, str(request.url), response.status_code, response.headers.get("location"),
                             content=path.endswith("/content"), hops=hops, trusted=not elsewhere)
                if hop is not None:
                    hops += 1
                    continue
                error = self._error(response)
            if elsewhere:       # what it says of a key, or of an id, isn't the service's word
                raise Unavailable(f"{request.url.host}, where the content is said to be: {error}", maybe_stored=False)
            if (error.status != 401 or token is None or renewed or not self._identity.rejected(token)
                    or (method == "POST" and error.maybe_stored)):
                raise error
            renewed = True

    def _request(self, method: str, path: str, hop: Hop | None,
                 kwargs: Mapping[str, Any]) -> tuple[httpx.Request, Token | None]:
        """Signed, unless it goes to another host."""
        if hop is None:
            request = self._client.build_request(method, path, **kwargs)
        else:
            url = url_of(hop.url, "the address that the request was redirected to")
            request = self._client.build_request(method, url, **{**kwargs, "params": None})
            request.url = url                       # with its own query, and none of ours
            if not hop.trusted:
                headers = {name: value for name, value in request.headers.items() if name in NEUTRAL}
                return httpx.Request(method, url, headers=headers, extensions=request.extensions), None
        return request, self._identity.sign(request.headers, changing=method != "GET", look=lambda: self.list(1))

    def _answer(self, request: httpx.Request, *, elsewhere: bool) -> httpx.Response:
        with self._lock:
            self._requests += 1
        if not elsewhere:
            self._sent()
        sent_ns = self._clock.time_ns()
        try:
            with wire.bounded_head():
                response = self._client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as exc:
            kind = NoAnswer if elsewhere else Offline
            raise kind(f"no connection to {request.url.host}: {words_of(exc)}", maybe_stored=False) from exc
        except httpx.PoolTimeout as exc:
            raise NoAnswer("all connections are busy", maybe_stored=False) from exc
        except (httpx.TransportError, httpx.InvalidURL, ValueError) as exc:     # httpx reads a redirect's target, too
            raise NoAnswer(f"no answer from {request.url.host}: {words_of(exc)}") from exc
        if not elsewhere:
            self._dates.answered(response.headers, sent_ns)
        return response

    def _error(self, response: httpx.Response) -> RemoteError:
        body = answers.decoded(some_of(response, self._clock), response.headers.get("content-encoding", ""),
                               ERROR_BYTES)
        body = without_secrets(body, response.request.headers)
        error = answers.error_of(response.status_code, response.headers, body, self._clock.time_ns() / 1e9)
        _tell_nothing(error, response.request)      # its request id is of a header
        return error


def _path(file_id: FileId) -> str:
    """Ids are opaque: one that looks like a path stays one component."""
    quoted = quote(file_id, safe="")
    return "/v1/files/" + (quoted.replace(".", "%2E") if set(quoted) == {"."} else quoted)


def _value(response: httpx.Response, body: bytes) -> object:
    return answers.value_of(body, response.status_code, response.headers, response.request.headers)


@contextmanager
def _discreet(request: httpx.Request) -> Iterator[None]:
    """No header of an answer gives the request's secrets to the words of an error."""
    try:
        yield
    except RemoteError as exc:
        _tell_nothing(exc, request)
        raise


def _tell_nothing(exc: RemoteError, request: httpx.Request) -> None:
    said = without_secrets(str(exc).encode(errors="replace"), request.headers)
    exc.args = (said.decode(errors="replace"),)


def url_of(text: str, what: str) -> httpx.URL:
    """An address that somebody else has named. Raises InTheWay for what urlsplit takes for one, and httpx doesn't."""
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise InTheWay(f"{what} can't be asked", maybe_stored=False) from None


def some_of(response: httpx.Response, clock: Clock) -> bytes:
    """The body of an answer that is read for its words only."""
    try:
        return begin_of(response.iter_raw(), clock, ERROR_BYTES)
    except (httpx.TransportError, NoAnswer):
        return b""              # half of an envelope proves nothing: taken for a proxy's


def words_of(exc: Exception) -> str:
    """A library's words of a connection that failed."""
    return (str(exc) or type(exc).__name__)[:WORDS_LIMIT]       # it may quote what came
