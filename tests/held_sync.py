"""`python -m tests.held_sync LABEL GATE mount …`: the command, on a disk whose first sync of that label waits for the file GATE.

Owns    GATE.reached, made when it waits. If GATE holds "full", the sync then fails as on a full disk.
"""

import errno
import os
import sys
import time
from pathlib import Path

from anthrofs.cli.commands import main
from anthrofs.store.disk import Disk

if __name__ == "__main__":
    label, gate = sys.argv[1], Path(sys.argv[2])
    reached = gate.with_name(f"{gate.name}.reached")
    sync = Disk.sync

    def held(disk: Disk, name: str, descriptor: int) -> None:
        if name == label and not reached.exists():
            reached.touch()
            while not gate.exists():
                time.sleep(0.01)
            if gate.read_text() == "full":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(disk, name, descriptor)

    Disk.sync = held        # type: ignore[assignment]    # a function takes the place of a method
    sys.argv[1:] = sys.argv[3:]
    main()
