"""Rows of many small files: written, written over, removed.

Trusts  rclone to have ended an upload when its log says so: what is removed before costs it other requests.
"""

from collections.abc import Sequence

from tests.bench.clients import post_one_by_one_s
from tests.bench.peers import WRITES
from tests.bench.stage import CURL, RCLONE, in_turn
from tests.bench.table import Cost, Report, Row, asked, compared, few, median_s, seconds
from tests.bench.write_stage import WriteStage, Written, cp, rm

FORM_BYTES = 2048       # the most of a request that isn't its file: headers, the form's own


def rows(stage: WriteStage, report: Report) -> None:
    _queued(stage, report)
    _waited(stage, report)


def _queued(stage: WriteStage, report: Report) -> None:
    """Sent in the background by both; then removed, when both are at rest."""
    files, count = stage.small, len(stage.small)

    def ours(_: int) -> tuple[Written, Cost]:
        with stage.fresh("--upload", "queue") as mount:
            sent = stage.written(mount, lambda: cp(files, mount.path), upload=count)
            _claim_sent(stage, report, f"{count} creates, queued", sent)
            removed = stage.written(mount, lambda: rm(files, mount.path), delete=count)
            report.claim(f"rm of {count} files: 1 deletion each", removed.asked == {"delete": count}, removed.asked)
            return sent, removed.returned

    def rclone(_: int) -> tuple[Written, Cost]:
        with stage.rclone(*WRITES) as peer:
            assert peer is not None
            sent = stage.written_by_rclone(peer, lambda: cp(files, peer.path), files)
            return sent, stage.measured(RCLONE, lambda: rm(files, peer.path))

    sides = in_turn(stage.sizes.repetitions, ours, *([rclone] if stage.with_rclone else []))
    sent, *others_sent = [[pair[0] for pair in side] for side in sides]
    removed, *others_removed = [[pair[1] for pair in side] for side in sides]
    _against_rclone(report, f"{count} creates, queued: the server has all", sent, others_sent, most=0.4)
    returned_s, *others_s = [median_s([cost.returned for cost in side]) for side in (sent, *others_sent)]
    report.rows.append(Row("  cp has returned", f"{seconds(returned_s)}, synced", "".join(f"rclone {seconds(s)}, not" for s in others_s),
                           "".join(f"{returned_s / s:.2f}" for s in others_s)))
    _against_rclone(report, f"rm of {count} files has returned", removed, others_removed, most=0.1)


def _waited(stage: WriteStage, report: Report) -> None:
    files, count = stage.small, len(stage.small)

    what, what_again = f"{count} creates, waiting for each", f"{count} overwrites, waiting for each"
    replaced: list[Written] = []

    def ours(_: int) -> Cost:
        with stage.fresh("--upload", "wait") as mount:
            sent = stage.written(mount, lambda: cp(files, mount.path), upload=count)
            _claim_sent(stage, report, what, sent)
            report.claim(f"{what}: the server has all when cp returns", sent.stored == count, sent.stored)
            again = stage.written(mount, lambda: cp(stage.small_again, mount.path), upload=count, delete=count)
            report.claim(f"{what_again}: 1 upload and 1 deletion", again.asked == {"upload": count, "delete": count}, again.asked)
            stage.claim_content(report, what_again, stage.small_again)
            replaced.append(again)
            return sent.returned

    def theirs(_: int) -> Cost:
        taken_s: list[float] = []
        cost = stage.measured(CURL, lambda: taken_s.append(post_one_by_one_s(stage.wire.url(CURL), stage.headers, files)))
        return Cost(taken_s[0], cost.requests, cost.wire)

    sent, posted = in_turn(stage.sizes.repetitions, ours, theirs)
    report.rows.append(Row(what, seconds(median_s(sent)), f"bare HTTP {seconds(median_s(posted))}",
                           *compared(median_s(sent) / median_s(posted), most=1.25), *asked(sent)))
    counts = " + ".join(few(cost.asked.get(operation, 0) for cost in replaced) for operation in ("upload", "delete"))
    report.rows.append(Row(what_again, seconds(median_s([cost.returned for cost in replaced])), "", "", "", counts, asked(replaced)[1]))


def _claim_sent(stage: WriteStage, report: Report, what: str, sent: Written) -> None:
    files, count = stage.small, len(stage.small)
    most_bytes = count * (stage.sizes.small_bytes + FORM_BYTES)
    report.claim(f"{what}: 1 upload each", sent.asked == {"upload": count}, sent.asked)
    report.claim(f"{what}: each byte sent once", sent.wire.bytes_up <= most_bytes, f"{sent.wire.bytes_up} of {most_bytes}")
    stage.claim_content(report, what, files)


def _against_rclone(report: Report, what: str, costs: Sequence[Cost], others: Sequence[Sequence[Cost]], *,
                    most: float) -> None:
    for side in others:
        report.rows.append(Row(what, seconds(median_s(costs)), f"rclone {seconds(median_s(side))}",
                               *compared(median_s(costs) / median_s(side), most=most), *asked(costs)))
        report.rows.append(Row("  rclone, for information", "", "", "", "", *asked(side)))
    if not others:
        report.rows.append(Row(what, seconds(median_s(costs)), "", "", "", *asked(costs)))
