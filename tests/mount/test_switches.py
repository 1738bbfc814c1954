"""The main job on a mount, whatever the service does where its pages leave it open: the emulator's switches, the other way."""

import os
import unicodedata
from typing import Final

import pytest

from tests.mounting import Mount

COMPOSED: Final = "caf\u00e9.txt"
DECOMPOSED: Final = "re\u0301sume\u0301.txt"
LOST: Final = "answer.txt"       # the upload's answer is lost
GENERATED: Final = bytes(range(256)) * 40

SERVERS: Final[dict[str, dict[str, object]]] = {
    "its downloads": {"ranges": False, "content_length": False, "etag": True, "content_disposition": True},
    "its answers": {"extra_fields": True, "ratelimit_headers": True, "error_details": False, "identity_headers": False,
                    "second_delete": "accept", "deleted_cursor": "in_place", "unknown_cursor": "empty"},
    "its delays": {"listing_lag_ms": 700, "deletion_lag_ms": 1500, "metadata_lag_ms": 1500},
    "composed names": {"stored_names": "nfc"},
    "decomposed names": {"stored_names": "nfd"},
    "times in seconds": {"time_resolution": "seconds", "abandoned_uploads": "drop", "foreign_workspace": "error403"},
    "its order": {"order": "shuffled", "time_resolution": "milliseconds", "unknown_cursor": "error404"},
    "no empty files": {"empty_uploads": "refuse", "order": "oldest_first", "unknown_cursor": "restart"},
}  # fmt: skip


def normal(name: str) -> str:
    """Two spellings of one name that a server may take for the same."""
    return unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("server_settings", SERVERS.values(), ids=SERVERS.keys())
def test_the_main_job(mount: Mount, server_settings: dict[str, object]) -> None:
    emulator = mount.emulator
    emulator.switch(**server_settings)
    report = emulator.generate("report.csv", GENERATED, "text/csv")
    emulator.generate("old.txt", b"to be removed")
    if "listing_lag_ms" in server_settings:
        emulator.switch(listing_lag_ms=0)       # what was there before is listed by now
    files = mount.mount()
    emulator.switch(**server_settings)
    assert sorted(os.listdir(files)) == ["old.txt", "report.csv"]
    assert (files / "report.csv").read_bytes() == GENERATED

    for name in (COMPOSED, DECOMPOSED, "note.txt", "draft.txt"):
        (files / name).write_text(f"first content of {name}")
    (files / "note.txt").write_text("second content")
    (files / "folder").mkdir()
    (files / "draft.txt").rename(files / "folder" / "final.txt")
    (files / DECOMPOSED).write_text("longer than it was before, and later")
    (files / "old.txt").unlink()
    (files / "empty.txt").touch()
    emulator.fault({"operation": "upload", "filename": LOST}, {"kind": "status_after_commit", "status": 500})
    (files / LOST).write_text("exactly once")
    mount.sync()
    expected = {
        COMPOSED: f"first content of {COMPOSED}", DECOMPOSED: "longer than it was before, and later", "note.txt": "second content",
        "folder\uff0ffinal.txt": "first content of draft.txt", LOST: "exactly once", "empty.txt": "",
        "report.csv": GENERATED.decode("latin-1")}
    if server_settings.get("empty_uploads") == "refuse":
        del expected["empty.txt"]

    def check() -> None:
        stored = [(normal(file["filename"]), emulator.content(file["id"]).decode("latin-1" if file["id"] == report["id"] else "utf-8"))
                  for file in emulator.files()]
        assert sorted(stored) == sorted((normal(name), content) for name, content in expected.items())
        shown = {"report.csv", "note.txt", "folder", "empty.txt"} | {normal(name) for name in (COMPOSED, DECOMPOSED, LOST)}
        assert sorted(map(normal, os.listdir(files))) == sorted(shown)
        assert os.listdir(files / "folder") == ["final.txt"]
        assert (files / DECOMPOSED).read_text() == expected[DECOMPOSED]
        assert (files / "note.txt").read_text() == "second content"
        assert (files / "report.csv").read_bytes() == GENERATED

    check()
    emulator.forget_requests()
    for _ in range(2):
        mount.refresh()
    mount.remount()
    mount.refresh()
    mount.sync()
    check()
    assert {request["operation"] for request in emulator.requests()} <= {"list", "download"}, "something was sent that nobody wanted"
