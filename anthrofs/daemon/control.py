"""The way in for the command line: a socket in the state directory, one JSON object a line.

A request is {"op": name, …}; the answer is one line or several, the last of which has "end": true. "wait" has no such
line: its connection stays open until the process has ended, or the asker closes it.

Owns    <state>/control.sock and one thread a connection.
Trusts  the kernel for who asks: this user, and root. (The directory's mode, 0700, says the same.)
Never   carries keys or contents.
"""

import contextlib
import errno
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from anthrofs.daemon.control_address import NAME, address, user_of
from anthrofs.errors import FsError

log = logging.getLogger(__name__)

LINE_BYTES: Final = 2**20       # of a request
REQUEST_S: Final = 30.0         # from a connection to its request: one that says nothing isn't kept

Handler = Callable[[Mapping[str, Any]], Iterator[dict[str, Any]]]


class Control:
    """The daemon's end."""

    def __init__(self, state_dir: Path, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers       # given
        self._directory = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)      # constant
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = state_dir / NAME
        if path.is_socket():                # an earlier mount's
            path.unlink()
        elif os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "it is not a socket of anthrofs, move it away", path)
        self._socket.bind(address(self._directory))
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)

    def start(self) -> None:
        """Answers from now on."""
        self._socket.listen()
        self._thread.start()

    def stop(self) -> None:
        """Ends the socket. Whoever is connected sees the end when the process ends: that is how umount waits for it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)     # wakes accept
        self._socket.close()
        with contextlib.suppress(OSError):              # somebody's hand, or the disk takes no changes any more
            os.unlink(NAME, dir_fd=self._directory)
        if self._thread.ident is not None:
            self._thread.join(1)
        os.close(self._directory)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError as exc:
                if exc.errno not in (errno.EMFILE, errno.ENFILE, errno.ECONNABORTED):
                    return                  # stopped
                time.sleep(0.1)
                continue
            if user_of(connection) not in (os.geteuid(), 0):
                connection.close()
                continue
            threading.Thread(target=self._answer, args=(connection,), name="control-connection", daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        # Who asked may be gone before the answer is: that is no error of ours.
        with contextlib.suppress(OSError), connection, connection.makefile("rwb") as lines:
            connection.settimeout(REQUEST_S)
            line = lines.readline(LINE_BYTES)
            connection.settimeout(None)
            request = _request_of(line)
            waits = request.get("op") == "wait"
            for answer in [{"waiting": True}] if waits else self._run(request):
                lines.write(json.dumps(answer).encode() + b"\n")
                lines.flush()
            if waits:
                lines.read(1)       # nothing more is asked: it returns when the asker has gone

    def _run(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        handler = self._handlers.get(str(request.get("op")))
        try:
            if handler is None:
                raise FsError("that is no request that this version knows")
            yield from handler(request)
            yield {"end": True}
        except FsError as exc:
            yield {"end": True, "error": str(exc)}
        except OSError:
            raise
        except Exception as exc:
            log.exception("bug in the control socket")
            yield {"end": True, "error": f"bug: {exc}"}


def _request_of(line: bytes) -> Mapping[str, Any]:
    """Returns an empty one for what isn't one."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
