"""Operations through descriptors: reading, writing, cutting, copying, opening and closing."""

import errno
import os

from tests.exerciser.checked import Checked, WrongError
from tests.exerciser.model import MOST_BYTES, Description, File, Handle
from tests.exerciser.operations import AT_POSITION, FORGET, Op
from tests.exerciser.stamps import stamped


class Handles(Checked):
    """What has a descriptor."""

    def _do_read(self, op: Op) -> bool:
        if (handle := self._handle(op, reads=True)) is None:
            return False
        if op.flags & FORGET:
            os.posix_fadvise(handle.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if op.offset == AT_POSITION:
            offset, found = handle.of.position, os.read(handle.descriptor, op.length)
            handle.of.position += len(found)
        else:
            offset, found = op.offset, os.pread(handle.descriptor, op.length, op.offset)
        self._check(f"operation {op}", handle.file, offset, found, op.length)
        return True

    def _do_write(self, op: Op) -> bool:
        if (handle := self._handle(op, writes=True)) is None:
            return False
        wanted = handle.of.position if op.offset == AT_POSITION else op.offset
        offset = len(handle.file.content) if handle.of.appends else wanted
        if offset + op.length > MOST_BYTES:
            return False
        data = stamped(op.number, offset, op.length)
        written = os.write(handle.descriptor, data) if op.offset == AT_POSITION else os.pwrite(handle.descriptor, data, op.offset)
        if written != op.length:
            raise WrongError(f"operation {op}: {written} bytes were written")
        handle.file.put(offset, data)
        if op.offset == AT_POSITION:
            handle.of.position = offset + op.length
        return True

    def _do_truncate(self, op: Op) -> bool:
        if (handle := self._handle(op, writes=True)) is None:
            return False
        os.ftruncate(handle.descriptor, op.offset)
        handle.file.cut(op.offset)
        return True

    def _do_punch(self, op: Op) -> bool:
        """Cut, and grown to what it was."""
        if (handle := self._handle(op, writes=True)) is None or op.offset >= len(handle.file.content):
            return False
        size = len(handle.file.content)
        for length in (op.offset, size):
            os.ftruncate(handle.descriptor, length)
            handle.file.cut(length)
        return True

    def _do_fsync(self, op: Op) -> bool:
        if (handle := self._handle(op)) is None:
            return False
        os.fsync(handle.descriptor)
        return True

    def _do_fdatasync(self, op: Op) -> bool:
        if (handle := self._handle(op)) is None:
            return False
        os.fdatasync(handle.descriptor)
        return True

    def _do_stat(self, op: Op) -> bool:
        if (handle := self._handle(op)) is not None:
            sizes = [(handle.file, os.fstat(handle.descriptor).st_size)]
        else:
            sizes = []
        if (file := self.model.files.get(op.path)) is not None:
            sizes.append((file, os.stat(self.path(op.path)).st_size))
        for each, size in sizes:
            if size not in {len(each.content), *each.old_sizes}:
                self._wrong(f"operation {op}: stat says {size}", each, size, b"", bytes(each.content[size:]))
        return bool(sizes)

    def _do_copy(self, op: Op) -> bool:
        """copy_file_range, until it is done."""
        source, target = self._handle(op, reads=True), self._handle(op, slot=op.other, writes=True)
        if source is None or target is None or target.of.appends:
            return False
        end = min(len(source.file.content), op.to * 1000 + op.length)
        begin = min(op.to * 1000, end)
        length = min(end - begin, MOST_BYTES - op.offset)
        if length <= 0 or (source.file is target.file and begin < op.offset + length and op.offset < begin + length):
            return False
        data, done = bytes(source.file.content[begin:begin + length]), 0
        while done < length:
            copied = os.copy_file_range(source.descriptor, target.descriptor, length - done, begin + done, op.offset + done)
            if not copied:
                raise WrongError(f"operation {op}: {done} of {length} bytes were copied")
            done += copied
        target.file.put(op.offset, data)
        return True

    def _do_send(self, op: Op) -> bool:
        """sendfile, to where the other stands."""
        source, target = self._handle(op, reads=True), self._handle(op, slot=op.other, writes=True)
        if source is None or target is None or target.of.appends or source.file is target.file:
            return False
        offset, position = op.to * 1000, target.of.position
        length = min(op.length, len(source.file.content) - offset, MOST_BYTES - position)
        if length <= 0:
            return False
        data, done = bytes(source.file.content[offset:offset + length]), 0
        while done < length:
            if not (sent := os.sendfile(target.descriptor, source.descriptor, offset + done, length - done)):
                raise WrongError(f"operation {op}: {done} of {length} bytes were sent")
            done += sent
        target.file.put(position, data)
        target.of.position += length
        return True

    # ---- handles

    def _do_open(self, op: Op) -> bool:
        if op.handle in self.model.handles:
            return False
        file = self.model.files.get(op.path)
        missing, there = file is None and not op.flags & os.O_CREAT, file is not None and bool(op.flags & os.O_EXCL)
        mode = op.flags & os.O_ACCMODE
        flags = op.flags & ~(os.O_TRUNC if mode == os.O_RDONLY else 0)      # together they mean nothing
        if missing or there:
            return self._is_refused(op, flags, errno.ENOENT if missing else errno.EEXIST)
        if file is not None and self._around is not None and op.number % 4 == 0:
            self.conditions[self._around.conditions(self.model.name(op.path))] += 1
        descriptor = os.open(self.path(op.path), flags, 0o644)
        if file is None:
            file = self.model.files[op.path] = File(bytearray())
        elif flags & os.O_TRUNC:
            file.cut(0)
        file.old_sizes = frozenset()
        file.last.append(op)
        self.model.handles[op.handle] = Handle(descriptor, Description(
            file, reads=mode != os.O_WRONLY, writes=mode != os.O_RDONLY, appends=bool(flags & os.O_APPEND)))
        return True

    def _is_refused(self, op: Op, flags: int, code: int) -> bool:
        try:
            os.close(os.open(self.path(op.path), flags, 0o644))
        except OSError as exc:
            if exc.errno == code:
                return True
            raise
        raise WrongError(f"operation {op} succeeded, and not with {errno.errorcode[code]}")

    def _do_close(self, op: Op) -> bool:
        if self._handle(op) is None:
            return False
        os.close(self.model.handles.pop(op.handle).descriptor)
        return True

    def _do_dup(self, op: Op) -> bool:
        if op.other in self.model.handles or (handle := self._handle(op)) is None:
            return False
        self.model.handles[op.other] = Handle(os.dup(handle.descriptor), handle.of)
        return True
