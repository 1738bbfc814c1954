"""Programs that use a simulated mount: each a task that does one step after another, and says how it ended.

Trusts  world.py to give it nothing whose paths another program is busy with.
"""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.simulation.mount import Mount, Programs, inside
from tests.simulation.scheduler import SECOND_NS, Group, Scheduler
from tests.simulation.steps import Step
from tests.simulation.zone import Change

QUICK: Final = frozenset({"list", "rename", "remove", "mkdir", "rmdir", "movedir", "chmod"})     # calls that never wait for the service
QUICK_S: Final = 3.0            # opendir may wait one second, a rename is behind commits


@dataclass(frozen=True, slots=True)
class Ended:
    """How a step ended."""

    error: OSError | None = None
    killed: bool = False
    found: Any = None           # what it has read


@dataclass
class Held:
    """A file that is open for reading, and what may be read there."""

    number: int
    path: str
    may: list[bytes]
    closing: bool = False       # a program is about to read it and let it go


def write(user: Programs, step: Step) -> None:
    user.write(step.path, step.content())


def append(user: Programs, step: Step) -> None:
    user.write(step.path, step.content(), os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def edit(user: Programs, step: Step) -> None:
    with user.opened(step.path, os.O_RDWR) as number:
        user.pwrite(number, step.content(), step.place)


def truncate(user: Programs, step: Step) -> None:
    with user.opened(step.path, os.O_RDWR) as number:
        user.ftruncate(number, step.place)


def save(user: Programs, step: Step) -> None:
    user.save(step.path, step.content())


def synced(user: Programs, step: Step) -> None:
    """Written in two pieces, synced between."""
    content = step.content()
    with user.opened(step.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as number:
        user.pwrite(number, content[:len(content) // 2], 0)
        user.fsync(number)
        user.pwrite(number, content[len(content) // 2:], len(content) // 2)
        user.fsync(number)


def read(user: Programs, step: Step) -> bytes:
    return user.read(step.path)


def xattr(user: Programs, step: Step) -> None:
    user.setxattr(step.path, "user.mime_type", ["text/plain", "application/pdf"][step.stamp % 2])


def listed(user: Programs, step: Step) -> list[str]:
    return user.listdir("")


ACTS: Final[dict[str, Callable[[Programs, Step], Any]]] = {
    "write": write, "append": append, "edit": edit, "truncate": truncate, "save": save, "synced": synced, "read": read, "xattr": xattr, "list": listed,
    "remove": lambda user, step: user.unlink(step.path),
    "rename": lambda user, step: user.rename(step.path, step.to),
    "movedir": lambda user, step: user.rename(step.path, step.to),
    "mkdir": lambda user, step: user.mkdir(step.path),
    "rmdir": lambda user, step: user.rmdir(step.path),
    "chmod": lambda user, step: user.chmod(step.path, 0o600 + step.stamp % 8),
}


def asked(mount: Mount, request: str, **arguments: Any) -> list[dict[str, Any]]:
    """What the command line asks of a running mount; see daemon/requests.py."""
    return list(mount.parts.requests.table[request](arguments))


REQUESTS: Final[dict[str, Callable[[Mount, Step], Any]]] = {
    "sync": lambda mount, _: asked(mount, "drain", timeout_s=30.0),
    "refresh": lambda mount, _: asked(mount, "refresh", timeout_s=30.0),
    "free": lambda mount, step: asked(mount, "free", path=step.path),
    "retry": lambda mount, step: asked(mount, "retry", path=step.path),
}


def changes_of(step: Step) -> tuple[Change, ...]:
    """What a step makes of the model, one after another."""
    path, to = step.path, step.to
    if step.do == "write":
        return (lambda model: model.write(path, step.content()),)
    if step.do == "synced":
        return (lambda model: model.write(path, step.content()[:len(step.content()) // 2]), lambda model: model.write(path, step.content()))
    if step.do == "save":
        return (lambda model: model.write(f"{path}.new", step.content()), lambda model: model.rename(f"{path}.new", path))
    if step.do in ("append", "edit", "truncate"):
        return (lambda model: model.write(path, changed(step, model.files[path].content if path in model.files else b"")),)
    if step.do in ("rename", "movedir"):
        return (lambda model: model.rename(path, to),)
    return {"remove": (lambda model: model.remove(path),), "mkdir": (lambda model: model.make_directory(path),),
            "rmdir": (lambda model: model.remove_directory(path),)}.get(step.do, ())


def changed(step: Step, before: bytes) -> bytes:
    """The content after an append, an edit or a truncation."""
    if step.do == "append":
        return before + step.content()
    if step.do == "truncate":
        return before[:step.place].ljust(step.place, b"\0")
    if not step.size:
        return before               # nothing is written
    return before.ljust(step.place, b"\0")[:step.place] + step.content() + before[step.place + len(step.content()):]


class Program:
    """One of a mount's."""

    def __init__(self, scheduler: Scheduler, mount: Mount, number: int, group: Group) -> None:
        self.mount = mount                      # given
        self.number = number                    # constant
        self._scheduler = scheduler             # given
        self.step: Step | None = None           # that it is busy with
        self.longest_s = 0.0                    # that a call took which waits for nobody
        self._then: Callable[[Ended], None] = lambda _: None
        self._work: Callable[[], Any] = lambda: None
        self._group = group                     # the mount's, as it was when the step was given
        self.task = scheduler.spawn(self._run, f"program {number} of {mount.name}", group)

    def begin(self, step: Step, work: Callable[[], Any], then: Callable[[Ended], None]) -> None:
        """By the driver: `then` is told how it ended, in the program's own turn."""
        assert self.step is None
        self.step, self._work, self._then, self._group = step, work, then, self.mount.group
        self._scheduler.wake(self.task)

    def _run(self) -> None:
        while True:
            while self.step is None:
                self._scheduler.block(None, "a step")
            began_ns, step = self._scheduler.now_ns, self.step
            ended = self._done()
            took_s = (self._scheduler.now_ns - began_ns) / SECOND_NS
            if step.do in QUICK and not ended.killed:
                self.longest_s = max(self.longest_s, took_s)
                assert took_s <= QUICK_S, f"{step.line()} took {took_s} s"
            self.step = None
            self._then(ended)

    def _done(self) -> Ended:
        try:
            with inside(self._group):
                return Ended(found=self._work())
        except OSError as exc:
            return Ended(killed=True) if self._group.dead else Ended(exc)
        except BaseException:
            if not self._group.dead:        # else whatever it met on its way out
                raise
            return Ended(killed=True)


def suppressed(work: Callable[[], object]) -> None:
    """What nobody hears of."""
    with contextlib.suppress(OSError):
        work()
