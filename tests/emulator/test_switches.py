"""Every switch, both ways."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest

from anthrofs.emulator.bucket import Bucket

from .raw import AGENTS, BETA, GA, closed, connect, error_of, file_part, upload_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from .process import EmulatorProcess
    from .raw import Api

CONTENT = bytes(range(100))


@pytest.mark.parametrize(("asked", "first", "last"), [("bytes=0-", 0, 99), ("bytes=10-19", 10, 19), ("bytes=90-1000", 90, 99),
                                                      ("bytes=-5", 95, 99), ("bytes=-1000", 0, 99)])
def test_ranges_are_honoured_or_ignored(api: Api, emulator: EmulatorProcess, asked: str, first: int, last: int) -> None:
    file_id = emulator.generate("a.bin", CONTENT)["id"]

    answer = api.download(file_id, {"range": asked})
    assert (answer.status_code, answer.content) == (206, CONTENT[first:last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/100"
    assert answer.headers["content-length"] == str(last - first + 1)

    emulator.switch(ranges=False)
    answer = api.download(file_id, {"range": asked})
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert "content-range" not in answer.headers
    assert "accept-ranges" not in answer.headers


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=-0", "bytes=200-300"])
def test_a_range_beyond_the_end_is_416(api: Api, emulator: EmulatorProcess, asked: str) -> None:
    answer = api.download(emulator.generate("a.bin", CONTENT)["id"], {"range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */100")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=5-2", "lines=1-2", "bytes=-", "bytes=a-b"])
def test_a_range_that_makes_no_sense_is_ignored(api: Api, emulator: EmulatorProcess, asked: str) -> None:
    answer = api.download(emulator.generate("a.bin", CONTENT)["id"], {"range": asked})
    assert (answer.status_code, answer.content) == (200, CONTENT)


    emulator.switch(senseless_ranges="error400")
    answer = api.download(emulator.generate("a.bin", CONTENT)["id"], {"range": asked})
    assert (answer.status_code, "Range" in error_of(answer)["message"]) == (400, True)


def test_the_journal_tells_the_range_that_was_asked_for(api: Api, emulator: EmulatorProcess) -> None:
    file_id = emulator.generate("a.bin", CONTENT)["id"]
    api.download(file_id)
    api.download(file_id, {"range": "bytes=-5"})
    assert [request["range"] for request in emulator.requests("download")] == [None, "bytes=-5"]


def test_headers_get_lost_on_the_way_or_dont(api: Api, emulator: EmulatorProcess) -> None:
    file_id = emulator.generate("a.bin", CONTENT)["id"]
    assert {"request-id", "date", "content-type"} <= set(api.download(file_id).headers)
    emulator.switch(dropped_headers="request-id, Date")
    for answer in (api.download(file_id), api.download("file_unknown"), api.listing()):
        assert {"request-id", "date"}.isdisjoint(answer.headers)
        assert "content-type" in answer.headers


def test_a_download_tells_its_length_or_is_chunked(api: Api, emulator: EmulatorProcess) -> None:
    file_id = emulator.generate("a.bin", CONTENT)["id"]
    assert api.download(file_id).headers["content-length"] == "100"
    emulator.switch(content_length=False)
    answer = api.download(file_id)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.headers
    assert answer.content == CONTENT


def test_an_etag_is_sent_or_not_and_guards_ranges(api: Api, emulator: EmulatorProcess) -> None:
    file_id = emulator.generate("a.bin", CONTENT)["id"]
    assert "etag" not in api.download(file_id).headers
    emulator.switch(etag=True)
    etag = api.download(file_id).headers["etag"]
    assert api.download(file_id, {"range": "bytes=1-2", "if-range": etag}).status_code == 206
    assert api.download(file_id, {"range": "bytes=1-2", "if-range": '"another"'}).status_code == 200


def test_a_content_disposition_is_sent_or_not(api: Api, emulator: EmulatorProcess) -> None:
    file_id = emulator.generate("a.bin", CONTENT)["id"]
    assert "content-disposition" not in api.download(file_id).headers
    emulator.switch(content_disposition=True)
    assert api.download(file_id).headers["content-disposition"] == "attachment"


def test_empty_uploads_are_accepted_or_refused(api: Api, emulator: EmulatorProcess) -> None:
    assert api.upload(content=b"").json()["size_bytes"] == 0
    emulator.switch(empty_uploads="refuse")
    assert api.upload(content=b"").status_code == 400
    assert len(emulator.files()) == 1


@pytest.mark.parametrize(("way", "status", "names"), [("error400", 400, None), ("error404", 404, None), ("restart", 200, ["a.bin"]),
                                                      ("empty", 200, [])])
@pytest.mark.parametrize("query", [{"after_id": "file_gone"}, {"before_id": "file_gone"}, {"page": "page_gone"}])
def test_an_unknown_cursor_is_an_error_or_starts_again_or_ends_the_list(
        api: Api, emulator: EmulatorProcess, way: str, status: int, names: list[str] | None, query: dict[str, str]) -> None:
    for name in ("old.bin", "a.bin"):
        emulator.generate(name, CONTENT)
    emulator.switch(unknown_cursor=way)
    answer = api.listing({} if "page" in query else BETA, limit=1, **query)
    assert answer.status_code == status
    if status == 200:
        assert [file["filename"] for file in answer.json()["data"]] == names
        assert bool(answer.json().get("has_more") or answer.json().get("next_page")) == bool(names)


@pytest.mark.parametrize("lag_ms", [0, 10**6])
def test_a_deleted_cursor_is_unknown_or_keeps_its_place(api: Api, emulator: EmulatorProcess, lag_ms: int) -> None:
    old, file_id, new = (emulator.generate(name, CONTENT)["id"] for name in ("old", "gone", "new"))
    assert api.listing(BETA, after_id=file_id).status_code == 200
    emulator.vanish(file_id)
    assert api.listing(BETA, after_id=file_id).status_code == 400
    emulator.switch(deleted_cursor="in_place", deletion_lag_ms=lag_ms)
    assert [file["id"] for file in api.listing(BETA, after_id=file_id).json()["data"]] == [old]
    assert [file["id"] for file in api.listing(BETA, before_id=file_id).json()["data"]] == [new]
    assert api.listing(BETA, after_id="file_never").status_code == 400


def test_an_upload_whose_client_left_after_its_last_byte_is_stored_or_dropped(emulator: EmulatorProcess) -> None:
    body = closed(file_part(b"x" * 200_000, "left.txt"))

    def leave(*, missing: int) -> None:
        with connect(emulator) as wire:
            wire.sendall(upload_head(emulator, len(body)) + body[:len(body) - missing])

    for _ in range(5):
        leave(missing=0)
    emulator.wait_for_requests(5)
    assert len(emulator.files()) == 5
    for missing, way in ((1, "store"), (0, "drop"), (1, "drop")):
        emulator.switch(abandoned_uploads=way)
        emulator.forget_requests()
        leave(missing=missing)
        emulator.wait_for_requests(1)
        assert len(emulator.files()) == 5
    assert list((emulator.data / "incoming").iterdir()) == []


@pytest.mark.parametrize(("way", "kept"), [("as_sent", "\u00e9 e\u0301"), ("nfc", "\u00e9 \u00e9"), ("nfd", "e\u0301 e\u0301")])
def test_names_are_kept_as_sent_or_normalised(api: Api, emulator: EmulatorProcess, way: str, kept: str) -> None:
    emulator.switch(stored_names=way)
    assert api.upload("\u00e9 e\u0301").json()["filename"] == kept
    assert api.names() == [kept]


@pytest.mark.parametrize(("way", "zeros"), [("microseconds", 0), ("milliseconds", 3), ("seconds", 6)])
def test_times_are_shown_with_more_or_fewer_digits_in_the_same_order(api: Api, emulator: EmulatorProcess, way: str, zeros: int) -> None:
    names = [f"{number}" for number in range(5)]
    for number, name in enumerate(names):
        emulator.generate(name, b"", created_at=f"2026-01-02T03:04:05.67890{number + 1}Z")
    emulator.switch(time_resolution=way)
    listed = api.listing().json()["data"]
    assert [file["filename"] for file in listed] == names[::-1]
    digits = "678905"[:6 - zeros] + "0" * zeros
    assert listed[0]["created_at"] == api.metadata(listed[0]["id"]).json()["created_at"] == f"2026-01-02T03:04:05.{digits}Z"
    upload = api.upload(expires_in_seconds="3600").json()
    assert {upload[name][26 - zeros:] for name in ("created_at", "expires_at")} == {"0" * zeros + "Z"}


def test_headers_about_the_rate_are_sent_or_not(api: Api, emulator: EmulatorProcess) -> None:
    assert not [name for name in api.listing().headers if name.startswith("anthropic-ratelimit-")]
    emulator.switch(ratelimit_headers=True)
    assert api.listing().headers["anthropic-ratelimit-requests-limit"] == "500"


def test_the_metadata_of_a_deleted_file_are_known_for_a_while(api: Api, emulator: EmulatorProcess) -> None:
    file = api.upload().json()
    emulator.switch(metadata_lag_ms=10**6)
    api.delete(file["id"])
    assert api.names() == []
    assert api.metadata(file["id"]).json() == file
    assert api.download(file["id"]).status_code == 404
    emulator.switch(metadata_lag_ms=0)
    assert api.metadata(file["id"]).status_code == 404


def test_a_second_delete_is_404_or_accepted(api: Api, emulator: EmulatorProcess) -> None:
    file_id = api.upload().json()["id"]
    assert api.delete(file_id).json() == {"id": file_id, "type": "file_deleted"}
    assert api.delete(file_id).status_code == 404
    emulator.switch(second_delete="accept")
    assert api.delete(file_id).json() == {"id": file_id, "type": "file_deleted"}


def test_a_deletion_can_be_answered_in_the_forms_of_gateways(api: Api, emulator: EmulatorProcess) -> None:
    answers = {}
    for form in ("no_content", "other_json", "page"):
        emulator.switch(delete_answer=form)
        answers[form] = api.delete(api.upload().json()["id"])
    assert (answers["no_content"].status_code, answers["no_content"].content) == (204, b"")
    assert answers["other_json"].json()["deleted"] is True
    assert answers["page"].headers["content-type"].startswith("text/html")
    assert emulator.files() == []


def test_uploads_can_be_given_out(api: Api, emulator: EmulatorProcess) -> None:
    assert api.upload().json()["downloadable"] is False
    emulator.switch(uploads_downloadable=True)
    made = api.upload(content=b"given out").json()
    assert made["downloadable"] is True
    assert api.download(made["id"]).content == b"given out"


def test_a_cache_answers_what_it_has_seen_by_the_address_whatever_the_request_says(api: Api, emulator: EmulatorProcess) -> None:
    emulator.switch(listing_cache_s=60)
    first = api.listing(limit=5)
    emulator.generate("new.txt", b"x")
    again = api.client.get("/v1/files", params={"limit": 5}, headers={"cache-control": "no-cache"})
    assert (again.json(), again.headers["date"]) == (first.json(), first.headers["date"])
    assert (first.headers["age"], int(again.headers["age"]) >= 0) == ("0", True)
    assert len(api.listing(limit=6).json()["data"]) == 1
    emulator.switch(listing_cache_s=0)
    assert len(api.listing(limit=5).json()["data"]) == 1


@pytest.mark.parametrize("status", [400, 403])
def test_a_full_quota_is_400_or_403(api: Api, emulator: EmulatorProcess, status: int) -> None:
    emulator.switch(quota_bytes=3, quota_status=status)
    answer = api.upload(content=b"four")
    assert answer.status_code == status
    assert error_of(answer)["details"] == {"error_code": "storage_quota_exceeded"}
    assert api.upload(content=b"two").status_code == 200


def test_error_details_are_sent_or_missing(api: Api, emulator: EmulatorProcess) -> None:
    file_id = api.upload().json()["id"]
    assert "details" in error_of(api.download(file_id))
    emulator.switch(error_details=False)
    assert "details" not in error_of(api.download(file_id))


def test_a_foreign_workspace_is_ignored_or_refused(api: Api, emulator: EmulatorProcess) -> None:
    foreign = {"anthropic-workspace-id": "wrkspc_other"}
    own = {"anthropic-workspace-id": api.listing(foreign).headers["anthropic-workspace-id"]}
    emulator.switch(foreign_workspace="error403")
    assert error_of(api.listing(foreign))["type"] == "permission_error"
    assert api.listing(own).status_code == 200


def test_fields_nobody_knows_are_added_or_not(api: Api, emulator: EmulatorProcess) -> None:
    file = api.upload().json()
    emulator.switch(extra_fields=True)
    assert api.metadata(file["id"]).json().keys() - file.keys() == {"later_invention"}
    assert "later_invention" in api.listing().json()


def test_lists_are_newest_first_oldest_first_or_shuffled(api: Api, emulator: EmulatorProcess) -> None:
    names = [f"{number:02}" for number in range(12)]
    for name in names:
        emulator.generate(name, b"")
    found = {}
    for order in ("newest_first", "oldest_first", "shuffled"):
        emulator.switch(order=order)
        found[order] = api.names(limit=100)
        page, paged = api.listing(limit=5).json(), []
        while page["next_page"] is not None:
            paged += page["data"]
            page = api.listing(limit=5, page=page["next_page"]).json()
        assert [file["filename"] for file in paged + page["data"]] == found[order]
        after = api.listing(BETA, after_id=paged[4]["id"], limit=5).json()
        assert [file["filename"] for file in after["data"]] == found[order][5:10]
    assert found["newest_first"] == names[::-1]
    assert found["oldest_first"] == names
    assert sorted(found["shuffled"]) == names
    assert found["shuffled"] not in (names, names[::-1])


def test_the_workspace_is_named_or_not(api: Api, emulator: EmulatorProcess) -> None:
    assert "anthropic-organization-id" in api.listing().headers
    emulator.switch(identity_headers=False)
    answer = api.listing()
    assert "anthropic-organization-id" not in answer.headers
    assert "anthropic-workspace-id" not in answer.headers
    assert "request-id" in answer.headers


@pytest.mark.parametrize("extra", [7, 100_000, -40, -1000])
def test_generated_media_may_be_delivered_longer_or_shorter(api: Api, emulator: EmulatorProcess, extra: int) -> None:
    image = emulator.generate("a.png", CONTENT, "image/png")
    text = emulator.generate("a.txt", CONTENT, "text/plain")
    emulator.switch(delivered_extra_bytes=extra)
    length = max(0, 100 + extra)
    answer = api.download(image["id"])
    assert len(answer.content) == length == int(answer.headers["content-length"])
    assert answer.content[:100] == CONTENT[:length]
    if length:
        assert api.download(image["id"], {"range": "bytes=-30"}).content == answer.content[-30:]
    assert api.download(text["id"]).content == CONTENT
    assert api.metadata(image["id"]).json()["size_bytes"] == 100


def test_requests_above_the_rate_are_refused_and_only_those(api: Api, emulator: EmulatorProcess) -> None:
    emulator.switch(requests_per_minute=3)
    answers = [api.listing() for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
    emulator.switch(requests_per_minute=0)
    assert api.listing().status_code == 200


@pytest.mark.parametrize(("minute", "passes"), [
    # 3 a minute, asked at these seconds: which of them pass
    ("bucket", [True, True, True, True, False, False, True, False, True]),
    ("sliding", [True, True, True, False, False, False, True, False, False]),
    ("calendar", [True, True, True, False, False, False, True, True, True]),
])
def test_a_minute_is_counted_as_services_count(minute: str, passes: list[bool]) -> None:
    clock_s = [0.0]
    bucket = Bucket(lambda: clock_s[0])
    found = []
    for clock_s[0] in (600, 640, 641, 642, 658, 659.5, 660.1, 661, 699.5):
        wait_s = bucket.take(3, minute)
        found.append(wait_s == 0)
        assert 0 <= wait_s <= 60
    assert found == passes


def test_a_sliding_minute_is_refused_by_the_real_one_too(api: Api, emulator: EmulatorProcess) -> None:
    emulator.switch(requests_per_minute=2, minute="sliding")
    answers = [api.listing() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 55 <= int(answers[-1].headers["retry-after"]) <= 60


def test_latency_comes_before_each_answer_but_not_before_its_effect(api: Api, emulator: EmulatorProcess) -> None:
    emulator.switch(latency_ms=150)
    for _ in range(2):
        assert seconds(api.listing) >= 0.15
    with pytest.raises(httpx.ReadTimeout):
        api.client.post("/v1/files", files={"file": ("late.txt", b"x", "text/plain")}, timeout=0.1)
    assert [file["filename"] for file in emulator.files()] == ["late.txt"]


def test_only_a_new_connection_waits_for_its_first_answer(emulator: EmulatorProcess) -> None:
    emulator.switch(connect_latency_ms=400)
    headers = {"x-api-key": emulator.key, **GA}
    with httpx.Client(base_url=emulator.url, headers=headers, trust_env=False, verify=False) as client:
        assert seconds(lambda: client.get("/v1/files")) >= 0.4
        assert seconds(lambda: client.get("/v1/files")) < 0.4


def test_bandwidth_bounds_downloads_and_uploads(api: Api, emulator: EmulatorProcess) -> None:
    file_id = emulator.generate("a.bin", b"x" * 200_000)["id"]
    emulator.switch(bandwidth_bytes_per_s=10**6)
    assert 0.2 <= seconds(lambda: api.download(file_id)) < 5
    assert 0.2 <= seconds(lambda: api.upload(content=b"x" * 200_000)) < 5


def test_a_new_file_is_listed_late(api: Api, emulator: EmulatorProcess) -> None:
    emulator.switch(listing_lag_ms=10**6)
    file_id = api.upload("late.txt").json()["id"]
    assert api.names() == []
    assert api.metadata(file_id).status_code == 200
    emulator.switch(listing_lag_ms=0)
    assert api.names() == ["late.txt"]


def test_a_deleted_file_stays_listed_for_a_while(api: Api, emulator: EmulatorProcess) -> None:
    emulator.switch(deletion_lag_ms=10**6)
    file_id = emulator.generate("ghost.txt", b"x")["id"]
    api.delete(file_id)
    assert api.names() == ["ghost.txt"]
    assert {api.metadata(file_id).status_code, api.download(file_id).status_code, api.delete(file_id).status_code} == {404}
    assert emulator.files() == []
    emulator.switch(deletion_lag_ms=0)
    assert api.names() == []


@pytest.mark.parametrize("changes", [{"no_such": 1}, {"ranges": 1}, {"latency_ms": "1"}, {"latency_ms": True}, {"latency_ms": -1},
                                     {"order": "best_first"}, {"quota_status": 500}, {"ranges": False, "etag": 3}, [], 7])
def test_a_bad_switch_is_explained_and_changes_nothing(
        emulator: EmulatorProcess, defaults: dict[str, object], changes: object) -> None:
    answer = emulator.client.patch("/_emulator/switches", json=changes)
    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 10
    assert emulator.client.get("/_emulator/switches").json() == defaults


def seconds(call: Callable[[], object]) -> float:
    start = time.monotonic()
    call()
    return time.monotonic() - start


def test_lists_are_the_apis_own_or_anothers(api: Api, emulator: EmulatorProcess) -> None:
    stored = emulator.generate("a.bin", CONTENT)
    emulator.switch(foreign_lists="openai")
    body = api.listing(BETA).json()
    assert (body["object"], body["has_more"], body["data"][0]["id"], body["data"][0]["bytes"]) == ("list", False, stored["id"], 100)
    emulator.switch(foreign_lists="bare")
    assert list(api.listing(BETA).json()) == ["data"]


def test_the_newest_entries_of_a_page_lack_what_a_file_needs(api: Api, emulator: EmulatorProcess) -> None:
    for name in ("old.bin", "new.bin"):
        emulator.generate(name, CONTENT)
    emulator.switch(unreadable_entries=1)
    assert ["size_bytes" in entry for entry in api.listing(GA).json()["data"]] == [False, True]


def test_percent_signs_of_a_name_are_what_a_form_spells_or_themselves(api: Api, emulator: EmulatorProcess) -> None:
    body = closed(file_part(b"x", "a%22b%41.txt"))
    assert api.form(body).status_code == 400            # a quote, which no name may have
    emulator.switch(decoded_names=False)
    assert api.form(body).json()["filename"] == "a%22b%41.txt"


@pytest.mark.parametrize(("way", "status"), [("empty", 200), ("error404", 404), ("error400", 400)])
def test_a_session_that_isnt_there_is_an_empty_list_or_an_error(api: Api, emulator: EmulatorProcess, way: str, status: int) -> None:
    emulator.switch(unknown_scope=way)
    assert api.listing(AGENTS, scope_id="sesn_none").status_code == status
    emulator.session("sesn_new")
    assert api.listing(AGENTS, scope_id="sesn_new").json()["data"] == []
    assert api.client.get("/v1/sessions/sesn_new").status_code == 200
    assert error_of(api.client.get("/v1/sessions/sesn_none"))["type"] == "not_found_error"


def test_a_form_may_have_parts_that_nobody_knows(api: Api) -> None:
    assert api.upload(purpose="user_data").status_code == 200
