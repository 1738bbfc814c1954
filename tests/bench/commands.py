"""Rows of commands that people and scripts type all day, and of a mount at rest."""

import shutil
import subprocess
import time
from contextlib import ExitStack
from typing import Final

from tests.bench.builds import Build
from tests.bench.names_stage import NamesStage
from tests.bench.process import CHILDREN, resident_mib
from tests.bench.stage import DIRECT
from tests.bench.table import Cost, Report, Work, mib

REST_S: Final = 2.0             # after a mount is ready, until it is at rest
BOUND_S: Final = 30.0
ID: Final = "small.txt"


def rows(stage: NamesStage, report: Report) -> None:
    stage.emulator.forget_files()
    stage.emulator.generate(ID, b"content")
    with ExitStack() as ends:
        mounts = {build: ends.enter_context(stage.fresh(build, url=stage.emulator.url)) for build in stage.builds}
        time.sleep(REST_S)
        report.figures("memory at rest", [[resident_mib(mount.pid())] for mount in mounts.values()], mib)
        for command, name in (("status", ""), ("id", ID)):
            def ours(build: Build, _: int, command: str = command, name: str = name) -> Cost:
                return stage.measured(DIRECT, lambda: mounts[build].ok(command, mounts[build].path / name), pid=CHILDREN)

            sides, others = stage.beside(stage.sizes.commands, ours, *([lambda _: _rclone(stage)] if shutil.which("rclone") else []))
            report.compare(Work(f"anthrofs {command}"), sides, "rclone version", others[0] if others else (), most=1.5)


def _rclone(stage: NamesStage) -> Cost:
    return stage.measured(DIRECT, lambda: subprocess.run(["rclone", "version", "--config", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                                         check=True, timeout=BOUND_S), pid=CHILDREN)
