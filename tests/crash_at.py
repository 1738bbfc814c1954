"""`python -m tests.crash_at LABEL TIMES mount …`: the command, killed at the TIMES-th durable step of that label.

A step of an upload's life cycle that is written to the database has the label `step:NAME`, see upload_queue.Step.

Owns    nothing. The process ends as with kill -9, just before the step or, for LABEL+, just after it.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from anthrofs.cli.commands import main
from anthrofs.model import Attempt
from anthrofs.store.disk import Disk
from anthrofs.tree.upload_queue import Step
from anthrofs.upload.delivery import Delivery


def ends_at_step(write: Callable[..., None], label: str, times: int, *, after: bool) -> Callable[..., None]:
    def named(delivery: Delivery, name: str, attempt: Attempt, step: Step, **reasons: Any) -> None:
        write(delivery, attempt, step, **reasons)

    ending = ends(named, label, times, after=after)
    return lambda delivery, attempt, step, **reasons: ending(delivery, f"step:{step.name}", attempt, step, **reasons)


def ends(step: Callable[..., Any], label: str, times: int, *, after: bool) -> Callable[..., Any]:
    left = [times]

    def stepped(owner: object, name: str, *arguments: Any, **named: Any) -> Any:
        left[0] -= name == label
        now = name == label and left[0] == 0
        if now and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = step(owner, name, *arguments, **named)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return stepped


if __name__ == "__main__":
    label, times = sys.argv[1], int(sys.argv[2])
    for name in ("sync", "sync_dir", "link", "rename", "unlink"):
        setattr(Disk, name, ends(getattr(Disk, name), label.rstrip("+"), times, after=label.endswith("+")))
    # Private, but each step of an attempt that doesn't end with a stored file goes through it.
    Delivery._step = ends_at_step(Delivery._step, label.rstrip("+"), times, after=label.endswith("+"))      # type: ignore[method-assign]
    sys.argv[1:] = sys.argv[3:]
    main()
