"""The requests for one part of a file, one after the other, until all of it has come.

What broke off is resumed from its last byte, unless it may have been something else than the file. What can't be the
file, or ended as if there were no more, is asked for again, a few times in a row; by range then, for the answer to a
range tells how long the file is.

Trusts  what bodies.py lets through.
Never   holds a lock, or hands on a byte of what it refuses at once. What it refuses later, it begins again from the
        first byte.
"""

from collections.abc import Callable, Generator
from typing import Final

from anthrofs.download.bodies import Answer, End, Expected
from anthrofs.errors import BodyCut, NoAnswer, NotTheFile, OtherLength, Refused
from anthrofs.remote.api import Download, Piece, RemoteFiles

RESUMES: Final = 5                  # in a row, without a byte between them, of an answer that is cut
TRIES: Final = 3                    # in a row that bring something else than the file, or next to nothing of it
PAUSES_S: Final = (0.0, 0.5)        # before the second and the third
PROGRESS_BYTES: Final = 16 * 1024   # less than that of a body that ends early is next to nothing


class Ranges:
    """One thing that was learnt of a server: whether a part can be asked for."""

    def __init__(self) -> None:
        self.honoured = True        # False once it answered 200 to a range. Set by any thread


class Course:
    """Bytes [first, last] (last None: to the end) of a file."""

    def __init__(self, remote: RemoteFiles, ranges: Ranges, expected: Expected, first: int, last: int | None, *,
                 wanted: Callable[[], bool], opened: Callable[[Download], None], refused: Callable[[], None],
                 pause: Callable[[float], object]) -> None:
        self._remote = remote           # given
        self._ranges = ranges           # given
        self._wanted = wanted           # given: False ends it
        self._opened = opened           # given: told of each answer before its first piece
        self._refused = refused         # given: told when all that was handed on isn't to be believed
        self._pause = pause             # given: lets time pass
        self._expected = expected       # constant
        self._first = first             # constant

        # Of the thread that iterates:
        self._last = last
        self._place = first             # of the next byte
        self._fruitless = 0             # answers in a row that brought next to nothing
        self._other: int | None = None  # length that was announced of a clip, not the one that a download has shown
        self.end: int | None = None     # where the file ends, once that has come

    def pieces(self) -> Generator[tuple[Download, int, Piece]]:
        """Yields (answer, place in the file, bytes), in order; a place before the last one's end: those bytes come once
        more. Raises NotTheFile and NoAnswer after enough of that, OtherLength, and what RemoteFiles.download does.
        """
        while self._wanted():
            start, answer, opened = self._place, None, False
            try:
                with self._remote.download(self._expected.file.file_id, start, self._last) as body:
                    opened = True
                    self._compare(body.total)
                    answer = Answer(body, self._expected)
                    self._opened(body)
                    for piece in answer:
                        if not answer.begun:
                            answer.begun, self._place = True, body.offset
                            self._ranges.honoured = self._ranges.honoured and body.offset == start
                        yield body, self._place, piece
                        self._place += len(piece)
                    end = answer.ended(self._last)
                if end is End.LIKELY and not self._is_confirmed(answer.end):
                    raise NotTheFile(f"{answer.end} bytes came, and the answer ended as if that were all")
                self.end = None if end is End.PART else answer.end
                return
            except (NoAnswer, NotTheFile) as exc:
                if not opened or not self._wanted():
                    raise               # not opened: that was tried again already
                self._again(exc, answer, start)
            except Refused as exc:
                if exc.status != 416 or start >= self._expected.least:
                    raise
                early = NotTheFile(f"the file is said to end before byte {start} of {self._expected.length}")
                self._again(early, None, start)

    def _again(self, exc: NoAnswer | NotTheFile, answer: Answer | None, start: int) -> None:
        """Prepares for the next request, if there is to be one. Raises what is to be said else."""
        cut = isinstance(exc, NoAnswer)
        tainted = answer is not None and answer.is_tainted and not (cut and answer.signed)
        if tainted:
            self._place = self._first
            self._refused()
        self._fruitless = 0 if self._place - start >= (1 if cut else PROGRESS_BYTES) else self._fruitless + 1
        if self._fruitless >= (RESUMES if cut else TRIES):
            if isinstance(exc, BodyCut):
                raise NotTheFile(f"{start} of {self._expected.length} bytes came: {exc}") from exc
            raise exc
        if (tainted or not cut) and self._last is None and self._expected.exact:
            self._last = self._expected.length - 1
        if not cut:
            self._pause(PAUSES_S[max(0, self._fruitless - 1)])

    def _compare(self, total: int | None) -> None:
        """A length of a clip that isn't the one that a download has shown is believed when it is said twice."""
        expected = self._expected
        if expected.exact and expected.file.may_grow and total not in (None, expected.length):
            if total == self._other:
                raise OtherLength(f"{expected.file.name} is delivered with {total} bytes now, instead of "
                                  f"{expected.length}: open it again", total)
            self._other = total

    def _is_confirmed(self, end: int) -> bool:
        """Nothing comes after that byte of a clip, or the server doesn't say, as it knows no ranges."""
        if not self._ranges.honoured:
            return True
        try:
            with self._remote.download(self._expected.file.file_id, end) as body:
                return not body.ranged and body.total in (None, end)
        except Refused as exc:
            if exc.status != 416:
                raise
            return True
