"""A call in a thread of its own, for which a server's end doesn't wait.

A mount that doesn't answer holds whoever asks it, in the kernel, where nothing can be cancelled. The loop's own pool of
threads would be full of such calls one day, and would be waited for at the end.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

Found = TypeVar("Found")


def apart(call: Callable[[], Found]) -> asyncio.Future[Found]:
    """Returns the future of what the call returns or raises."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Found] = loop.create_future()

    def run() -> None:
        try:
            value = call()
        except BaseException as exc:
            _tell(loop, found, partial(found.set_exception, exc))
        else:
            _tell(loop, found, partial(found.set_result, value))

    threading.Thread(target=run, name="page-asks", daemon=True).start()
    return found


def _tell(loop: asyncio.AbstractEventLoop, found: asyncio.Future[Found], outcome: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):     # the server has ended meanwhile
        loop.call_soon_threadsafe(lambda: None if found.done() else outcome())
