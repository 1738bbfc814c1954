"""Names that a form can't spell plainly: the file is sent once, under one name, whatever the service makes of %22."""

import errno
import os

import pytest

from tests.mounting import Mount, asks

NAMES = ["a%22b.txt", "%22", "100%22%22.csv", "cr%0D.txt", "lf%0a.txt", "plain 100%.txt", "wide\uff0522.txt", 'quote"and%22.txt']


@pytest.mark.parametrize("decoded", [True, False])
@pytest.mark.parametrize("layout", ["tree", "flat"])
def test_a_name_with_what_a_form_spells_is_sent_once_and_comes_back(mount: Mount, decoded: bool, layout: str) -> None:
    mount.emulator.switch(decoded_names=decoded)
    files = mount.mount("--layout", layout)
    with asks(mount, upload=len(NAMES)):
        for name in NAMES:
            (files / name).write_text(name)
    assert {entry["status"] for entry in mount.emulator.requests("upload")} == {200}
    assert len({file["filename"] for file in mount.emulator.files()}) == len(NAMES)
    mount.refresh()
    assert sorted(os.listdir(files)) == sorted(NAMES)

    mount.umount()
    mount.state_dir = mount.state_dir.with_name("another machine's")
    mount.mount("--layout", layout)
    assert sorted(os.listdir(files)) == sorted(NAMES)


@pytest.mark.parametrize("decoded", [True, False])
def test_a_lost_answer_to_such_an_upload_is_found_again(mount: Mount, decoded: bool) -> None:
    mount.emulator.switch(decoded_names=decoded)
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit"})
    (files / "a%22b.txt").write_text("once")
    mount.sync()
    assert [file["filename"] for file in mount.emulator.files()] == ["a\uff0522b.txt"]


def test_somebody_elses_such_name_is_shown_with_its_id_and_can_be_read(mount: Mount) -> None:
    made = mount.emulator.generate("report%22.csv", b"1,2")
    files = mount.mount()
    shown = f"report%22 ({made['id']}).csv"
    assert os.listdir(files) == [shown]
    assert (files / shown).read_bytes() == b"1,2"


def test_a_file_between_the_two_meanings_of_500_mb_is_tried_and_the_service_says_whether_it_takes_it(mount: Mount) -> None:
    files = mount.mount()
    mount.expects("was refused", "not on the server")
    big = os.open(files / "big.bin", os.O_WRONLY | os.O_CREAT)
    os.truncate(big, 500_000_001)
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):        # the service's own word
        os.close(big)
    assert [entry["status"] for entry in mount.emulator.requests("upload")] == [413]


def test_a_form_with_more_parts_than_we_know_is_taken(mount: Mount) -> None:
    import httpx
    answer = httpx.post(f"{mount.emulator.url}/v1/files", headers={"x-api-key": mount.emulator.key, "anthropic-version": "2023-06-01"},
                        data={"purpose": "user_data"}, files={"file": ("a.txt", b"a", "text/plain")})
    assert (answer.status_code, answer.json()["filename"]) == (200, "a.txt")
