"""The test of a download's answer: what it has to be, to be the file.

An id's content never changes, so the listing's size_bytes is the length of the file to the byte; only image, audio and
video may be delivered longer. So an answer is believed by its length, whoever has passed it on. What announces another
length, ends earlier, goes on beyond the end, or was encoded on the way is not the file: it is asked for again, and
never handed on, kept or edited.

Trusts  an answer that announces the right length. One that announces none is believed at its end, by what has come:
        what is small is held back until then, and what doesn't bear the service's request id until more has come than a
        page has.
Never   does I/O, or asks again: that is for who has the connection.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from anthrofs.errors import NotTheFile
from anthrofs.model import RemoteFile, is_media
from anthrofs.remote.api import Download, Piece
from anthrofs.store.blocks import BLOCK_BYTES

WHOLE_BYTES: Final = 8 * 2**20      # a file up to that is fetched whole, and one that was packed on the way is unpacked
GROWN_BYTES: Final = 64 * 2**20     # beyond twice its size no clip grows by what is put into it on the way
PAGE_BYTES: Final = 2**20           # more than a page has that a network shows in place of a file
# Of a body about whose kind nothing is said.
UNSAID: Final = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/binary"})


@dataclass(frozen=True, slots=True)
class Expected:
    """The file that is to come, as far as is known before."""

    file: RemoteFile
    length: int             # bytes: the listing's, or what a download has shown
    exact: bool             # no other length is right. False: what is delivered may be longer

    @property
    def least(self) -> int:
        """Bytes that it surely has."""
        return self.length if self.exact else self.file.size_bytes

    @property
    def most(self) -> int:
        """Bytes that it can have: who sends a picture without an end would else be listened to for ever."""
        return self.length if self.exact else max(self.length, 2 * self.file.size_bytes + GROWN_BYTES)

    def has_block(self, number: int, size: int) -> bool:
        """A block of so many bytes is all that the file has there, as far as is known."""
        return size >= min(BLOCK_BYTES, self.least - number * BLOCK_BYTES)

    def fits(self, total: int) -> bool:
        """A download may have so many bytes."""
        return total == self.length if self.exact else self.file.size_bytes <= total <= self.most


class End(enum.Enum):
    """Meanings of an answer's clean end."""

    PART = enum.auto()      # all that was asked for has come, and the file goes on
    WHOLE = enum.auto()     # the file has ended
    LIKELY = enum.auto()    # the same, by the word of whoever passed it on: nobody has told the length of this clip


class Answer:
    """One answer, as far as it may be believed."""

    def __init__(self, body: Download, expected: Expected) -> None:
        """Raises NotTheFile for one that can't be it."""
        self._body = body               # given
        self._expected = expected       # constant
        self._packed = bool(body.encoding) and body.total != expected.length        # constant
        if body.encoding and not self._packed:
            body.take_as_it_is()        # the label is wrong, or the file is a packed one: these bytes are the file's
        # Constant: bytes that the whole file has; None: not said.
        self.total = None if self._packed else body.total

        # Of the thread that iterates:
        self.end = body.offset          # in the file, of what has come
        self.begun = False              # some of it was handed on; for whoever it was handed to
        self._held: list[bytes] | None = [] if self._is_doubtful() else None       # pieces; None: they are handed on

    def _is_doubtful(self) -> bool:
        """Only what follows can show whether the pieces are the file's."""
        body, expected = self._body, self._expected
        if self._packed and (body.ranged or expected.length > WHOLE_BYTES):
            raise NotTheFile(f"the answer is encoded ({body.encoding}), which wasn't asked for")
        if self.total is not None and not expected.fits(self.total):
            raise NotTheFile(f"{self.total} bytes were announced instead of {expected.length}")
        if self.total != expected.file.size_bytes and expected.file.may_grow and not self._is_media():
            raise NotTheFile(f"the answer is of type {body.mime_type!r} instead of {expected.file.mime_type!r}")
        if self._packed:
            return True
        return self.total is None and not body.ranged and (not body.signed or expected.length <= PAGE_BYTES)

    def _is_media(self) -> bool:
        said = self._body.mime_type
        return said in UNSAID or is_media(said) or said == self._expected.file.mime_type.lower()

    @property
    def signed(self) -> bool:
        """Whether the answer bears the service's request id."""
        return self._body.signed

    @property
    def is_tainted(self) -> bool:
        """The answer was refused or cut after some of it had been handed on, and that may have been something else than
        the file's start.
        """
        return self.begun and self.total is None

    def __iter__(self) -> Iterator[Piece]:
        """The pieces, to the clean end. Raises NotTheFile for what can't be the file, and what the download raises."""
        length = self._expected.length if self._expected.exact or self._packed else None
        most = self._expected.most if length is None else length
        for piece in self._body:
            self.end += len(piece)
            if self.end > most:
                raise NotTheFile(f"more than {most} bytes came")
            if self._held is None:
                yield piece
                continue
            self._held.append(bytes(piece))
            if not self._packed and self.end - self._body.offset > PAGE_BYTES:
                yield from self._let_go()
        if self._held is not None:
            if self.end != length and (length is not None or self.end < self._expected.least):
                self._refuse_end()
            yield from self._let_go()

    def _let_go(self) -> list[bytes]:
        held, self._held = self._held or [], None
        return held

    def ended(self, last: int | None) -> End:
        """Says what the clean end means, if bytes up to `last` were asked for (None: to the end). Raises NotTheFile
        when it came too early.
        """
        expected = self._expected
        if self.total is not None:
            if self.end == self.total:
                return End.WHOLE
        elif self.end == expected.length and (expected.exact or not self._body.ranged):
            return End.WHOLE
        elif not expected.exact and self.end >= expected.length and last is None:
            return End.LIKELY
        if last is None or self.end <= last:
            self._refuse_end()
        return End.PART

    def _refuse_end(self) -> NoReturn:
        raise NotTheFile(f"{self.end} of {self.total or self._expected.length} bytes came, and the answer ended as if "
                         "that were all")
