"""The order of the files, and which of them a list shows: at its time, with its lags, from its cursor on.

Owns    the files that there are, by age, and those that were, by their end: an old list shows them still.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from tests.simulation.rules import KEPT_EXPIRED_S, Refusal, Rules
from tests.simulation.shapes import Question, Stored, place_of

AGE: Final = attrgetter("created_us")
# What places a file, and whether the oldest, or the last, comes first.
ORDERS: Final = {"newest_first": ("created_us", True), "oldest_first": ("created_us", False), "shuffled": ("file_id", False)}


class Listing:
    """All files of the workspace and its sessions."""

    def __init__(self) -> None:
        self._alive: list[Stored] = []      # oldest first
        self._gone: list[Stored] = []       # in the order in which they were deleted
        self._times: set[int] = set()       # of all that there ever were
        self._last_us = 0                   # the newest that was given without a wish

    def alive(self) -> list[Stored]:
        """Newest first."""
        return self._alive[::-1]

    def add(self, file: Stored) -> None:
        if self._alive and self._alive[-1].created_us > file.created_us:
            insort(self._alive, file, key=AGE)
        else:
            self._alive.append(file)

    def remove(self, file: Stored, now_us: int) -> None:
        place = bisect_left(self._alive, file.created_us, key=AGE)
        assert self._alive[place] is file
        del self._alive[place]
        file.deleted_us = now_us
        self._gone.append(file)

    def free_us(self, now_us: int, *, wished: bool) -> int:
        """A time that no file has. Without a wish it is later than all that were given without one."""
        moment = now_us if wished else max(now_us, self._last_us + 1)
        while moment in self._times:
            moment += 1
        self._times.add(moment)
        if not wished:
            self._last_us = moment
        return moment

    def view(self, at_us: int, rules: Rules, scope_id: str | None) -> "View":
        """What a list shows at that time."""
        recorded_us, noticed_us = at_us - rules.listing_lag_ms * 1000, at_us - rules.deletion_lag_ms * 1000
        expired_us = at_us - KEPT_EXPIRED_S * 10**6
        files = list(self._alive)
        for file in reversed(self._gone):
            assert file.deleted_us is not None
            if file.deleted_us <= noticed_us:
                break
            files.append(file)
        shown = [file for file in files if file.recorded_us <= recorded_us and file.scope_id == scope_id
                 and (file.expires_us is None or file.expires_us > expired_us)]
        column, descending = ORDERS[rules.order]
        if len(files) > len(self._alive) or column != "created_us":
            shown.sort(key=attrgetter(column))
        return View(shown, rules, column, descending)


@dataclass(frozen=True, slots=True)
class View:
    """One list's view."""

    ascending: list[Stored]     # by the column
    rules: Rules
    column: str
    descending: bool            # as the list shows them

    def sorted(self, files: Sequence[Stored]) -> list[Stored]:
        """Those, as a list shows them."""
        return sorted(files, key=attrgetter(self.column), reverse=self.descending)

    def page(self, question: Question, known: Mapping[str, Stored]) -> tuple[list[Stored], bool, bool]:
        """The files, whether more follow in the direction that was asked for, whether a page cursor is given. Raises
        Refusal.
        """
        start = self._start(question, known)
        if start is None and question.cursor and self.rules.unknown_cursor == "empty":
            return [], False, False
        backwards = question.cursor == "before_id" and start is not None
        by = attrgetter(self.column)
        if self.descending != backwards:
            stop = len(self.ascending) if start is None else bisect_left(self.ascending, start, key=by)
            first = max(0, stop - question.limit)
            page, more = self.ascending[first:stop][::-1], first > 0
        else:
            first = 0 if start is None else bisect_right(self.ascending, start, key=by)
            page, more = self.ascending[first:first + question.limit], first + question.limit < len(self.ascending)
        return page[::-1] if backwards else page, more, more or question.cursor == "before_id"

    def _start(self, question: Question, known: Mapping[str, Stored]) -> int | str | None:
        """The place of the cursor in the column; None: at the beginning, or nowhere. Raises Refusal."""
        if not question.cursor:
            return None
        if question.cursor == "page":
            place = place_of(question.value)
            if place is not None:
                return place[0] if self.column == "created_us" else place[1]
        else:
            file = known.get(question.value)
            if file is not None and (self._shows(file) or (self.rules.deleted_cursor == "in_place" and file.deleted_us is not None)):
                return getattr(file, self.column)       # type: ignore[no-any-return]   # one of the two columns
        if self.rules.unknown_cursor in ("error404", "error400"):
            raise Refusal(int(self.rules.unknown_cursor.removeprefix("error")), "the cursor is unknown")
        return None

    def _shows(self, file: Stored) -> bool:
        by = attrgetter(self.column)
        place = bisect_left(self.ascending, by(file), key=by)
        return place < len(self.ascending) and self.ascending[place] is file
