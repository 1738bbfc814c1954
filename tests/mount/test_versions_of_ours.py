"""Manual, promises: the right bytes, when files change: ours, others', and those that don't change between the ones
that do.
"""

import fcntl
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Final

from tests.changing_program import CALM, MIXED, NAMES, OURS, THEIRS, Board
from tests.mount.test_versions import content_of
from tests.mounting import Mount, wait_until

SECONDS: Final = 5.0
PROGRAMS: Final = 4


def shows(mount: Mount, name: str) -> str:
    return os.getxattr(mount.path / name, "user.anthropic.file_id").decode()


def others_replace(mount: Mount, board: Board, name: str) -> None:
    """The board has it as done only once the mount shows it: somebody may have the old one open."""
    with board.lock(name, fcntl.LOCK_EX):
        version = board.begun(name) + 1
        board.begin(name, version)
        made = mount.emulator.generate(name, content_of(version))
        mount.refresh()
        if shows(mount, name) == made["id"]:
            board.finish(name, version)


def shows_newest(mount: Mount, name: str) -> bool:
    """After a refresh; others' changes of a name that was opened a moment ago wait for the next one."""
    mount.refresh()
    newest = next(file["id"] for file in mount.emulator.files() if file["filename"] == name)
    return shows(mount, name) == str(newest)


def test_no_read_mixes_or_is_older_than_what_was_there_when_it_was_opened(mount: Mount, tmp_path: Path) -> None:
    seed = int(os.environ.get("ANTHROFS_VERSIONS_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    (tmp_path / "board").write_bytes(bytes(16 * len(NAMES)))
    board = Board(tmp_path / "board")
    for name in ["calm-1", "calm-2", *THEIRS, *MIXED]:
        mount.emulator.generate(name, content_of(1))
    files = mount.mount("--refresh", "1")
    for name in ["calm-ours", *OURS]:
        (files / name).write_bytes(content_of(1))
    for name in NAMES:
        board.begin(name, 1)
        board.finish(name, 1)

    programs = [subprocess.Popen([sys.executable, "-m", "tests.changing_program", files, tmp_path / "board", str(seed + number), str(SECONDS)],
                                 stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) for number in range(PROGRAMS)]
    try:
        while any(each.poll() is None for each in programs):
            others_replace(mount, board, chance.choice(THEIRS + MIXED))
            time.sleep(chance.random() * 0.3)
    finally:
        outputs = [each.communicate(timeout=30)[0] for each in programs]
    assert [each.returncode for each in programs] == [0] * PROGRAMS, seed
    said = [json.loads(output) for output in outputs]
    print(said, {name: (board.done(name), board.begun(name)) for name in NAMES})
    assert [each["problems"] for each in said] == [[]] * PROGRAMS, (seed, said)
    assert sum(each["reads"] for each in said) > 200
    assert min(board.done(name) for name in OURS + THEIRS + MIXED) > 1

    mount.sync()
    for name in NAMES:
        wait_until(partial(shows_newest, mount, name), f"{name} shows its newest file")
        assert (files / name).read_bytes() == content_of(board.begun(name)), (seed, name)
    downloads = Counter(request["filename"] for request in mount.emulator.requests("download"))
    assert {name: downloads[name] for name in CALM + OURS} == {"calm-1": 1, "calm-2": 1, "calm-ours": 0, "ours-1": 0, "ours-2": 0}
