"""Every kind of fault, seen from outside."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.mounting import wait_until

from .raw import closed, connect, error_of, file_part, upload_head

if TYPE_CHECKING:
    from .process import EmulatorProcess
    from .raw import Api

CUT = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


# --- which request meets a fault ----------------------------------------------------------------------------------

def test_a_fault_happens_as_often_as_scripted_and_after_what_it_skips(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("list", {"kind": "status", "status": 500}, times=2, skip=1)
    assert [api.listing().status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    assert emulator.faults() == []


def test_a_fault_for_ever_ends_when_it_is_cleared(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("any", {"kind": "status", "status": 503}, times=-1)
    assert {api.listing().status_code, api.upload().status_code, api.metadata("x").status_code} == {503}
    assert [fault["times"] for fault in emulator.faults()] == [-1]
    emulator.clear_faults()
    assert api.listing().status_code == 200


def test_a_fault_can_be_meant_for_one_name_or_one_file(api: Api, emulator: EmulatorProcess) -> None:
    first, second = (emulator.generate(name, b"x")["id"] for name in ("first", "second"))
    emulator.fault({"operation": "download", "file_id": first}, {"kind": "status", "status": 500})
    emulator.fault({"operation": "any", "filename": "second"}, {"kind": "status", "status": 529})
    emulator.fault({"operation": "upload", "filename": "third"}, {"kind": "status", "status": 503})
    assert api.upload("other").status_code == 200
    assert [api.download(second).status_code, api.download(first).status_code] == [529, 500]
    assert [api.upload("third").status_code, api.upload("third").status_code] == [503, 200]


@pytest.mark.parametrize("script", [
    {}, [7], [{"match": {}, "action": {"kind": "none"}}], [{"action": {"kind": "status"}}], [{"action": {"kind": "status", "status": "x"}}],
    [{"match": {"operation": "rename"}, "action": {"kind": "cut"}}], [{"action": {"kind": "cut", "when": "never"}}],
    [{"action": {"kind": "cut"}, "times": -2}], [{"action": {"kind": "cut", "how": 1}}], [{"action": {"kind": "cut"}, "match": {"name": 1}}],
    [{"action": {"kind": "cut"}}, {"action": {"kind": "delay"}}],
    [{"action": {"kind": "account", "answer": "rich"}}], [{"action": {"kind": "gateway", "status": 502, "form": "poem"}}],
])
def test_a_bad_script_is_explained_and_adds_nothing(emulator: EmulatorProcess, script: object) -> None:
    answer = emulator.client.post("/_emulator/faults", json=script)
    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 10
    assert emulator.faults() == []


# --- answers about the account, and of gateways ---------------------------------------------------------------------

@pytest.mark.parametrize(("answer", "status", "error_type", "code"), [
    ("unauthorized", 401, "authentication_error", None), ("forbidden", 403, "permission_error", None),
    ("on_hold", 400, "invalid_request_error", "organization_on_hold"), ("cmek_key_disabled", 400, "invalid_request_error", "cmek_key_disabled"),
    ("cmek_key_network_blocked", 400, "invalid_request_error", "cmek_key_network_blocked"),
    ("creator_left", 400, "invalid_request_error", "claude_code_key_creator_not_member"),
    ("quota", 400, "invalid_request_error", "storage_quota_exceeded"), ("quota_as_it_was", 403, "permission_error", "storage_quota_exceeded")])
def test_the_service_can_answer_about_the_account_for_a_while(
        api: Api, emulator: EmulatorProcess, answer: str, status: int, error_type: str, code: str | None) -> None:
    emulator.fault("any", {"kind": "account", "answer": answer}, times=-1)
    for response in (api.listing(), api.upload(), api.metadata("x")):
        error = response.json()["error"]
        assert (response.status_code, error["type"], error.get("details", {}).get("error_code")) == (status, error_type, code)
        assert response.headers["request-id"] == response.json()["request_id"]
    assert ("appeal_url" in error.get("details", {})) is (answer == "on_hold")
    emulator.clear_faults()
    assert api.upload().status_code == 200


@pytest.mark.parametrize(("form", "content_type"), [
    ("html", "text/html"), ("litellm", "application/json"), ("aws", "application/json"), ("fastapi", "application/json"),
    ("problem", "application/problem+json"), ("text", "text/plain"), ("empty", "text/plain")])
@pytest.mark.parametrize("status", [302, 401, 403, 407, 429, 502, 503, 511])
def test_a_gateway_answers_in_its_own_form_and_without_the_services_headers(
        api: Api, emulator: EmulatorProcess, status: int, form: str, content_type: str) -> None:
    emulator.fault("list", {"kind": "gateway", "status": status, "form": form, "retry_after": 3, "should_retry": False})
    response = api.listing()
    assert (response.status_code, response.headers["content-type"].partition(";")[0]) == (status, content_type)
    assert (response.headers["retry-after"], response.headers["x-should-retry"]) == ("3", "false")
    assert [name for name in ("request-id", "anthropic-organization-id") if name in response.headers] == []
    assert [name for name in ("www-authenticate", "proxy-authenticate", "location") if name in response.headers] == {
        302: ["location"], 401: ["www-authenticate"], 407: ["proxy-authenticate"]}.get(status, [])
    if content_type.endswith("json"):
        assert response.json().get("type") != "error"


# --- answers instead ----------------------------------------------------------------------------------------------

def test_a_status_is_answered_with_all_it_was_given(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("upload", {"kind": "status", "status": 429, "error_type": "odd_error", "message": "why", "error_code": "code",
                              "retry_after": 7, "retry_after_ms": 70, "should_retry": True})
    answer = api.upload()
    assert answer.status_code == 429
    assert error_of(answer) == {"type": "odd_error", "message": "why", "details": {"error_code": "code"}}
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("7", "70")
    assert answer.headers["x-should-retry"] == "true"
    assert emulator.files() == []


@pytest.mark.parametrize(("status", "kind"), [(400, "invalid_request_error"), (401, "authentication_error"), (409, "conflict_error"),
                                              (500, "api_error"), (503, "api_error"), (504, "timeout_error"), (529, "overloaded_error")])
def test_a_status_has_the_error_type_the_service_gives_it(api: Api, emulator: EmulatorProcess, status: int, kind: str) -> None:
    emulator.fault("list", {"kind": "status", "status": status})
    assert error_of(api.listing())["type"] == kind


def test_a_proxy_answers_html_and_knows_no_request_id(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("upload", {"kind": "html", "status": 502})
    answer = api.upload()
    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")
    assert "request-id" not in answer.headers
    assert emulator.files() == []


def test_an_error_can_come_compressed(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("list", {"kind": "status", "status": 403, "message": "why", "gzip": True})
    answer = api.listing()
    assert (answer.status_code, answer.headers["content-encoding"]) == (403, "gzip")
    assert error_of(answer)["message"] == "why"
    assert int(answer.headers["content-length"]) == answer.num_bytes_downloaded


@pytest.mark.parametrize("waits", [True, False], ids=["the client waits", "it doesn't"])
def test_an_upload_can_be_stored_late_whether_or_not_the_client_waits(api: Api, emulator: EmulatorProcess, waits: bool) -> None:
    emulator.fault("upload", {"kind": "stored_late", "seconds": 0.5})
    if waits:
        began_s = time.monotonic()
        assert api.upload(content=b"late").json()["size_bytes"] == 4
        assert time.monotonic() - began_s >= 0.5
    else:
        with pytest.raises(httpx.ReadTimeout):
            api.client.post("/v1/files", files={"file": ("a.txt", b"late", "text/plain")}, timeout=0.1)
        assert emulator.files() == []
    wait_until(emulator.files, "it is stored")


def test_a_proxy_can_hang_up_with_a_page_before_the_upload_is_stored(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("upload", {"kind": "late_commit", "seconds": 0.3, "status": 504})
    answer = api.upload()
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (504, "text/html")
    assert emulator.files() == []
    wait_until(emulator.files, "it is stored")


@pytest.mark.parametrize("honest", [True, False])
def test_a_part_of_an_upload_can_pass_for_all_of_it(api: Api, emulator: EmulatorProcess, honest: bool) -> None:
    emulator.fault("upload", {"kind": "stored_short", "bytes": 3, "honest": honest})
    answer = api.upload(content=b"whole").json()
    assert answer["size_bytes"] == (3 if honest else 5)
    assert api.metadata(answer["id"]).json()["size_bytes"] == 3
    assert api.listing().json()["data"][0]["size_bytes"] == 3
    assert emulator.content(answer["id"]) == b"who"


def test_any_json_can_be_answered(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("list", {"kind": "raw_json", "status": 200, "body": {"data": [{"id": None}]}})
    assert api.listing().json() == {"data": [{"id": None}]}


def test_json_can_end_in_the_middle(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("list", {"kind": "garbage_json"})
    answer = api.listing()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    with pytest.raises(ValueError, match="Unterminated"):
        answer.json()


# --- connections that end -----------------------------------------------------------------------------------------

@pytest.mark.parametrize(("when", "stored"), [("before_body", 0), ("before_commit", 0), ("after_commit", 1)])
def test_an_upload_can_be_cut_before_or_after_it_is_stored(
        api: Api, emulator: EmulatorProcess, when: str, stored: int) -> None:
    emulator.fault("upload", {"kind": "cut", "when": when})
    with pytest.raises(CUT):
        api.upload(content=b"x" * 5_000_000)
    entry, = emulator.wait_for_requests(1, "upload")
    assert entry["status"] is None
    assert (entry["bytes_in"] > 5_000_000) == (when != "before_body")
    assert len(emulator.files()) == stored
    assert list((emulator.data / "incoming").iterdir()) == []


@pytest.mark.parametrize(("when", "left"), [("before_commit", 1), ("after_commit", 0)])
def test_a_delete_can_be_cut_before_or_after_it_happens(api: Api, emulator: EmulatorProcess, when: str, left: int) -> None:
    file_id = api.upload().json()["id"]
    emulator.fault("delete", {"kind": "cut", "when": when})
    with pytest.raises(CUT):
        api.delete(file_id)
    assert len(emulator.files()) == left


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("after_bytes", [0, 3, 2_500_000, 9_000_000])
def test_a_download_can_end_early_as_if_that_were_all(api: Api, emulator: EmulatorProcess, after_bytes: int, length: bool) -> None:
    content = bytes(range(250)) * 12_000
    file_id = emulator.generate("a.bin", content)["id"]
    emulator.fault("download", {"kind": "short_body", "after_bytes": after_bytes, "length": length}, times=2)
    answer = api.download(file_id)
    assert (answer.status_code, answer.content) == (200, content[:after_bytes])
    assert answer.headers.get("content-length") == (str(len(answer.content)) if length else None)
    answer = api.download(file_id, {"range": "bytes=100-"})
    assert (answer.status_code, answer.content) == (206, content[100:][:after_bytes])
    assert answer.headers["content-range"] == f"bytes 100-{len(content) - 1}/{len(content)}"
    assert api.download(file_id).content == content         # the connection is fine


def test_a_download_can_be_packed_or_only_said_to_be(api: Api, emulator: EmulatorProcess) -> None:
    content = b"a,b\n" * 500_000
    file_id = emulator.generate("a.csv", content, "text/csv")["id"]
    emulator.fault("download", {"kind": "encoded", "packed": True})
    answer = api.download(file_id)
    assert answer.content == content        # httpx unpacks it
    assert (answer.headers["content-encoding"], "content-length" in answer.headers) == ("gzip", False)
    emulator.fault("download", {"kind": "encoded", "packed": False})
    with api.client.stream("GET", f"/v1/files/{file_id}/content") as streamed:
        assert streamed.headers["content-encoding"] == "gzip"
        assert b"".join(streamed.iter_raw()) == content


@pytest.mark.parametrize("chunked", [True, False])
def test_a_page_can_have_any_length_and_no_word_about_it(api: Api, emulator: EmulatorProcess, chunked: bool) -> None:
    file_id = emulator.generate("a.bin", b"x")["id"]
    emulator.fault("download", {"kind": "html", "status": 200, "bytes": 1000, "chunked": chunked})
    answer = api.download(file_id)
    assert (answer.status_code, len(answer.content), answer.headers["content-type"]) == (200, 1000, "text/html; charset=utf-8")
    assert answer.headers.get("content-length") == (None if chunked else "1000")
    assert "request-id" not in answer.headers


def test_an_upload_can_be_cut_in_its_body(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("upload", {"kind": "cut_body", "after_bytes": 1_000_000})
    with pytest.raises(CUT):
        api.upload(content=b"x" * 20_000_000)
    entry, = emulator.wait_for_requests(1)
    assert 1_000_000 <= entry["bytes_in"] < 2_000_000
    assert emulator.files() == []
    assert list((emulator.data / "incoming").iterdir()) == []


@pytest.mark.parametrize("after_bytes", [0, 1, 1_500_000])
@pytest.mark.parametrize("content_length", [True, False])
def test_a_download_can_be_cut_after_so_many_bytes(
        api: Api, emulator: EmulatorProcess, after_bytes: int, content_length: bool) -> None:
    emulator.switch(content_length=content_length)
    file_id = emulator.generate("a.bin", b"x" * 2_000_000)["id"]
    emulator.fault("download", {"kind": "cut_body", "after_bytes": after_bytes})
    got, problem = 0, ""
    with api.client.stream("GET", f"/v1/files/{file_id}/content") as answer:
        assert answer.status_code == 200
        try:
            for piece in answer.iter_raw():
                got += len(piece)
        except httpx.RemoteProtocolError as error:
            problem = str(error)
    assert got == after_bytes
    assert "complete" in problem     # "incomplete chunked read", or "without sending complete message body"
    assert len(api.download(file_id).content) == 2_000_000


def test_a_list_can_be_cut_in_its_body(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("list", {"kind": "cut_body", "after_bytes": 5})
    with pytest.raises(httpx.RemoteProtocolError):
        api.listing()


def test_all_connections_can_be_cut_at_once(api: Api, emulator: EmulatorProcess) -> None:
    file_id = emulator.generate("a.bin", b"x" * 30_000_000)["id"]
    with api.client.stream("GET", f"/v1/files/{file_id}/content") as answer:
        emulator.abort_connections()
        with pytest.raises(CUT):
            answer.read()
    assert api.listing().status_code == 200


# --- effects without their answer ---------------------------------------------------------------------------------

def test_an_upload_can_be_stored_although_the_answer_is_an_error(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("upload", {"kind": "status_after_commit", "status": 500})
    assert error_of(api.upload("a.txt"))["type"] == "api_error"
    assert [file["filename"] for file in emulator.files()] == ["a.txt"]


def test_a_delete_can_happen_although_the_answer_is_an_error(api: Api, emulator: EmulatorProcess) -> None:
    file_id = api.upload().json()["id"]
    emulator.fault("delete", {"kind": "status_after_commit", "status": 503})
    assert api.delete(file_id).status_code == 503
    assert emulator.files() == []


def test_an_upload_can_be_stored_long_after_its_connection_ended(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("upload", {"kind": "late_commit", "seconds": 0.3})
    with pytest.raises(CUT):
        api.upload("late.txt", b"content")
    assert emulator.files() == []
    deadline = time.monotonic() + 10
    while not emulator.files():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    file, = emulator.files()
    assert (file["filename"], emulator.content(file["id"])) == ("late.txt", b"content")


# --- time ---------------------------------------------------------------------------------------------------------

def test_an_answer_can_come_late_while_its_effect_is_there(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("upload", {"kind": "delay", "seconds": 20})
    with pytest.raises(httpx.ReadTimeout):
        api.client.post("/v1/files", files={"file": ("a.txt", b"x", "text/plain")}, timeout=0.2)
    assert len(emulator.files()) == 1
    emulator.wait_for_requests(1)       # the client left, so nothing waits any longer


def test_a_download_can_trickle(api: Api, emulator: EmulatorProcess) -> None:
    file_id = emulator.generate("a.bin", b"x" * 300)["id"]
    emulator.fault("download", {"kind": "slow_body", "bytes_per_s": 1000})
    pieces, took = timed_pieces(api, file_id)
    assert sum(map(len, pieces)) == 300
    assert len(pieces) >= 4
    assert 0.2 <= took < 5


def test_an_upload_can_be_read_slowly(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("upload", {"kind": "slow_body", "bytes_per_s": 10**6})
    start = time.monotonic()
    assert api.upload(content=b"x" * 300_000).status_code == 200
    assert 0.3 <= time.monotonic() - start < 5


def test_even_an_upload_of_one_packet_is_read_slowly_stalled_or_cut(api: Api, emulator: EmulatorProcess) -> None:
    for action in ({"kind": "slow_body", "bytes_per_s": 1000}, {"kind": "stall", "seconds": 0.3}):
        emulator.fault("upload", action)
        start = time.monotonic()
        assert api.upload(content=b"x" * 300).status_code == 200
        assert time.monotonic() - start >= 0.3
    emulator.fault("upload", {"kind": "cut_body", "after_bytes": 10})
    with pytest.raises(CUT):
        api.upload(content=b"x" * 300)


def test_a_download_can_stall_in_the_middle(api: Api, emulator: EmulatorProcess) -> None:
    file_id = emulator.generate("a.bin", b"x" * 3_000_000)["id"]
    emulator.fault("download", {"kind": "stall", "seconds": 0.4, "after_bytes": 1_200_000})
    got, longest, before = 0, (0.0, 0), time.monotonic()
    with api.client.stream("GET", f"/v1/files/{file_id}/content") as answer:
        for piece in answer.iter_raw():
            longest = max(longest, (time.monotonic() - before, got))
            got, before = got + len(piece), time.monotonic()
    assert got == 3_000_000
    assert longest[0] >= 0.3
    assert longest[1] == 1_200_000


def test_an_upload_can_stall(api: Api, emulator: EmulatorProcess) -> None:
    emulator.fault("upload", {"kind": "stall", "seconds": 0.3, "after_bytes": 10})
    start = time.monotonic()
    assert api.upload(content=b"x" * 3_000_000).status_code == 200
    assert time.monotonic() - start >= 0.3


def test_a_stalled_download_does_not_hold_up_others(api: Api, emulator: EmulatorProcess) -> None:
    file_id = emulator.generate("a.bin", b"x" * 3_000_000)["id"]
    emulator.fault("download", {"kind": "stall", "seconds": 30})
    with api.client.stream("GET", f"/v1/files/{file_id}/content") as stalled:
        assert stalled.status_code == 200
        assert len(api.download(file_id).content) == 3_000_000


# --- clients that misbehave ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("sent", [0, 50, 100_000, 900_000])
def test_an_upload_whose_client_leaves_stores_nothing(emulator: EmulatorProcess, sent: int) -> None:
    body = closed(file_part(b"x" * 1_000_000, "left.bin"))
    with connect(emulator) as wire:
        wire.sendall(upload_head(emulator, len(body)) + body[:sent])
    entry, = emulator.wait_for_requests(1)
    assert entry["status"] is None
    assert emulator.files() == []
    assert list((emulator.data / "incoming").iterdir()) == []


def test_a_download_whose_client_leaves_ends(api: Api, emulator: EmulatorProcess) -> None:
    file_id = emulator.generate("a.bin", b"x" * 30_000_000)["id"]
    with api.client.stream("GET", f"/v1/files/{file_id}/content") as answer:
        next(answer.iter_raw(1))
    entry, = emulator.wait_for_requests(1)
    assert entry["bytes_out"] < 30_000_000


def test_many_uploads_and_downloads_at_once_do_not_mix(api: Api, emulator: EmulatorProcess) -> None:
    contents = {f"{number}.bin": bytes([number]) * (300_000 + number) for number in range(12)}
    generated = {name: emulator.generate(name, content)["id"] for name, content in contents.items()}
    wrong: list[Any] = []

    def work(name: str) -> None:
        for _ in range(3):
            uploaded = api.upload(name, contents[name]).json()
            if emulator.content(uploaded["id"]) != contents[name] or api.download(generated[name]).content != contents[name]:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(emulator.files()) == 12 * 4


def timed_pieces(api: Api, file_id: str) -> tuple[list[bytes], float]:
    start = time.monotonic()
    with api.client.stream("GET", f"/v1/files/{file_id}/content") as answer:
        return list(answer.iter_raw()), time.monotonic() - start


@pytest.mark.parametrize("quiet", [False, True])
def test_a_redirect_names_another_address_instead_of_the_operation(api: Api, emulator: EmulatorProcess, quiet: bool) -> None:
    emulator.fault("list", {"kind": "redirect", "status": 307, "location": "https://other.example{path}", "quiet": quiet})
    answer = api.listing(limit=3)
    assert (answer.status_code, answer.headers["location"]) == (307, "https://other.example/v1/files?limit=3")
    assert ("request-id" in answer.headers) is not quiet
    assert api.listing(limit=3).status_code == 200
