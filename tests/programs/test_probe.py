"""scripts/probe-service: what it says about each kind of server, and that nothing of its own stays, whatever happens."""

import json
import os
import signal
import subprocess
from typing import Any, Final

import httpx
import pytest

from tests.emulator.process import EmulatorProcess
from tests.mounting import ROOT, WAIT_S, wait_until

SCRIPT: Final = ROOT / "scripts" / "probe-service"
PRIVATE: Final = "somebody's private name"
BUDGET: Final = 64


class Probe:
    """The script as a user runs it, against the emulator; it must leave exactly the files that were there."""

    def __init__(self, emulator: EmulatorProcess) -> None:
        self.emulator = emulator
        self.before = self.files()
        self.output = self.errors = ""
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANTHROPIC_")},
            "ANTHROPIC_API_KEY": emulator.key, "ANTHROPIC_BASE_URL": emulator.url, "PYTHONWARNINGS": "error::ResourceWarning"}

    def files(self) -> list[tuple[str, str]]:
        return [(file["id"], file["sha256"]) for file in self.emulator.files()]

    def listed(self) -> int:
        """How many files the server's listing shows."""
        answer = httpx.get(f"{self.emulator.url}/v1/files?limit=100", trust_env=False,
                           headers={"x-api-key": self.emulator.key, "anthropic-version": "2023-06-01"})
        return len(answer.raise_for_status().json()["data"])

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen([SCRIPT, *arguments], cwd="/", env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def end(self, process: subprocess.Popen[str], exit_code: int) -> dict[str, Any]:
        """The document; what must be true of each."""
        self.output, self.errors = process.communicate(timeout=WAIT_S)
        assert process.returncode == exit_code, self.errors
        assert self.emulator.key not in self.output + self.errors
        assert PRIVATE not in self.output + self.errors
        assert "Traceback" not in self.errors
        assert "bug" not in self.errors
        document: dict[str, Any] = json.loads(self.output)
        self.emulator.clear_faults()
        asked = self.emulator.wait_for_requests(document["requests"])
        assert len(asked) == document["requests"]
        assert f"probe: {len(asked)} requests" in self.errors
        return document

    def run(self, *arguments: str, exit_code: int = 0, left: int = 0) -> dict[str, Any]:
        document = self.end(self.start("--bound", "1", *arguments), exit_code)
        assert len(document["left"]) == left
        for line in document["left"]:
            assert line in self.errors
        stayed = {file_id for file_id, _ in self.files()} - {file_id for file_id, _ in self.before}
        assert len(stayed) == left
        assert {line.partition(" ")[0] for line in document["left"]} == stayed
        if not left:
            assert self.files() == self.before
            assert f"{document['uploaded']} files uploaded, {document['uploaded']} deleted, none left" in self.errors
        return document


@pytest.fixture
def probe(emulator: EmulatorProcess) -> Probe:
    for number in range(11):
        emulator.generate(f"{PRIVATE} {number}.png", bytes(range(50)) * (number + 2), "image/png")
    emulator.generate(f"{PRIVATE}.txt", b"not to be downloaded", downloadable=False)
    return Probe(emulator)


def at(document: dict[str, Any], path: str) -> object:
    found: Any = document["facts"]
    for name in path.split("/"):
        found = found.get(name)
    return round(found, 1) if isinstance(found, float) else found


# One line is one fact, in each of the five servers below it: (path, what it is there).
SERVERS: Final[list[dict[str, object]]] = [
    {},
    {"ranges": False, "content_length": False, "etag": True, "content_disposition": True, "empty_uploads": "refuse",
     "unknown_cursor": "error404", "deleted_cursor": "in_place", "second_delete": "accept", "abandoned_uploads": "drop",
     "stored_names": "nfc", "time_resolution": "milliseconds", "ratelimit_headers": True, "error_details": False,
     "identity_headers": False, "delivered_extra_bytes": 7, "extra_fields": True},
    {"unknown_cursor": "restart", "stored_names": "nfd", "time_resolution": "seconds", "order": "oldest_first",
     "delivered_extra_bytes": -40, "listing_lag_ms": 300},
    {"unknown_cursor": "empty", "order": "shuffled", "deletion_lag_ms": 60_000, "metadata_lag_ms": 300},
    {"deletion_lag_ms": 300, "metadata_lag_ms": 60_000},
]  # fmt: skip
ANY: Final = object()       # what this server says there, nobody can know
LATER: Final = object()     # not at the first look: at which one, the machine decides
FACTS: Final[list[tuple[str, list[object]]]] = [
    ("download/ranges/first/status", [206, 200, 206, 206, 206]),
    ("download/ranges/open/status", [206, 200, 206, 206, 206]),
    ("download/ranges/suffix/status", [206, 200, 206, 206, 206]),
    ("download/ranges/suffix/content_range", ["bytes 97-99/100", None, "bytes 57-59/60", "bytes 97-99/100", "bytes 97-99/100"]),
    ("download/ranges/beyond_the_end/status", [416, 200, 416, 416, 416]),
    ("download/ranges/suffix/bytes_right", [True, True, True, True, True]),
    ("download/content_length/sent", [True, False, True, True, True]),
    ("download/length_as_listed", [True, False, False, True, True]),
    ("download/delivered_bytes", [100, 107, 60, 100, 100]),
    ("download/content_disposition", [None, "attachment", None, None, None]),
    ("own_upload/status", [400] * 5),
    ("own_upload/x-should-retry", ["false"] * 5),
    ("empty_upload/taken", [True, False, True, True, True]),
    ("unknown_cursors/after_id/status", [400, 404, 200, 200, 400]),
    ("unknown_cursors/after_id/gets", ["refused", "refused", "from_the_start", "nothing", "refused"]),
    ("unknown_cursors/before_id/gets", ["refused", "refused", "from_the_start", "nothing", "refused"]),
    ("unknown_cursors/page/gets", ["refused", "refused", "from_the_start", "nothing", "refused"]),
    ("deletion/deleted_after_id/gets", ["refused", "in_place", ANY, ANY, "refused"]),
    ("deletion/deleted_before_id/gets", ["refused", "in_place", ANY, ANY, "refused"]),
    ("deletion/deleted_page/gets", ["in_place", "in_place", ANY, ANY, "in_place"]),
    ("deletion/second_delete/status", [404, 200, 404, 404, 404]),
    ("deletion/gone/listing/seen", [True, True, True, False, True]),
    ("deletion/gone/metadata/seen", [True, True, True, True, False]),
    ("deletion/gone/metadata/not_yet_after_seconds", [None, None, None, LATER, None]),
    ("deletion/gone/listing/not_yet_after_seconds", [None, None, None, None, LATER]),
    ("cut_uploads/stored/after_the_last_byte", [True, False, True, True, True]),
    ("cut_uploads/stored/one_byte_missing", [False] * 5),
    ("composed_name/stored", ["as_sent", "nfc", "nfd", "as_sent", "as_sent"]),
    ("times/created_at/unit", ["microseconds", "milliseconds", "seconds", "microseconds", "microseconds"]),
    ("headers/ratelimit", [{}, {"anthropic-ratelimit-requests-limit": "500", "anthropic-ratelimit-requests-remaining": "499"}, {}, {}, {}]),
    ("headers/identity/anthropic-workspace-id", [True, False, True, True, True]),
    ("headers/identity/request-id", [True] * 5),
    ("order/order", ["newest_first", "newest_first", "oldest_first", "neither", "newest_first"]),
    ("new_upload/unknown_keys", [[], ["later_invention"], [], [], []]),
    ("new_upload/listed/seen", [True] * 5),
    ("new_upload/listed/not_yet_after_seconds", [None, None, LATER, None, None]),
    ("new_upload/type/as_sent", [True] * 5),
    ("omitted_type/ga/stored", ["text/csv"] * 5),
    ("omitted_type/beta/status", [400] * 5),
    ("omitted_type/expires_in_seconds_3600", [3600.0] * 5),
    ("composed_name/expires_in_seconds_7776000", [7776000.0] * 5),
    ("expiry_limits/3599/status", [400] * 5),
    ("expiry_limits/7776001/status", [400] * 5),
    ("long_names/counted_in", ["code points"] * 5),
    ("long_names/256/status", [400] * 5),
    ("forbidden_names/<>:|?*/status", [400] * 5),
    ('forbidden_names/"/message', ["filename: character '\"' is not allowed"] * 5),
    ("forbidden_names/\\/message", [r"filename: character '\\' is not allowed"] * 5),
    ("forbidden_names/U+0001/status", [400] * 5),
    ("limits/beta/1000/status", [200] * 5),
    ("limits/beta/1001/status", [400] * 5),
    ("limits/ga/1001/status", [400] * 5),
    ("limits/agents/1000/status", [200] * 5),
    ("ids/ga/files", [1] * 5),
]  # fmt: skip


@pytest.mark.parametrize("kind", range(len(SERVERS)))
def test_it_tells_each_kind_of_server_rightly(probe: Probe, kind: int) -> None:
    probe.emulator.switch(**SERVERS[kind])
    wait_until(lambda: probe.listed() == len(probe.before), "no lag hides what was there before")
    probe.emulator.forget_requests()
    document = probe.run()
    found = {path: at(document, path) for path, _ in FACTS}
    expected = {path: found[path] if values[kind] is ANY or (values[kind] is LATER and isinstance(found[path], float)) else values[kind]
                for path, values in FACTS}
    assert found == expected
    assert (document["unanswered"], document["nothing_to_ask_about"]) == ({}, {})
    assert ("error_code" in document["facts"]["own_upload"]) == SERVERS[kind].get("error_details", True)
    assert (document["facts"]["download"]["etag"] is not None) == SERVERS[kind].get("etag", False)
    assert document["requests"] <= BUDGET
    deleted = {entry["file_id"] for entry in probe.emulator.requests("delete")}
    assert not deleted & {file_id for file_id, _ in probe.before}


# ---- what ends a run, or a question

def test_without_a_downloadable_file_it_says_so(emulator: EmulatorProcess) -> None:
    document = Probe(emulator).run()
    assert document["nothing_to_ask_about"]["download"].startswith("no downloadable file")
    assert document["unanswered"] == {}


def test_where_listings_lag_for_long_nothing_is_uploaded_that_only_they_could_find(probe: Probe) -> None:
    probe.emulator.switch(listing_lag_ms=60_000)
    document = probe.run(exit_code=1)
    assert document["nothing_to_ask_about"]["cut_uploads"] == "a new upload is not listed within 1 s, so nobody could tell"
    assert list(document["unanswered"]) == ["order"]
    assert at(document, "new_upload/listed/seen") is False


def test_agents_shape_that_is_not_allowed_is_a_fact(probe: Probe) -> None:
    probe.emulator.fault("list", {"kind": "status", "status": 403, "error_type": "permission_error"}, skip=3)
    document = probe.run()
    assert at(document, "limits/agents/1000/type") == "permission_error"


@pytest.mark.parametrize(("skip", "action", "ended"), [
    (0, {"kind": "status", "status": 401}, "stopped: the service doesn't accept the credentials: HTTP 401: scripted"),
    (20, {"kind": "status", "status": 401}, "stopped: the service doesn't accept the credentials: HTTP 401: scripted"),
    (0, {"kind": "status", "status": 403}, "stopped: the key may not list files: HTTP 403: scripted"),
])
def test_credentials_that_are_refused_end_it_with_3(probe: Probe, skip: int, action: dict[str, Any], ended: str) -> None:
    probe.emulator.fault("any", action, skip=skip)
    document = probe.run(exit_code=3)
    assert document["ended"].startswith(ended)
    assert bool(document["uploaded"]) == (skip > 0)


def test_a_key_that_is_withdrawn_leaves_files_that_are_named(probe: Probe) -> None:
    probe.emulator.fault("any", {"kind": "status", "status": 401}, times=-1, skip=12)
    document = probe.run(exit_code=5, left=3)
    assert all("doesn't accept the credentials" in line for line in document["left"])


def test_a_rate_limit_is_waited_for(probe: Probe) -> None:
    for operation in ("upload", "list", "delete"):
        probe.emulator.fault(operation, {"kind": "status", "status": 429, "retry_after_ms": 50}, skip=1)
    document = probe.run()
    assert document["unanswered"] == {}
    assert at(document, "headers/retry_after_with_status") == [429]
    assert "the rate is limited: waiting" in probe.errors


def test_a_long_rate_limit_ends_it(probe: Probe) -> None:
    probe.emulator.fault("upload", {"kind": "status", "status": 429, "retry_after": 600}, skip=2)
    document = probe.run(exit_code=1)
    assert "asks to wait 600 s: run this again later" in document["ended"]


def test_errors_for_a_while_cost_some_answers_and_no_files(probe: Probe) -> None:
    probe.emulator.fault("list", {"kind": "status", "status": 500}, times=2, skip=5)
    document = probe.run(exit_code=1)
    assert list(document["unanswered"]) == ["new_upload"]
    assert document["ended"] == "all questions were asked"


def test_errors_that_stay_end_it_and_name_what_is_left(probe: Probe) -> None:
    probe.emulator.fault("any", {"kind": "html", "status": 502}, times=-1, skip=10)
    document = probe.run(exit_code=5, left=3)
    assert document["ended"] == "stopped: 3 questions in a row got no answer"
    assert all("HTTP 502" in line for line in document["left"])


@pytest.mark.parametrize("action", [{"kind": "cut", "when": "after_commit"}, {"kind": "status_after_commit", "status": 500},
                                    {"kind": "garbage_json"}, {"kind": "cut", "when": "before_body"}])
def test_an_upload_whose_answer_is_lost_is_looked_for(probe: Probe, action: dict[str, Any]) -> None:
    """After the commit it is found and deleted; where nothing was stored, that can't be known and is said."""
    stored = "commit" in json.dumps(action)
    probe.emulator.fault("upload", action, skip=3)
    process = probe.start("--bound", "1")
    document = probe.end(process, 1 if stored else 5)
    assert probe.files() == probe.before
    assert document["uploaded"] == document["deleted"]
    assert len(document["left"]) == (not stored)
    for line in document["left"]:
        assert line.startswith("perhaps a file named anthrofs-probe-")
        assert line in probe.errors


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_during_an_upload_leaves_nothing(probe: Probe, name: str) -> None:
    """The worst moment: the server has the file, and the answer is on its way."""
    probe.emulator.fault("upload", {"kind": "delay", "seconds": 60}, skip=3)
    process = probe.start("--bound", "1")
    wait_until(lambda: len(probe.files()) == len(probe.before) + 3, "three files are stored")
    number = signal.Signals[name]
    process.send_signal(number)
    document = probe.end(process, 128 + number)
    assert document["ended"] == f"interrupted by {name}"
    assert (document["left"], document["uploaded"]) == ([], 3)
    assert probe.files() == probe.before


def test_a_second_signal_ends_the_cleaning_up_and_names_what_is_left(probe: Probe) -> None:
    probe.emulator.fault("delete", {"kind": "stall", "seconds": 60}, times=-1)
    process = probe.start("--bound", "1")
    wait_until(lambda: len(probe.emulator.requests("delete")) == 1, "a file is being deleted")
    process.send_signal(signal.SIGINT)
    wait_until(lambda: len(probe.emulator.requests("delete")) == 2, "it is cleaning up")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 5, errors
    document = json.loads(output)
    stayed = {file_id for file_id, _ in probe.files()} - {file_id for file_id, _ in probe.before}
    assert stayed <= {line.partition(" ")[0] for line in document["left"]}
    assert "stopped cleaning up" in errors


def test_offline_is_said_at_once(probe: Probe) -> None:
    probe.environment["ANTHROPIC_BASE_URL"] = "http://127.0.0.1:9"
    process = probe.start()
    output, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 1
    assert json.loads(output)["ended"].startswith("stopped: no connection to 127.0.0.1: ")
    assert "0 files uploaded, 0 deleted, none left" in errors


@pytest.mark.parametrize(("changes", "words"), [
    ({"ANTHROPIC_API_KEY": ""}, "No credentials: set ANTHROPIC_API_KEY"),
    ({"ANTHROPIC_BASE_URL": "nonsense"}, "ANTHROPIC_BASE_URL is not a URL"),
    ({"ANTHROPIC_API_KEY": "two words"}, "The variable ANTHROPIC_API_KEY holds a space"),
])
def test_an_environment_that_is_wrong_is_said_with_2(probe: Probe, changes: dict[str, str], words: str) -> None:
    probe.environment.update(changes)
    output, errors = (process := probe.start()).communicate(timeout=WAIT_S)
    assert (process.returncode, output) == (2, "")
    assert errors.startswith(f"probe: {words}")
    assert probe.emulator.requests() == []


def test_a_token_will_do_and_a_server_that_repeats_it_does_not_make_it_seen(probe: Probe) -> None:
    del probe.environment["ANTHROPIC_API_KEY"]
    probe.environment["ANTHROPIC_AUTH_TOKEN"] = probe.emulator.key
    probe.emulator.fault({"operation": "download"}, {"kind": "status", "status": 400, "message": f"bad: {probe.emulator.key}"})
    document = probe.run()
    assert at(document, "own_upload/message") == "bad: [key]"
