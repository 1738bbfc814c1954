"""Helper files that are known by the file they lie beside, and by how their maker opens them; names.LOCAL_PATTERNS has
the others.

Their names alone could be a user's own: `notes.wal`, `old.tmp`. So one counts only where the file is that it belongs
to.

Trusts  what real programs were seen to do (tests/programs/): who copies such a file opens it otherwise.
"""

import os
import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Companion:
    """A name, and what else has to be so."""

    shape: re.Pattern[str]              # its one group: the name of the file that it belongs to
    flags: int = 0                      # of its open(2): these are set
    makers: frozenset[str] = frozenset()        # /proc/<pid>/comm; empty: whoever it is
    held: bool = False                  # its maker has that file open for writing


COMPANIONS: Final = (
    Companion(re.compile(r"(.+)-(?:journal|wal|shm)"), os.O_RDWR),                              # SQLite's, beside a database
    Companion(re.compile(r"(.+)\.wal"), os.O_APPEND, held=True),                                # DuckDB's
    Companion(re.compile(r"(.+)\.tmp"), os.O_EXCL, frozenset({"7z", "7za", "7zr", "7zz"})),     # an archive that 7-Zip makes anew
    Companion(re.compile(r"(.+)\.tmp"), makers=frozenset({"pngquant"})),
    Companion(re.compile(r"(.+)\.[0-9a-f]{32}\.tmp", re.ASCII)),                                # MCP's file system server
    Companion(re.compile(r"\.~(.+)")),                                                          # Jupyter's, of a notebook or a text
)


def candidates(name: str, program: str, flags: int) -> list[tuple[str, bool]]:
    """(the file beside which this is a helper file, whether its maker must have that one open for writing); `flags`: of
    its creation.
    """
    found = ((companion, companion.shape.fullmatch(name)) for companion in COMPANIONS)
    return [(match[1], companion.held) for companion, match in found
            if match and flags & companion.flags == companion.flags and (not companion.makers or program in companion.makers)]
