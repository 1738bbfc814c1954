"""`python -m tests.soak.watched SOCKET mount --foreground …`: the command, which tells its Python heap, its tables and its descriptors to whoever asks on that inherited socket.

Owns    one thread. For each line that comes on the socket a line of JSON goes back; "types" asks for the commonest types, too;
        at "rest" the C heap first gives back what is free in it, as the mount does within a minute (daemon/heap.py): what stays then is held.
Never   outlives its parent: when the socket ends, the mount is told to.
"""

import gc
import json
import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from anthrofs.cli.commands import main
from anthrofs.clock import Clock
from anthrofs.daemon.heap import Heap
from anthrofs.daemon.process import SIGNALS
from anthrofs.tree.database import Database

TABLES: Final = ("node", "attempt", "lost", "doomed", "kept", "attribute")


def answer(asked: socket.socket) -> None:
    with asked, asked.makefile("rw") as lines:
        for line in lines:
            if line.strip() == "rest":
                Heap(Clock()).trim()
            lines.write(json.dumps(heap(types=line.strip() == "types")) + "\n")
            lines.flush()
    os.kill(os.getpid(), signal.SIGTERM)


def heap(*, types: bool) -> dict[str, Any]:
    """What is still there after a collection. An allocated block is a small object or a part of one, whatever has it."""
    gc.collect()
    # Descriptors from in here, too: a process that has a key shows them to no other.
    found: dict[str, Any] = {"blocks": sys.getallocatedblocks(), "descriptors": list(descriptors())}
    # Asked of the process itself: from outside, the database is locked.
    for database in (each for each in gc.get_objects() if isinstance(each, Database)):
        with database.reading() as tx:
            found["rows"] = {table: tx.one(f"SELECT count(*) FROM {table}")[0] for table in TABLES}
            found["tombstones"] = tx.one("SELECT count(*) FROM doomed WHERE deleted_ns IS NOT NULL")[0]
            found["free pages"] = tx.one("PRAGMA freelist_count")[0]
    if types:
        found["types"] = Counter(type(each).__qualname__ for each in gc.get_objects()).most_common(300)
    return found


def descriptors() -> Iterable[str]:
    """Where each leads."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            yield os.readlink(f"/proc/self/fd/{name}")


if __name__ == "__main__":
    # As the command itself does, but before the thread here: else a signal would end it there.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    threading.Thread(target=answer, args=(socket.socket(fileno=int(sys.argv[1])),), name="watched", daemon=True).start()
    del sys.argv[1]
    main()
