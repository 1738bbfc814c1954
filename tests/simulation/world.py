"""Does the steps of a plan: two or three mounts with their programs, a service, others who use it, and all that goes wrong.

Owns    the run's scheduler, mounts and programs, and a line for everything that happens.
Trusts  judge.py to say what is wrong.
"""

import errno
import logging
import random
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from anthrofs.errors import FsError
from anthrofs.names import SLASH
from tests.model import above
from tests.simulation import threads
from tests.simulation.durable import Mode
from tests.simulation.fleet import Engines
from tests.simulation.judge import Judge
from tests.simulation.mishaps import ONCE, STANDING
from tests.simulation.mount import KEY, Mount, Site
from tests.simulation.plan import PROGRAMS, Plan
from tests.simulation.programs import ACTS, REQUESTS, Ended, Held, Program, changes_of
from tests.simulation.quiet import QuietPoint
from tests.simulation.rules import Rules
from tests.simulation.scheduler import EPOCH_NS, SECOND_NS, Group, Scheduler
from tests.simulation.service import Service
from tests.simulation.steps import SHARED, Step
from tests.simulation.threads import Turns
from tests.simulation.zone import Deed, Zone, parents

FAST: Final = Path("/dev/shm")          # memory: what a disk forgets is simulated
BUSY_S: Final = 4000.0                  # of simulated time that a call may take: some closes wait for several answers of 600 s
MEAN_S: Final = 0.02                    # that passes at most between two steps that follow each other
WRITES: Final = frozenset({"write", "append", "edit", "truncate", "save", "synced"})
CLOSES: Final = frozenset({"refuse", "502", "401", "page", "hold", "cmek"})      # of mishaps.STANDING: those that close the whole way
BUG: Final = re.compile(r"bug in|database failed|Traceback", re.IGNORECASE)
DISKS: Final = re.compile(r"[Nn]o space left|Input/output error|no room on the disk|stay free")


@dataclass
class Outage:
    """The way of one mount is closed to all requests."""

    who: str
    from_ns: int
    until_ns: int | None = None


class Log(logging.Handler):
    """What the package says, with the simulated time."""

    def __init__(self, told: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._told = told           # given
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        self.bugs: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if Turns.scheduler.current.group.dead:
            return                  # a process that is being killed says nothing
        words = self.format(record)
        self._told(words.replace("\n", "\n    "))
        if record.levelno >= logging.ERROR and BUG.search(words) and not DISKS.search(words):
            self.bugs.append(words)


class World:
    """One run."""

    def __init__(self, plan: Plan, *, lines: list[str] | None = None, fine: bool = False) -> None:
        """`lines`: gets a line for each turn, call, request and log line."""
        self.plan = plan                                    # given
        self.lines = lines
        self.scheduler = scheduler = Scheduler(random.Random(f"{plan.seed} turns"))
        Turns.set(scheduler)
        scheduler.told = self.say if lines is not None else None
        self.base = Path(tempfile.mkdtemp(prefix="simulation-", dir=FAST if FAST.is_dir() else None))
        self.service = Service(lambda: EPOCH_NS + scheduler.now_ns, rules=Rules(**plan.service), key=KEY, seed=plan.seed)
        self.engines = Engines(scheduler, self.base, plan.seed) if any(options.get("fleet") for options in plan.mounts) else None
        site = Site(scheduler, self.service, self.base, plan.seed, self.engines)
        self.mounts = [Mount(f"m{number}", site, **options) for number, options in enumerate(plan.mounts)]
        self.zones = [Zone(f"m{number}-") for number in range(len(self.mounts))]
        users = Group("programs")
        self.programs = [[Program(scheduler, mount, number, users) for number in range(PROGRAMS)] for mount in self.mounts]
        self.held: list[list[Held]] = [[] for _ in self.mounts]
        self.busy: list[list[Deed]] = [[] for _ in self.mounts]        # what programs are doing to each zone
        self.judge = Judge(self)
        self.quiet = QuietPoint(self, self.judge)
        self.log = Log(self.say)
        self.outages: list[Outage] = []
        self.crashes = self.faults = self.steps = self.quiets = 0
        self._table: dict[str, Callable[[Step], None]] = {
            "pass": lambda step: scheduler.pass_s(step.seconds), "fault": self._fault, "outage": self._outage, "well": self._well,
            "kill": self._kill, "power": self._kill, "remount": self._remount, "full": self._disk, "broken": self._disk,
            "disk_well": lambda step: self.mounts[step.mount].heal(), "jump": self._jump, "make": self._make, "vanish": self._vanish,
            "vanish_any": self._vanish, "engine": self._engine, "quiet": lambda _: self.quiet.comes(), "hold": self._hold, "let_go": self._let_go,
        }

    # ---- a run

    def run(self) -> None:
        """All steps. Raises AssertionError, or whatever a task raised, with a note which step it was."""
        logger = logging.getLogger("anthrofs")
        logger.addHandler(self.log)
        level, propagate = logger.level, logger.propagate
        logger.setLevel(logging.INFO)
        logger.propagate = False
        try:
            with threads.in_the_package():
                for mount in self.mounts:
                    self.begin(mount)
                for number, step in enumerate(self.plan.steps):
                    self._do(number, step)
        finally:
            with threads.in_the_package():
                self._end()
            logger.removeHandler(self.log)
            logger.setLevel(level)
            logger.propagate = propagate
            shutil.rmtree(self.base, ignore_errors=True)

    def say(self, words: str) -> None:
        """One more line of the run."""
        if self.lines is not None:
            self.lines.append(f"{self.scheduler.now_ns / SECOND_NS:.6f} {words}")

    def _do(self, number: int, step: Step) -> None:
        self.say(f"step {number} {step.line()}")
        self.steps += 1
        try:
            if step.mount < len(self.mounts):
                self._table.get(step.do, self._use)(step)
            if step.turns:
                self.scheduler.run(step.turns, self.scheduler.now_ns + round(MEAN_S * SECOND_NS * step.turns))
            assert not self.log.bugs, self.log.bugs[0]
        except BaseException as exc:
            exc.add_note(f"at step {number} of seed {self.plan.seed}: {step.line()}")
            raise

    def _end(self) -> None:
        for mount in self.mounts:
            if mount.alive:
                mount.kill("none")
        self.scheduler.kill_all()

    # ---- mounts

    def begin(self, mount: Mount) -> None:
        """Mounts it, if the service and the disk let it."""
        said = list[str]()
        self.scheduler.spawn(lambda: said.append(mount.begin()), "main", mount.group)
        self.scheduler.run_until(lambda: bool(said), BUSY_S)
        self.say(f"{mount.name} is {'mounted' if not said[0] else 'not mounted: ' + said[0]}")

    def _kill(self, step: Step) -> None:
        mount = self.mounts[step.mount]
        if mount.alive:
            self.crash(mount, "all" if step.to == "all" else "random" if step.to == "random" else "none")
        self.begin(mount)

    def crash(self, mount: Mount, mode: Mode) -> None:
        """What its programs were doing is in doubt."""
        self.crashes += 1
        mount.kill(mode)
        number = self.mounts.index(mount)
        self.held[number].clear()
        self.scheduler.run(100, self.scheduler.now_ns)       # its programs learn of it
        self.judge.check_state(mount)

    def _remount(self, step: Step) -> None:
        mount = self.mounts[step.mount]
        if mount.alive:
            self.finish(mount)
            self.judge.let_go(step.mount)
            ended = list[bool]()
            self.scheduler.spawn(lambda: ended.append(mount.end()), "main", mount.group)
            self.scheduler.run_until(lambda: bool(ended), BUSY_S)
            if not ended[0]:
                mount.kill("none")
            self.judge.check_state(mount)
        self.begin(mount)

    def finish(self, mount: Mount) -> None:
        """Its programs have done what they were doing."""
        programs = self.programs[self.mounts.index(mount)]
        self.scheduler.run_until(lambda: all(program.step is None for program in programs), BUSY_S)

    # ---- programs

    def _use(self, step: Step) -> None:
        mount, program = self.mounts[step.mount], self.programs[step.mount][step.program]
        if program.step is not None:
            self.scheduler.run_until(lambda: program.step is None, BUSY_S)
        if not mount.alive:
            return
        if step.do in REQUESTS:
            program.begin(step, lambda: self._asked(mount, step), lambda ended: self._told(step, ended))
        elif step.path.startswith(SHARED):
            self.judge.shared(step, program)
        elif step.do in ("read", "list"):
            self.judge.look(step, program)
        else:
            self._change(step, mount, program)

    def _asked(self, mount: Mount, step: Step) -> object:
        try:
            return REQUESTS[step.do](mount, step)
        except FsError as exc:
            return str(exc)

    def _told(self, step: Step, ended: Ended) -> None:
        self.say(f"{step.do} {step.path}: {'killed' if ended.killed else ended.error or 'done'}")

    def _change(self, step: Step, mount: Mount, program: Program) -> None:
        zone, busy = self.zones[step.mount], self.busy[step.mount]
        paths = (step.path, step.to) if step.do in ("rename", "movedir") else (step.path, f"{step.path}.new") if step.do == "save" else (step.path,)
        self.judge.wait_for(step.mount, paths)
        if not self._can(step, zone) or zone.unsure([*paths, *parents(step.path)]) or not mount.alive:
            return
        deed = Deed(paths, changes_of(step))
        busy.append(deed)

        def ended(how: Ended) -> None:
            self._told(step, how)
            busy.remove(deed)
            if how.error is None and not how.killed and self._is_promised(step, zone):
                zone.done(deed)
                self.judge.changed(step.mount, deed)
            else:
                # The disk may be well again before the program is told of what it refused.
                troubled = mount.disk_trouble or (how.error is not None and how.error.errno == errno.ENOSPC)
                deed.partial = step.do in WRITES and troubled and not how.killed
                zone.doubt(deed)
        program.begin(step, lambda: ACTS[step.do](mount.user, step), ended)

    def _is_promised(self, step: Step, zone: Zone) -> bool:
        """Empty content is, at the last release only, which tells nobody of a full disk: a shell's `> file` can't be told from an
        empty file before.
        """
        empty = not step.size if step.do in ("write", "synced") else not step.place if step.do == "truncate" else False
        number = self.zones.index(zone)
        return not empty or not (self.mounts[number].disk_trouble or any(held.path == step.path for held in self.held[number]))

    @staticmethod
    def _can(step: Step, zone: Zone) -> bool:
        """Whether a program would try that, by what there is."""
        model, path, to = zone.model, step.path, step.to
        if step.do in ("write", "append", "save", "synced"):
            return above(path) in model.directories and path not in model.directories
        if step.do in ("edit", "truncate", "remove", "xattr", "chmod"):
            return path in model.files
        if step.do == "rename":
            return path in model.files and above(to) in model.directories and to not in model.directories and path != to
        if step.do == "mkdir":
            return path not in model.directories and above(path) in model.directories and path not in model.files
        if step.do == "rmdir":
            return path in model.directories and model.is_empty(path)
        return (path in model.directories and above(to) in model.directories and not f"{to}/".startswith(f"{path}/")
                and (to not in model.directories or model.is_empty(to)) and to not in model.files)

    def _hold(self, step: Step) -> None:
        mount, program, zone = self.mounts[step.mount], self.programs[step.mount][step.program], self.zones[step.mount]
        if program.step is not None or not mount.alive or zone.unsure([step.path]) or step.path not in zone.model.files:
            return
        self.judge.wait_for(step.mount, (step.path,))
        if zone.unsure([step.path]) or step.path not in zone.model.files or program.step is not None or not mount.alive:
            return
        content, held, deed = zone.model.files[step.path].content, self.held[step.mount], Deed((step.path,), ())
        self.busy[step.mount].append(deed)      # nobody changes it while it is being opened

        def ended(how: Ended) -> None:
            self.busy[step.mount].remove(deed)
            self._told(step, how)
            if how.found:
                held.append(Held(how.found, step.path, [content]))
        program.begin(step, lambda: mount.user.open(step.path), ended)

    def _let_go(self, step: Step) -> None:
        program, held = self.programs[step.mount][step.program], [each for each in self.held[step.mount] if not each.closing]
        if held and program.step is None and self.mounts[step.mount].alive:
            held[0].closing = True      # still in the books: what is changed before it is read, it may show
            self.judge.read_and_close(step, program, held[0])

    # ---- others

    def _make(self, step: Step) -> None:
        self.judge.made(step.path, step.content())
        self.service.generate(step.path.replace("/", SLASH), step.content(), "image/png" if step.path.endswith(".png") else "text/plain")

    def _vanish(self, step: Step) -> None:
        files = [file for file in self.service.files() if file.name.startswith(SHARED) and (step.do == "vanish_any" or file.downloadable)]
        if files:
            self.judge.vanished(files[step.place % len(files)].content)
            self.service.vanish(files[step.place % len(files)].file_id)

    # ---- what goes wrong

    def _fault(self, step: Step) -> None:
        self.faults += 1
        self.mounts[step.mount].faults.add(ONCE[step.to])

    def _engine(self, step: Step) -> None:
        self.faults += bool(step.to)
        if self.engines is not None:
            self.engines.hurt(step.path, step.to)

    def _outage(self, step: Step) -> None:
        self.faults += 1
        if step.to in CLOSES:           # nothing else is met meanwhile, so it is known how much may be asked
            self._well(step)
        self.mounts[step.mount].faults.add(STANDING[step.to])
        if step.to in CLOSES:
            self.outages.append(Outage(self.mounts[step.mount].name, EPOCH_NS + self.scheduler.now_ns))

    def _well(self, step: Step) -> None:
        self.mounts[step.mount].faults.clear()
        self.ends(self.mounts[step.mount].name)

    def ends(self, who: str) -> None:
        """Nothing is wrong any more on that mount's way."""
        for outage in self.outages:
            if outage.who == who and outage.until_ns is None:
                outage.until_ns = EPOCH_NS + self.scheduler.now_ns

    def _disk(self, step: Step) -> None:
        self.faults += 1
        self.mounts[step.mount].hurt(step.path, full=step.do == "full", times=step.size)

    def _jump(self, step: Step) -> None:
        self.mounts[step.mount].clock.off_ns += round(step.seconds * SECOND_NS)
