"""A call apart is told like any other, and a server's end doesn't wait for it."""

import asyncio
import threading
import time

import pytest

from anthrofs.errors import SetupError
from anthrofs.web.threads import apart


def test_what_it_returns_and_what_it_raises_is_told() -> None:
    def fails() -> None:
        raise SetupError("no")

    async def both() -> int:
        with pytest.raises(SetupError, match="no"):
            await apart(fails)
        return await apart(lambda: 7)
    assert asyncio.run(both()) == 7


def test_the_loop_ends_though_a_call_hangs_and_its_late_outcome_harms_nothing() -> None:
    go_on = threading.Event()

    async def leave() -> None:
        apart(go_on.wait)
    began_s = time.monotonic()
    asyncio.run(leave())
    [hanging] = [thread for thread in threading.enumerate() if thread.name == "page-asks"]
    go_on.set()
    hanging.join(10)
    assert not hanging.is_alive()
    assert time.monotonic() - began_s < 10
