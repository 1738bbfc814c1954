"""The model beside a directory: each answer of a call is compared with what the model says.

Trusts  the model for what must be: a wrong byte is told with the operation that wrote the right one, and whose the found one is.
"""

import os
from collections import Counter
from pathlib import Path
from typing import Final, NoReturn

from tests.exerciser.around import Around
from tests.exerciser.model import File, Handle, Model
from tests.exerciser.operations import Op
from tests.exerciser.stamps import origin

PIECE: Final = 131_072


class WrongError(AssertionError):
    """Something isn't as the model says."""


class Checked:
    """The model beside the directory, and how they are compared. `around`: None for a plain directory."""

    def __init__(self, files: Path, around: Around | None) -> None:
        self.model = Model()
        self.verified_bytes = 0
        self.done: Counter[str] = Counter()         # operations by kind
        self.conditions: Counter[str] = Counter()   # states in which files were opened
        self._files = files
        self._around = around
        self.number = 0

    def path(self, path: int) -> str:
        return str(self._files / self.model.name(path))

    def _handle(self, op: Op, *, slot: int | None = None, reads: bool = False, writes: bool = False) -> Handle | None:
        handle = self.model.handles.get(op.handle if slot is None else slot)
        if handle is None or (reads and not handle.of.reads) or (writes and not handle.of.writes):
            return None
        handle.file.last.append(op)
        return handle


    def _check(self, op: str, file: File, offset: int, found: bytes, length: int) -> None:
        expected = bytes(memoryview(file.content)[offset:offset + length])
        self.verified_bytes += len(found)
        if found != expected:
            self._wrong(op, file, offset, found, expected)

    def _wrong(self, op: str, file: File, offset: int, found: bytes, expected: bytes) -> NoReturn:
        place = next((at for at, (here, there) in enumerate(zip(found, expected, strict=False)) if here != there), min(len(found), len(expected)))
        differing = sum(here != there for here, there in zip(found, expected, strict=False)) + abs(len(found) - len(expected))
        lines = [f"{op}: at byte {offset + place} (of {len(file.content)}), {differing} of {len(expected)} differ"]
        for what, content in (("expected", expected), ("found", found)):
            said = origin(content, place, offset, self.number) if place < len(content) else "the end of the file"
            lines.append(f"  {what:9}{said}")
        raise WrongError("\n".join([*lines, "the last operations on that file:", *(f"  {each}" for each in file.last)]))

    def _compare_path(self, path: int, file: File, *, forget: bool = False) -> None:
        """Through a new descriptor, from end to end."""
        descriptor = os.open(self.path(path), os.O_RDONLY)
        file.old_sizes = frozenset()
        try:
            if forget:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            found = bytearray()
            while piece := os.read(descriptor, PIECE):
                found += piece
            self._check(f"operation {self.number}, all of {self.model.name(path)}", file, 0, bytes(found), max(len(found), len(file.content)))
        finally:
            os.close(descriptor)

    def _close_all(self) -> None:
        for slot in list(self.model.maps):
            self.model.maps.pop(slot).view.close()
        for slot in list(self.model.handles):
            os.close(self.model.handles.pop(slot).descriptor)

    def _has_all(self) -> None:
        for path, file in self.model.files.items():
            self._compare_path(path, file)
        shown = {str((Path(root) / name).relative_to(self._files)) for root, _, names in os.walk(self._files) for name in names}
        expected = {self.model.name(path) for path in self.model.files}
        if {name for name in shown if not name.rpartition("/")[2].startswith(".fuse_hidden")} != expected:
            raise WrongError(f"the directory shows {sorted(shown)}, and has {sorted(expected)}")
