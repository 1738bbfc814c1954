"""The thread of a worker: one step after another, each when it is due, until the mount ends.

Owns    one thread, and the flags that wake and stop it.
Trusts  its owner to say when the next step is due, and to do it.
Never   lets a bug end the thread, or come again at once.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import Stopping

log = logging.getLogger(__name__)

BUG_S: Final = 60.0         # the rest after a bug; a wake ends it


class Worker:
    """Refresher, sweeper, expirer and what a fleet does beside calls have one each."""

    def __init__(self, name: str, clock: Clock, due_s: Callable[[], float], step: Callable[[], None]) -> None:
        """`due_s` says in how many seconds the next step is due, infinite for none; `step` does it, and may raise
        Stopping.
        """
        self._name = name               # given
        self._clock = clock             # given
        self._due_s = due_s             # given
        self._step = step               # given
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

        self._changed = threading.Condition()       # guards everything below; a leaf
        self._woken = False
        self._stopping = False

    def start(self, *, at_once: bool = False) -> None:
        """Steps are done from now on; `at_once`: a first one before this returns."""
        if at_once:
            try:
                self._step()
            except Exception:
                log.exception("bug in the %s", self._name)
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the thread has begun and not ended."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """When the next step is due may have changed: the thread asks again."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def stop(self, timeout_s: float) -> bool:
        """Ends the thread after the step that it is doing. False: that step hangs in a request, and is left to the
        process's end.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        return self._clock.join([self._thread], timeout_s)

    def _run(self) -> None:
        while True:
            try:
                if not self._await_due():
                    return
                self._step()
            except Stopping:
                return
            except Exception:
                log.exception("bug in the %s", self._name)
                with self._changed:
                    if not self._woken and not self._stopping:
                        self._clock.wait(self._changed, BUG_S)

    def _await_due(self) -> bool:
        """Returns True when a step is due, False when there is to be none any more."""
        while True:
            due_s = self._due_s()       # before the flag is taken: a wake meanwhile counts
            with self._changed:
                if due_s > 0 and not self._woken and not self._stopping:
                    self._clock.wait(self._changed, None if due_s == float("inf") else due_s)
                if self._stopping:
                    return False
                woken, self._woken = self._woken, False
            if due_s <= 0 and not woken:
                return True
