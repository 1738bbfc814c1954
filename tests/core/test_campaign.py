"""Manual, promises: saves, renames and removals while answers are lost and refused, time passes, and the program is killed.

The long form on a real mount is tests/mount/test_crashes.py; here the moments are the same each time for a seed.
"""

import os
import random
import re

import pytest

from anthrofs.model import FileId
from tests.core.core import Core
from tests.core.test_mishaps import CUT, REFUSED
from tests.core.test_model import REPLACED, Called
from tests.model_machine import FOLDERS, MOST_BYTES, MOST_PLACE, NAMES, Deeds

SEEDS = int(os.environ.get("ANTHROFS_CAMPAIGN_SEEDS", "12"))
STEPS = 250
MISHAPS = [(exc, after_s) for exc, after_s in (*CUT.values(), *REFUSED.values()) if after_s in (None, 0.0)]      # what is stored later may be there twice
LEFT = r"the server has (?:such )?a file (?:'.*' )?\((file_[0-9]+)\)"
EXPECTED = (REPLACED, f"(?i){LEFT}", "could not be deleted", "What is to be sent stays queued", "could not be refreshed", "mounted from the saved index",
            "may have been stored by an earlier try", "can't be sent under its new name now", "was being sent when its answer was lost")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_acknowledged_is_there_and_the_server_ends_with_it_once(core: Core, seed: int) -> None:
    core.expects(*EXPECTED)
    chance, deeds = random.Random(seed), Deeds(Called(core))
    for number in range(STEPS):
        try:
            step(core, chance, deeds)
            forget_left(core)
        except BaseException as exc:
            exc.add_note(f"step {number}")
            raise
    core.files.failures.clear()
    core.files.refusals.clear()
    core.clock.pass_s(400)
    deeds.hands.sync()
    forget_left(core)
    core.refresh()
    deeds.compare_all()
    deeds.sync()


def step(core: Core, chance: random.Random, deeds: Deeds) -> None:
    path, files, which = chance.choice(FOLDERS) + chance.choice(NAMES), sorted(deeds.model.files), chance.random()
    content = chance.randbytes(chance.randint(1, MOST_BYTES))
    if which < 0.35 or not files:
        deeds.write(path, content)
    elif which < 0.45:
        deeds.edit(chance.choice(files), content, chance.randint(0, MOST_PLACE))
    elif which < 0.53:
        deeds.remove(chance.choice(files))
    elif which < 0.7:
        deeds.rename(chance.choice(files), path, reading=chance.random() < 0.3)
    elif which < 0.75:
        deeds.make_directory(chance.choice(["d", "e", "d/f"]))
    elif which < 0.85:
        core.clock.pass_s(chance.choice([0.0, 0.5, 2.0, 30.0]))
    elif which < 0.94:
        exc, after_s = chance.choice(MISHAPS)
        core.files.fail(chance.choice(["upload", "upload", "delete"]), exc(), after_s=after_s)
    elif which < 0.97:
        core.crash()
    else:
        forget_left(core)
        deeds.compare_all()
    if path in deeds.model.files:
        deeds.compare(path)


def forget_left(core: Core) -> None:
    """What was removed, renamed or given up while nobody knew whether the server has it may be somebody else's: it is named and left."""
    for file_id in re.findall(LEFT, "\n".join(core.log.lines), re.IGNORECASE):
        if any(file.file_id == file_id for file in core.files.files):
            core.files.vanish(FileId(file_id))
            core.clock.pass_s(2)
            core.refresh()
