"""A mishap on the simulated wire is to the client what the same one of the emulator is to it, over a real connection: the same words of
what happened, and the same files afterwards.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.config import Timeouts
from anthrofs.errors import RemoteError
from anthrofs.model import FileId
from anthrofs.remote.http import HttpFiles
from tests.emulator.process import EmulatorProcess
from tests.fakes import body_of
from tests.simulation.rig import Rig
from tests.unit.remote.serving import http_files

CONTENT: Final = random.Random(7).randbytes(50_000)
PATIENT: Final = Timeouts(read_s=30, first_s=30, answer_s=30)
IMPATIENT: Final = Timeouts(read_s=0.4, first_s=0.4, answer_s=0.4)
LONG_S: Final = 2               # longer than the impatient wait
LATER_S: Final = 0.1            # so late the emulator stores what it stores late
LOGIN: Final = "https://login.example.com/"       # where the emulator's gateways send people
NOBODY: Final = "http://127.0.0.1:1/login"
ALL: Final = ("upload", "list", "metadata", "delete", "download")
GETS: Final = ("list", "metadata", "download")


def status(number: int, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    wire = {name: "true" if value is True else "false" if value is False else str(value) for name, value in more.items() if name.startswith(("retry", "should"))}
    return ({"kind": "status", "status": number, "message": "so it shall be", **more},
            {"action": "status", "status": number, "code": more.get("error_code", ""), **wire})


def page(number: int, emulated: str, simulated: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"kind": "gateway", "status": number, "form": emulated}, {"action": "page", "status": number, "form": simulated, "location": LOGIN if number == 302 else ""}


Pair = tuple[tuple[str, ...], dict[str, Any], dict[str, Any]]
# Operations, the emulator's action, that of the wire.
PAIRS: Final[list[Pair]] = [
    (ALL, {"kind": "cut", "when": "before_commit"}, {"action": "cut"}),
    (ALL, {"kind": "cut", "when": "after_commit"}, {"action": "lost"}),
    (("upload", "delete"), {"kind": "late_commit", "seconds": LATER_S}, {"action": "later", "seconds": LATER_S}),
    (("upload", "delete"), {"kind": "late_commit", "seconds": LATER_S, "status": 504}, {"action": "later", "seconds": LATER_S, "status": 504}),
    (ALL, {"kind": "stored_late", "seconds": LATER_S}, {"action": "queued", "seconds": LATER_S}),
    (ALL, {"kind": "delay", "seconds": 0.05}, {"action": "late", "seconds": 0.05}),
    (ALL, {"kind": "delay", "seconds": LONG_S}, {"action": "late", "seconds": LONG_S}),
    (ALL, {"kind": "status_after_commit", "status": 500}, {"action": "status", "status": 500, "stored": True}),
    *((ALL, *status(number)) for number in (400, 401, 403, 404, 408, 409, 413, 416, 429, 500, 502, 503, 504, 529)),
    *((ALL, *status(number, should_retry=again)) for number in (400, 403, 413, 429, 503) for again in (True, False)),
    (ALL, *status(429, retry_after=7)), (ALL, *status(429, retry_after_ms=70)), (ALL, *status(503, retry_after="soon")),
    (ALL, *status(404, error_code="file_expired")),
    (("upload", "list", "metadata", "delete"), *page(302, "html", "html")),      # a download would go there
    *((ALL, *page(number, "html", "html")) for number in (200, 401, 403, 404, 407, 413, 429, 500, 502, 503, 504)),
    *((ALL, *page(number, emulated, simulated)) for number in (401, 404, 429, 503)
      for emulated, simulated in (("litellm", "openai"), ("aws", "message"), ("fastapi", "detail"), ("problem", "problem"), ("text", "text"), ("empty", "empty"))),
    *((ALL, {"kind": "account", "answer": emulated}, {"action": "account", "account": simulated}) for emulated, simulated in (
        ("unauthorized", "unauthorized"), ("forbidden", "forbidden"), ("on_hold", "on_hold"), ("cmek_key_disabled", "cmek_disabled"),
        ("cmek_key_network_blocked", "cmek_blocked"), ("creator_left", "creator_left"), ("quota", "quota"), ("quota_as_it_was", "quota_once"))),
    *((ALL, {"kind": "redirect", "status": number, "location": place}, {"action": "redirect", "status": number, "location": place})
      for number in (301, 302, 303, 307, 308) for place in ("/nowhere", NOBODY)),
    *((ALL, {"kind": "redirect", "status": number, "location": "{path}"}, {"action": "redirect", "status": number, "location": "{target}"}) for number in (302, 307)),
    (ALL, {"kind": "raw_json", "body": {"answer": 42}}, {"action": "nonsense"}),
    (("list", "metadata"), {"kind": "garbage_json"}, {"action": "json_cut"}),
    (GETS, {"kind": "cut_body", "after_bytes": 30}, {"action": "body_cut", "after_bytes": 30}),
    (("download",), {"kind": "cut_body", "after_bytes": 20_000}, {"action": "body_cut", "after_bytes": 20_000}),
    (("download",), {"kind": "short_body", "after_bytes": 20_000, "length": True}, {"action": "body_short", "after_bytes": 20_000, "honest": True}),
    (("download",), {"kind": "short_body", "after_bytes": 20_000, "length": False}, {"action": "body_short", "after_bytes": 20_000, "honest": False}),
    (("download",), {"kind": "stall", "seconds": LONG_S, "after_bytes": 20_000}, {"action": "stall", "seconds": LONG_S, "after_bytes": 20_000}),
    (("download",), {"kind": "encoded", "packed": True}, {"action": "encoded", "honest": True}),
    (("download",), {"kind": "encoded", "packed": False}, {"action": "encoded", "honest": False}),
    (("upload",), {"kind": "stored_short", "bytes": 100}, {"action": "stored_short", "after_bytes": 100}),
    (("upload",), {"kind": "stored_short", "bytes": 100, "honest": False}, {"action": "stored_short", "after_bytes": 100, "honest": False}),
    (("upload",), {"kind": "slow_body", "bytes_per_s": 10**6}, {"action": "slow", "bytes_per_s": 10.0**6}),
]


def outcome(files: HttpFiles, operation: str, file_id: FileId, folder: Path) -> Any:
    """How a call ends, in words that fit both."""
    def upload() -> object:
        with body_of(folder, CONTENT) as body:
            return files.upload("a.txt", "text/plain", body).size_bytes

    def download() -> object:
        with files.download(file_id) as body:
            try:
                came = b"".join(body)
                return (body.total, body.encoding, body.ranged, body.signed, came) if body.mime_type == "text/csv" else (body.mime_type, body.signed)
            except RemoteError as exc:
                return body.total, words(exc)
    calls: dict[str, Callable[[], object]] = {
        "upload": upload, "download": download, "list": lambda: [file.name for file in files.list(10).files],
        "metadata": lambda: files.stat(file_id).name, "delete": lambda: files.delete(file_id)}
    try:
        return calls[operation]()
    except RemoteError as exc:
        return words(exc)


def words(exc: RemoteError) -> object:
    return type(exc).__name__, exc.maybe_stored, exc.transient, exc.from_service, exc.status, exc.retry_after_s


@pytest.mark.parametrize("operation", ALL)
def test_a_mishap_is_the_same_to_the_client(emulator: EmulatorProcess, tmp_path: Path, operation: str) -> None:
    theirs = FileId("")
    with http_files(emulator.url, PATIENT) as patient, http_files(emulator.url, IMPATIENT) as impatient:
        for _, emulated, simulated in [pair for pair in PAIRS if operation in pair[0]]:
            hurried = emulated.get("seconds") == LONG_S
            if not theirs or operation not in GETS:     # the others leave what there is
                emulator.forget_files()
                theirs = FileId(emulator.generate("b.csv", CONTENT, "text/csv")["id"])
            with Rig(tmp_path, timeouts=IMPATIENT if hurried else PATIENT, latency_s=(0.0, 0.0)) as rig:
                ours = rig.generate(CONTENT, name="b.csv")
                emulator.fault(operation, emulated)
                rig.fault(operation, **simulated)

                here = outcome(rig.files, operation, ours, tmp_path)
                there = outcome(impatient if hurried else patient, operation, theirs, tmp_path)

                assert here == there, f"{operation} with {emulated}, and with {simulated}"
                rig.clock.advance(LATER_S)
                stored = [(file.name, len(file.content)) for file in rig.service.files()]
                if operation not in GETS:
                    _until(lambda stored=stored: [(file["filename"], file["size_bytes"]) for file in emulator.files()] == stored,     # type: ignore[misc]
                           f"{stored} after {operation} with {emulated}")
        assert emulator.faults() == []


def _until(so: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + 10
    while not so():
        assert time.monotonic() < until_s, what
        time.sleep(0.01)
