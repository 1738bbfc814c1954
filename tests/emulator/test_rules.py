"""The rules of the service, as plain HTTP sees them."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.emulator import model, rules, shapes

from .raw import AGENTS, BETA, GA, closed, connect, error_of, file_part, part, upload_head

if TYPE_CHECKING:
    from .process import EmulatorProcess
    from .raw import Api


# --- names and types ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["a<b", "a>b", "a:b", "a|b", "a?b", "a*b", "tab\there", "bell\x07", "x" * 256])
def test_a_name_the_service_forbids_is_refused(api: Api, emulator: EmulatorProcess, name: str) -> None:
    answer = api.form(closed(file_part(b"x", name)))
    assert answer.status_code == 400
    assert error_of(answer)["message"].startswith("filename:")
    assert emulator.files() == []


@pytest.mark.parametrize(("sent", "problem"), [("a%22b", '"'), (r"a\\b", "\\"), (r"a\b", "\\")])
def test_a_quote_or_backslash_arrives_as_itself_and_is_refused(api: Api, sent: str, problem: str) -> None:
    answer = api.form(closed(file_part(b"x", sent)))
    assert repr(problem) in error_of(answer)["message"]


@pytest.mark.parametrize(("sent", "kept"), [
    ("x" * 255, "x" * 255), ("日本語 ñ.txt", "日本語 ñ.txt"), ("a;b=c.txt", "a;b=c.txt"), ("dir/sub/last.txt", "last.txt"),
    (" leading", " leading"), (".", "."), ("100%25.txt", "100%25.txt"), ("\u200b", "\u200b"),
])
def test_a_name_is_kept_as_sent_but_for_its_folders(api: Api, sent: str, kept: str) -> None:
    assert api.form(closed(file_part(b"x", sent))).json()["filename"] == kept


@pytest.mark.parametrize("disposition", ['name="file"', 'name="file"; filename=""', 'name="file"; filename="dir/"'])
def test_a_file_without_a_name_is_named_by_its_type(api: Api, disposition: str) -> None:
    assert api.form(closed(part(b"x", disposition, "application/pdf"))).json()["filename"] == "unnamed.pdf"
    assert api.form(closed(part(b"x", disposition, "x/unheard-of"))).json()["filename"] == "unnamed"


def test_the_type_is_kept_as_sent(api: Api) -> None:
    answer = api.form(closed(file_part(b"x", "a.txt", "Text/X-Odd; charset=utf-8")))
    assert answer.json()["mime_type"] == "Text/X-Odd; charset=utf-8"


def test_an_omitted_type_is_guessed_except_in_the_beta_shape(api: Api) -> None:
    body = closed(file_part(b"x", "a.png", None))
    assert api.form(body).json()["mime_type"] == "image/png"
    assert api.form(body, AGENTS).json()["mime_type"] == "image/png"
    assert api.form(body, BETA).status_code == 400


# --- the form -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("first", [True, False])
def test_the_parts_of_a_form_come_in_any_order(api: Api, first: bool) -> None:
    expiry, file = part(b"7200", 'name="expires_in_seconds"'), file_part(b"x", "a.txt")
    body = closed(expiry, file) if first else closed(file, expiry)
    answer = api.form(body).json()
    lifetime = model.us_of_rfc3339(answer["expires_at"]) - model.us_of_rfc3339(answer["created_at"])
    assert lifetime == 7200 * model.SECOND_US


@pytest.mark.parametrize(("text", "status"), [("3600", 200), ("7776000", 200), ("3599", 400), ("7776001", 400),
                                              ("", 400), ("1e4", 400), ("-3600", 400), ("soon", 400)])
def test_an_expiry_lies_between_an_hour_and_ninety_days(api: Api, text: str, status: int) -> None:
    assert api.upload(expires_in_seconds=text).status_code == status


@pytest.mark.parametrize("body", [
    b"", b"nonsense", closed(), closed(part(b"x", 'name="other"; filename="a.txt"')), closed(part(b"x", 'filename="a"')),
    closed(file_part(b"x", "a"), file_part(b"y", "b")), file_part(b"x", "a"),
    closed(file_part(b"x", "NAME").replace(b"NAME", b"\xff\xfe")),
])
def test_a_form_that_is_none_is_refused_and_leaves_nothing(api: Api, emulator: EmulatorProcess, body: bytes) -> None:
    assert error_of(api.form(body))["type"] == "invalid_request_error"
    assert emulator.files() == []
    assert list((emulator.data / "incoming").iterdir()) == []


def test_an_upload_that_is_no_form_is_refused(api: Api) -> None:
    answer = api.client.post("/v1/files", json={"file": "x"})
    assert error_of(answer)["type"] == "invalid_request_error"


def test_a_body_that_is_too_large_is_refused_without_being_read(emulator: EmulatorProcess) -> None:
    with connect(emulator) as wire:
        wire.sendall(upload_head(emulator, length=10**12))
        answer = b"".join(iter(lambda: wire.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"request_too_large"' in answer
    assert emulator.wait_for_requests(1)[0]["bytes_in"] == 0


def test_a_client_that_is_still_sending_reads_that_its_file_is_too_large(api: Api, emulator: EmulatorProcess) -> None:
    emulator.switch(max_file_bytes=10**6)
    for _ in range(3):
        assert api.upload(content=b"x" * (20 * 10**6)).status_code == 413
        assert api.upload(content=b"x" * (10**6 + 1)).status_code == 413
    assert api.upload(content=b"x" * 10**6).status_code == 200


# --- keys, versions, errors ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("key", [{}, {"x-api-key": "wrong"}, {"authorization": "Bearer wrong"}, {"authorization": "Basic x"}])
def test_a_request_without_an_accepted_key_is_refused(emulator: EmulatorProcess, key: dict[str, str]) -> None:
    answer = httpx.get(f"{emulator.url}/v1/files", headers={**GA, **key}, trust_env=False, verify=False)
    assert answer.status_code == 401
    assert error_of(answer)["type"] == "authentication_error"


@pytest.mark.parametrize(("version", "status"), [("2023-06-01", 200), ("2026-10-21", 200), ("2020-01-01", 400), (None, 400)])
def test_a_request_names_a_known_version(emulator: EmulatorProcess, version: str | None, status: int) -> None:
    headers = {"authorization": f"Bearer {emulator.key}"} | ({} if version is None else {"anthropic-version": version})
    answer = httpx.get(f"{emulator.url}/v1/files", headers=headers, trust_env=False, verify=False)
    assert answer.status_code == status


def test_every_answer_has_a_request_id_a_date_and_the_workspace(api: Api) -> None:
    organizations = set()
    for answer in (api.listing(), api.upload(), api.metadata("file_none"), api.client.get("/v1/other"),
                   api.client.patch("/v1/files")):
        assert re.fullmatch(r"req_011C\w{20}", answer.headers["request-id"])
        parsedate_to_datetime(answer.headers["date"])
        organizations.add((answer.headers["anthropic-organization-id"], answer.headers["anthropic-workspace-id"]))
        if answer.is_error:
            error_of(answer)
    assert len(organizations) == 1


def test_not_downloadable_is_answered_as_recorded(api: Api) -> None:
    file_id = api.upload().json()["id"]
    answer = api.download(file_id)
    assert answer.status_code == 400
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json() == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": f"File '{file_id}' is not downloadable",
                  "details": {"error_code": "file_not_downloadable"}},
        "request_id": answer.headers["request-id"],
    }


# --- lists --------------------------------------------------------------------------------------------------------

def test_the_three_shapes_have_the_keys_of_the_page(api: Api) -> None:
    file = {"type", "id", "size_bytes", "created_at", "filename", "mime_type", "downloadable"}
    api.upload()
    beta, ga, agents = (api.listing(headers).json() for headers in (BETA, {}, AGENTS))
    assert beta.keys() == {"data", "has_more", "first_id", "last_id"}
    assert ga.keys() == {"data", "next_page"}
    assert agents.keys() == beta.keys() | ga.keys()
    assert beta["data"][0].keys() == file
    assert ga["data"][0].keys() == agents["data"][0].keys() == file | {"expires_at"}


@pytest.mark.parametrize(("betas", "keys"), [
    (["x-1,files-api-2025-04-14 , y-2"], {"data", "has_more", "first_id", "last_id"}),
    (["x-1", "files-api-2025-04-14"], {"data", "has_more", "first_id", "last_id"}),
    (["managed-agents-2026-04-01,files-api-2025-04-14"], {"data", "has_more", "first_id", "last_id"}),
    (["managed-agents-2026-04-01", "x-1"], {"data", "has_more", "first_id", "last_id", "next_page"}),
    (["x-1", ""], {"data", "next_page"}),
])
def test_the_shape_is_chosen_by_all_beta_headers_together(api: Api, betas: list[str], keys: set[str]) -> None:
    answer = api.client.get("/v1/files", headers=[("anthropic-beta", each) for each in betas])
    assert answer.json().keys() == keys


def test_an_empty_page_has_null_cursors(api: Api) -> None:
    assert api.listing(AGENTS).json() == {"data": [], "has_more": False, "first_id": None, "last_id": None, "next_page": None}


@pytest.mark.parametrize(("headers", "query"), [
    ({}, {"after_id": "file_x"}), ({}, {"before_id": "file_x"}), (BETA, {"page": "page_x"}), (BETA, {"ids[]": "file_x"}),
    ({}, {"page": "page_x", "ids[]": "file_x"}), ({}, {"limit": 3, "ids[]": "file_x"}), (AGENTS, {"after_id": "a", "before_id": "b"}),
    (AGENTS, {"after_id": "a", "page": "b"}), ({}, {"scope_id": "s"}), (BETA, {"scope_id": "s"}), ({}, {"limit": 0}),
    ({}, {"limit": 1001}), ({}, {"limit": "many"}), ({}, {"limit": -1}), ({}, {"ids[]": [f"file_{n}" for n in range(101)]}),
])
def test_a_cursor_of_another_shape_or_a_bad_limit_is_refused(
        api: Api, headers: dict[str, str], query: dict[str, str]) -> None:
    answer = api.listing(headers, **query)
    assert answer.status_code == 400
    assert error_of(answer)["type"] == "invalid_request_error"


def test_after_goes_to_older_and_before_to_newer_files(api: Api, emulator: EmulatorProcess) -> None:
    ids = [emulator.generate(f"{number}", b"")["id"] for number in range(6)][::-1]

    older = api.listing(BETA, after_id=ids[1], limit=3).json()
    newer = api.listing(BETA, before_id=ids[4], limit=3).json()

    assert [file["id"] for file in older["data"]] == ids[2:5]
    assert (older["has_more"], older["first_id"], older["last_id"]) == (True, ids[2], ids[4])
    assert [file["id"] for file in newer["data"]] == ids[1:4]
    assert newer["has_more"] is True
    assert api.listing(BETA, before_id=ids[1], limit=3).json()["has_more"] is False
    assert api.listing(BETA, after_id=ids[4], limit=3).json()["has_more"] is False


def test_a_page_cursor_outlives_its_file(api: Api, emulator: EmulatorProcess) -> None:
    ids = [emulator.generate(f"{number}", b"")["id"] for number in range(4)][::-1]
    page = api.listing(limit=2).json()
    emulator.vanish(ids[1])
    assert [file["id"] for file in api.listing(page=page["next_page"]).json()["data"]] == ids[2:]


def test_a_list_of_a_hundred_thousand_files_is_complete_and_quick(api: Api, emulator: EmulatorProcess) -> None:
    emulator.bulk(100_000, "many-", 5)
    names, page = [], api.listing(limit=1000).json()
    while True:
        names += [file["filename"] for file in page["data"]]
        if page["next_page"] is None:
            break
        page = api.listing(limit=1000, page=page["next_page"]).json()
    assert names == [f"many-{number:06}.txt" for number in reversed(range(100_000))]
    took = sorted(entry["finished"] - entry["started"] for entry in emulator.requests("list"))
    assert took[len(took) // 2] < 0.1       # about 0.01 on an idle machine


def test_times_are_spelled_with_microseconds_and_increase(api: Api) -> None:
    times = [api.upload().json()["created_at"] for _ in range(5)]
    assert times == sorted(set(times))
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", each) for each in times)


# --- generated files ----------------------------------------------------------------------------------------------

def test_a_generated_file_may_have_a_hostile_name(api: Api, emulator: EmulatorProcess) -> None:
    hostile = ["../../etc/passwd", "a\nb", "", "nul\0", "x" * 500, "CON:", "\u202etxt.exe"]
    made = [emulator.generate(name, b"x")["id"] for name in hostile]
    assert api.names() == hostile[::-1]
    assert api.download(made[0]).content == b"x"


def test_a_generated_file_can_be_back_dated_and_is_listed_where_it_belongs(api: Api, emulator: EmulatorProcess) -> None:
    emulator.generate("now", b"")
    old = emulator.generate("then", b"", created_at="2025-01-02T03:04:05.678901Z")
    emulator.generate("later", b"")
    assert old["created_at"] == "2025-01-02T03:04:05.678901Z"
    assert api.names() == ["later", "now", "then"]


def test_the_journal_tells_what_was_asked_but_no_key(api: Api, emulator: EmulatorProcess) -> None:
    file_id = api.upload("a.txt", b"content").json()["id"]
    api.metadata(file_id)
    upload, metadata = emulator.wait_for_requests(2)
    assert (upload["operation"], upload["filename"], upload["file_id"], upload["status"]) == ("upload", "a.txt", file_id, 200)
    assert upload["bytes_in"] > len(b"content")
    assert (metadata["method"], metadata["path"]) == ("GET", f"/v1/files/{file_id}")
    assert metadata["connection"] == upload["connection"]
    assert metadata["key_hash"] == upload["key_hash"]
    assert emulator.key not in str(emulator.requests())


# --- laws ---------------------------------------------------------------------------------------------------------

@given(st.integers(0, 4 * 10**15))
def test_a_time_survives_its_spelling(moment_us: int) -> None:
    assert model.us_of_rfc3339(model.rfc3339(moment_us)) == moment_us


@given(st.integers(0, 10**17), st.from_regex(r"file_\w{1,30}", fullmatch=True))
def test_a_page_cursor_survives_its_spelling(created_us: int, file_id: str) -> None:
    position = model.Position(created_us, file_id)
    assert shapes.position_of(shapes.page_of(position)) == position


@given(st.text(max_size=40))
def test_no_text_is_taken_for_a_cursor_that_nobody_made(text: str) -> None:
    position = shapes.position_of(text)
    assert position is None or shapes.page_of(position).rstrip("=") == text.rstrip("=")


@given(st.text(max_size=40), st.integers(0, 1000))
def test_a_range_lies_within_the_content(header: str, size: int) -> None:
    for each in (header, f"bytes={header}"):
        try:
            found = rules.byte_range(each, size)
        except rules.ApiError:      # 416: nothing of it exists
            continue
        assert found is None or 0 <= found[0] <= found[1] < size
