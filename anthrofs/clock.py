"""Time, as something that is passed in.

Never   is reached for: nothing else in anthrofs imports `time` to wait or to stamp.
"""

import threading
import time
from collections.abc import Iterable


class Clock:
    """The machine's clocks."""

    def now_s(self) -> float:
        """Monotonic seconds: for durations and deadlines."""
        return time.monotonic()

    def time_ns(self) -> int:
        """Wall-clock ns since the epoch: for what is written down. It may jump."""
        return time.time_ns()

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Wait on a condition that the caller holds; may return early, so the caller's loop looks again."""
        condition.wait(timeout_s)

    def sleep(self, stopping: threading.Event, seconds: float) -> bool:
        """Let time pass. True: `stopping` was set meanwhile."""
        return stopping.wait(seconds)

    def join(self, threads: Iterable[threading.Thread], timeout_s: float) -> bool:
        """Wait for the ends of those that were started. False: not all came in time."""
        until_s = self.now_s() + timeout_s
        started = [thread for thread in threads if thread.ident is not None]
        for thread in started:
            thread.join(max(0.0, until_s - self.now_s()))
        return not any(thread.is_alive() for thread in started)
