"""How fast something goes on, and how long it will take, by its laws."""

from hypothesis import given
from hypothesis import strategies as st

from anthrofs.cli.amounts import (
    STILL_S,
    WINDOW_S,
    Rate,
    shown_briefly,
    shown_bytes,
    shown_count,
    shown_progress,
    shown_time,
)
from tests.fakes import law

steps = st.lists(st.tuples(st.floats(0.1, 5), st.integers(0, 10**6)), min_size=2, max_size=40)


@law
@given(steps=steps)
def test_a_rate_lies_between_the_slowest_and_the_fastest_step_of_its_window(steps: list[tuple[float, int]]) -> None:
    rate, now_s, done, speeds = Rate(), 0.0, 0, list[tuple[float, float]]()
    rate.add(now_s, done)
    for seconds, more in steps:
        now_s, done = now_s + seconds, done + more
        rate.add(now_s, done)
        speeds.append((now_s, more / seconds))
    if (found := rate.per_s()) is not None:
        recent = [speed for ended_s, speed in speeds if ended_s >= now_s - WINDOW_S - 5]
        assert min(recent) * 0.999 <= found <= max(recent) * 1.001
        left_s = rate.left_s(done + 1000)
        assert (left_s is None) == (found == 0)
        assert left_s is None or abs(left_s * found - 1000) < 1e-3


def test_nothing_is_said_of_a_rate_that_a_single_moment_shows() -> None:
    rate = Rate()
    rate.add(0, 5)
    rate.add(0.5, 10)
    assert (rate.per_s(), rate.left_s(100)) == (None, None)
    assert shown_progress(10, 100, rate, shown_bytes) == "10 B of 100 B"


def test_what_begins_anew_has_no_rate_of_before() -> None:
    """A try that was cut is sent again from its beginning."""
    rate = Rate()
    for second in range(5):
        rate.add(second, 1000 * second)
    rate.add(6, 0)
    assert rate.per_s() is None
    rate.add(8, 500)
    assert rate.per_s() == 250


def test_progress_is_amount_rate_and_time_left() -> None:
    rate = Rate()
    rate.add(0, 0)
    rate.add(2, 2_000_000)
    assert shown_progress(2_000_000, 10_000_000, rate, shown_bytes) == "2.0 MB of 10.0 MB, 1.0 MB/s, 8 s left"
    assert shown_progress(2_000_000, None, rate, shown_bytes) == "2.0 MB, 1.0 MB/s"
    assert shown_progress(2_000_000, 2_000_000, rate, shown_bytes) == "2.0 MB of 2.0 MB, 1.0 MB/s"


def test_progress_in_little_room_is_a_part_and_the_time_left() -> None:
    rate = Rate()
    rate.add(0, 0)
    rate.add(2, 2_000_000)
    assert shown_briefly(2_000_000, 10_000_000, rate, shown_bytes) == "20%, 8 s left"
    assert shown_briefly(2_000_000, None, rate, shown_bytes) == "2.0 MB"
    assert shown_briefly(2_000_000, 2_000_000, rate, shown_bytes) == "100%"
    assert shown_briefly(0, 0, Rate(), shown_bytes) == "0%"


def test_what_doesnt_move_is_said_not_to() -> None:
    rate = Rate()
    rate.add(0, 0)
    rate.add(1, 7)
    rate.add(1 + STILL_S, 7)
    assert shown_progress(7, 9, rate, shown_count) == "7 files of 9 files, nothing has moved for 10 s"


def test_amounts_have_their_units() -> None:
    assert [shown_time(each) for each in (1, 119, 120, 7200)] == ["1 s", "119 s", "2 min", "2 h"]
    assert [shown_bytes(each) for each in (0, 1500, 4e9, 7e12)] == ["0 B", "1.5 kB", "4.0 GB", "7.0 TB"]
    assert [shown_count(each) for each in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
