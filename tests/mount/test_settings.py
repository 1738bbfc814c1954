"""Manual, names: `user.mime_type` and `user.anthropic.expires_in_seconds` can be set, for the next upload."""

import errno
import os
from datetime import datetime

import pytest

from tests.mounting import Mount, asks

TYPE, EXPIRY = "user.mime_type", "user.anthropic.expires_in_seconds"


def test_what_is_set_before_the_upload_is_what_is_sent(mount: Mount) -> None:
    files = mount.mount()
    with asks(mount, upload=1), (files / "data").open("w") as file:
        os.setxattr(files / "data", TYPE, b"text/csv; header=present")
        os.setxattr(files / "data", EXPIRY, b"3600")
        file.write("a,b\n")
    [stored] = mount.emulator.files()
    assert stored["mime_type"] == "text/csv; header=present"
    assert lives_s(stored) == 3600
    assert os.getxattr(files / "data", EXPIRY) == b"3600"


def lives_s(stored: dict[str, str]) -> float:
    return (datetime.fromisoformat(stored["expires_at"]) - datetime.fromisoformat(stored["created_at"])).total_seconds()


def test_an_own_upload_is_sent_again_and_keeps_it_at_later_saves_and_remounts(mount: Mount) -> None:
    files = mount.mount()
    (files / "data").write_text("a,b\n")
    for name, value in ((TYPE, b"text/csv"), (EXPIRY, b"7776000")):
        with asks(mount, upload=1, delete=1):
            os.setxattr(files / "data", name, value)
    mount.remount()
    with asks(mount, upload=1, delete=1):
        (files / "data").write_text("c,d\n")
    [stored] = mount.emulator.files()
    assert (stored["mime_type"], lives_s(stored)) == ("text/csv", 7776000)
    with asks(mount, upload=1, delete=1):
        os.removexattr(files / "data", TYPE)
    assert [file["mime_type"] for file in mount.emulator.files()] == ["text/plain"]
    assert (files / "data").read_text() == "c,d\n"


def test_an_expiry_that_is_removed_is_removed_on_the_server(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.csv").write_text("a")
    with asks(mount, upload=1, delete=1):
        os.setxattr(files / "a.csv", EXPIRY, b"3600")
    with asks(mount, upload=1, delete=1):
        os.removexattr(files / "a.csv", EXPIRY)
    assert [file["expires_at"] for file in mount.emulator.files()] == [None]


def test_the_same_type_again_costs_nothing(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.csv").write_text("a,b\n")
    with asks(mount):
        os.setxattr(files / "a.csv", TYPE, b"text/csv")


@pytest.mark.parametrize("downloadable", [True, False])
def test_what_others_made_is_left_as_it_is(mount: Mount, downloadable: bool) -> None:
    mount.emulator.generate("made.bin", b"x", downloadable=downloadable)
    files = mount.mount()
    with asks(mount), pytest.raises(PermissionError):
        os.setxattr(files / "made.bin", TYPE, b"text/csv")
    assert os.getxattr(files / "made.bin", TYPE) == b"application/octet-stream"


@pytest.mark.parametrize(("name", "value", "code"), [
    (TYPE, b"", errno.EINVAL), (TYPE, b"csv", errno.EINVAL), (TYPE, b"text/" + b"x" * 300, errno.EINVAL), (TYPE, b"text/c\nsv", errno.EINVAL),
    (TYPE, b"text/\xff", errno.EINVAL), (EXPIRY, b"3599", errno.EINVAL), (EXPIRY, b"7776001", errno.EINVAL), (EXPIRY, b"7d", errno.EINVAL),
    (EXPIRY, b"-1", errno.EINVAL), (EXPIRY, "\u0663\u0666\u0660\u0660".encode(), errno.EINVAL),
    ("user.anthropic.other", b"x", errno.EOPNOTSUPP), ("trusted.x", b"x", errno.EPERM if os.geteuid() else errno.EOPNOTSUPP)])
def test_a_value_that_makes_no_sense_is_refused_and_changes_nothing(mount: Mount, name: str, value: bytes, code: int) -> None:
    mount.expects("is no MIME type", "is no number of seconds")
    files = mount.mount()
    (files / "a.csv").write_text("a")
    before = {each: os.getxattr(files / "a.csv", each) for each in os.listxattr(files / "a.csv")}
    with asks(mount), pytest.raises(OSError) as raised:
        os.setxattr(files / "a.csv", name, value)
    assert raised.value.errno == code
    assert {each: os.getxattr(files / "a.csv", each) for each in os.listxattr(files / "a.csv")} == before


def test_create_and_replace_are_as_on_a_disk(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    (files / "a.csv").write_text("a")
    for flags, name, code in ((os.XATTR_CREATE, TYPE, errno.EEXIST), (os.XATTR_REPLACE, EXPIRY, errno.ENODATA)):
        mount.sync()
        with pytest.raises(OSError) as raised:
            os.setxattr(files / "a.csv", name, b"text/x" if name == TYPE else b"3600", flags)
        assert raised.value.errno == code
    with pytest.raises(OSError) as raised:
        os.removexattr(files / "a.csv", EXPIRY)
    assert raised.value.errno == errno.ENODATA
