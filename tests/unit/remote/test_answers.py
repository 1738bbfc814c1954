"""From what came over the wire to values: nothing that a server can send makes these functions fail."""

import gzip
import json
import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anthrofs.errors import (
    AccountStopped,
    AuthFailed,
    BadAnswer,
    Expired,
    ForeignAnswer,
    Gone,
    InTheWay,
    LimitReached,
    NotDownloadable,
    QuotaExceeded,
    RateLimited,
    Refused,
    RemoteError,
    RemoteTooLarge,
    Unavailable,
)
from anthrofs.model import Cursor, Page, RemoteFile
from anthrofs.remote.answers import (
    LONGEST_ADVICE_S,
    WORDS_LIMIT,
    date_s,
    decoded,
    error_of,
    file_of,
    ns_of,
    page_of,
    plain_page_of,
    retry_after_s,
    value_of,
)
from tests.fakes import law

NOW_S: Final = 1_790_000_000.0
CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
FILE: Final[dict[str, Any]] = {
    "type": "file", "id": "file_1", "filename": "a.txt", "mime_type": "text/plain", "size_bytes": 3,
    "created_at": "2026-08-02T17:43:56.144000Z", "downloadable": True, "expires_at": "2026-08-03T00:00:00Z"}
FIELDS: Final = (*FILE, "data", "has_more", "first_id", "last_id", "next_page", "error", "message", "details", "error_code", "request_id")

# Halves of surrogate pairs too: JSON can spell them.
texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
times = st.datetimes(timezones=st.timezones()).map(datetime.isoformat) | st.sampled_from(
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30", "2026-08-02", "20260802T174356Z", "now", "1e400"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | times
jsons = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | texts, inner, max_size=6), max_leaves=20)
nearly_files = st.dictionaries(st.sampled_from(list(FILE)), jsons, max_size=3).map(lambda changes: {**FILE, **changes})
headers = st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "x-should-retry", "request-id"]),
                          texts | times | st.integers().map(str) | st.floats().map(str))


def storable(file: RemoteFile) -> bool:
    """What a database, a URL and a file system's clock can hold."""
    for text in (file.file_id, file.name, file.mime_type):
        text.encode()
    return bool(file.file_id) and 0 <= file.size_bytes < 2**63 and -2**63 <= file.created_ns < 2**63


# ---- files and pages

@law
@given(entry=jsons | nearly_files)
@example(entry={**FILE, "size_bytes": 2**63})
@example(entry={**FILE, "filename": "\ud800.txt"})
@example(entry={**FILE, "id": "\udfff"})
@example(entry={**FILE, "created_at": "0001-01-01T00:00:00+14:00"})
@example(entry={**FILE, "created_at": "0001-01-01T00:00:00Z"})
def test_whatever_an_entry_is_a_file_that_can_be_stored_comes_out_or_none(entry: object) -> None:
    file = file_of(entry)

    assert file is None or storable(file)


@law
@given(body=jsons | st.fixed_dictionaries({"data": st.lists(jsons | nearly_files)},
                                          optional={"has_more": scalars, "last_id": scalars, "next_page": scalars}))
def test_whatever_a_listing_is_every_entry_is_shown_or_counted(body: Any) -> None:
    try:
        page = page_of(body)
    except BadAnswer:
        return

    assert len(page.files) + page.skipped == len(body["data"])
    assert all(storable(file) for file in page.files)
    if page.following is None:
        assert not body.get("has_more")
        assert not body.get("next_page")
    else:
        page.following.value.encode()


def test_a_file_is_read_field_by_field() -> None:
    file = file_of({**FILE, "scope": {"id": "s", "type": "session"}})

    assert file == RemoteFile(
        file_id=file.file_id, name="a.txt", mime_type="text/plain", size_bytes=3, created_ns=1785692636144000000,
        downloadable=True, expires_ns=1785715200000000000) if file else False


@pytest.mark.parametrize(("changes", "expected"), [
    ({"downloadable": None}, ("downloadable", False)),
    ({"downloadable": "true"}, ("downloadable", False)),
    ({"downloadable": 1}, ("downloadable", False)),
    ({"mime_type": ""}, ("mime_type", "application/octet-stream")),
    ({"mime_type": 5}, ("mime_type", "application/octet-stream")),
    ({"expires_at": None}, ("expires_ns", None)),
    ({"expires_at": "never"}, ("expires_ns", None)),
    ({"created_at": None}, ("created_ns", 0)),
    ({"filename": "a/../\x00"}, ("name", "a/../\x00")),        # names.py makes it safe
    ({"filename": ""}, ("name", "")),
])
def test_what_can_be_guessed_safely_is(changes: dict[str, Any], expected: tuple[str, Any]) -> None:
    file = file_of({**FILE, **changes})

    assert file is not None
    assert (expected[0], getattr(file, expected[0])) == expected


@pytest.mark.parametrize(("body", "following"), [
    ({"data": [], "has_more": False, "first_id": None, "last_id": None}, None),
    ({"data": [], "next_page": None}, None),
    ({"data": [], "next_page": ""}, None),
    ({"data": [FILE]}, None),
    ({"data": [FILE], "has_more": False, "last_id": "file_1"}, None),
    ({"data": [FILE], "has_more": True, "last_id": "file_1"}, Cursor("after_id", "file_1")),
    ({"data": [FILE], "next_page": "page_x"}, Cursor("page", "page_x")),
    ({"data": [FILE], "next_page": "page_x", "has_more": True, "last_id": "file_1"}, Cursor("page", "page_x")),
])
def test_every_shape_says_how_it_goes_on(body: dict[str, Any], following: Cursor | None) -> None:
    assert page_of(body).following == following


@pytest.mark.parametrize(("body", "says"), [
    ({"data": []}, "neither has_more nor next_page"),           # of some list: it proves nothing
    ({"object": "list", "data": []}, "OpenAI"),
    ({"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}, "OpenAI"),
    ({"data": [{"id": "file-1", "object": "file", "bytes": 3, "filename": "a.txt"}], "has_more": False}, "no size_bytes, like OpenAI"),
    ({"data": [{"id": "gpt", "object": "model"}], "object": "list"}, "no filename and no size_bytes, like OpenAI"),
    ({"data": ["a.txt"], "next_page": None}, "no id and no filename and no size_bytes"),
    ({"data": [{**FILE, "size_bytes": "3"}], "next_page": None}, "none of its 1 entries can be read."),
])
def test_another_apis_list_is_never_an_empty_one(body: dict[str, Any], says: str) -> None:
    with pytest.raises(ForeignAnswer, match=says) as caught:
        page_of(body)

    assert not caught.value.transient


@law
@given(moment=st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(2250, 1, 1)),  # noqa: DTZ001
       offset=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timedelta(minutes=minutes)))
def test_a_time_is_the_same_moment_in_every_zone(moment: datetime, offset: timedelta) -> None:
    here = moment.replace(tzinfo=UTC)
    ns = ns_of(here.isoformat())

    assert ns == (here - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    minutes = offset // timedelta(minutes=1)
    sign = "-" if minutes < 0 else "+"
    assert ns_of(f"{(moment + offset).isoformat()}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}") == ns
    assert ns_of(moment.isoformat()) == ns
    assert ns_of(f"{moment.isoformat()}Z") == ns


@law
@given(text=scalars)
def test_what_is_no_time_is_none_and_never_a_failure(text: object) -> None:
    ns = ns_of(text)

    assert ns is None or (isinstance(text, str) and -2**63 <= ns < 2**63)


# ---- errors

def envelope(message: object = "words", code: str | None = None, kind: str = "not_found_error") -> bytes:
    error = {"type": kind, "message": message} | ({"details": {"error_code": code}} if code else {})
    return json.dumps({"type": "error", "error": error, "request_id": "req_in_the_body"}).encode()


@pytest.mark.parametrize(("status", "code", "advice", "kind", "maybe_stored"), [
    (400, None, "", Refused, False), (401, None, "", AuthFailed, False), (403, None, "", AuthFailed, False),
    (404, None, "", Gone, False), (404, "file_expired", "", Expired, False), (405, None, "", Refused, False),
    (408, None, "", Unavailable, True), (409, None, "", Unavailable, True), (413, None, "", RemoteTooLarge, False),
    (422, None, "", Refused, False), (429, None, "", RateLimited, False), (429, None, "true", RateLimited, False),
    (429, None, "false", LimitReached, False), (401, None, "true", Unavailable, False), (403, None, "true", Unavailable, False),
    (413, None, "true", Unavailable, False), (413, None, "false", RemoteTooLarge, False), (503, None, "false", Refused, False),
    (500, None, "", Unavailable, True), (502, None, "", Unavailable, True), (503, None, "", Unavailable, False),
    (504, None, "", Unavailable, True), (529, None, "", Unavailable, False), (599, None, "", Unavailable, True),
    (400, "storage_quota_exceeded", "", QuotaExceeded, False), (403, "storage_quota_exceeded", "", QuotaExceeded, False),
    (400, "organization_on_hold", "false", AccountStopped, False), (400, "cmek_key_disabled", "true", AccountStopped, False),
    (400, "cmek_key_network_blocked", "", AccountStopped, False), (400, "claude_code_key_creator_not_member", "", AccountStopped, False),
    (400, "file_not_downloadable", "false", NotDownloadable, False), (400, "something_new", "", Refused, False),
    (400, None, "true", Unavailable, False), (409, None, "false", Refused, True), (500, None, "FALSE", Refused, True),
    (500, None, "perhaps", Unavailable, True),
])
def test_each_status_of_the_service_has_its_class(
        status: int, code: str | None, advice: str, kind: type[RemoteError], maybe_stored: bool) -> None:
    exc = error_of(status, {"x-should-retry": advice, "request-id": "req_1"}, envelope(code=code), NOW_S)

    assert type(exc) is kind
    assert exc.maybe_stored is maybe_stored
    assert exc.from_service
    assert exc.status == status
    assert str(exc) == f"words (HTTP {status}, request id req_1)"


PAGES: Final = [b"", b"<html>bad gateway</html>", b"[]", b"null", b'{"type": "error", "err', b"\xff\xfe", b"[" * 100_000]
GATEWAYS: Final = [b'{"error": "words"}', b'{"error": {"message": "words", "type": "not_found_error", "code": "404"}}', b'{"detail": "words"}',
                   b'{"message": "words"}', b'{"type": "problem", "error": {"type": "x", "message": "words"}}', b"{}"]


@pytest.mark.parametrize("body", PAGES + GATEWAYS)
@pytest.mark.parametrize(("status", "kind"), [
    (302, InTheWay), (400, Refused), (401, InTheWay), (403, InTheWay), (404, Refused), (405, Refused), (407, InTheWay), (408, Unavailable),
    (409, Unavailable), (413, RemoteTooLarge), (429, RateLimited), (500, InTheWay), (502, InTheWay), (503, InTheWay), (511, InTheWay)])
def test_what_is_not_the_services_own_answer_proves_nothing_of_the_service(status: int, kind: type[RemoteError], body: bytes) -> None:
    exc = error_of(status, {}, body, NOW_S)

    assert type(exc) is kind            # a proxy's 404 is not Gone: nothing is removed for it
    # A limit of size or of pace is looked at before a request is passed on, and so is what is refused in a gateway's own words.
    assert exc.maybe_stored is not (status in (413, 429) or (body in GATEWAYS and 400 <= status < 500 and status not in (408, 409)))
    assert not exc.from_service
    assert ("words" in str(exc)) is (b"words" in body)


@pytest.mark.parametrize("body", [b"<html>limited</html>", b'{"error": "limited"}'])
@pytest.mark.parametrize(("status", "advice", "kind", "transient"), [
    (413, "", RemoteTooLarge, False), (413, "true", Unavailable, True), (429, "true", RateLimited, True), (429, "false", LimitReached, False),
    (400, "true", Unavailable, True), (502, "false", InTheWay, False), (502, "", InTheWay, True), (407, "", InTheWay, False)])
def test_a_gateways_advice_wins_over_its_status_too(
        status: int, advice: str, kind: type[RemoteError], transient: bool, body: bytes) -> None:
    exc = error_of(status, {"x-should-retry": advice}, body, NOW_S)

    assert (type(exc), exc.transient) == (kind, transient)


@pytest.mark.parametrize("body", [
    {"error": {"type": "not_found_error", "message": "words"}}, {"type": "error", "error": {"message": "words"}},
    {"type": "error", "error": {"type": "route_error", "message": "words"}}, {"error": {"message": "words", "type": "None", "code": "404"}},
    {"error": {"type": "not_found_error", "message": "words", "details": {"error_code": "file_expired"}}},
    {"type": "Error", "error": {"type": "not_found_error", "message": "words"}}])
def test_gone_is_only_what_the_service_itself_says_to_be_so(body: dict[str, Any]) -> None:
    exc = error_of(404, {}, json.dumps(body).encode(), NOW_S)

    assert type(exc) is Refused
    assert "words" in str(exc)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "deflate"])
def test_a_compressed_error_is_read_and_never_grows_beyond_the_limit(encoding: str) -> None:
    pack = zlib.compress if encoding == "deflate" else gzip.compress

    assert decoded(pack(envelope()), encoding, 10_000) == envelope()
    assert len(decoded(pack(bytes(10**7)), encoding, 10_000)) == 10_000
    assert decoded(pack(envelope())[:-9], encoding, 10_000) == envelope()[:len(decoded(pack(envelope())[:-9], encoding, 10_000))]
    assert decoded(b"plain", encoding, 10_000) == b"plain"
    assert decoded(b"plain", "br", 10_000) == b"plain"


def test_the_request_id_is_the_headers_else_the_bodys_else_none() -> None:
    assert "request id req_h" in str(error_of(400, {"request-id": "req_h"}, envelope(), NOW_S))
    assert "request id req_in_the_body" in str(error_of(400, {}, envelope(), NOW_S))
    assert "request id none" in str(error_of(502, {}, b"<html>", NOW_S))


@law
@given(status=st.integers(100, 599), given_headers=headers, body=st.binary() | jsons.map(lambda body: json.dumps(body).encode())
       | st.builds(lambda error, rest: json.dumps({**rest, "error": error}).encode(),
                   st.dictionaries(st.sampled_from(["type", "message", "details"]), jsons),
                   st.dictionaries(st.sampled_from(["request_id"]), jsons)))
def test_whatever_the_answer_one_tame_line_comes_out(status: int, given_headers: dict[str, str], body: bytes) -> None:
    exc = error_of(status, given_headers, body, NOW_S)

    assert isinstance(exc, RemoteError)
    assert not CONTROLS.search(str(exc))
    str(exc).encode()
    assert len(str(exc)) < 2 * WORDS_LIMIT + 200
    assert exc.retry_after_s is None or 0 <= exc.retry_after_s <= LONGEST_ADVICE_S


@pytest.mark.parametrize("evil", ["\x1b[2J\x1b]0;title\x07", "a\r\nSet-Cookie: b", "\x00", "\x7f\x9b31m", "a\ud800b", "\x85"])
def test_control_characters_never_survive_in_an_errors_words(evil: str) -> None:
    for exc in (error_of(500, {"request-id": evil}, envelope(f"x{evil}y"), NOW_S), error_of(502, {"request-id": evil}, b"", NOW_S)):
        assert not CONTROLS.search(str(exc))
        str(exc).encode()


def test_a_servers_page_of_words_is_cut() -> None:
    exc = error_of(500, {"request-id": "r" * 10_000}, envelope("word " * 10_000), NOW_S)

    assert len(str(exc)) < 2 * WORDS_LIMIT + 100
    assert str(exc).startswith("word word ")


# ---- how long to wait

@pytest.mark.parametrize(("given_headers", "expected"), [
    ({}, None), ({"retry-after": "7"}, 7.0), ({"retry-after": "0"}, 0.0), ({"retry-after": "1.5"}, 1.5),
    ({"retry-after-ms": "250"}, 0.25), ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
    ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0), ({"retry-after-ms": "-1", "retry-after": "7"}, 7.0),
    ({"retry-after": "-7"}, None), ({"retry-after": "nan"}, None), ({"retry-after": "inf"}, None), ({"retry-after": "soon"}, None),
    ({"retry-after": ""}, None), ({"retry-after": "1e300"}, LONGEST_ADVICE_S), ({"retry-after-ms": "1e300"}, LONGEST_ADVICE_S),
    ({"retry-after": "Mon, 21 Sep 2026 14:13:50 GMT"}, 30.0),
    ({"retry-after": "Mon, 21 Sep 2026 14:13:00 GMT"}, 0.0),                # it has passed
    ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST_ADVICE_S),
])
def test_what_the_server_asks_to_wait_is_understood_and_bounded(given_headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(given_headers, NOW_S) == expected


@law
@given(text=texts | times | st.sampled_from(["Mon, 01 Jan 0001 00:00:00 -0000", "Mon, 99 Xxx 99999 99:99:99 GMT", " ", "0 ", "1 2 3 4 5"]))
def test_a_date_is_a_number_or_none(text: str) -> None:
    assert date_s(text) is None or isinstance(date_s(text), float)

# ---- the quick way to a page

def both(body: bytes) -> tuple[Page | str | None, Page | str]:
    """What the quick way makes of it, None: it leaves it to the careful one, and what that makes of it."""
    def outcome(read: Callable[[], Page | None]) -> Page | str | None:
        try:
            return read()
        except (BadAnswer, InTheWay) as exc:
            return str(exc)
    careful = outcome(lambda: page_of(value_of(body, 200, {}, {})))
    assert careful is not None
    return outcome(lambda: plain_page_of(body)), careful


plain_files = st.fixed_dictionaries(
    {"id": st.text("abc_0", min_size=1, max_size=8), "filename": st.text(max_size=12), "size_bytes": st.integers(0, 2**44 - 1)},
    optional={"created_at": times, "expires_at": st.none() | times, "mime_type": st.text(max_size=9), "downloadable": st.booleans(), "type": st.just("file"), "scope": jsons})
listings = st.fixed_dictionaries({"data": st.lists(plain_files, max_size=3) | st.lists(plain_files | nearly_files | jsons, max_size=3)},
                                 optional={"has_more": st.booleans() | scalars, "last_id": st.none() | texts, "next_page": st.none() | texts, "first_id": scalars})


@law
@given(body=listings, ascii_only=st.booleans(), damage=st.none() | st.tuples(st.integers(0, 500), st.binary(max_size=3)), twice=st.booleans())
@example(body={"data": [FILE], "has_more": True}, ascii_only=True, damage=None, twice=False)
@example(body={"data": [{**FILE, "downloadable": 1}], "has_more": False}, ascii_only=True, damage=None, twice=False)
@example(body={"data": [{**FILE, "size_bytes": 3.0}], "has_more": False}, ascii_only=True, damage=None, twice=False)
@example(body={"data": [{**FILE, "size_bytes": True}], "has_more": False}, ascii_only=True, damage=None, twice=False)
@example(body={"data": [FILE, FILE], "next_page": "\ud800"}, ascii_only=True, damage=None, twice=True)
def test_a_page_that_is_read_the_quick_way_is_what_the_careful_one_reads(body: dict[str, Any], damage: tuple[int, bytes] | None, *, ascii_only: bool,
                                                                         twice: bool) -> None:
    text = json.dumps(body, ensure_ascii=ascii_only)
    if twice:           # keys that come again, with other values
        text = text[:-1] + f', "next_page": null, "data": {json.dumps(body["data"])}' + "}"
    written = text.encode(errors="surrogatepass")
    if damage is not None:
        place = damage[0] % (len(written) + 1)
        written = written[:place] + damage[1] + written[place + len(damage[1]):]
    quick, careful = both(written)
    assert quick in (None, careful)


def test_a_page_as_the_service_has_it_is_read_the_quick_way() -> None:
    for shape in ({"has_more": True, "first_id": "file_1", "last_id": "file_1"}, {"next_page": None}, {"next_page": "page_x", "has_more": True, "last_id": "file_1"}):
        quick, careful = both(json.dumps({"data": [FILE, {**FILE, "scope": {"id": "s", "type": "session"}, "expires_at": None, "unknown": [1]}], **shape}).encode())
        assert isinstance(quick, Page)
        assert quick == careful


@pytest.mark.parametrize("odd", [
    b'{"data": []}', b'{"data": [{"id": "a", "filename": "b", "size_bytes": 1}, 5]}', b'{"data": [{"id": "a", "filename": "b", "size_bytes": -1}]}',
    b'{"data": [{"id": "a b", "filename": "b", "size_bytes": 1}]}', b'{"x": "\xff", "data": [{"id": "a", "filename": "b", "size_bytes": 1}]}', b"[" * 100_000, b"", b"<html>"])
def test_a_page_with_anything_odd_is_read_the_careful_way(odd: bytes) -> None:
    assert plain_page_of(odd) is None
