"""What a folder has on this machine's disk is added up, whatever is in it and however much there is."""

import pytest

from anthrofs.daemon import folder_sums
from tests.core.core import Core

BLOCK = 128 * 1024


def held(core: Core) -> dict[str, dict[str, int]]:
    *_, last = core.parts.watched.table["held"]({})
    assert last["more"] == 0
    return {each.pop("path"): each for each in last["folders"]}


def test_downloads_and_own_copies_are_told_apart_by_folder_and_what_is_freed_is_gone(core: Core) -> None:
    core.others_make("runs/out.csv", bytes(range(256)) * 1024)          # two blocks
    core.others_make("runs/other.csv", b"x" * 100)
    core.user.mkdir("mine")
    core.user.write("mine/paper.txt", b"p" * 5000)
    core.user.write("top.txt", b"t")
    core.sync()
    assert held(core) == {"mine": {"files": 1, "bytes": 5000, "cached": 0, "kept": 5000},
                          "": {"files": 1, "bytes": 1, "cached": 0, "kept": 1},
                          "runs": {"files": 2, "bytes": 2 * BLOCK + 100, "cached": 0, "kept": 0}}

    list(core.parts.requests.table["fetch"]({"path": "runs/out.csv"}))       # until the last block is on the disk
    assert list(held(core)) == ["runs", "mine", ""]
    assert held(core)["runs"]["cached"] == 2 * BLOCK
    for path in ("runs", "mine"):
        list(core.parts.requests.table["free"]({"path": path}))
    assert {path: (each["cached"], each["kept"]) for path, each in held(core).items()} == {
        "mine": (0, 0), "": (0, 1), "runs": (0, 0)}


def test_many_files_are_counted_piece_by_piece_and_many_folders_are_cut(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_sums, "PIECE", 2)
    monkeypatch.setattr(folder_sums, "TELL", 1)
    monkeypatch.setattr(folder_sums, "FOLDERS", 3)
    for number in range(5):
        core.user.mkdir(f"f{number}")
        core.user.write(f"f{number}/a", b"a" * (number + 1))
    *told, last = core.parts.watched.table["held"]({})
    assert told == [{"counted": 2}, {"counted": 4}]
    assert ([each["path"] for each in last["folders"]], last["more"]) == (["f4", "f3", "f2"], 2)
    core.sync()
