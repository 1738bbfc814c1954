"""Quiet points: what was wrong is well again, time has passed, everything is sent. Then each mount shows its own zone as the
model does, the server has just that, and all mounts show what the server has.

The server may have more only by the rule for lost answers: a copy of which its sender never heard. Those are counted.
"""

from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from anthrofs.errors import BadAnswer
from anthrofs.fleet.rest import LONGEST_S
from anthrofs.local_names import stays_local
from anthrofs.names import SLASH
from anthrofs.remote.budget import WINDOW_S
from anthrofs.sync.merge import LAG_NS
from tests.simulation.judge import Judge, doubled, keeps
from tests.simulation.mount import Mount, inside
from tests.simulation.scheduler import SECOND_NS
from tests.simulation.steps import SHARED
from tests.simulation.zone import Shown, brief, shows

if TYPE_CHECKING:
    from tests.simulation.world import World

WELL_S: Final = 400.0               # after which the last look for a lost answer is over
CALL_S: Final = 4000.0              # of simulated time, for what a person would wait for
TRIES: Final = 6
MOST_DOWN: Final = 20              # requests in a minute: probes each 30 s, closes that look each 10 s, and some that were under way
KNOWN_S: Final = 30.0              # after which a mount knows that its way is closed

File = tuple[str, bytes]            # (path, content)


class QuietPoint:
    """One run's; again and again."""

    def __init__(self, world: "World", judge: Judge) -> None:
        self._world = world             # given
        self._judge = judge             # given
        self.most_down = 0              # requests of a mount in a minute in which its way was closed
        self.twice = self.back = 0      # copies, and removed files, that the server had by the rule
        self._mistaken = set[str]()     # ids of others' files that a mount for itself has taken for lost uploads of its own
        self._budget: dict[str, deque[int]] = {}
        self._judged_ns = -1

    def comes(self) -> None:
        """Everything is well, is sent, and is compared."""
        world = self._world
        world.quiets += 1
        if world.engines is not None and world.engines.heal():
            world.scheduler.pass_s(LONGEST_S + 1)
        for mount in world.mounts:
            mount.faults.clear()
            world.ends(mount.name)
            mount.heal()
        for mount in world.mounts:
            for _ in range(TRIES):
                if not mount.alive:
                    world.begin(mount)
            assert mount.alive, f"{mount.name} can't be mounted, though nothing is wrong any more"
        for number, mount in enumerate(world.mounts):
            world.finish(mount)
            self._judge.let_go(number)
            if world.engines is not None:
                self._refresh(mount)        # before the service has named the workspace, nothing comes from the store
        for number, zone in enumerate(world.zones):
            shown = self._recovered(number, self._walk(number))
            twice = {self._path(name) for name in doubled(world, world.mounts[number])} - set(zone.model.files)
            zone.resolve({path: content for path, content in shown.items() if " (file_" not in path and path not in twice})     # what came back isn't in doubt
            for path in zone.give_up():
                self._remove(number, path)
        world.scheduler.pass_s(max(WELL_S if any(mount.uploads.ambiguous for mount in world.mounts) else 1.0, self._denied_s()))
        self._settle()
        for number in range(len(world.mounts)):
            self._zone(number)
        self._agree()
        self._requests()
        for mount in world.mounts:
            mount.uploads.ambiguous.clear()

    def _denied_s(self) -> float:
        """So long a mount doesn't show an id again that was said to be gone, and isn't."""
        service = self._world.service
        there = {file.file_id for file in service.files()}
        denied = any(request.status == 404 and request.subject in there for request in service.requests if request.at_ns > self._judged_ns)
        return LAG_NS / SECOND_NS + 1 if denied else 0.0

    def _settle(self) -> None:
        """Everything is sent, and everybody has seen it."""
        world = self._world
        for mount in world.mounts:
            for entry in self._ask(mount, "status")[-1]["failed"]:
                self._ask(mount, "retry", path=entry["path"], as_is=True)
            for _ in range(TRIES):
                left = self._ask(mount, "drain", timeout_s=300.0)[-1]
                if not left["waiting"] and not left["deletions"] and not left["unshared"]:
                    break
                world.scheduler.pass_s(60)
            else:
                raise AssertionError(f"{mount.name} doesn't get rid of {left}")
        for mount in world.mounts * 2:          # what the last one sends, the first one has to hear of
            world.scheduler.pass_s(3)
            self._refresh(mount)

    def _zone(self, number: int) -> None:
        """A mount's own zone is as it should be, here and on the server."""
        zone, mount = self._world.zones[number], self._world.mounts[number]
        excused = {self._path(name) for name in mount.uploads.ambiguous | doubled(self._world, mount) if zone.mine(name)}
        surplus, missing = self._compared(number)
        shown, expected = self._walk(number), shows(zone.model)
        if not surplus and not missing and shown == expected:
            return
        if not keeps(mount) and excused:        # which file it is can't be told by its name
            excused = {"", *zone.model.files, *(self._path(file.name) for file in self._world.service.files() if zone.mine(file.name))}
        # Of two with one name, one shows with its id; a folder's rename gives it that name on the server, too.
        wrong = [each for each in surplus if each[0] not in excused and not (excused and " (file_" in each[0])]
        assert not wrong, f"the server has more than it should: {said(wrong)}; shown is {brief(shown)}"
        elsewhere = Counter(content for _, content in surplus)
        lost = [each for each in missing if not excused or not elsewhere[each[1]]]
        assert not lost, f"the server lacks {said(lost)}; it has {said(surplus)} besides"
        excused |= {path for path, _ in missing}
        contents = {content for _, content in expected.items()}
        self.twice += sum(content in contents for _, content in surplus)
        self.back += sum(content not in contents for _, content in surplus)
        self._clean(number, excused, shown)
        self._settle()
        surplus, missing = self._compared(number)
        shown, expected = self._walk(number), shows(zone.model)
        for path in sorted(shown.keys() - expected.keys(), reverse=True):      # the folder of what came back
            if shown[path] is None:
                self._call(mount, lambda path=path: mount.user.rmdir(path))     # type: ignore[misc]    # called at once
                del shown[path]
        assert not surplus, f"the server has more than it should: {said(surplus)}"
        assert not missing, f"the server lacks {said(missing)}"
        assert shown == expected, f"shown is {brief(shown)}, expected {brief(expected)}"

    def _clean(self, number: int, doubtful: set[str], shown: Shown) -> None:
        """Names that two files have got by the rule for lost answers: a person would remove all of them."""
        zone, mount = self._world.zones[number], self._world.mounts[number]
        for path in doubtful:
            if path in zone.model.files:
                zone.model.remove(path)
        for path in [path for path, content in shown.items() if content is not None and path not in zone.model.files]:
            self._remove(number, path)
        self._settle()
        backups = self._backups(mount)
        for file in self._world.service.files():
            path = self._path(file.name)
            if (path in doubtful or (zone.mine(path) and " (file_" in path)) and file.file_id not in backups:
                assert path not in zone.model.files
                self._world.service.vanish(file.file_id)
        for _ in range(3):
            self._world.scheduler.pass_s(3)
            self._refresh(mount)

    def _compared(self, number: int) -> tuple[list[File], list[File]]:
        """What the server has of a zone beyond what it should, and what it lacks. What no copy is kept of can't be sent under another
        name: then names don't count.
        """
        zone, mount = self._world.zones[number], self._world.mounts[number]
        named = keeps(mount)
        backups = self._backups(mount)
        there = Counter((self._path(file.name) if named else "", file.content) for file in self._world.service.files()
                        if zone.mine(file.name) and file.file_id not in backups)
        wanted = Counter((path if named else "", file.content) for path, file in zone.model.files.items() if not stays_local(path))
        surplus, missing = there - wanted, wanted - there
        # A service that takes no empty file gets it, and its new name, when something is in it; until then it has what was there.
        empty = {path for path, file in zone.model.files.items() if not file.content}
        return [file for file in surplus.elements() if file[1] and file[0] not in empty], [file for file in missing.elements() if file[1]]

    @staticmethod
    def _backups(mount: Mount) -> set[str]:
        """Of a backup the server has what it had when the name became one."""
        with mount.parts.local.db.reading() as tx:
            return {row[0] for row in tx.all("SELECT file_id FROM node WHERE local AND file_id IS NOT NULL")}

    def _agree(self) -> None:
        """Each mount shows each file of the server once, with the server's content if it can be read."""
        world = self._world
        for _ in range(TRIES):
            files = {file.file_id: file for file in world.service.files()}
            shown = [self._shown(mount) for mount in world.mounts]
            if all(set(each) == set(files) for each in shown):
                break
            for mount in world.mounts:
                world.scheduler.pass_s(3)
                self._refresh(mount)
        for mount, each in zip(world.mounts, shown, strict=True):
            assert max(each.values(), default=1) == 1, f"{mount.name} shows a file twice: {each.most_common(3)}"
            assert set(each) == set(files), (f"{mount.name} shows {sorted(set(each) - set(files))} which the server hasn't, and lacks "
                                             f"{[(name, files[name].name) for name in set(files) - set(each)]}")
        named = all(map(keeps, world.mounts))
        # A lost upload of ours can't be told from another mount's file of the same name, size, type and moment: it is taken for it.
        taken = {self._path(name) for mount in world.mounts for name in mount.uploads.ambiguous}
        self._judge.last = {path: content for path, content in self._judge.last.items() if path not in taken}
        for path, content in self._judge.last.items():
            assert any((not named or self._path(file.name) == path) and file.content == content for file in files.values()), \
                f"{path} was acknowledged with {content[:60]!r}, nobody has changed it since, and the server hasn't got it"
        for number in range(len(world.mounts)):
            self._contents(number, taken)
        self._judge.nobody_writes()

    def _contents(self, number: int, taken: set[str]) -> None:
        """What can be read of the shared zone has the bytes that the server has of it."""
        world, mount = self._world, self._world.mounts[number]
        certain = world.engines is not None and not world.engines.board_ever and all(each.options.get("fleet") in ("both", "board") for each in world.mounts)
        shown = self._call(mount, lambda: self._read_all(mount))
        for path, (file_id, content) in shown.items():
            file = world.service.known[file_id]
            if not content or file.mime_type.startswith("image/"):      # one that is empty stays here
                continue
            if self._path(file.name) in taken and not certain and content != file.content:
                self._mistaken.add(file_id)
            assert file_id in self._mistaken or content == file.content, f"{mount.name} shows {path}, {file_id}, as {content[:60]!r}, and the server has {file.content[:60]!r}"

    @staticmethod
    def _read_all(mount: Mount) -> dict[str, tuple[str, bytes]]:
        found, todo = dict[str, tuple[str, bytes]](), [name for name in mount.user.listdir() if name.startswith(SHARED)]
        while todo:
            path = todo.pop()
            if mount.user.is_directory(path):
                todo += [f"{path}/{name}" for name in mount.user.listdir(path)]
                continue
            with suppress(OSError):         # another one's upload
                content = mount.user.read(path)
                found[path] = mount.user.getxattr(path, "user.anthropic.file_id"), content
        return found

    @staticmethod
    def _shown(mount: Mount) -> Counter[str]:
        with mount.parts.local.db.reading() as tx:
            return Counter(row[0] for row in tx.all("SELECT file_id FROM node WHERE file_id IS NOT NULL"))

    def _requests(self) -> None:
        """In any 61 s a mount makes as many requests as it may; a few, while its way is closed."""
        world = self._world
        for outage in world.outages:
            at_ns = [request.at_ns for request in world.service.requests if request.who == outage.who
                     and outage.from_ns + KNOWN_S * SECOND_NS <= request.at_ns < (outage.until_ns or 0)]
            for number, first_ns in enumerate(at_ns):
                within = sum(other_ns < first_ns + 60 * SECOND_NS for other_ns in at_ns[number:])
                self.most_down = max(self.most_down, within)
                assert within <= MOST_DOWN, f"{outage.who} made {within} requests in a minute in which its way was closed"
        world.outages.clear()
        for request in world.service.requests:
            if request.at_ns <= self._judged_ns:
                continue
            window = self._budget.setdefault(request.who, deque())
            while window and window[0] <= request.at_ns - WINDOW_S * SECOND_NS:
                window.popleft()
            window.append(request.at_ns)
            most = world.mounts[int(request.who[1:])].options["requests_per_minute"]
            assert len(window) <= most, f"{request.who} made {len(window)} requests within {WINDOW_S} s"
        self._judged_ns = world.service.requests[-1].at_ns if world.service.requests else -1

    # ---- by hand

    def _walk(self, number: int) -> Shown:
        """All of a mount's own zone, with contents."""
        mount, zone = self._world.mounts[number], self._world.zones[number]

        def walk() -> Shown:
            shown, todo = dict[str, bytes | None](), [name for name in mount.user.listdir() if zone.mine(name)]
            while todo:
                path = todo.pop()
                shown[path] = None if mount.user.is_directory(path) else self._content(mount, path)
                if shown[path] is None:
                    todo += [f"{path}/{name}" for name in mount.user.listdir(path)]
            return shown
        found: Shown = self._call(mount, walk)
        return found

    def _content(self, mount: Mount, path: str) -> bytes:
        try:
            return mount.user.read(path)
        except PermissionError:
            assert not keeps(mount) or mount.uploads.ambiguous or doubled(self._world, mount), f"{path} can't be read"
            return self._world.service.known[mount.user.getxattr(path, "user.anthropic.file_id")].content

    def _recovered(self, number: int, shown: Shown) -> Shown:
        """Half of a replacement that a kill has cut comes back under another name; a person looks, and removes it."""
        for path in [path for path in shown if " (recovered" in path]:
            self._remove(number, path)
            del shown[path]
        return shown

    def _remove(self, number: int, path: str) -> None:
        mount = self._world.mounts[number]

        def remove() -> None:
            if mount.user.exists(path):
                mount.user.unlink(path)
        self._call(mount, remove)

    def _refresh(self, mount: Mount) -> None:
        """A person knows that what is gone is really gone."""
        try:
            self._ask(mount, "refresh", timeout_s=300.0)
        except BadAnswer as exc:
            if "--accept" not in str(exc):
                raise
            self._ask(mount, "refresh", timeout_s=300.0, accept=True)

    def _ask(self, mount: Mount, request: str, **arguments: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call(mount, lambda: list(mount.parts.requests.table[request](arguments)))
        return found

    def _call(self, mount: Mount, work: Callable[[], Any]) -> Any:
        """In a task of the mount."""
        found = list[Any]()

        def do() -> None:
            with inside(mount.group):
                found.append(work())
        self._world.scheduler.spawn(do, "a person", mount.group)
        self._world.scheduler.run_until(lambda: bool(found), CALL_S)
        return found[0]

    @staticmethod
    def _path(name: str) -> str:
        return name.replace(SLASH, "/").replace("\uff1f", "?")


def said(files: list[File]) -> str:
    """So that a person can read it."""
    return ", ".join(f"{path} of {len(content)} bytes, {content[:20]!r}" for path, content in files)
