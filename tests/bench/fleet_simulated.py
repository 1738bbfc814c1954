"""Rows of a whole team's requests, alone and as a fleet: simulated, for no machine here has fifty mounts. See tests/simulation/team.py."""

import json
import os
import subprocess
import sys
from typing import Any, Final

from tests.bench.fleet_stage import FleetStage
from tests.bench.table import Report, Row, verdict

BOUND_S: Final = 3600.0


def rows(stage: FleetStage, report: Report) -> None:
    for count, least in stage.sizes.simulated:
        options = stage.sizes.simulated_options
        alone, fleet = simulated(count, *options), simulated(count, *options, "--fleet")
        factor = alone["requests_per_minute"] / fleet["requests_per_minute"]
        met = factor >= least and not fleet["refused_429"]
        report.rows.append(Row(
            f"{count} mounts, simulated: requests a minute", f"{_words(fleet)}", f"alone {_words(alone)}", f"{factor:.1f} ×",
            verdict(f">= {least:g} ×, 0 × 429", met), f"{fleet['requests_per_minute']:g}"))
        report.samples += [{"what": f"{count} mounts, simulated", "who": "fleet" if each["fleet"] else "alone", **each} for each in (alone, fleet)]
        report.claim(f"{count} simulated mounts ask {least:g} × less as a fleet, and are never told 429", met, (alone, fleet))


def simulated(mounts: int, *options: str) -> dict[str, Any]:
    """What a run has counted. It is a process of its own, in which no thread is one."""
    done = subprocess.run([sys.executable, "-m", "tests.simulation.team", "--mounts", str(mounts), *options], env={**os.environ, "PYTHONHASHSEED": "0"},
                          stdout=subprocess.PIPE, text=True, check=True, timeout=BOUND_S)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _words(counted: dict[str, Any]) -> str:
    return (f"{counted['requests_per_minute']:g}, {counted['refused_429']} × 429, {counted['reads_failed']:.0%} of {counted['reads']} reads refused, "
            f"new files seen within {counted['staleness_p95_s']:g} s (p95)")
