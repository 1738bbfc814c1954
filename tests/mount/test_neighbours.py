"""Manual, files: what one profile has uploaded the others of the same workspace read here, from the copy that its state keeps; nothing is
asked of the service for that, and nothing is kept twice.
"""

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.emulator.process import EmulatorProcess
from tests.mount.test_glances import looks
from tests.mounting import Mount, asks, state_of, stored

BIG: Final = 300_000            # three blocks
LENT: Final = "remote, lent: read from the copy that another profile keeps here"
CLOSED: Final = "remote, can't be read: uploaded elsewhere, and the service keeps uploads to itself"


@pytest.fixture
def work(emulator: EmulatorProcess, tmp_path: Path) -> Iterator[Mount]:
    yield from _profile(emulator, tmp_path, "work")


@pytest.fixture
def home(emulator: EmulatorProcess, tmp_path: Path) -> Iterator[Mount]:
    yield from _profile(emulator, tmp_path, "home")


def _profile(emulator: EmulatorProcess, base: Path, name: str) -> Iterator[Mount]:
    one = Mount(base / name, emulator)
    one.state_dir = base / "anthrofs" / name
    try:
        yield one
    finally:
        one.finish()


def _uploaded(work: Mount) -> bytes:
    content = os.urandom(BIG)
    (work.mount() / "paper.bin").write_bytes(content)
    (work.path / "note.txt").write_text("a note\n")
    work.sync()
    return content


def test_another_profiles_upload_is_read_from_its_copy(work: Mount, home: Mount) -> None:
    content = _uploaded(work)
    files = home.mount()
    with asks(home):
        assert state_of(files / "paper.bin") == LENT
        assert (files / "paper.bin").read_bytes() == content
        [file_id] = [file["id"] for file in home.emulator.files() if file["filename"] == "paper.bin"]
        assert (files / ".by-id" / file_id).read_bytes() == content
    assert list((home.state_dir / "kept").iterdir()) == [], "nothing is kept twice"
    work.umount()
    home.remount()
    assert (files / "paper.bin").read_bytes() == content, "its state is enough"


def test_thumbnailers_are_not_bounded_by_what_costs_no_download(work: Mount, home: Mount) -> None:
    """Manual, desktop: 'What is on this machine costs nothing and isn't bounded.'"""
    _uploaded(work)
    files = home.mount("--glances", "none")
    with asks(home):
        assert looks("tumblerd", 0, 4096, files / "paper.bin") == ["4096"]


def test_it_is_edited_in_place_and_then_it_is_this_profiles(work: Mount, home: Mount) -> None:
    content = _uploaded(work)
    files = home.mount()
    with asks(home, upload=2, delete=2):
        with (files / "note.txt").open("a") as file:
            file.write("and more\n")
        with (files / "paper.bin").open("r+b") as file:
            file.seek(5)
            file.write(b"!")
    assert stored(home) == {"note.txt": b"a note\nand more\n", "paper.bin": content[:5] + b"!" + content[6:]}
    assert state_of(files / "note.txt") == "remote"
    work.refresh()
    assert (work.path / "note.txt").read_text() == "a note\nand more\n", "and the other one reads that"


def test_when_it_is_given_up_there_it_ends_here_but_for_who_has_it_open(work: Mount, home: Mount) -> None:
    home.expects("it can't be read")
    content = _uploaded(work)
    files = home.mount()
    with (files / "paper.bin").open("rb", buffering=0) as file:
        assert os.pread(file.fileno(), 10, 0) == content[:10]
        work.ok("free", work.path / "paper.bin")
        assert os.pread(file.fileno(), 10, BIG - 10) == content[-10:]
    assert state_of(files / "paper.bin") == CLOSED
    with pytest.raises(PermissionError):
        (files / "paper.bin").read_bytes()
    assert (files / "note.txt").read_text() == "a note\n"


def _another_workspace(state: Path) -> None:
    line = json.loads((state / "workspace").read_text())
    (state / "workspace").write_text(json.dumps({**line, "workspace_id": "wrkspc_another"}))


def _somebody_may_write(state: Path) -> None:
    state.chmod(0o777)


def _by_a_link(state: Path) -> None:
    state.rename(state.with_name("elsewhere") / "work")
    state.symlink_to(state.with_name("elsewhere") / "work")


def _of_an_earlier_version(state: Path) -> None:
    (state / "workspace").unlink()


def _damaged(state: Path) -> None:
    for path in (state / "kept").iterdir():
        if path.suffix == "" and path.stat().st_size == BIG:
            with path.open("r+b") as file:
                file.write(b"damaged")


def _shorter(state: Path) -> None:
    for path in (state / "kept").iterdir():
        if path.suffix == "" and path.stat().st_size == BIG:
            os.truncate(path, BIG - 1)


def _without_sums(state: Path) -> None:
    for path in (state / "kept").glob("*.map"):
        path.unlink()


@pytest.mark.parametrize("spoil", [_another_workspace, _somebody_may_write, _by_a_link, _of_an_earlier_version, _damaged, _shorter, _without_sums])
def test_nothing_is_borrowed_of_a_state_that(work: Mount, home: Mount, spoil: Callable[[Path], None]) -> None:
    home.expects("it can't be read")
    _uploaded(work)
    work.umount()
    (work.state_dir.with_name("elsewhere")).mkdir()
    spoil(work.state_dir)
    files = home.mount()
    with asks(home), pytest.raises(PermissionError):
        (files / "paper.bin").read_bytes()
    home.umount()
    if spoil in (_damaged, _shorter):
        work.leaves(".*")


def test_a_damaged_block_in_the_middle_is_an_error_and_never_read(work: Mount, home: Mount) -> None:
    home.expects("is not downloadable")
    content = _uploaded(work)
    work.umount()
    [path] = [path for path in (work.state_dir / "kept").iterdir() if path.suffix == "" and path.stat().st_size == BIG]
    with path.open("r+b") as file:
        file.seek(200_000)
        file.write(b"damaged")
    files = home.mount()
    with (files / "paper.bin").open("rb", buffering=0) as file:
        assert os.pread(file.fileno(), 1000, 0) == content[:1000]
        with pytest.raises(OSError) as raised:
            os.pread(file.fileno(), 10, 200_000)
    assert raised.value.errno == errno.EACCES


def test_what_is_renamed_here_keeps_its_id_as_others_files_do(work: Mount, home: Mount) -> None:
    content = _uploaded(work)
    files = home.mount()
    with asks(home):
        (files / "paper.bin").rename(files / "mine.bin")
        assert (files / "mine.bin").read_bytes() == content
    assert state_of(files / "mine.bin").startswith("remote, named here: the server calls it paper.bin, lent: read from the copy")


def test_another_keys_state_lends_nothing_where_the_service_names_no_workspace(work: Mount, home: Mount) -> None:
    home.expects("it can't be read")
    work.emulator.switch(identity_headers=False)
    _uploaded(work)
    line = json.loads((work.state_dir / "workspace").read_text())
    assert line.keys() == {"base_url", "key_hash"}
    (work.state_dir / "workspace").write_text(json.dumps({**line, "key_hash": "0" * 32}))
    with pytest.raises(PermissionError):
        (home.mount() / "paper.bin").read_bytes()
