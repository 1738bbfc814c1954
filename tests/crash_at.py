"""`python -m tests.crash_at LABEL TIMES mount …`: the command, killed at the TIMES-th durable step of that label.

Owns    nothing. The process ends as with kill -9, just before the step or, for LABEL+, just after it.
Serves  test_crashes.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from anthrofs.cli import main
from anthrofs.disk import Disk


def ends(step: Callable[..., Any], label: str, times: int, *, after: bool) -> Callable[..., Any]:
    left = [times]

    def stepped(disk: Disk, name: str, *arguments: Any) -> Any:
        left[0] -= name == label
        now = name == label and left[0] == 0
        if now and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = step(disk, name, *arguments)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return stepped


if __name__ == "__main__":
    label, times = sys.argv[1], int(sys.argv[2])
    for name in ("sync", "sync_dir", "link", "rename", "unlink"):
        setattr(Disk, name, ends(getattr(Disk, name), label.rstrip("+"), times, after=label.endswith("+")))
    sys.argv[1:] = sys.argv[3:]
    main()
