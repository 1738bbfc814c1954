"""Rows of copies that programs make: a folder of small files by cp and by rsync, a big file by cp; what each byte and each file costs."""

import shutil
import subprocess
from typing import Final

from tests.bench.builds import Build
from tests.bench.clients import curl_upload
from tests.bench.names_stage import SEPARATOR
from tests.bench.process import CHILDREN
from tests.bench.stage import ANTHROFS, DIRECT, forget
from tests.bench.table import Cost, Report, Work
from tests.bench.wire import Wire
from tests.bench.write_stage import WriteStage, Written

REQUEST_MS: Final = 20
BARE_AT_ONCE: Final = 10
FOLDER: Final = "tree"
COPY_S: Final = 120.0           # for any of them


def rows(stage: WriteStage, report: Report) -> None:
    address = stage.emulator.url.removeprefix("http://")
    with Wire([address, address], connect_ms=REQUEST_MS, answer_ms=REQUEST_MS) as wire:
        _folder(stage, report, wire, "cp -r", "wait", 1, 1.1)
        if shutil.which("rsync"):
            _folder(stage, report, wire, "rsync -a", "queue", BARE_AT_ONCE, 2.5)
    _big(stage, report)


def _folder(stage: WriteStage, report: Report, wire: Wire, command: str, upload: str, at_once: int, most: float) -> None:
    files, count = stage.tree, len(stage.tree)
    what = f"{command} of {count} small files, {upload}, {REQUEST_MS} ms a request"

    def ours(build: Build, _: int) -> Written:
        with stage.fresh(build, "--upload", upload, "--requests-per-minute", "100000", url=wire.url(ANTHROFS)) as mount:
            sent = stage.written(mount, lambda: run(*command.split(), str(files[0].parent), str(mount.path)), wire=wire, upload=count)
            if build is stage.builds[0]:
                report.claim(f"{what}: 1 upload each", sent.asked == {"upload": count}, sent.asked)
                stage.claim_content(report, what, files, FOLDER + SEPARATOR)
            return sent if upload == "queue" else _by_its_end(sent)

    def bare(_: int) -> Cost:
        stage.emulator.forget_files()
        return stage.posted(files, wire, at_once=at_once)

    sides, [posted] = stage.beside(stage.sizes.repetitions, ours, bare)
    report.compare(Work(what, entries=count), sides, f"bare HTTP, {at_once} at once", posted, most=most)


def _by_its_end(sent: Written) -> Written:
    """By the time at which the program had ended; the server had all of it."""
    return Written(sent.returned_s, sent.requests, sent.wire, sent.cpu_s, returned_s=sent.returned_s, stored=sent.stored, asked=sent.asked)


def _big(stage: WriteStage, report: Report) -> None:
    size = stage.sizes.long_bytes
    what = f"{size / 1e6:.0f} MB in, no limit"

    def ours(build: Build, _: int) -> Written:
        with stage.fresh(build, "--upload", "wait", url=stage.emulator.url) as mount:
            sent = stage.written(mount, lambda: run("cp", str(stage.long), str(mount.path)), wire=None, upload=1)
            if build is stage.builds[0]:
                report.claim(f"{what}: 1 upload", sent.asked == {"upload": 1}, sent.asked)
                stage.claim_content(report, what, [stage.long])
            forget(mount.state_dir)
            return _by_its_end(sent)

    def theirs(_: int) -> Cost:
        stage.emulator.forget_files()
        return stage.measured(DIRECT, lambda: curl_upload(stage.emulator.url + "/v1/files?beta=true", stage.headers, stage.long), pid=CHILDREN)

    sides, [curls] = stage.beside(stage.sizes.long_repetitions, ours, theirs)
    report.compare(Work(what, size), sides, "curl -F", curls)


def run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=COPY_S)
