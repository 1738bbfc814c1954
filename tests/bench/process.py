"""What the kernel says of a process.

Trusts  the kernel's high-water mark of a process, and its reset.
"""

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

CHILDREN: Final = 0     # no process's id: all of ours that have ended


def cpu_s(pid: int) -> float:
    """User and system time of all threads of a process so far, by the clock that clock_getcpuclockid(3) names: /proc has it in hundredths only."""
    if pid == CHILDREN:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime
    return time.clock_gettime((~pid << 3) | 2)


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
