"""The emulator as a process: built, announced, stopped.

Owns    the data directory's lock, the ready line on stdout, and the order of stopping.
Trusts  uvicorn to listen before `startup` returns.
Never   outlives its bound: open connections are cut, not waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import logging
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

import uvicorn

from .app import build
from .connections import CuttableProtocol
from .parts import Parts
from .samples import add_samples
from .store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import FrameType

DEFAULT_KEY = "demo-key"
STOP_S = 1
IDLE_S = 75         # an idle connection is closed after that; longer than clients keep theirs, so they don't race


class CannotServe(Exception):
    """Why it can't start, in one sentence."""

    def __init__(self, message: str, *, in_use: bool) -> None:
        super().__init__(message)
        self.in_use = in_use        # by another process, which may end


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        ready = {"url": f"http://{f'[{host}]' if ':' in host else host}:{port}", "pid": os.getpid()}
        print(json.dumps(ready), flush=True)        # noqa: T201 (the ready line is for programs)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        self._parts.connections.abort_all()
        await asyncio.sleep(0)              # the protocols notice before their tasks are cancelled
        for task in (*self.server_state.tasks, *self._parts.later):
            task.cancel()
        await super().shutdown(sockets=sockets)


def run(host: str, port: int, data: Path, keys: Sequence[str], *, exit_with_stdin: bool = False,
        samples: bool = False) -> None:
    """Serve until SIGTERM, SIGINT or, if asked, the end of stdin. Raises CannotServe."""
    logging.basicConfig(level=logging.WARNING, format="emulator: %(levelname)s %(name)s: %(message)s")
    # A form that can't be read is its client's mistake, and the answer says so.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again after its own orderly stop; this makes that an exit with status 0.
        signal.signal(number, _leave)
    with _listening(host, port) as listener, _locked(data):
        store = Store(data)
        try:
            if samples:
                add_samples(store)
            parts = Parts(store, frozenset(keys or [DEFAULT_KEY]))
            config = uvicorn.Config(
                build(parts), host=host, port=port, http=CuttableProtocol, ws="none", loop="asyncio", lifespan="on",
                log_config=None, access_log=False, server_header=False, date_header=False,
                timeout_keep_alive=IDLE_S, timeout_graceful_shutdown=STOP_S)
            server = Server(config, parts)
            if exit_with_stdin:
                threading.Thread(target=_watch_stdin, args=(server,), name="stdin", daemon=True).start()
            server.run(sockets=[listener])
        finally:
            store.close()


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _watch_stdin(server: Server) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1 << 12):
            pass
    server.should_exit = True               # read by uvicorn's main loop ten times a second


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Raises CannotServe. (Of a port that is in use uvicorn says only that it failed, with a code of its own.)"""
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as exc:
        in_use = exc.errno == errno.EADDRINUSE
        why = ("is in use by another program. Choose another one with --port, or 0 for any that is free" if in_use
               else f"can't be had: {exc.strerror}")
        raise CannotServe(f"Port {port} of {host} {why}", in_use=in_use) from exc
    with listener:
        yield listener


@contextlib.contextmanager
def _locked(data: Path) -> Iterator[None]:
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotServe(f"{data} is used by another emulator", in_use=True) from None
        yield
