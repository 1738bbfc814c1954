"""A program that gets signals while it waits in one call on a file of a mount; it says what the call returned.

    signalled_program.py PATH close|read|write SIGNAL handled|restarted|default

`handled`: with a handler; `restarted`: one with SA_RESTART; `default`: none. SIGALRM comes by itself, from a timer, every 20 ms. libc is
called by its name: Python's own calls try again at EINTR.
"""

import ctypes
import json
import os
import signal
import sys
from typing import Final

libc: Final = ctypes.CDLL(None, use_errno=True)


def main(path: str, what: str, name: str, how: str) -> None:
    number, came = signal.Signals[name], list[int]()
    flags = {"close": os.O_WRONLY | os.O_CREAT | os.O_TRUNC, "read": os.O_RDONLY, "write": os.O_WRONLY}[what]
    descriptor = os.open(path, flags, 0o644)
    if what == "close":
        os.write(descriptor, b"content")
    signal.signal(signal.SIGINT, signal.SIG_DFL)        # else Python handles it
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)       # a shell has what it starts in the background ignore both
    signal.signal(signal.SIGHUP, signal.SIG_DFL)        # and nohup this one
    signal.signal(number, signal.SIG_DFL if how == "default" else lambda number, _: came.append(number))
    if how != "default":
        signal.siginterrupt(number, how == "handled")
    buffer = ctypes.create_string_buffer(b"NEW", 100)
    print("waits", flush=True)
    if number is signal.SIGALRM:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    if what == "close":
        returned = libc.close(descriptor)
    elif what == "read":
        returned = libc.read(descriptor, buffer, 100)
    else:
        returned = libc.pwrite(descriptor, buffer, 3, 0)
    code = ctypes.get_errno() if returned < 0 else 0
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(json.dumps({"returned": returned, "errno": code, "handled": bool(came), "data": buffer.raw[:max(0, returned)].decode()}), flush=True)
    os._exit(0)         # of a write, the close isn't asked


main(*sys.argv[1:])
