"""Manual, promises: write, truncate and the rest behave as on a disk. What they leave is what the server gets."""

import errno
import os
from pathlib import Path

import pytest

from tests.mounting import Mount, asks, stored

LIMIT = 500 * 2**20


# ---- where the API or the disk takes no more

def test_a_file_takes_what_the_api_takes_and_no_byte_more(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount()
    mount.expects("takes files up to")

    def refused(what: str, *arguments: object) -> None:
        with pytest.raises(OSError) as raised:
            getattr(os, what)(*arguments)
        assert raised.value.errno == errno.EFBIG, what
        assert os.fstat(big).st_size == LIMIT

    (tmp_path / "longer").touch()
    os.truncate(tmp_path / "longer", LIMIT + 1)
    big = os.open(files / "big.bin", os.O_RDWR | os.O_CREAT)
    with asks(mount):
        os.ftruncate(big, LIMIT - 10)
        os.lseek(big, 0, os.SEEK_END)
        assert os.write(big, bytes(100)) == 10          # as a disk does it, that has a limit
        refused("write", big, b"x")
        refused("pwrite", big, b"x", LIMIT)
        refused("pwrite", big, b"x", 2 * LIMIT)
        refused("ftruncate", big, LIMIT + 1)
        refused("truncate", files / "big.bin", LIMIT + 1)
        assert os.pwrite(big, bytes(200_000), LIMIT - 150_000) == 150_000
        with (tmp_path / "longer").open("rb") as longer:
            longer.seek(LIMIT - 1)
            os.lseek(big, LIMIT - 1, os.SEEK_SET)
            assert os.sendfile(big, longer.fileno(), LIMIT - 1, 2) == 1
            with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
                os.sendfile(big, longer.fileno(), LIMIT, 1)
        os.ftruncate(big, 3)
    with asks(mount, upload=1):
        os.close(big)
    assert stored(mount) == {"big.bin": bytes(3)}


# ---- where the end is

def test_what_is_appended_to_an_image_comes_after_all_that_the_server_delivers(mount: Mount) -> None:
    mount.emulator.switch(delivered_extra_bytes=100)
    mount.emulator.generate("photo.png", b"\x89PNG" * 5000, "image/png")
    files = mount.mount()
    with asks(mount, download=1, upload=1, delete=1), (files / "photo.png").open("ab", buffering=0) as photo:
        photo.write(b"tail")
        photo.write(b"more")
    assert stored(mount)["photo.png"][-8:] == b"tailmore"
    assert len(stored(mount)["photo.png"]) == 20_108
    assert (files / "photo.png").read_bytes() == stored(mount)["photo.png"]


def test_nothing_is_appended_to_an_image_that_is_delivered_shorter_than_listed(mount: Mount) -> None:
    mount.emulator.switch(delivered_extra_bytes=-100)
    mount.emulator.generate("photo.png", content := b"\x89PNG" * 5000, "image/png")
    files = mount.mount()
    mount.expects("photo.png")
    with (files / "photo.png").open("ab", buffering=0) as photo, pytest.raises(OSError, match=os.strerror(errno.EIO)):
        photo.write(b"tail")
    mount.sync()
    assert mount.emulator.requests("upload") == mount.emulator.requests("delete") == []
    assert stored(mount) == {"photo.png": content}
    assert os.getxattr(files / "photo.png", "user.anthropic.state") == b"remote"
