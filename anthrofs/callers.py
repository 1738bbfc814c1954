"""Processes that make kernel requests, as /proc shows them: who they are, and what they have open.

Serves  fuse_ops.
Trusts  nothing to be there: a process ends at any moment, another user's doesn't show what it has open, and one of another
        pid namespace has no number here. Each of these answers as if it had nothing.
Never   asks for a file's attributes: on our own mount that would wait for ourselves.
"""

import contextlib
import os
from pathlib import Path

from anthrofs.model import NodeId

FACTS = 8       # lines of a status or fdinfo file, from its top, that hold all that is asked for here


def process_of(thread: int) -> tuple[int, int]:
    """The thread group of a thread, and its parent; 0: unknown."""
    with contextlib.suppress(OSError):
        facts = _facts(Path(f"/proc/{thread}/status"))
        return int(facts["Tgid"]), int(facts["PPid"])
    return 0, 0


def program_of(process: int) -> str:
    """Its name, not one of its threads'; empty: unknown."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/comm").read_text(errors="replace").removesuffix("\n")
    return ""


def writes_to(process: int, below: str, node_id: NodeId) -> bool:
    """It has the node open for writing, through a path that begins with `below`, the mount's. What is being closed isn't found:
    the kernel takes it off the process's table before it tells of the close.
    """
    folder = Path(f"/proc/{process}")
    with contextlib.suppress(OSError):
        for descriptor in (folder / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):        # closed meanwhile
                if str(descriptor.readlink()).startswith(below):
                    facts = _facts(folder / "fdinfo" / descriptor.name)
                    # Linux before 5.14 doesn't tell the inode.
                    if facts.get("ino") == str(node_id) and int(facts["flags"], 8) & os.O_ACCMODE != os.O_RDONLY:
                        return True
    return False


def _facts(path: Path) -> dict[str, str]:
    lines = path.read_text(errors="replace").split("\n", FACTS)[:FACTS]
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
