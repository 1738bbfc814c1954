"""The common part of both bindings: how attributes get into libfuse's structure, the Python thread states of its
workers, and the last gate.

Owns    how many thread states are kept.
Trusts  libfuse to copy what it is given before a call returns.
Never   decides anything: whatever can fail is done in the operations, behind their gate.
"""

import ctypes
import errno
import logging
import operator
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from anthrofs.fuse.operations import STAT, Refusal

log = logging.getLogger(__name__)

# libfuse keeps ten idle workers, and ends others: what is kept for an ended one stays (20 KB), so the number has a
# bound.
KEPT_STATES: Final = 32
TIMES: Final = 3                # at the end of STAT

SECOND: Final = 10**9
_ensure: Final = ctypes.pythonapi.PyGILState_Ensure
_workers: Final = threading.local()
_kept = 0                       # of KEPT_STATES; changed under the GIL only, and a miscount by one does no harm


class Stat:
    """The C library's struct stat, written as a whole. Field by field it took 5 µs, and that for each entry of a
    listing.
    """

    def __init__(self, kind: type[ctypes.Structure]) -> None:
        """`kind`: a binding's own, which says where this machine has each field."""
        places = [(getattr(kind, name).offset, getattr(kind, name).size, "IQ") for name in STAT[:-TIMES]]
        for name in STAT[-TIMES:]:
            spec, half = getattr(kind, f"{name}spec"), getattr(kind, f"{name}spec").size // 2
            places += [(spec.offset, half, "iq"), (spec.offset + half, half, "iq")]
        order = sorted(range(len(places)), key=places.__getitem__)
        form, end = "=", 0
        for offset, size, codes in sorted(places):
            form += f"{offset - end}x" + codes[size // 4 - 1]
            end = offset + size
        self._pack = struct.Struct(form + f"{ctypes.sizeof(kind) - end}x").pack_into    # constant
        self._ordered = operator.itemgetter(*order)                                     # constant

    def fill(self, stat: Any, values: Sequence[int]) -> None:
        """All of `stat`, a structure of that kind. `values`: of operations.STAT."""
        *plain, atime_ns, mtime_ns, ctime_ns = values
        self._pack(stat, 0, *self._ordered((
            *plain, *divmod(atime_ns, SECOND), *divmod(mtime_ns, SECOND), *divmod(ctime_ns, SECOND))))


def answer(function: Callable[..., int], *args: Any) -> int:
    """Answers a call of libfuse; each one comes here.

    Python makes a thread state for each call of a foreign thread, and drops it at the call's end: a mapping and its
    page faults, 10 of the 50 µs that a lookup took. One reference more, and it stays.
    """
    global _kept        # noqa: PLW0603 - of the process, as the threads are
    if not hasattr(_workers, "kept") and _kept < KEPT_STATES:
        _workers.kept = True
        _kept += 1
        _ensure()
    try:
        return function(*args) or 0
    except Refusal as exc:
        return -(exc.errno or errno.EIO)
    except UnicodeError:            # a name that isn't UTF-8: the binding decodes before it asks
        return -errno.EINVAL
    except Exception:
        log.exception("bug in the binding's %s", getattr(function, "__name__", function))
        return -errno.EIO
