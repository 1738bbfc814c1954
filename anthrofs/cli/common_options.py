"""The parameters that several commands take."""

from pathlib import Path
from typing import Final

from anthrofs.cli.syntax import argument, flag, number, option
from anthrofs.settings.table import LONGEST_S

FILE: Final = argument("path", "A file in a mount.", Path)
FILES: Final = argument("paths", "Files in a mount, or directories with all in them.", Path, count="+")
JSON: Final = flag("--json", "as_json", "One JSON value on standard output.")
WAIT_S: Final = number(0, LONGEST_S)
TIMEOUT: Final = option("--timeout", "timeout", "SECONDS", "Seconds to wait at most.", WAIT_S, default=300.0)
