"""What the service has and was asked, by its own word: no gateway is between."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.mounting import Mount


def asked(mount: Mount, operation: str) -> int:
    return len(mount.emulator.requests(operation))


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Runs it in a thread during the block; what it raises is raised at the end."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as exc:
            raised.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if raised:
        raise raised[0]
