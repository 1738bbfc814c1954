"""Rows of a server that is never waited for: cold reads by http and https, one and seven at once.

Trusts  nginx's log for requests and bytes: a read whose bytes it didn't send wasn't cold, and the run says so.
"""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.builds import Build, BuiltMount
from tests.bench.clients import curl
from tests.bench.front import Front
from tests.bench.peers import READS
from tests.bench.process import CHILDREN
from tests.bench.read_stage import BOUND_S, ReadStage, cat
from tests.bench.stage import DIRECT, forget, look
from tests.bench.table import Cost, Report, Work

AT_ONCE: Final = 7


def rows(stage: ReadStage, report: Report) -> None:
    with served(stage) as (front, ids):
        for tls in (False, True):
            _cold(stage, report, front, ids, tls=tls)
        _many(stage, report, front, ids)


@contextmanager
def served(stage: ReadStage) -> Iterator[tuple[Front, dict[str, str]]]:
    """Names of one content, with their ids: the server has it in memory once, each reader's own cache has each of them."""
    stage.emulator.forget_files()
    stage.emulator.bulk(AT_ONCE, "many-", stage.sizes.big_bytes, ".bin")
    ids = {str(file["filename"]): str(file["id"]) for file in stage.emulator.files()}
    with Front(stage.base / "front", stage.emulator) as front:
        for file_id in ids.values():
            front.serve(file_id, stage.origin / stage.big[0])
        yield front, ids


@contextmanager
def mounted(stage: ReadStage, build: Build, front: Front, *, tls: bool) -> Iterator[BuiltMount]:
    """On an empty state, its listing looked at."""
    with stage.unlooked(build, front.url(tls=tls)) as mount:
        mount.environment["SSL_CERT_FILE"] = str(front.certificates)
        look(mount.mount())
        yield mount


def _cold(stage: ReadStage, report: Report, front: Front, ids: dict[str, str], *, tls: bool) -> None:
    name, size, output = min(ids), stage.sizes.big_bytes, stage.base / "output.bin"
    what = f"{size >> 20} MiB cold, {'https' if tls else 'http'}, fast server"

    def ours(build: Build, _: int) -> Cost:
        with mounted(stage, build, front, tls=tls) as mount:
            cost = stage.measured(DIRECT, lambda: cat(mount.path / name), pid=mount.pid())
            forget(mount.state_dir / "cache")
            return cost

    def theirs(place: Path, _: int) -> Cost:
        url, ca = f"{front.url(tls=tls)}/v1/files/{ids[name]}/content?beta=true", [f'cacert = "{front.certificates}"'] if tls else []
        cost = stage.measured(DIRECT, lambda: curl(url, stage.headers, *ca, output=place), pid=CHILDREN)
        if place == output:
            forget(output)
            output.unlink()
        return cost

    def rclone(_: int) -> Cost:
        with stage.rclone(*READS, direct=True) as peer:
            assert peer is not None
            return stage.measured(DIRECT, lambda: cat(peer.path / stage.big[0]), pid=peer.pid)

    with_rclone = stage.with_rclone and not tls
    with front.asked() as sent:
        sides, (kept, dropped, *others) = stage.beside(stage.sizes.repetitions, ours, partial(theirs, output), partial(theirs, Path("/dev/null")),
                                                       *([rclone] if with_rclone else []))
    report.claim(f"{what}: each reader asks once, and gets all of it", sent == [size] * (len(sides) + 2) * stage.sizes.repetitions, sent)
    work = Work(what, size, faster=True)
    report.compare(work, sides, "curl -o FILE", kept)
    report.information(work, sides[0], "curl -o /dev/null", dropped)
    for side in others:
        report.information(work, sides[0], "rclone", side)


def _many(stage: ReadStage, report: Report, front: Front, ids: dict[str, str]) -> None:
    """One reader of one, then one each of all, each time on mounts of their own."""
    size = stage.sizes.big_bytes

    def ours(names: Sequence[str], build: Build, _: int) -> Cost:
        with mounted(stage, build, front, tls=False) as mount:
            cost = stage.measured(DIRECT, lambda: _cat_all([mount.path / name for name in names]), pid=mount.pid())
            forget(mount.state_dir / "cache")
            return cost

    def alone_and_together(build: Build, number: int) -> tuple[Cost, Cost]:
        return ours([min(ids)], build, number), ours(sorted(ids), build, number)

    repetitions = stage.sizes.long_repetitions
    with front.asked() as sent:
        sides, _ = stage.beside(repetitions, alone_and_together)
    what = f"{AT_ONCE} x {size >> 20} MiB cold at once"
    report.claim(f"{what}: each is asked for once", sent == [size] * (1 + AT_ONCE) * repetitions * len(sides), sent)
    report.compare(Work(what, AT_ONCE * size, faster=True), [[together for _, together in side] for side in sides])
    report.figures("  their rate to one reader's", [[alone.time_s / (together.time_s / AT_ONCE) for alone, together in side] for side in sides],
                   lambda rate: f"{rate:.2f}")


def _cat_all(paths: Sequence[Path]) -> None:
    with ExitStack() as ends:
        programs = [ends.enter_context(subprocess.Popen(["cat", str(path)], stdout=subprocess.DEVNULL)) for path in paths]
        for each in programs:
            assert each.wait(BOUND_S) == 0
