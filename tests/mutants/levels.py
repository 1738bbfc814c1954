"""The levels of the tests, from the cheapest to the dearest, and of a level what concerns a room.

Tests of how the sources are written (tidiness, layers, the schema's steps as they were, and that these patches apply) find any change, so
they count for nothing here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.mutants.patches import ROOT, Mutant

LEFT_OUT: Final = (
    "tests/unit/test_tidy.py", "tests/unit/test_layers.py", "tests/unit/test_mutants.py",
    "tests/unit/tree/test_schema.py::test_a_step_that_was_ever_used_stays_as_it_was",
)

# On real mounts, the tests whose subject is what a room does.
MOUNT: Final = {
    "store": "crashes bad_state_disk bad_state_directory staging_size keeping",
    "tree": "crashes renames keeping uploads two_mounts",
    "upload": "uploads closes lost_answers cut_uploads outages refusals",
    "download": "reading reading_ends cut_downloads reading_property",
    "sync": "refreshes two_mounts expiry foreign_listings",
    "fs": "edits open_flags page_cache writing renames replacements refused_writes",
    "remote": "credentials budget requests redirects foreign_answers outages",
    "daemon": "commands signals detached crashes bad_state_gone",
    "fuse": "open_flags times limits signals xattrs page_cache",
}
OTHERS: Final = "crashes uploads reading"       # of what lies beside the rooms


# Tests that cost about the same, of those that a mutant concerns.
Level = Callable[[Mutant], list[str]]


def _unit(mutant: Mutant) -> list[str]:
    """The room's own first."""
    own = f"tests/unit/{mutant.room}"
    return [own, "tests/unit"] if (ROOT / own).is_dir() else ["tests/unit"]


def _mount(mutant: Mutant) -> list[str]:
    return _there([f"tests/mount/test_{name}.py" for name in MOUNT.get(mutant.room, OTHERS).split()])


def _there(tests: list[str]) -> list[str]:
    """Those that this version has."""
    return [test for test in tests if Path(ROOT, test).exists()]


def named(mutant: Mutant) -> list[str]:
    """Those that its head says."""
    return list(mutant.found_by)


# By name; in their order.
LEVELS: Final[dict[str, Level]] = {
    "unit": _unit,
    "core": lambda _: ["tests/core"],
    "simulation": lambda _: _there(["tests/simulation/test_runs.py"]),     # the others are about what it imitates
    "posix": lambda _: _there(["tests/posix"]),
    "exerciser": lambda _: _there(["tests/exerciser"]),
    "mount": _mount,
}
