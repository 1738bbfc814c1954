"""What HttpFiles makes of trouble: each kind becomes one class, and says whether an upload may have been stored."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
import pytest

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Timeouts
from anthrofs.errors import BadAnswer, Gone, NoAnswer, Offline, RemoteError, Unavailable, UploadCut
from anthrofs.model import Cursor, FileId
from anthrofs.remote.api import Body
from anthrofs.remote.http import HttpFiles
from tests.emulator.process import ROOT, EmulatorProcess
from tests.fakes import body_of
from tests.unit.remote.serving import KEY, PROXY_VARIABLES, http_files, nobody_listening, recorder, unconnected
from tests.unit.remote.troubles import ANSWERS

Call = Callable[[], object]

BIG_BYTES: Final = 100_000_000
A_FILE: Final = {"type": "file", "id": "file_1", "filename": "a.txt", "mime_type": "text/plain", "size_bytes": 3,
                 "created_at": "2026-08-02T17:43:56.144000Z", "downloadable": False}


# ---- each kind of trouble

@pytest.mark.parametrize("operation", ["list", "metadata", "delete", "upload"])
@pytest.mark.parametrize("name", ANSWERS)
def test_each_answer_becomes_one_class_that_says_what_it_means(
        emulator: EmulatorProcess, files: HttpFiles, tmp_path: Path, operation: str, name: str) -> None:
    trouble = ANSWERS[name]
    emulator.fault(operation, trouble.action)
    body = body_of(tmp_path, b"text")
    calls: dict[str, Call] = {
        "list": lambda: files.list(10), "metadata": lambda: files.stat(FileId("f")), "delete": lambda: files.delete(FileId("f")),
        "upload": lambda: files.upload("a.txt", "text/plain", body)}

    with body, pytest.raises(RemoteError) as caught:
        calls[operation]()

    exc = caught.value
    assert type(exc) is trouble.kind
    assert (exc.maybe_stored, exc.from_service, exc.transient) == (trouble.maybe_stored, trouble.from_service, trouble.transient)
    assert exc.status == trouble.status
    assert exc.retry_after_s == trouble.retry_after_s
    assert KEY not in f"{exc!r} {vars(exc)}"


def test_an_error_names_the_request_so_that_support_can_find_it(emulator: EmulatorProcess, files: HttpFiles) -> None:
    emulator.fault("list", {"kind": "status", "status": 500, "message": "it broke"})

    with pytest.raises(Unavailable, match="it broke") as caught:
        files.list(1)

    assert emulator.requests("list")[0]["request_id"] in str(caught.value)


def test_a_refused_connection_is_offline_and_nothing_was_stored(tmp_path: Path) -> None:
    with nobody_listening() as url, http_files(url) as files, body_of(tmp_path, b"text") as body:
        with pytest.raises(Offline) as listed:
            files.list(1)
        with pytest.raises(Offline) as sent:
            files.upload("a.txt", "text/plain", body)

    for exc in (listed.value, sent.value):
        assert exc.transient
        assert not exc.maybe_stored
        assert not exc.from_service
        assert exc.status is None


def test_a_name_that_does_not_resolve_is_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in PROXY_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)

    with http_files("http://no-such-host.invalid") as files, pytest.raises(Offline, match=r"no-such-host\.invalid"):
        files.list(1)


@pytest.mark.parametrize(("when", "stored"), [("before_body", 0), ("before_commit", 0), ("after_commit", 1)])
def test_an_upload_cut_after_its_last_byte_went_out_may_be_stored(
        emulator: EmulatorProcess, files: HttpFiles, tmp_path: Path, when: str, stored: int) -> None:
    emulator.fault("upload", {"kind": "cut", "when": when})

    with body_of(tmp_path, b"text") as body, pytest.raises(NoAnswer) as caught:
        files.upload("a.txt", "text/plain", body)

    assert caught.value.maybe_stored        # the client can't tell these three apart
    assert caught.value.transient
    assert not caught.value.from_service
    assert len(emulator.files()) == stored


def test_an_upload_cut_in_the_middle_is_surely_not_stored(emulator: EmulatorProcess, files: HttpFiles, tmp_path: Path) -> None:
    emulator.fault("upload", {"kind": "cut_body", "after_bytes": 100_000})
    path = _big_file(tmp_path)

    with Body(path, Clock(), lambda: False) as body, pytest.raises(NoAnswer) as caught:
        files.upload("big.bin", "application/zip", body)

    assert not caught.value.maybe_stored
    assert emulator.files() == []


def test_an_upload_that_became_pointless_ends_before_its_last_byte(
        emulator: EmulatorProcess, files: HttpFiles, tmp_path: Path) -> None:
    looks = itertools.count()
    emulator.fault("upload", {"kind": "slow_body", "bytes_per_s": 1_000_000})
    with Body(_big_file(tmp_path), Clock(), lambda: next(looks) >= 2) as body, pytest.raises(UploadCut) as caught:
        files.upload("big.bin", "application/zip", body)

    assert next(looks) == 3         # at intervals: not as often as there are pieces
    assert not caught.value.maybe_stored
    assert body.over_s is None
    emulator.wait_for_requests(1, "upload")
    assert emulator.files() == []
    assert files.list(1).files == ()        # the pool is fine


def test_an_upload_that_became_pointless_behind_its_last_byte_is_stored(emulator: EmulatorProcess, files: HttpFiles, tmp_path: Path) -> None:
    """Its sender must not hear that it surely isn't: an empty piece ends the request."""
    with Body(_big_file(tmp_path), Steps(), lambda: body.over_s is not None) as body:
        found = files.upload("big.bin", "application/zip", body)
    assert [file["id"] for file in emulator.files()] == [found.file_id]


def test_no_answer_within_the_bound_is_told_as_such(emulator: EmulatorProcess, tmp_path: Path) -> None:
    emulator.fault("any", {"kind": "delay", "seconds": 30}, times=2)

    with http_files(emulator.url, Timeouts(read_s=0.1, answer_s=0.1)) as files, body_of(tmp_path, b"text") as body:
        with pytest.raises(NoAnswer):
            files.list(1)
        with pytest.raises(NoAnswer) as caught:
            files.upload("a.txt", "text/plain", body)

    assert caught.value.maybe_stored
    assert len(emulator.files()) == 1       # it was, indeed


def test_an_answer_that_ends_in_the_middle_is_no_answer(emulator: EmulatorProcess, files: HttpFiles, tmp_path: Path) -> None:
    emulator.fault("upload", {"kind": "raw_json", "body": {"id": "x" * 1000}, "status": 500})
    with body_of(tmp_path, b"text") as body, pytest.raises(Unavailable) as caught:
        files.upload("a.txt", "text/plain", body)
    assert caught.value.maybe_stored

    emulator.bulk(100)
    emulator.fault("list", {"kind": "cut_body", "after_bytes": 50})
    with pytest.raises(NoAnswer):
        files.list(1000)


# ---- listings that are not as they should be

@pytest.mark.parametrize(("entry", "known"), [
    (A_FILE, 1),
    ({**A_FILE, "later_invention": [1, {"a": None}]}, 1),
    ({**A_FILE, "mime_type": None}, 1),
    ({**A_FILE, "created_at": "the other day"}, 1),
    ({**A_FILE, "created_at": "0001-01-01T00:00:00+14:00"}, 1),
    ({**A_FILE, "created_at": 12}, 1),
    ({**A_FILE, "downloadable": "yes"}, 1),
    ({**A_FILE, "filename": "a/../b\x00\n\x1b[31m"}, 1),
    ({**A_FILE, "filename": ""}, 1),
    ({}, 0), (None, 0), ("file_1", 0), ([A_FILE], 0), (12, 0),
    ({key: value for key, value in A_FILE.items() if key != "id"}, 0),
    ({key: value for key, value in A_FILE.items() if key != "filename"}, 0),
    ({key: value for key, value in A_FILE.items() if key != "size_bytes"}, 0),
    ({**A_FILE, "id": 7}, 0), ({**A_FILE, "id": ""}, 0), ({**A_FILE, "filename": None}, 0),
    ({**A_FILE, "size_bytes": -1}, 0), ({**A_FILE, "size_bytes": "3"}, 0), ({**A_FILE, "size_bytes": True}, 0),
    ({**A_FILE, "size_bytes": 10**30}, 0),
])
def test_an_entry_that_makes_no_sense_is_skipped_and_counted(
        emulator: EmulatorProcess, files: HttpFiles, entry: object, known: int) -> None:
    good = {**A_FILE, "id": "file_2"}
    emulator.fault("list", {"kind": "raw_json", "body": {"data": [entry, good], "has_more": False}})

    page = files.list(10)

    assert [file.file_id for file in page.files] == ["file_1", "file_2"][1 - known:]
    assert page.skipped == 1 - known
    assert page.following is None


@pytest.mark.parametrize("body", [
    {}, {"data": None}, {"data": {"0": A_FILE}}, {"files": [A_FILE]}, [A_FILE], "data", 12, None, True,
    {"data": [A_FILE], "has_more": True}, {"data": [A_FILE], "has_more": True, "last_id": None},
    {"data": [A_FILE], "has_more": True, "last_id": 7}, {"data": [A_FILE], "next_page": 7},
])
def test_what_is_no_listing_or_hides_how_it_goes_on_proves_nothing(emulator: EmulatorProcess, files: HttpFiles, body: object) -> None:
    emulator.fault("list", {"kind": "raw_json", "body": body})

    with pytest.raises(BadAnswer):
        files.list(10)


def test_a_page_that_comes_twice_is_handed_on_as_it_is(emulator: EmulatorProcess, files: HttpFiles) -> None:
    body = {"data": [A_FILE], "has_more": True, "last_id": "file_1"}
    emulator.fault("list", {"kind": "raw_json", "body": body}, times=2)

    first = files.list(1)
    assert first.following == Cursor("after_id", "file_1")
    assert files.list(1, first.following) == first      # the refresher sees it by the cursor


@pytest.mark.parametrize("body", [{}, [], "file", {"id": "file_1"}, {**A_FILE, "id": None}])
def test_an_upload_answered_with_something_else_may_be_stored(
        emulator: EmulatorProcess, files: HttpFiles, tmp_path: Path, body: object) -> None:
    emulator.fault("upload", {"kind": "raw_json", "body": body})

    with body_of(tmp_path, b"text") as content, pytest.raises(BadAnswer) as caught:
        files.upload("a.txt", "text/plain", content)

    assert caught.value.maybe_stored


# ---- what goes out

@pytest.mark.parametrize("shape", ["beta", "ga"])
def test_each_shape_asks_as_it_should(emulator: EmulatorProcess, shape: str) -> None:
    emulator.bulk(3)
    with http_files(emulator.url, shape=shape) as files:
        following = files.list(2).following
        assert following is not None
        assert len(files.list(2, following).files) == 1

    queries = [entry["query"] for entry in emulator.requests("list")]
    assert following.parameter == ("after_id" if shape == "beta" else "page")
    assert all(("beta=true" in query) == (shape == "beta") for query in queries)
    assert [f"{following.parameter}=" in query for query in queries] == [False, True]


def test_uploading_a_big_file_takes_no_memory_for_it(emulator: EmulatorProcess, tmp_path: Path) -> None:
    script = """if True:
        import sys
        from pathlib import Path
        from anthrofs.clock import Clock
        from anthrofs.config import Credentials, Service, Timeouts
        from anthrofs.remote.api import Body
        from anthrofs.remote.http import HttpFiles, connect

        def peak_kib():
            return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

        url, key, small, big = sys.argv[1:]
        files = HttpFiles(connect(Service(url, Credentials("x-api-key", key)), Timeouts()), Clock())
        def upload(path):
            return files.upload("f.bin", "application/zip", Body(Path(path), Clock(), lambda: False)).size_bytes
        upload(small)
        before = peak_kib()
        print(upload(big), peak_kib() - before)
    """
    small = tmp_path / "small"
    small.write_bytes(b"small")
    big = _big_file(tmp_path)

    said = subprocess.run([sys.executable, "-c", script, emulator.url, KEY, str(small), str(big)], check=True, timeout=60,
                          stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}).stdout

    size_bytes, grown_kib = map(int, said.split())
    assert size_bytes == BIG_BYTES
    assert grown_kib < 20_000               # a fifth of the file


class Steps(Clock):
    """A second later each time."""

    def __init__(self) -> None:
        self._now_s = itertools.count()

    def now_s(self) -> float:
        return float(next(self._now_s))


def _big_file(folder: Path) -> Path:
    path = folder / "big"
    with path.open("wb") as file:
        file.truncate(BIG_BYTES)
    return path


# ---- a server that says what it was asked, byte for byte

@pytest.mark.parametrize(("file_id", "component"), [
    ("file_011Cde", "file_011Cde"), ("a/b", "a%2Fb"), ("../../v1/models", "..%2F..%2Fv1%2Fmodels"), (".", "%2E"), ("..", "%2E%2E"),
    ("...", "%2E%2E%2E"), ("%2e", "%252e"), ("%2e%2e", "%252e%252e"), ("a b", "a%20b"), ("a?b#c", "a%3Fb%23c"),
    ("a&b=c;d", "a%26b%3Dc%3Bd"), ("ü", "%C3%BC"), ("a\nb\x00", "a%0Ab%00"), ("a\\b", "a%5Cb"), ("//host/x", "%2F%2Fhost%2Fx"),
])
def test_an_id_stays_one_component_of_the_path(file_id: str, component: str) -> None:
    with recorder() as said, http_files(said.url) as files:
        files.stat(FileId(file_id))
        files.delete(FileId(file_id))
        with files.download(FileId(file_id)):
            pass

    assert said.targets == [f"/v1/files/{component}?beta=true", f"/v1/files/{component}?beta=true",
                            f"/v1/files/{component}/content?beta=true"]


@pytest.mark.parametrize("file_id", ["a/b", "..", "%2e", "a b"])
def test_an_id_that_looks_like_a_path_is_just_unknown(emulator: EmulatorProcess, files: HttpFiles, file_id: str) -> None:
    with pytest.raises(Gone):
        files.stat(FileId(file_id))

    assert emulator.requests()[0]["path"] == f"/v1/files/{file_id}"


def test_a_base_url_may_have_a_path_of_its_own() -> None:
    with recorder() as said, http_files(f"{said.url}/gateway/anthropic") as files:
        files.list(5)

    assert said.targets == ["/gateway/anthropic/v1/files?beta=true&limit=5"]


# ---- the key

CANARY: Final = "sk-ant-canary-0123456789"
KEYS: Final = [Credentials("x-api-key", CANARY), Credentials("Authorization", f"Bearer {CANARY}")]


def unread(status: int, body: str | object, kind: str = "application/json") -> httpx.Response:
    """As it comes over a connection."""
    content = body if isinstance(body, str) else json.dumps(body)
    return httpx.Response(status, headers={"content-type": kind}, stream=httpx.ByteStream(content.encode()))


PAGE: Final = f"<html><title>no route for {CANARY}</title><body>x-api-key: {CANARY}</body></html>"
ENVELOPE: Final = {"type": "error", "error": {"type": "invalid_request_error", "message": f"what is {CANARY}?"}, "request_id": "req_1"}


@pytest.mark.parametrize("credentials", KEYS, ids=lambda credentials: credentials.header)
@pytest.mark.parametrize("answer", [
    lambda: unread(502, PAGE, "text/html"), lambda: unread(400, ENVELOPE), lambda: unread(404, f"nobody knows {CANARY}", "text/plain"),
    lambda: unread(200, PAGE, "text/html"), lambda: unread(401, {"error": {"message": f"{CANARY} has expired"}}),
], ids=["page", "envelope", "text", "page with success", "gateway"])
@pytest.mark.parametrize("call", [
    lambda service: service.list(10), lambda service: service.stat(FileId("f")), lambda service: service.delete(FileId("f"))], ids=["list", "metadata", "delete"])
def test_a_key_that_an_answer_repeats_is_in_no_error(credentials: Credentials, answer: Callable[[], httpx.Response],
                                                    call: Callable[[HttpFiles], object]) -> None:
    """An error's words go to the log, to status and to attributes."""
    asked: list[httpx.Request] = []

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer()

    with unconnected(answers, credentials) as service, pytest.raises(RemoteError) as caught:
        call(service)
    assert CANARY in "".join(asked[0].headers.values())
    assert CANARY not in f"{caught.value!r} {vars(caught.value)}"


@pytest.mark.parametrize("credentials", KEYS, ids=lambda credentials: credentials.header)
@pytest.mark.parametrize(("target", "told"), [
    ("https://api.example/elsewhere", True), ("https://bucket.example/x?signed=1", False), ("https://api.example:8443/x", False)])
def test_a_key_goes_with_a_redirect_to_its_own_host_only(credentials: Credentials, target: str, told: bool) -> None:
    asked: list[httpx.Request] = []

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(302, headers={"location": target}) if len(asked) == 1 else httpx.Response(200, content=b"content")

    with unconnected(answers, credentials) as service, service.download(FileId("f")) as body:
        assert list(body) == [b"content"]
    assert str(asked[1].url) == target
    assert (CANARY in f"{asked[1].headers.raw}") == told
