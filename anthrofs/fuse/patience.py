"""Looks at a file system that may never answer: a mount whose process stands still.

Owns    a process for one look, which is left behind when the kernel doesn't let it go.
Never   waits longer than it was told; imports at its head what only a look needs: most commands have none.
"""

import os
import sys
from collections.abc import Callable
from typing import Final, NoReturn

Look = Callable[[], bytes]
KILL: Final = 9


def within(look: Look, seconds: float) -> bytes | None:
    """Returns what the look says; None: nothing, for that long. Raises the OSError that it does."""
    threads = sys.modules.get("threading")
    alone = threads is None or threads.active_count() == 1
    said = _of_a_child(look, seconds) if alone else _of_a_thread(look, seconds)
    if said is None or said[:1] == b"+":
        return said and said[1:]
    raise OSError(int(said), os.strerror(int(said)))


def _said(look: Look) -> bytes:
    try:
        return b"+" + look()
    except OSError as exc:
        return b"%d" % (exc.errno or 0)


def _of_a_thread(look: Look, seconds: float) -> bytes | None:
    """Asks so in a process with more threads, which must not be forked. It may not end before the look does."""
    import threading  # noqa: PLC0415 - see the head

    found = list[bytes]()
    asker = threading.Thread(target=lambda: found.append(_said(look)), name="asker", daemon=True)
    asker.start()
    asker.join(seconds)
    return found[0] if found else None


def _of_a_child(look: Look, seconds: float) -> bytes | None:
    """A thread that the kernel holds would keep its process from ending, and who waits for that; a child doesn't."""
    import select  # noqa: PLC0415 - see the head

    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _answer(look, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        if not select.select([answer], [], [], seconds)[0]:
            os.kill(child, KILL)
            return None
        said = answer.read()
    os.waitpid(child, 0)
    return said or None


def _answer(look: Look, writing: int) -> NoReturn:
    try:
        os.closerange(0, min(3, writing))       # else who reads what the parent says would wait for this one, too
        os.write(writing, _said(look))
    finally:
        os._exit(0)
