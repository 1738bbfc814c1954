"""The table: all rows but those of a mount that may not be changed."""

import re
from typing import Final

from tests.posix import rows_attributes, rows_content, rows_entries, rows_open, rows_people, rows_rename, rows_server
from tests.posix.row import Row
from tests.posix.sides import Sides

ROWS: Final[tuple[Row, ...]] = tuple(row for module in (rows_entries, rows_rename, rows_attributes, rows_content, rows_open, rows_people, rows_server)
                                     for row in module.ROWS)
# What rows find on the server.
REMOTE_NAMES: Final = tuple(dict.fromkeys(re.findall(r"\.\./remote/(\w+)", " ".join(row.script for row in ROWS))))
# What other disks answer otherwise, for they hold more, or can't do it.
EXT4_SAYS: Final = frozenset({
    "utimensat: beyond what is kept, the last moment", "write: where no file reaches", "write: behind 17 TB", "truncate: where no file reaches",
    "ftruncate: where no file reaches", "fallocate: zeros are written", "open: DIRECT needs whole blocks", "lseek: a hole at the beginning"})


def differs(sides: Sides, row: Row) -> str:
    """What is not as the row says, in words; nothing if all is."""
    disk, mount = sides.answers(row)
    if mount != row.mount:
        return f"{row.name} ({row.script}): the mount says {mount}, not {row.mount}"
    agree = row.name in EXT4_SAYS or row.why == "links" or "EOPNOTSUPP" in disk.split()
    if disk != row.disk and (sides.kind == "ext4" or not agree):
        return f"{row.name} ({row.script}): the disk ({sides.kind}) says {disk}, not {row.disk}"
    return ""
