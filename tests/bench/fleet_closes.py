"""Rows of one machine's work with a store and without one: what being of a fleet costs whoever works."""

import os
import time

from tests.bench.fleet_stage import ANY_NUMBER, FleetStage
from tests.bench.stage import in_turn
from tests.bench.table import Cost, Report, Work

MOST: float = 1.05


def rows(stage: FleetStage, report: Report) -> None:
    sizes = stage.sizes
    content = os.urandom(sizes.close_bytes)
    with stage.team(1) as [member], stage.unlooked(stage.builds[0], stage.emulator.url) as alone:
        for mount in (member, alone):
            mount.mount("--refresh", "300", *ANY_NUMBER)
        costs: dict[str, list[Cost]] = {"member": [], "alone": []}

        def closes(name: str, number: int) -> None:
            mount = member if name == "member" else alone
            begun_s = time.perf_counter()
            for each in range(sizes.closes):
                (mount.path / f"{name}-{number}-{each}.bin").write_bytes(content)
            costs[name].append(Cost(time.perf_counter() - begun_s))
            mount.ok("sync", mount.path)        # what it still puts into the store isn't the other one's to bear

        in_turn(sizes.repetitions, *(lambda number, name=name: closes(name, number) for name in costs))
    report.compare(Work(f"{sizes.closes} closes with a store and a board"), [costs["member"]], "without", costs["alone"], most=MOST)
