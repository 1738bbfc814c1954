"""What must be true of all that a program is told, while it works, and of each state that a mount leaves."""

import errno
import itertools
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from anthrofs.names import SLASH
from anthrofs.tree.fsck import problems
from tests.model import is_below
from tests.simulation.mount import Mount
from tests.simulation.programs import ACTS, Ended, Held, Program
from tests.simulation.steps import Step
from tests.simulation.zone import Deed

if TYPE_CHECKING:
    from tests.simulation.world import World

CALL_S: Final = 4000.0              # of simulated time, that any call may take
PROVENANCE: Final = b"provenance"       # delivery.py adds it
DOUBLED_US: Final = 10**6           # a gateway sends again at once
MOST_BYTES: Final = 100_000         # more than any file here has
UNREADABLE: Final = errno.EACCES
BELONGS: Final = "belongs to nothing"       # what was being written at a kill


class Judge:
    """One run's."""

    def __init__(self, world: "World") -> None:
        self._world = world             # given
        self.known = {b""}              # every content that was ever in the shared zone
        self.last: dict[str, bytes] = {}            # in the shared zone: what nobody has changed since it was acknowledged
        self._vanished = set[bytes]()               # content that others removed, perhaps before its writer was told that it is there
        self._writing: Counter[str] = Counter()     # paths of the shared zone that somebody changes now
        self._overlapped = set[str]()               # of them, those that several did at once
        self.checked_bytes = 0

    # ---- while programs work

    def wait_for(self, number: int, paths: Iterable[str]) -> None:
        """By the driver: nobody does anything to those paths, to what is above or below them."""
        world, paths = self._world, list(paths)

        def free() -> bool:
            return not any(one == other or is_below(one, other) or is_below(other, one)
                           for deed in world.busy[number] for one in deed.paths for other in paths if one and other)
        world.scheduler.run_until(free, CALL_S)

    def changed(self, number: int, deed: Deed) -> None:
        """A change has happened: who has a file open sees that."""
        files = self._world.zones[number].model.files
        for held in self._world.held[number]:
            if len(deed.paths) > 1 and is_below(held.path, deed.paths[0]):      # its folder was renamed
                held.path = deed.paths[1] + held.path[len(deed.paths[0]):]
            elif held.path in deed.paths:
                held.may += [files[path].content for path in deed.paths if path in files]
                held.path = deed.paths[-1] if held.path not in files else held.path

    def look(self, step: Step, program: Program) -> None:
        """A program reads something of its own zone, or lists it."""
        world, mount, zone = self._world, program.mount, self._world.zones[step.mount]
        self.wait_for(step.mount, [step.path])
        if not mount.alive or (step.do == "read" and (step.path not in zone.model.files or zone.unsure([step.path]))):
            return
        model = zone.model
        expected = model.files[step.path].content if step.do == "read" else b""
        deed = Deed((step.path,), ())
        world.busy[step.mount].append(deed)

        def ended(how: Ended) -> None:
            world.busy[step.mount].remove(deed)
            world.say(f"{step.do} {step.path}: {'killed' if how.killed else how.error or 'right'}")
            if how.error is not None:
                # What only the store has is EIO while that is away.
                allowed = mount.disk_trouble or (how.error.errno in (UNREADABLE, *((errno.EIO,) if mount.options.get("fleet") else ())) and (
                    not keeps(mount) or step.path.replace("/", SLASH) in doubled(world, mount)))
                assert allowed, f"{step.path} can't be read: {how.error}"
            elif step.do == "read" and not how.killed:
                assert how.found == expected, f"{step.path} has {how.found[:80]!r}..., and should have {expected[:80]!r}..."
                self.checked_bytes += len(expected)
        program.begin(step, lambda: ACTS[step.do](mount.user, step), ended)

    def read_and_close(self, step: Step, program: Program, held: Held) -> None:
        """What was held open still has one of the contents that it had since."""
        mount = program.mount

        def work() -> bytes:
            try:
                return mount.user.pread(held.number, MOST_BYTES, 0)
            finally:
                mount.user.close(held.number)

        def ended(how: Ended) -> None:
            books = self._world.held[step.mount]
            if held in books:
                books.remove(held)
            if how.found is not None and not self._busy_with(mount, held.path):
                assert how.found in held.may, f"{held.path} was held open, and shows {how.found[:80]!r}, none of {[each[:80] for each in held.may]}"
                self.checked_bytes += len(how.found)
        program.begin(step, work, ended)

    def let_go(self, number: int) -> None:
        """By the driver: all files that are held are closed."""
        world = self._world
        while world.held[number]:
            self.read_and_close(Step("let_go", number), world.programs[number][0], world.held[number].pop())
            world.finish(world.mounts[number])

    def _busy_with(self, mount: Mount, path: str) -> bool:
        number = self._world.mounts.index(mount)
        return any(path in deed.paths for deed in self._world.busy[number]) or self._world.zones[number].unsure([path])

    # ---- the shared zone

    def made(self, path: str, content: bytes) -> None:
        """By others."""
        self.known.add(content)
        self.last.pop(path, None)

    def vanished(self, content: bytes) -> None:
        """The same."""
        self._vanished.add(content)
        self.last = {path: each for path, each in self.last.items() if each != content}

    def shared(self, step: Step, program: Program) -> None:
        """A program uses what everybody uses: any errno is right, a wrong byte isn't."""
        world, mount = self._world, program.mount
        changes = [step.path, step.to] if step.do == "rename" else [step.path] if step.do in ("write", "save", "remove") else []
        for path in changes:
            self.last.pop(path, None)
            if self._writing[path]:
                self._overlapped.add(path)
        self._writing.update(changes)
        content = step.content()
        if step.do in ("write", "save"):
            self.known.add(content)

        def ended(how: Ended) -> None:
            world.say(f"{step.do} {step.path}: {'killed' if how.killed else how.error or 'done'}")
            self._writing.subtract(changes)
            alone = True
            for path in changes:
                if not self._writing[path]:
                    alone = path not in self._overlapped
                    self._overlapped.discard(path)
            kept = alone and not self._writing[step.path] and content not in self._vanished
            if how.error is None and not how.killed and step.do in ("write", "save") and kept:
                self.last[step.path] = content
            elif how.found is not None and step.do == "read":
                self._is_known(step.path, how.found)

        def work() -> Any:
            if step.do == "read":
                with mount.user.opened(step.path) as number:
                    return mount.user.pread(number, MOST_BYTES, 0)
            return ACTS[step.do](mount.user, step)
        program.begin(step, work, ended)

    def _is_known(self, path: str, content: bytes) -> None:
        """Whole, or the beginning of what is being written."""
        grown = path.endswith(".png") or PROVENANCE in content      # an image may come longer, and be renamed
        assert grown or content in self.known or any(each.startswith(content) for each in self.known), \
            f"{path} shows {content[:80]!r}, which nobody has written"
        self.checked_bytes += len(content)

    def nobody_writes(self) -> None:
        """All programs are at rest."""
        self._writing.clear()

    # ---- states

    def check_state(self, mount: Mount) -> None:
        """The state of a mount that isn't mounted."""
        found = [line for line in problems(mount.state_dir) if BELONGS not in line]
        assert not found, "; ".join(found)


def keeps(mount: Mount) -> bool:
    """Whether it has a copy of each of its uploads."""
    return mount.options.get("keep_bytes") != 0 and not mount.had_disk_trouble


def doubled(world: "World", mount: Mount) -> set[str]:
    """Names of uploads that a gateway has sent again by itself: two files and one answer, which no client can prevent."""
    times = dict[tuple[str, bytes], list[int]]()
    for file in world.service.known.values():
        if file.by == mount.name:
            times.setdefault((file.name, file.content), []).append(file.recorded_us)
    return {name for (name, _), each in times.items() if any(later - earlier < DOUBLED_US for earlier, later in itertools.pairwise(sorted(each)))}
