"""The changes that the mount of a state has not sent, once its process has ended.

Trusts  the state's rows, as the next mount will.
Never   looks into a state that a mount uses, and never changes what is promised.
"""

import contextlib
import time
from pathlib import Path
from typing import Final

from anthrofs.client.mount_again import mount_again
from anthrofs.errors import EXIT_BUSY, EXIT_LEFT, SetupError
from anthrofs.store.state_dir import StateDir
from anthrofs.text import printable
from anthrofs.tree.database import Database

FREE_S: Final = 2.0         # a process that has just ended may keep its lock for a moment
LOOK_S: Final = 0.02
NAMED: Final = 20           # of what is left


def refuse_unsent(state_dir: Path, mountpoint: Path) -> None:
    """Raises SetupError, which names what is left; nothing is said of a state that the next mount has already."""
    if (left := _unsent(state_dir, mountpoint)) is None:
        return
    names, deletions = left
    rows = [f"  {printable(name)}" for name in names[:NAMED]]
    rows += [f"  and {len(names) - NAMED} more"] if len(names) > NAMED else []
    rows += [f"  {deletions} files to be deleted there"] if deletions else []
    if rows:
        raise SetupError("Not on the server yet (kept on this machine, and sent by the next mount: "
                         f"{mount_again(state_dir, mountpoint)}):\n" + "\n".join(rows), EXIT_LEFT)


def _unsent(state_dir: Path, mountpoint: Path) -> tuple[list[str], int] | None:
    """(paths, how many deletions). None: a mount has it."""
    until_s = time.monotonic() + FREE_S
    while True:
        try:
            lock = StateDir(state_dir, str(mountpoint))
            break
        except SetupError as exc:
            if exc.exit_code != EXIT_BUSY:
                raise
            if time.monotonic() > until_s:
                return None
            time.sleep(LOOK_S)
    with contextlib.closing(lock), contextlib.closing(Database(state_dir / "state.db")) as db, db.reading() as tx:
        nodes = [node for node in tx.nodes.unsent() if not (node.local or node.is_hidden)]
        return sorted(tx.nodes.path(node) for node in nodes), tx.deletions.count()
