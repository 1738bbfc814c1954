"""The table: all rows but those of a mount that may not be changed."""

from typing import Final

from tests.posix import rows_attributes, rows_content, rows_entries, rows_open, rows_people, rows_rename, rows_server
from tests.posix.row import Row

ROWS: Final[tuple[Row, ...]] = tuple(row for module in (rows_entries, rows_rename, rows_attributes, rows_content, rows_open, rows_people, rows_server)
                                     for row in module.ROWS)
