"""Which signals end a call: by the masks of the program that made it."""

import os
import signal

import pytest

from anthrofs.fuse import callers


def mask(*names: str) -> int:
    return sum(1 << signal.Signals[name] - 1 for name in names)


@pytest.mark.parametrize(("pending", "caught", "ignored", "blocked", "expected"), [
    ((), (), (), (), False),
    (("SIGKILL",), (), (), ("SIGKILL",), True),
    (("SIGALRM", "SIGCHLD"), ("SIGALRM",), (), (), False),
    (("SIGALRM",), (), (), (), True),
    (("SIGCHLD", "SIGURG", "SIGWINCH", "SIGCONT", "SIGTSTP"), (), (), (), False),
    (("SIGINT",), ("SIGINT",), (), (), True),
    (("SIGINT",), (), ("SIGINT",), (), False),
    (("SIGTERM",), (), (), ("SIGTERM",), False),
    (("SIGURG", "SIGTERM"), ("SIGURG", "SIGTERM"), (), (), True),
    (("SIGSEGV",), (), (), (), True),
    (("SIGSEGV",), ("SIGSEGV",), (), (), False),
])
def test_which_signals_end_a_call(pending: tuple[str, ...], caught: tuple[str, ...], ignored: tuple[str, ...], blocked: tuple[str, ...],
                                  *, expected: bool) -> None:
    assert callers.ends(mask(*pending), mask(*caught), mask(*ignored), mask(*blocked)) == expected


def test_of_whom_nobody_can_say_every_signal_ends_a_call_and_of_others_none_that_isnt_there() -> None:
    assert callers.is_ending(0)                 # what the kernel calls a program of another pid namespace
    assert callers.is_ending(2**22 + 1)         # no such thread: above the highest number
    assert not callers.is_ending(os.getpid())
