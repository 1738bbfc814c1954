"""`python -m tests.exerciser`: see scripts/exercise."""

import argparse
import faulthandler
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.emulator.process import EmulatorProcess
from tests.exerciser.epochs import EPOCH_OPS, Counts, FailedError, keep, kept, replay, run_epoch, shrunk
from tests.exerciser.mounted import Mounted
from tests.mounting import Mount
from tests.proof import table

if TYPE_CHECKING:
    from tests.exerciser.around import Around

BINDINGS: Final = {"libfuse3": "mfusepy", "libfuse2": "fusepy"}
SHORT_SEED: Final = 1
LEFT_OUT: Final = 500       # operations of a short epoch that can't be done
SHORT_S: Final = 40.0
MEMORY: Final = Path("/dev/shm")     # a disk whose syncs cost nothing


class OnAMount:
    """Epochs on one mount, which ends and begins anew between them."""

    def __init__(self, mount: Mount) -> None:
        self.files = mount.path
        self.around: Around | None = None
        self._mount = mount
        self._options: tuple[str, ...] = ()
        self._mounted: Mounted | None = None

    def begin(self, chance: random.Random) -> None:
        if self._mounted is not None:
            self._mounted.clear()
            self._mount.umount()
        self.mount(("--upload", chance.choice(("wait", "queue", "queue")), "--refresh", chance.choice(("1", "10")),
                    "--cache-size", chance.choice(("0", "500k", "100M"))))
        self.clear()

    def mount(self, options: tuple[str, ...]) -> None:
        self.around = self._mounted = Mounted(self._mount, options)
        self._mount.mount(*options)

    def clear(self) -> None:
        assert self._mounted is not None
        self._mounted.clear()


def main() -> int:
    faulthandler.enable()       # of a look behind a mapped file's end nothing else is left
    given = _arguments()
    os.environ["ANTHROFS_BINDING"] = BINDINGS[given.binding]
    seed = SHORT_SEED if given.short else given.seed
    until_s = time.monotonic() + (SHORT_S if given.short else given.minutes * 60 if given.minutes else float("inf"))
    most = given.ops or (10**9 if given.minutes or given.short else 10**6)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="anthrofs-exercise-", dir=MEMORY if MEMORY.is_dir() else None) as base, \
            EmulatorProcess(Path(base) / "server" / "data") as emulator:
        mount = Mount(Path(base) / "here", emulator)
        mount.hurried = True
        place, counts, began_s = OnAMount(mount), Counts(), time.monotonic()
        try:
            if given.replay:
                place.begin(random.Random(str(seed)))
                replay(place, kept(given.replay))
                print("nothing went wrong")
                return 0
            epoch = given.epoch
            while counts.ops < most and time.monotonic() < until_s:
                run_epoch(place, seed, epoch, min(EPOCH_OPS, most - counts.ops + LEFT_OUT), counts, until_s)
                print(f"epoch {epoch}: {counts.ops} operations, {counts.verified_bytes / 1e6:.0f} MB verified, "
                      f"{counts.ops / (time.monotonic() - began_s):.0f} operations/s", flush=True)
                epoch += 1
        except FailedError as failed:
            return _failed(place, failed, seed)
        finally:
            mount.emulator.clear_faults()
            mount.finish()
        _summary(counts, seed, time.monotonic() - began_s)
        if not given.short:
            table.append("exerciser", f"scripts/exercise --ops {counts.ops} --seed {seed}", time.monotonic() - began_s,
                         {"operations": counts.ops, "bytes_verified": counts.verified_bytes, "epochs": counts.epochs, "wrong": 0}, seed + 1)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/exercise")
    parser.add_argument("--ops", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=table.next_seed("exerciser"))
    parser.add_argument("--epoch", type=int, default=0)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--binding", choices=[*BINDINGS], default="libfuse3")
    return parser.parse_args()


def _failed(place: OnAMount, failed: FailedError, seed: int) -> int:
    print(f"\nepoch {failed.epoch} went wrong:\n{failed}\n\nrepeat it:  scripts/exercise --seed {seed} --epoch {failed.epoch}", flush=True)
    ops = shrunk(place, failed.ops)
    path = Path(tempfile.gettempdir()) / f"exercise-{seed}-{failed.epoch}.ops"
    keep(path, ops)
    print(f"or {len(ops)} of its {len(failed.ops)} operations:  scripts/exercise --seed {seed} --replay {path}")
    for op in ops[-40:]:
        print(f"  {op}")
    return 1


def _summary(counts: Counts, seed: int, seconds: float) -> None:
    print("\noperations by kind:")
    for kind, count in counts.kinds.most_common():
        print(f"  {kind:14}{count}")
    print("files were opened while they were:")
    for condition, count in counts.conditions.most_common():
        print(f"  {condition:24}{count}")
    print(f"{counts.ops} operations, {counts.verified_bytes} bytes verified, {counts.epochs} epochs, {seconds:.0f} s, seed {seed}: nothing was wrong")


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[2])
    sys.exit(main())
