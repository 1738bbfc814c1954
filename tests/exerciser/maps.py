"""Operations through memory maps, of which some stay while their files are changed, and closed, otherwise."""

import mmap

from tests.exerciser.checked import Checked
from tests.exerciser.model import MAPS, File, Handle, Map
from tests.exerciser.operations import SYNC, Op
from tests.exerciser.stamps import stamped


class Maps(Checked):
    """Never looks behind a file's end: that is a signal."""

    def _map(self, handle: Handle, *, writes: bool) -> mmap.mmap:
        return mmap.mmap(handle.descriptor, len(handle.file.content), access=mmap.ACCESS_WRITE if writes else mmap.ACCESS_READ)

    def _do_map_read(self, op: Op) -> bool:
        if (handle := self._handle(op, reads=True)) is None or not handle.file.content:
            return False
        with self._map(handle, writes=False) as view:
            self._check(f"operation {op}", handle.file, op.offset, view[op.offset:op.offset + op.length], op.length)
        return True

    def _do_map_write(self, op: Op) -> bool:
        if (handle := self._handle(op, reads=True, writes=True)) is None or not handle.file.content:
            return False
        with self._map(handle, writes=True) as view:
            return self._poke(op, view, handle.file)

    def _poke(self, op: Op, view: mmap.mmap, file: File) -> bool:
        offset = min(op.offset, len(file.content))
        data = stamped(op.number, offset, max(0, min(op.length, len(view), len(file.content)) - offset) if offset < len(view) else 0)
        if not data:
            return False
        view[offset:offset + len(data)] = data
        poked = file.poked or file.made is not None
        file.put(offset, data)
        file.poked = poked
        if op.flags & SYNC:
            view.flush()
        return True

    def _do_map_hold(self, op: Op) -> bool:
        """A map that stays, also when its descriptor is closed."""
        slot = op.other % MAPS
        if slot in self.model.maps or (handle := self._handle(op, reads=True)) is None or not handle.file.content:
            return False
        self.model.maps[slot] = Map(self._map(handle, writes=handle.of.writes), handle.file, handle.of.writes)
        return True

    def _do_map_poke(self, op: Op) -> bool:
        mapped = self.model.maps.get(op.other % MAPS)
        if mapped is None or not mapped.writes:
            return False
        mapped.file.last.append(op)
        return self._poke(op, mapped.view, mapped.file)

    def _do_map_look(self, op: Op) -> bool:
        """As much as the file still has: behind its end a look is a signal."""
        if (mapped := self.model.maps.get(op.other % MAPS)) is None:
            return False
        mapped.file.last.append(op)
        end = min(op.offset + op.length, len(mapped.view), len(mapped.file.content))
        if op.offset >= end:
            return False
        self._check(f"operation {op}", mapped.file, op.offset, mapped.view[op.offset:end], end - op.offset)
        return True

    def _do_map_drop(self, op: Op) -> bool:
        if (mapped := self.model.maps.pop(op.other % MAPS, None)) is None:
            return False
        mapped.file.last.append(op)
        mapped.view.close()
        return True
