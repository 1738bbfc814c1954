"""Each write is answered for by a close that succeeds: whatever closes overlap, fail, or come in which order."""

from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from anthrofs.tree.close_answers import Answer, CloseAnswers, MapWrites
from tests.fakes import law

HANDLES: Final = 3      # of one content


class Closes(RuleBasedStateMachine):
    """Handles of one content, and beside each the writes that nobody has answered for, one by one."""

    closes = Bundle("closes")

    @initialize()
    def opened(self) -> None:
        self.maps = MapWrites()
        self.handles = [CloseAnswers(self.maps) for _ in range(HANDLES)]
        self.owed: list[set[int]] = [set() for _ in range(HANDLES)]
        self.running = [0] * HANDLES
        self.writes = 0

    def write(self, numbers: range) -> None:
        self.writes += 1
        for number in numbers:
            self.owed[number].add(self.writes)

    @rule(number=st.integers(0, HANDLES - 1))
    def written_through_a_handle(self, number: int) -> None:
        self.handles[number].wrote()
        self.write(range(number, number + 1))

    @rule()
    def written_from_a_map(self) -> None:
        self.maps.wrote()
        self.write(range(HANDLES))

    @rule(number=st.integers(0, HANDLES - 1), target=closes)
    def a_close_begins(self, number: int) -> tuple[int, Answer, set[int]]:
        taken, self.owed[number] = self.owed[number], set()
        self.running[number] += 1
        return number, self.handles[number].begin(), taken

    @rule(close=consumes(closes))
    def a_close_succeeds(self, close: tuple[int, Answer, set[int]]) -> None:
        number, _, _ = close
        self.running[number] -= 1
        self.handles[number].answered()

    @rule(close=consumes(closes))
    def a_close_fails(self, close: tuple[int, Answer, set[int]]) -> None:
        number, answer, taken = close
        self.running[number] -= 1
        self.owed[number] |= taken
        self.handles[number].failed(answer)

    @invariant()
    def what_is_owed_is_what_no_close_has_taken(self) -> None:
        assert [handle.owed for handle in self.handles] == [bool(writes) for writes in self.owed]

    @invariant()
    def a_close_is_in_progress_until_it_has_ended(self) -> None:
        assert [handle.in_progress for handle in self.handles] == [count > 0 for count in self.running]


TestCloses = Closes.TestCase
TestCloses.settings = law


def test_a_handle_that_is_opened_later_owes_nothing_of_before() -> None:
    maps = MapWrites()
    first = CloseAnswers(maps)
    maps.wrote()
    assert (first.owed, CloseAnswers(maps).owed) == (True, False)


def test_a_close_that_fails_leaves_its_writes_to_the_next() -> None:
    handle = CloseAnswers(MapWrites())
    handle.wrote()
    answer = handle.begin()
    assert (handle.owed, handle.in_progress) == (False, True)
    handle.failed(answer)
    assert (handle.owed, handle.in_progress) == (True, False)
    handle.begin()
    handle.answered()
    assert (handle.owed, handle.in_progress) == (False, False)
