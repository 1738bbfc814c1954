"""What is read a second time comes from the kernel's page cache, and never when it could be something older.

A stopped daemon is the witness: what can be read while it is stopped, the kernel had.
"""

import mmap
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.mounting import Mount, asks, wait_until

SIZE = 700_000


@contextmanager
def stopped(mount: Mount) -> Iterator[None]:
    pid = mount.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def read_while_stopped(mount: Mount, path: Path) -> bytes | None:
    """What a handle, opened just before, gives while nobody serves the mount; None: it would have to ask."""
    found: list[bytes] = []
    with path.open("rb", buffering=0) as file:
        reader = threading.Thread(target=lambda: found.append(os.pread(file.fileno(), SIZE, 0)), daemon=True)
        with stopped(mount):
            reader.start()
            reader.join(1.0)
            known = list(found)         # what comes from now on was asked for
        reader.join()
    return known[0] if known else None


def shows(path: Path, file_id: str) -> bool:
    return path.exists() and os.getxattr(path, "user.anthropic.file_id").decode() == file_id


def read(path: Path) -> bytes:
    return path.read_bytes()


def test_the_second_open_of_unchanged_content_reads_from_the_kernel(mount: Mount) -> None:
    content = os.urandom(SIZE)
    mount.emulator.generate("data.bin", content)
    path = mount.mount() / "data.bin"

    with asks(mount, download=1):
        assert read(path) == content        # fetched
        assert read_while_stopped(mount, path) == content


def test_own_uploads_are_kept_in_the_kernel_once_they_were_read(mount: Mount) -> None:
    content = os.urandom(SIZE)
    path = mount.mount() / "own.bin"
    path.write_bytes(content)
    assert read(path) == content

    assert read_while_stopped(mount, path) == content


@pytest.mark.parametrize("by_others", [True, False])
def test_replaced_content_is_read_anew_also_if_it_is_as_long(mount: Mount, by_others: bool) -> None:
    path = mount.mount("--refresh", "0.1") / "data.bin"
    for version in range(4):
        content = bytes([version]) * SIZE
        if by_others:
            made = mount.emulator.generate("data.bin", content)
            wait_until(partial(shows, path, made["id"]), "it shows")
        else:
            path.write_bytes(content)
        for _ in range(3):
            assert read(path) == content
        assert read_while_stopped(mount, path) == content


def test_an_edit_in_place_through_a_mapping_is_what_the_next_reader_gets(mount: Mount) -> None:
    content = bytearray(os.urandom(SIZE))
    path = mount.mount() / "own.bin"
    path.write_bytes(content)
    assert read(path) == read(path) == content

    for number in range(3):
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
            view[number * 1000] = content[number * 1000] = number
        assert read(path) == content
        assert read(path) == content


def test_a_name_that_another_file_took_shows_nothing_of_the_old_one(mount: Mount) -> None:
    path = mount.mount() / "own.bin"
    for version in range(4):
        content = bytes([version]) * SIZE
        path.write_bytes(content)
        assert read(path) == read(path) == content
        with path.open("rb") as held:           # so that it is hidden, not removed
            path.unlink()
            assert held.read() == content
