"""Rows of many small files: written, written over, removed.

Trusts  rclone to have ended an upload when its log says so: what is removed before costs it other requests.
"""

from collections.abc import Sequence

from tests.bench.builds import Build
from tests.bench.peers import WRITES
from tests.bench.stage import RCLONE
from tests.bench.table import Cost, Report, Work
from tests.bench.write_stage import WriteStage, Written, cp, rm

FORM_BYTES = 2048       # the most of a request that isn't its file: headers, the form's own


def rows(stage: WriteStage, report: Report) -> None:
    _queued(stage, report)
    _waited(stage, report)


def _queued(stage: WriteStage, report: Report) -> None:
    """Sent in the background by both; then removed, when both are at rest."""
    files, count = stage.small, len(stage.small)

    def ours(build: Build, _: int) -> tuple[Written, Cost]:
        with stage.fresh(build, "--upload", "queue") as mount:
            sent = stage.written(mount, lambda: cp(files, mount.path), upload=count)
            if build is stage.builds[0]:
                _claim_sent(stage, report, f"{count} creates, queued", sent)
            removed = stage.written(mount, lambda: rm(files, mount.path), delete=count)
            if build is stage.builds[0]:
                report.claim(f"rm of {count} files: 1 deletion each", removed.asked == {"delete": count}, removed.asked)
            return sent, removed.returned

    def rclone(_: int) -> tuple[Written, Cost]:
        with stage.rclone(*WRITES) as peer:
            assert peer is not None
            sent = stage.written_by_rclone(peer, lambda: cp(files, peer.path), files)
            return sent, stage.measured(RCLONE, lambda: rm(files, peer.path))

    sides, others = stage.beside(stage.sizes.repetitions, ours, *([rclone] if stage.with_rclone else []))
    sent, others_sent = [[pair[0] for pair in side] for side in sides], [pair[0] for side in others for pair in side]
    removed, others_removed = [[pair[1] for pair in side] for side in sides], [pair[1] for side in others for pair in side]
    _against_rclone(report, Work(f"{count} creates, queued: the server has all", entries=count), sent, others_sent, most=0.4)
    report.compare(Work("  cp has returned (anthrofs': synced)", entries=count), [[cost.returned for cost in side] for side in sent],
                   "rclone", [cost.returned for cost in others_sent])
    _against_rclone(report, Work(f"rm of {count} files has returned", entries=count), removed, others_removed, most=0.1)


def _waited(stage: WriteStage, report: Report) -> None:
    files, count = stage.small, len(stage.small)
    what, what_again = f"{count} creates, waiting for each", f"{count} overwrites, waiting for each"

    def ours(build: Build, _: int) -> tuple[Written, Written]:
        with stage.fresh(build, "--upload", "wait") as mount:
            sent = stage.written(mount, lambda: cp(files, mount.path), upload=count)
            if build is stage.builds[0]:
                _claim_sent(stage, report, what, sent)
                report.claim(f"{what}: the server has all when cp returns", sent.stored == count, sent.stored)
            again = stage.written(mount, lambda: cp(stage.small_again, mount.path), upload=count, delete=count)
            if build is stage.builds[0]:
                report.claim(f"{what_again}: 1 upload and 1 deletion", again.asked == {"upload": count, "delete": count}, again.asked)
                stage.claim_content(report, what_again, stage.small_again)
            return sent, again

    sides, [posted] = stage.beside(stage.sizes.repetitions, ours, lambda _: stage.posted(files))
    report.compare(Work(what, entries=count), [[sent.returned for sent, _ in side] for side in sides], "bare HTTP", posted, most=1.25)
    report.compare(Work(what_again, entries=count), [[again.returned for _, again in side] for side in sides])


def _claim_sent(stage: WriteStage, report: Report, what: str, sent: Written) -> None:
    files, count = stage.small, len(stage.small)
    most_bytes = count * (stage.sizes.small_bytes + FORM_BYTES)
    report.claim(f"{what}: 1 upload each", sent.asked == {"upload": count}, sent.asked)
    report.claim(f"{what}: each byte sent once", sent.wire.bytes_up <= most_bytes, f"{sent.wire.bytes_up} of {most_bytes}")
    stage.claim_content(report, what, files)


def _against_rclone(report: Report, work: Work, sides: Sequence[Sequence[Cost]], others: Sequence[Cost], *, most: float) -> None:
    report.compare(work, sides, "rclone", others, most=most)
    if others:
        report.information(work, sides[0], "rclone", others)
