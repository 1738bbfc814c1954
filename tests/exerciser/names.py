"""Operations by path, and those of others at the server."""

import errno
import os
from typing import Final

from tests.exerciser.checked import PIECE, Checked
from tests.exerciser.model import File
from tests.exerciser.operations import FORGET, Op
from tests.exerciser.stamps import stamped

GONE: Final = frozenset({errno.ESTALE, errno.EIO, errno.ENOENT})       # what a file says that others have removed while it was open


class Names(Checked):
    """What has a path, and what happens around it."""

    def _do_read_all(self, op: Op) -> bool:
        if (file := self.model.files.get(op.path)) is None:
            return False
        file.last.append(op)
        self._compare_path(op.path, file, forget=bool(op.flags & FORGET))
        return True

    def _do_truncate_path(self, op: Op) -> bool:
        if (file := self.model.files.get(op.path)) is None:
            return False
        file.last.append(op)
        try:
            os.truncate(self.path(op.path), op.offset)
        except OSError as exc:
            if exc.errno == errno.EOPNOTSUPP and (file.made or file.poked):     # it would have to be fetched first
                return False
            raise
        file.cut(op.offset)
        return True

    def _do_rename(self, op: Op) -> bool:
        if op.path == op.to or (file := self.model.files.get(op.path)) is None:
            return False
        for each in (file, self.model.files.get(op.to)):
            if each is not None:
                each.last.append(op)
        os.rename(self.path(op.path), self.path(op.to))
        self.model.files[op.to] = self.model.files.pop(op.path)
        return True

    def _do_unlink(self, op: Op) -> bool:
        if op.path not in self.model.files:
            return False
        os.unlink(self.path(op.path))
        self.model.files.pop(op.path).last.append(op)
        return True

    # ---- others, and the mount

    def _do_make(self, op: Op) -> bool:
        if self._around is None or op.path in self.model.files:
            return False
        content = stamped(op.number, 0, op.length)
        self.model.rename(op.path, op.number)
        self._around.make(self.model.name(op.path), content)
        self.model.files[op.path] = file = File(bytearray(content), made=self.model.name(op.path))
        file.last.append(op)
        return True

    def _theirs(self, op: Op) -> File | None:
        """A file that others made, under its own name, and nobody has open."""
        file = self.model.files.get(op.path)
        if file is None or file.made != self.model.name(op.path) or self.model.is_open(file):
            return None
        file.last.append(op)
        return file

    def _do_replace(self, op: Op) -> bool:
        if self._around is None or (file := self._theirs(op)) is None:
            return False
        content = stamped(op.number, 0, op.length)
        self._around.replace(self.model.name(op.path), content, shows=True)
        self.model.files[op.path] = File(bytearray(content), self.model.name(op.path), old_sizes=file.old_sizes | {len(file.content)})
        return True

    def _do_replace_read(self, op: Op) -> bool:
        """Whoever has the old one open reads that, or an error, and never the new one."""
        if self._around is None or (file := self._theirs(op)) is None:
            return False
        content = stamped(op.number, 0, op.length)
        descriptor = os.open(self.path(op.path), os.O_RDONLY)
        try:
            self._check(f"operation {op}", file, 0, os.pread(descriptor, 100, 0), 100)
            self._around.replace(self.model.name(op.path), content, shows=False)
            for offset in range(0, len(file.content) + 1, PIECE):
                try:
                    found = os.pread(descriptor, PIECE, offset)
                except OSError as exc:
                    if exc.errno not in GONE:
                        raise
                else:
                    self._check(f"operation {op}, of the old one", file, offset, found, PIECE)
        finally:
            os.close(descriptor)
        self._around.wait_until_shown(self.model.name(op.path))
        self.model.files[op.path] = File(bytearray(content), self.model.name(op.path), old_sizes=file.old_sizes | {len(file.content)})
        return True

    def _do_free(self, op: Op) -> bool:
        if self._around is None or (file := self.model.files.get(op.path)) is None or not file.made or self.model.is_open(file):
            return False
        file.last.append(op)
        self._around.free(self.model.name(op.path))
        return True

    def _do_slow(self, op: Op) -> bool:
        if self._around is None:
            return False
        self._around.slow(1 + op.to % 3, 0.05 + op.length % 300 / 1000)
        return True

    def _do_settle(self, _op: Op) -> bool:
        if self._around is None:
            return False
        self._close_all()
        self._around.settle()
        return True

    def _do_remount(self, _op: Op) -> bool:
        if self._around is None:
            return False
        self._close_all()
        self._around.remount()
        self._has_all()
        return True
