"""Manual, promises: the right bytes. A file that was read twice may come from the kernel's memory the third time; after
a change of any kind, and of no other length, it may not.
"""

import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.mounting import Mount, asks, wait_until

SIZE: Final = 700_000
OLD: Final = b"old " * (SIZE // 4)
NEW: Final = b"new " * (SIZE // 4)


def everything_in(path: Path) -> list[bytes]:
    """Read and mapped, each by an open of its own."""
    found = [path.read_bytes()]
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        found.append(mapped[:])
    return [*found, path.read_bytes()]


def shown(mount: Mount, made: dict[str, object]) -> None:
    """Others' change is visible."""
    wait_until(lambda: mount.refresh() and os.getxattr(mount.path / "data.bin", "user.anthropic.file_id").decode() == made["id"], "it is shown")


def others_replace_it(mount: Mount) -> None:
    shown(mount, mount.emulator.generate("data.bin", NEW))


def others_replace_it_twice(mount: Mount) -> None:
    mount.emulator.generate("data.bin", b"mid " * (SIZE // 4))
    shown(mount, mount.emulator.generate("data.bin", NEW))


def others_replace_it_while_it_is_open(mount: Mount) -> None:
    with (mount.path / "data.bin").open("rb", buffering=0) as held:
        made = mount.emulator.generate("data.bin", NEW)
        mount.refresh()
        assert everything_in(mount.path / "data.bin") == [OLD] * 3
        assert held.readall() == OLD
    shown(mount, made)


def others_replace_it_while_it_is_unmounted(mount: Mount) -> None:
    mount.umount()
    made = mount.emulator.generate("data.bin", NEW)
    mount.mount()
    shown(mount, made)


def others_remove_it_and_make_another(mount: Mount) -> None:
    for file in mount.emulator.files():
        mount.emulator.vanish(file["id"])
    mount.refresh()
    shown(mount, mount.emulator.generate("data.bin", NEW))


def we_replace_it(mount: Mount) -> None:
    (mount.path / "data.bin").write_bytes(NEW)


def we_replace_it_while_it_is_open(mount: Mount) -> None:
    with (mount.path / "data.bin").open("rb", buffering=0) as held:
        (mount.path / "data.bin").write_bytes(NEW)
        assert held.readall() == NEW        # as on every disk


def we_remove_it_and_make_another(mount: Mount) -> None:
    (mount.path / "data.bin").unlink()
    (mount.path / "data.bin").write_bytes(NEW)


def we_rewrite_it_in_place(mount: Mount) -> None:
    with (mount.path / "data.bin").open("r+b") as file:
        file.write(NEW)


def we_rewrite_it_through_a_mapping(mount: Mount) -> None:
    with (mount.path / "data.bin").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:] = NEW


def we_cut_it_and_write_it_anew(mount: Mount) -> None:
    os.truncate(mount.path / "data.bin", 0)
    with (mount.path / "data.bin").open("ab") as file:
        file.write(NEW)


ANYBODYS: Final = [others_replace_it, others_replace_it_twice, others_replace_it_while_it_is_open, others_replace_it_while_it_is_unmounted,
                   others_remove_it_and_make_another, we_replace_it, we_replace_it_while_it_is_open, we_remove_it_and_make_another]
OUR_OWN: Final = [others_replace_it, we_replace_it, we_rewrite_it_in_place, we_rewrite_it_through_a_mapping, we_cut_it_and_write_it_anew]


@pytest.mark.parametrize("change", ANYBODYS)
def test_a_generated_file_that_was_read_often_is_read_anew_after(mount: Mount, change: Callable[[Mount], None]) -> None:
    mount.emulator.generate("data.bin", OLD)
    files = mount.mount()
    assert everything_in(files / "data.bin") == [OLD] * 3
    change(mount)
    assert everything_in(files / "data.bin") == [NEW] * 3


@pytest.mark.parametrize("change", OUR_OWN)
def test_an_upload_of_ours_that_was_read_often_is_read_anew_after(mount: Mount, change: Callable[[Mount], None]) -> None:
    files = mount.mount()
    (files / "data.bin").write_bytes(OLD)
    assert everything_in(files / "data.bin") == [OLD] * 3
    change(mount)
    assert everything_in(files / "data.bin") == [NEW] * 3
    mount.sync()
    assert everything_in(files / "data.bin") == [NEW] * 3


def test_files_that_do_not_change_are_read_again_and_again_for_nothing_while_another_one_does(mount: Mount) -> None:
    for name in ("calm.bin", "data.bin"):
        mount.emulator.generate(name, OLD)
    files = mount.mount()
    assert everything_in(files / "calm.bin") == [OLD] * 3
    (files / "data.bin").write_bytes(NEW)
    mount.sync()
    with asks(mount):
        for _ in range(20):
            assert everything_in(files / "calm.bin") == [OLD] * 3
            assert everything_in(files / "data.bin") == [NEW] * 3


OPENER: Final = """
import errno, os, sys, time
opens, errors = 0, []
print('ready', flush=True)
while not os.path.exists(sys.argv[2]):
    try:
        os.close(os.open(sys.argv[1], os.O_RDONLY))
    except OSError as exc:
        errors.append(errno.errorcode[exc.errno])
    opens += 1
    time.sleep(0.01)
print(opens, errors)
"""


def test_an_open_never_fails_because_others_replace_the_file_in_that_moment(mount: Mount) -> None:
    mount.emulator.generate("data.bin", b"0" * 100)
    files = mount.mount("--refresh", "1")
    end = mount.state_dir / "end"
    openers = [subprocess.Popen([sys.executable, "-c", OPENER, files / "data.bin", end], stdout=subprocess.PIPE, text=True) for _ in range(6)]
    try:
        until_s = time.monotonic() + 3
        changes = 0
        while time.monotonic() < until_s:
            mount.emulator.generate("data.bin", os.urandom(100 + changes))
            mount.refresh()
            changes += 1
    finally:
        end.touch()
        said = [each.communicate(timeout=30)[0].splitlines()[1] for each in openers]
    print(changes, said)
    assert all(each.endswith(" []") for each in said), (changes, said)


@pytest.mark.parametrize("folder", ["", "d/"])
def test_a_file_that_others_have_removed_is_made_anew_by_who_would_make_it(mount: Mount, folder: str) -> None:
    """The kernel believes for a while that it is there; the file's folder, too."""
    made = {name: mount.emulator.generate(f"{folder}{name}".replace("/", "\uff0f"), b"theirs") for name in ("a.txt", "b.txt", "stays.txt")}
    files = mount.mount()
    assert sorted(os.listdir(files / folder)) == sorted(made)
    for name in ("a.txt", "b.txt"):
        assert (files / folder / name).stat().st_size == 6
        mount.emulator.vanish(made[name]["id"])
    mount.refresh()
    with asks(mount, upload=1), (files / folder / "a.txt").open("ab") as file:
        file.write(b"ours")
    assert (files / folder / "a.txt").read_bytes() == b"ours"
    with asks(mount), pytest.raises(FileNotFoundError):
        (files / folder / "b.txt").open("rb")
