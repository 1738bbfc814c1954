"""Runs add up, whoever appends them and in whichever order they were merged."""

import json
from pathlib import Path
from threading import Thread

import pytest

from tests.proof import table


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    path = tmp_path / "runs.jsonl"
    path.touch()
    return path


def test_sums_are_sums_maxima_are_maxima_and_the_newest_replaces(runs: Path) -> None:
    table.append("torture", "scripts/torture --minutes 1", 60, {"kills": 3, "longest_stat_s": 0.02, "last_labels": 9}, runs=runs)
    table.append("torture", "scripts/torture --minutes 2", 120, {"kills": 4, "longest_stat_s": 0.01, "last_labels": 8, "lost": 0}, runs=runs)
    assert table.added_up(table.rows("torture", runs=runs)) == {"kills": 7, "longest_stat_s": 0.02, "last_labels": 8, "lost": 0}


def test_a_run_goes_on_behind_the_seeds_of_all_before(runs: Path) -> None:
    assert table.next_seed("simulation", runs=runs) == 1
    table.append("simulation", "scripts/simulate", 1, {}, next_seed=101, runs=runs)
    table.append("simulation", "scripts/simulate --seed 5", 1, {}, next_seed=6, runs=runs)
    table.append("simulation", "scripts/simulate --seed 5", 1, {}, runs=runs)
    table.append("fuzz", "scripts/fuzz", 1, {}, next_seed=7, runs=runs)
    assert (table.next_seed("simulation", runs=runs), table.next_seed("fuzz", runs=runs)) == (101, 7)


def test_a_row_says_what_repeats_it(runs: Path) -> None:
    table.append("soak", "scripts/soak --minutes 20 --seed 3", 1200.04, {"operations": 5}, next_seed=4, runs=runs)
    [row] = table.rows(runs=runs)
    assert (row.part, row.command, row.seconds, row.figures, row.next_seed) == ("soak", "scripts/soak --minutes 20 --seed 3", 1200, {"operations": 5}, 4)
    assert row.cores >= 1
    assert row.commit
    assert row.python.startswith("3.")


def test_rows_are_read_by_date_however_they_were_merged(runs: Path) -> None:
    for kills in (1, 2):
        table.append("torture", "scripts/torture", 1, {"last_kills": kills}, runs=runs)
    lines = [json.loads(line) for line in runs.read_text().splitlines()]
    lines[0]["date"], lines[1]["date"] = "2026-11-29T00:00:00+00:00", "2026-11-28T00:00:00+00:00"
    runs.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert table.added_up(table.rows(runs=runs)) == {"last_kills": 1}


def test_rows_of_runs_that_end_together_are_all_there(runs: Path) -> None:
    ending = [Thread(target=lambda: table.append("fuzz", "scripts/fuzz", 1, {"inputs": 1}, runs=runs)) for _ in range(8)]
    for thread in ending:
        thread.start()
    for thread in ending:
        thread.join()
    assert table.added_up(table.rows("fuzz", runs=runs)) == {"inputs": 8}


def test_an_unknown_part_is_refused(runs: Path) -> None:
    with pytest.raises(AssertionError):
        table.append("tortur", "scripts/torture", 1, {}, runs=runs)
    assert runs.read_bytes() == b""


def test_the_sums_are_printed_by_parts(runs: Path) -> None:
    table.append("simulation", "scripts/simulate", 3725, {"steps": 1234567}, runs=runs)
    table.append("torture", "scripts/torture", 62, {"longest_stat_s": 0.0421}, runs=runs)
    text = table.printed(table.rows(runs=runs))
    assert text.splitlines()[:4] == ["simulation  1 run           1 h 02 min", "            steps           1,234,567",
                                     "torture     1 run           1 min 02 s", "            longest stat s  0.0421"]
    assert [line.split()[0] for line in text.splitlines() if not line.startswith(" ")] == list(table.PARTS)


def test_the_kept_table_can_be_read() -> None:
    """Each row's command is a script of this repository."""
    for row in table.rows():
        script, *_ = row.command.split()
        assert (table.RUNS.parents[2] / script).is_file(), row
