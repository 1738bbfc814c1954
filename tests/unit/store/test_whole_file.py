"""Manual, configuration: a file that anthrofs writes for others is there whole, or as it was before."""

import os
import stat
from pathlib import Path

import pytest

from anthrofs.store.whole_file import put_whole


def test_a_file_is_there_with_its_content_and_mode_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        put_whole(tmp_path / "a", b"content", 0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "a").read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["a"]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / "a").symlink_to("other")
    put_whole(tmp_path / "a", b"content", 0o600)
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "other").read_bytes() == b"other"


@pytest.mark.parametrize("ends", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["fsync", "fchmod"])
def test_what_ends_the_write_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: BaseException,
                                                                         step: str) -> None:
    (tmp_path / "a").write_bytes(b"before")

    def ended(*_: object) -> None:
        raise ends

    monkeypatch.setattr(os, step, ended)
    with pytest.raises(type(ends)):
        put_whole(tmp_path / "a", b"content", 0o644)
    assert (tmp_path / "a").read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_that_can_not_be_synced_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def refuses_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuses_folders)
    put_whole(tmp_path / "a", b"content", 0o644)
    assert (tmp_path / "a").read_bytes() == b"content"
