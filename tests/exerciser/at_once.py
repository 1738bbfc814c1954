"""Operations that several threads do at once on one file, and that have one result all the same."""

import itertools
import os
import threading
from collections.abc import Callable
from typing import Final

from tests.exerciser.checked import Checked
from tests.exerciser.model import MOST_BYTES
from tests.exerciser.operations import Op
from tests.exerciser.stamps import stamped

WRITERS: Final = 3
RECORDS: Final = 4


class AtOnce(Checked):
    """Appends, which come in some order; stripes, which don't meet."""

    def _at_once(self, deeds: list[Callable[[], None]]) -> None:
        failed: list[BaseException] = []

        def guarded(deed: Callable[[], None]) -> None:
            try:
                deed()
            except BaseException as exc:
                failed.append(exc)

        threads = [threading.Thread(target=guarded, args=(deed,)) for deed in deeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]

    def _do_appends(self, op: Op) -> bool:
        """Each record is there once and whole, and those of one writer are in order."""
        file, length = self.model.files.get(op.path), 1 + op.length % 5000
        if file is None or len(file.content) + WRITERS * RECORDS * length > MOST_BYTES:
            return False
        file.last.append(op)
        records = [[stamped(op.number, (writer * RECORDS + record) * 8192, length) for record in range(RECORDS)] for writer in range(WRITERS)]

        def append(mine: list[bytes]) -> None:
            descriptor = os.open(self.path(op.path), os.O_WRONLY | os.O_APPEND)
            try:
                for record in mine:
                    os.write(descriptor, record)
            finally:
                os.close(descriptor)

        self._at_once([lambda mine=mine: append(mine) for mine in records])        # type: ignore[misc]     # mypy knows no default there
        descriptor = os.open(self.path(op.path), os.O_RDONLY)
        try:
            found = os.pread(descriptor, WRITERS * RECORDS * length + 1, len(file.content))
        finally:
            os.close(descriptor)
        came = [found[at:at + length] for at in range(0, len(found), length)]
        every = list(itertools.chain(*records))
        if sorted(came) != sorted(every) or any([each for each in came if each in mine] != mine for mine in records if length >= 8):
            self._wrong(f"operation {op}: records are torn, lost or out of order", file, len(file.content), found, b"".join(every))
        file.put(len(file.content), found)
        return True

    def _do_stripes(self, op: Op) -> bool:
        """Each writes pieces of its own, through a descriptor of its own, while one reads what nobody changes."""
        file, length = self.model.files.get(op.path), 1 + op.length % 20_000
        if file is None or op.offset + WRITERS * RECORDS * length > MOST_BYTES:
            return False
        file.last.append(op)
        pieces = [(op.offset + number * length, stamped(op.number, op.offset + number * length, length)) for number in range(WRITERS * RECORDS)]
        before = bytes(file.content[:op.offset])

        def write(mine: list[tuple[int, bytes]]) -> None:
            descriptor = os.open(self.path(op.path), os.O_WRONLY)
            try:
                for offset, data in mine:
                    os.pwrite(descriptor, data, offset)
            finally:
                os.close(descriptor)

        def read() -> None:
            descriptor = os.open(self.path(op.path), os.O_RDONLY)
            try:
                for _ in range(RECORDS):
                    if (found := os.pread(descriptor, len(before), 0)) != before:
                        self._wrong(f"operation {op}: read while others write behind it", file, 0, found, before)
            finally:
                os.close(descriptor)

        self._at_once([*(lambda mine=pieces[number::WRITERS]: write(mine) for number in range(WRITERS)), read])
        for offset, data in pieces:
            file.put(offset, data)
        return True
