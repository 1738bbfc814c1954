"""Whatever a service, or something on the way to it, answers: a value or one of RemoteError's classes comes of it, and no secret is in its words."""

import itertools
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.config import Credentials, Profile, Service, Timeouts
from anthrofs.errors import InTheWay, RemoteError
from anthrofs.model import Cursor, FileId
from anthrofs.remote import answers, words
from anthrofs.remote.dates import Dates
from anthrofs.remote.grants import grant_of
from anthrofs.remote.http import HttpFiles, connect
from anthrofs.remote.redirects import hop_of
from tests.fakes import EPOCH_NS, SECOND_NS, FakeClock, body_of
from tests.fuzz.fuzzing import CANARY, WILD, bodies, judge, leaves, numbers, objects, target, texts, values, written

URL: Final = "https://service.test/base"

times = st.one_of(texts, st.datetimes().map(lambda moment: moment.isoformat()), st.sampled_from(
    ["2026-08-02T17:43:56.144000Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "Wed, 21 Oct 2026 07:28:00 GMT", "0 0 0 0 0", ",", "Mon, 99"]))
entries = objects(type=st.just("file"), id=st.one_of(st.just("file_011CdeLUpakHYCG43qGLsdXo"), texts), filename=texts,
                  size_bytes=st.one_of(st.integers(0, 2**70), numbers), created_at=times, expires_at=times, mime_type=texts, downloadable=leaves,
                  scope=objects(id=texts, type=texts))
pages = objects(data=st.lists(st.one_of(entries, entries, values), max_size=4), has_more=st.booleans(), last_id=texts, first_id=texts, next_page=texts)
errors = objects(type=st.just("error"), request_id=texts,
                 error=objects(type=st.one_of(st.sampled_from(["not_found_error", "invalid_request_error", "api_error"]), texts), message=texts,
                               details=objects(error_code=st.one_of(st.sampled_from(["storage_quota_exceeded", "file_expired", "cmek_x"]), texts))))
messages = st.one_of(bodies, errors.map(written), pages.map(written), entries.map(written))
statuses = st.one_of(st.sampled_from([200, 201, 204, 206, 301, 302, 303, 307, 308, 400, 401, 403, 404, 407, 408, 409, 413, 416, 429, 500, 503, 529]),
                     st.integers(200, 999))
locations = st.one_of(texts, st.builds(lambda scheme, host, path: f"{scheme}{host}{path}", st.sampled_from(["", "http://", "https://", "//", "ftp://", "https:"]),
                                       st.one_of(st.sampled_from(["service.test", "other.test:0", "other.test:99999", "[::1]", "[::1", "u:p@service.test",
                                                                  "\u2603", "\u00ad", "x" * 300, f"{CANARY}.test"]), texts), st.one_of(st.just(""), texts, texts.map("/".__add__), st.just("/\u2603?\u2603"), st.just("/" + "y" * 70_000))))
header_values = st.one_of(texts, times, st.integers(-5, 10**20).map(str), st.sampled_from(["gzip", "deflate", "br", "identity", "gzip, gzip", "true", "false"]))
NAMES: Final = ("content-type", "content-length", "content-encoding", "content-range", "retry-after", "retry-after-ms", "x-should-retry", "request-id", "date", "age",
                "location", "anthropic-organization-id", "anthropic-workspace-id", "set-cookie", "x-odd")


def sendable(text: str) -> str:
    """Of a text, what a header's value can be."""
    return "".join(character for character in text if character == "\t" or " " <= character <= "~" or "\xa0" <= character <= "\xff").strip()


headers = st.dictionaries(st.sampled_from(NAMES), st.one_of(header_values, locations).map(sendable), max_size=5)


@target(150)
@given(status=statuses, headers=st.dictionaries(st.sampled_from(NAMES), header_values, max_size=4), body=messages)
def test_an_answer_that_is_no_success_is_an_error(status: int, headers: dict[str, str], body: bytes) -> None:
    answered = httpx.Headers([(name.encode(), sendable(value).encode("latin-1")) for name, value in headers.items()])
    exc = answers.error_of(status, answered, words.without_secrets(body, {"x-api-key": CANARY}), EPOCH_NS / 1e9)
    assert exc.status == status
    assert exc.retry_after_s is None or 0 <= exc.retry_after_s <= answers.LONGEST_ADVICE_S
    judge(exc, secret="")       # a header's are for http.py to take away


@target(150)
@given(body=st.one_of(pages, values), sample=st.booleans())
def test_a_page_is_files_or_an_error(body: object, *, sample: bool) -> None:
    with suppress(RemoteError):
        page = answers.page_of(body, sample=sample)
        for file in page.files:
            assert file.file_id
            assert 0 <= file.size_bytes < 2**63
            assert -2**63 <= file.created_ns < 2**63
            for text in (file.file_id, file.name, file.mime_type):
                text.encode()           # a database takes it


@target(100)
@given(text=st.one_of(times, values), headers=st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "age", "date"]), st.one_of(header_values, times), max_size=4))
def test_a_time_is_one_or_none(text: object, headers: dict[str, str]) -> None:
    found = answers.ns_of(text)
    assert found is None or -2**63 <= found < 2**63
    wait_s = answers.retry_after_s(headers, EPOCH_NS / 1e9)
    assert wait_s is None or 0 <= wait_s <= answers.LONGEST_ADVICE_S
    assert answers.age_s(headers) >= 0
    dates = Dates(FakeClock())
    dates.answered(headers, EPOCH_NS - SECOND_NS)
    clock = dates.clock()
    assert clock is None or clock.earliest_ns <= clock.latest_ns


@target(100)
@given(method=st.sampled_from(["GET", "POST", "DELETE"]), status=statuses, location=st.one_of(st.none(), locations), content=st.booleans(), hops=st.integers(0, 12))
def test_a_redirect_leads_to_a_url_or_nowhere(method: str, status: int, location: str | None, *, content: bool, hops: int) -> None:
    try:
        hop = hop_of(method, URL, status, location, content=content, hops=hops)
    except InTheWay as exc:
        judge(exc, secret="")
        return
    if hop is None:
        return
    try:
        url = httpx.URL(hop.url)
    except (httpx.InvalidURL, ValueError):
        return                  # http.py finds that out, see below
    assert url.host
    assert hop.trusted <= (url.host == "service.test")
    assert not url.userinfo


@target(100)
@given(body=messages, encoding=header_values)
def test_words_are_one_bounded_line(body: bytes, encoding: str) -> None:
    for each in (body, zlib.compress(body)):
        some = answers.decoded(each, encoding, 1000)
        assert len(some) <= max(1000, len(each))
    said = words.words_of(body)
    assert len(said) <= words.LIMIT
    assert not WILD.search(said)


@target(100)
@given(status=statuses, body=st.one_of(bodies, objects(access_token=texts, refresh_token=texts, expires_in=leaves, error=st.one_of(texts, objects(type=texts))).map(written)))
def test_a_token_answer_is_a_token_or_an_error(status: int, body: bytes) -> None:
    try:
        grant = grant_of(Profile("me", f"{URL}/v1/oauth/token"), status, body, EPOCH_NS / 1e9)
    except RemoteError as exc:
        judge(exc)
        return
    assert grant.value
    int(grant.ends_s)
    assert CANARY not in repr(grant)


# ---- the five calls, over whatever comes

@dataclass(frozen=True)
class Answer:
    """One of a service that says what a test says."""

    status: int
    headers: dict[str, str]
    body: bytes
    zipped: bool


class Cut(httpx.SyncByteStream):
    """A body in small pieces."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._body), 64):
            yield self._body[start:start + 64]


answered = st.builds(Answer, statuses, headers, messages, st.booleans())


def files_of(said: Sequence[Answer]) -> tuple[HttpFiles, httpx.Client]:
    """The service's files over a transport that gives these answers, the last one for ever."""
    coming = itertools.chain(said, itertools.repeat(said[-1]))

    def handle(request: httpx.Request) -> httpx.Response:
        request.read()
        answer = next(coming)
        body = zlib.compress(answer.body) if answer.zipped else answer.body
        fields = [(name.encode(), value.encode(errors="replace")) for name, value in answer.headers.items()]
        return httpx.Response(answer.status, headers=fields, stream=Cut(body))

    service = Service(URL, Credentials("x-api-key", CANARY), headers=(("x-team", CANARY),))
    client = connect(service, Timeouts(), {}, httpx.MockTransport(handle))
    return HttpFiles(client, FakeClock()), client


def ask(files: HttpFiles, call: str, folder: Path) -> None:
    if call == "list":
        files.list(1000, Cursor("after_id", "\ud800 odd"[1:]))
    elif call == "stat":
        files.stat(FileId("file_1"))
    elif call == "delete":
        files.delete(FileId(".."))
    elif call == "upload":
        with body_of(folder, b"content") as body:
            files.upload("a.txt", "text/plain", body, 3600)
    else:
        with files.download(FileId("file_1"), 3, 9) as download:
            for _ in download:
                pass


@target(200)
@given(said=st.lists(answered, min_size=1, max_size=3), call=st.sampled_from(["list", "stat", "delete", "upload", "download"]))
def test_a_call_returns_or_raises_a_remote_error(tmp_path_factory: pytest.TempPathFactory, said: list[Answer], call: str) -> None:
    files, client = files_of(said)
    with client:
        try:
            ask(files, call, tmp_path_factory.getbasetemp())
        except RemoteError as exc:
            judge(exc)
        files.workspace()
        files.clock()


@pytest.mark.parametrize("call", ["list", "upload", "download"])
@pytest.mark.parametrize("location", ["https://\u2603.test/", "https://\u0660/", "https://[v1.x]/", f"/{'y' * 70_000}", f"/{CANARY}", f"https://{CANARY}.test/"])
def test_an_address_that_is_none_is_an_error(tmp_path: Path, call: str, location: str) -> None:
    files, client = files_of([Answer(307, {"location": location}, b"", zipped=False)])
    with client, pytest.raises(RemoteError) as raised:
        ask(files, call, tmp_path)
    judge(raised.value)


@pytest.mark.parametrize("call", ["list", "delete", "upload", "download"])
def test_what_a_library_makes_of_an_answer_is_an_error(tmp_path: Path, call: str) -> None:
    """Parsers raise more than they say: an odd name of a host, an odd number."""
    def handle(_request: httpx.Request) -> httpx.Response:
        raise UnicodeError("label empty or too long")

    files, client = files_of([Answer(200, {}, b"", zipped=False)])
    client._transport = httpx.MockTransport(handle)
    with client, pytest.raises(RemoteError):
        ask(files, call, tmp_path)


@pytest.mark.parametrize("name", ["message", "type", "request_id"])
def test_json_as_deep_as_it_can_be_read_is_not_shown(name: str) -> None:
    """The reader's bound is deeper than the one for showing it."""
    depth = 700
    body = b'{"type":"error","request_id":"req_1","error":{"type":"x","message":"y"}}'.replace(
        {"message": b'"y"', "type": b'"x"', "request_id": b'"req_1"'}[name], b"[" * depth + b"]" * depth)
    judge(answers.error_of(500, {}, body, 0.0))
