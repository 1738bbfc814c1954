"""Requests to the service, one after the other.

Owns    the count of what was sent and its budget, the waits that the service asks for, and which headers were seen.
Trusts  nothing that comes back; words.py reads it.
Never   shows a header that it sends: the key is in one. Never asks an upload twice, but after a 429.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import httpx

from anthrofs.config import Credentials
from anthrofs.config import Service as Whom
from anthrofs.errors import EXIT_AUTH, EXIT_FAILED

from .words import Answer, date_s, said

BUDGET: Final = 64              # requests of a run, those that clean up included
BODY_LIMIT: Final = 24 << 20    # of an answer that is read: files above 20 MB aren't asked for
PATIENCE_S: Final = 90.0        # of all waits for rate limits together
PAUSE_S: Final = 1.0            # before the one repetition after an error that may pass
SHAPES: Final[Mapping[str, Mapping[str, str]]] = {
    "beta": {"anthropic-beta": "files-api-2025-04-14"}, "ga": {}, "agents": {"anthropic-beta": "managed-agents-2026-04-01"}}


class Stop(Exception):
    """The run can't go on: why, for a person, and with which exit code it ends."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class NoAnswer(Exception):
    """This question got no answer; others may."""


class Exhausted(NoAnswer):
    """The budget is."""


class NothingToAsk(Exception):
    """This workspace has nothing that the question could be asked about; no failure."""


class Cut(Exception):
    """The connection was ended on purpose, once the body was out."""


class Service:
    def __init__(self, whom: Whom, say: Callable[[str], None], reserve: Callable[[], int]) -> None:
        self._whom = whom               # given
        self._say = say                 # given: a line of progress
        self._reserve = reserve         # given: how many requests cleaning up will take

        self.sent = 0                   # the main thread only, as everything here
        self.headers: list[tuple[int, dict[str, str]]] = []    # of every answer, with its status
        self._waited_s = 0.0
        self._client = self._connect()

    def close(self) -> None:
        self._client.close()

    def reconnect(self) -> None:
        """New connections: an interruption may have left the old ones in the middle of an answer."""
        self._client.close()
        self._client = self._connect()

    def _connect(self) -> httpx.Client:
        assert isinstance(self._whom.credentials, Credentials)      # main has seen to that
        headers = {"anthropic-version": "2023-06-01", "user-agent": "anthrofs-probe/1", "accept-encoding": "identity", **dict(self._whom.headers),
                   self._whom.credentials.header: self._whom.credentials.value}
        if self._whom.workspace_id:
            headers["anthropic-workspace-id"] = self._whom.workspace_id
        return httpx.Client(base_url=self._whom.base_url, headers=headers, timeout=httpx.Timeout(30, connect=10))

    def ask(self, method: str, path: str, *, shape: str = "beta", params: Mapping[str, str | int | list[str]] | None = None,
            headers: Mapping[str, str] | None = None, content: bytes | None = None, read_bytes: int = BODY_LIMIT,
            beyond: bool = False) -> Answer:
        """One question. Raises NoAnswer and Stop; a refusal (4xx) is an answer. `beyond`: the budget, to clean up."""
        again = method != "POST" and not beyond
        while True:
            if not beyond:
                self._spend()
            try:
                answer = self._exchange(method, path, shape, params, headers or {}, content, read_bytes)
            except httpx.TransportError as exc:
                if not again:
                    raise NoAnswer(f"the connection broke: {_words(exc)}") from exc
            else:
                if answer.status == 401:
                    raise Stop(f"the service doesn't accept the credentials: {said(answer)}", EXIT_AUTH)
                if answer.status == 429:
                    self._wait(answer)
                    continue
                if answer.status < 500:
                    return answer
                if not again:
                    raise NoAnswer(said(answer))
            again = False
            time.sleep(PAUSE_S)

    def cut(self, content: bytes, headers: Mapping[str, str], *, missing: int) -> None:
        """An upload whose connection ends when all but `missing` bytes of its body are out. Raises NoAnswer and Stop."""
        self._spend()

        def pieces() -> Iterator[bytes]:
            yield content[:len(content) - missing]
            raise Cut

        try:
            answer = self._exchange("POST", "/v1/files", "beta", None, {**headers, "content-length": str(len(content))}, pieces(), 1 << 16)
        except Cut:
            return
        except httpx.TransportError as exc:
            raise NoAnswer(f"the connection broke: {_words(exc)}") from exc
        raise NoAnswer(f"answered before the body was out: {said(answer)}")

    def _spend(self) -> None:
        """Raises Exhausted."""
        if self.sent + self._reserve() >= BUDGET:
            raise Exhausted(f"not asked: the budget of {BUDGET} requests is used up")

    def _exchange(self, method: str, path: str, shape: str, params: Mapping[str, str | int | list[str]] | None,
                  headers: Mapping[str, str], content: bytes | Iterable[bytes] | None, read_bytes: int) -> Answer:
        query = {**(params or {}), **({"beta": "true"} if shape == "beta" else {})}
        request = self._client.build_request(method, path, params=query or None, content=content, headers={**SHAPES[shape], **headers})
        self.sent += 1
        sent_s = time.time()
        try:
            response = self._client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as exc:
            raise Stop(f"no connection to {request.url.host}: {_words(exc)}") from exc
        came_s = time.time()
        body = b""
        try:
            for piece in response.iter_bytes():
                body += piece
                if len(body) >= read_bytes:
                    break
        finally:
            response.close()
        self.headers.append((response.status_code, {name.lower(): value for name, value in response.headers.items()}))
        return Answer(response.status_code, response.headers, body, sent_s, came_s)

    def _wait(self, answer: Answer) -> None:
        """As long as a 429 asks. Raises Stop when that is too long."""
        wait_s = _retry_after_s(answer)
        if self._waited_s + wait_s > PATIENCE_S:
            raise Stop(f"the service limits the rate of requests and asks to wait {wait_s:.0f} s: run this again later")
        self._say(f"the rate is limited: waiting {wait_s:.0f} s")
        self._waited_s += wait_s
        time.sleep(wait_s)


def _retry_after_s(answer: Answer) -> float:
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = answer.headers.get(name, "")
        try:
            wait_s = float(text) / unit
        except ValueError:
            moment_s = date_s(text) if text else None
            wait_s = -1.0 if moment_s is None else max(0.0, moment_s - answer.came_s)
        if 0 <= wait_s < float("inf"):
            return wait_s
    return 10.0


def _words(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
