"""What a gateway answers in the service's place proves nothing of a file, and no form of an answer leaves a deletion undone for ever."""

import errno
import os
from typing import Any

import pytest

from tests.mounting import Mount, asks, wait_until

FOREIGN_404: list[dict[str, Any]] = [
    {"kind": "html", "status": 404},
    {"kind": "raw_json", "status": 404, "body": {"error": {"message": "no route matched", "type": "None", "param": None, "code": "404"}}},
    {"kind": "raw_json", "status": 404, "body": {"error": {"type": "not_found_error", "message": "no such deployment"}}},
    {"kind": "raw_json", "status": 404, "body": {"type": "error", "error": {"type": "route_error", "message": "no such route"}}},
    {"kind": "raw_json", "status": 404, "body": {"detail": "Not Found"}},
    {"kind": "status", "status": 404, "error_type": "route_error", "gzip": True},
]


def ids(mount: Mount) -> set[str]:
    return {file["id"] for file in mount.emulator.files()}


@pytest.mark.parametrize("answer", FOREIGN_404, ids=str)
def test_a_gateways_404_to_a_deletion_is_not_taken_for_the_services(mount: Mount, answer: dict[str, Any]) -> None:
    made = mount.emulator.generate("a.txt", b"a")
    mount.expects("could not be deleted")
    files = mount.mount()
    mount.emulator.fault("delete", answer, times=-1)
    (files / "a.txt").unlink()
    wait_until(lambda: mount.emulator.requests("delete") and mount.status()["deletions"][0]["reason"], "it is refused")
    mount.refresh()                                     # it is still there, so it is to be asked for again
    assert os.listdir(files) == []
    assert [entry["file_id"] for entry in mount.status()["deletions"]] == [made["id"]]
    assert len(mount.emulator.requests("delete")) == 1      # a minute later

    mount.emulator.clear_faults()
    mount.ok("retry", files)
    mount.sync()
    assert ids(mount) == set()
    assert mount.status()["deletions"] == []


def test_after_a_gateways_404_the_next_whole_listing_says_that_the_id_is_gone(mount: Mount) -> None:
    made = mount.emulator.generate("a.txt", b"a")
    mount.expects("could not be deleted")
    files = mount.mount("--refresh", "300")
    mount.emulator.vanish(made["id"])
    mount.emulator.fault("delete", FOREIGN_404[1], times=-1)
    mount.emulator.forget_requests()
    (files / "a.txt").unlink()
    wait_until(lambda: not mount.status()["deletions"], "the listing has decided")
    assert [request["operation"] for request in mount.emulator.requests()] == ["delete", "list"]


def test_what_a_gateway_left_in_doubt_is_asked_for_again_after_a_kill(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    mount.expects("could not be deleted")
    files = mount.mount("--refresh", "300")
    mount.emulator.fault("list", {"kind": "html", "status": 502}, times=-1)
    mount.emulator.fault("delete", FOREIGN_404[0], times=-1)
    mount.expects("could not be refreshed")
    (files / "a.txt").unlink()
    wait_until(lambda: mount.emulator.requests("delete") and mount.status()["deletions"][0]["reason"], "it is in doubt")
    mount.kill()
    mount.emulator.clear_faults()
    mount.mount()
    mount.sync()
    assert ids(mount) == set()


@pytest.mark.parametrize("form", ["no_content", "other_json"])
def test_a_deletion_that_is_answered_in_another_form_is_done(mount: Mount, form: str) -> None:
    mount.emulator.generate("a.txt", b"a")
    mount.emulator.switch(delete_answer=form)
    files = mount.mount("--refresh", "300")
    with asks(mount, delete=1):
        (files / "a.txt").unlink()
    assert ids(mount) == set()


def test_a_page_as_answer_to_a_deletion_is_looked_after(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    mount.emulator.switch(delete_answer="page")
    files = mount.mount("--refresh", "300")
    with asks(mount, delete=2, list=1):             # the second is told by the service that it is gone
        (files / "a.txt").unlink()
    assert ids(mount) == set()


def test_pages_as_only_answer_to_a_deletion_leave_it_to_the_listing(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    mount.emulator.switch(delete_answer="page", second_delete="accept")
    mount.expects("deletions are refused")
    files = mount.mount("--refresh", "300")
    mount.emulator.forget_requests()
    (files / "a.txt").unlink()
    wait_until(lambda: mount.emulator.requests("list") and not mount.status()["deletions"], "the listing has decided")
    assert ids(mount) == set()


def test_a_gateways_404_to_a_read_takes_no_file_away(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"content")
    files = mount.mount()
    mount.expects("read: no such deployment")
    mount.emulator.fault("download", FOREIGN_404[2], times=-1)
    with pytest.raises(OSError) as raised:
        (files / "a.txt").read_bytes()
    assert raised.value.errno != errno.ESTALE
    assert os.listdir(files) == ["a.txt"]
    mount.emulator.clear_faults()
    assert (files / "a.txt").read_bytes() == b"content"


def test_an_error_that_comes_compressed_is_read(mount: Mount) -> None:
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "status", "status": 413, "message": "too many bytes", "gzip": True})
    mount.expects("was refused")
    with asks(mount, upload=1), pytest.raises(OSError) as raised:
        (files / "a.txt").write_text("x")
    assert raised.value.errno == errno.EFBIG
    assert "too many bytes" in mount.status()["failed"][0]["reason"]
    (files / "a.txt").unlink()
