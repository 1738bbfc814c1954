"""What the kernel says of a process.

Trusts  the kernel's high-water mark of a process, and its reset.
"""

import os
from collections.abc import Callable
from pathlib import Path


def cpu_s(pid: int) -> float:
    """User and system time of all threads of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int, action: Callable[[], object]) -> float:
    """The most memory that it has during the action."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")     # proc(5): the high-water mark begins anew
    action()
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def resident_mib(pid: int) -> float:
    """The memory that it has now."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024
