"""A mount's log, as a process has it."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from anthrofs.daemon.process import LOG_BYTES
from tests.mounting import ROOT

FLOOD: Final = """
import logging, sys
from pathlib import Path
from anthrofs.daemon.process import log_to
log_to(Path(sys.argv[1]), foreground=True)
log = logging.getLogger("anthrofs.fuse.operations")
for number in range(20_000):
    log.error("%s: this machine's disk: %s", "write", "Input/output error")
    log.warning("%r was refused", f"{number}.txt")
logging.shutdown()
"""


def test_a_program_that_tries_again_for_ever_floods_neither_the_file_nor_standard_error(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FLOOD, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    written = (tmp_path / "anthrofs.log").read_text()
    assert written == done.stderr
    assert "ERROR anthrofs.fuse.operations: write: this machine's disk" in written
    assert "'0.txt' was refused" in written
    assert len(written) < 20_000 < LOG_BYTES


def test_many_different_lines_take_three_files_at_most(tmp_path: Path) -> None:
    different = FLOOD.replace('"%r was refused", f"{number}.txt"', 'f"{number} " + 200 * "x"')
    subprocess.run([sys.executable, "-c", different, tmp_path], cwd=ROOT, stderr=subprocess.DEVNULL, check=True, timeout=60)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes.keys() == {"anthrofs.log", "anthrofs.log.1", "anthrofs.log.2"}
    assert max(sizes.values()) <= LOG_BYTES
