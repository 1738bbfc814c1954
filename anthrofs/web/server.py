"""The server of the page: listens on loopback, opens a browser, serves until it is interrupted.

Owns    the socket, the token, and the order of the end: streams first, so that nobody waits for a browser.
Trusts  the kernel for who connects: another user's program is cut off before it has said anything.
Never   listens on another address than 127.0.0.1, and never needs a key: what a browser starts with has none either.
"""

import asyncio
import errno
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from anthrofs.errors import EXIT_BUSY, EXIT_FAILED, EXIT_USAGE, SetupError
from anthrofs.web.app import App
from anthrofs.web.peers import is_own
from anthrofs.web.watcher import Watcher

HOST: Final = "127.0.0.1"
TOKEN_BYTES: Final = 24
STOP_S: Final = 2           # for requests that are under way when it ends
CONNECTIONS: Final = 100    # at once; a browser has six
OPENERS: Final = ("xdg-open", "x-www-browser")
SECRET: Final = ("ANTHROPIC_", "ANTHROFS_", "AWS_")     # how the names of variables begin that no browser needs


class OwnersProtocol(H11Protocol):
    """Speaks HTTP with this user's programs; others' connections end at once."""

    def connection_made(self, transport: asyncio.Transport) -> None:    # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        if not is_own(transport.get_extra_info("sockname"), transport.get_extra_info("peername")):
            transport.abort()


class Server(uvicorn.Server):
    """Ends what the browser would keep open for ever."""

    def __init__(self, config: uvicorn.Config, watcher: Watcher) -> None:
        super().__init__(config)
        self._watcher = watcher     # given

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._watcher.end()
        await super().shutdown(sockets=sockets)


def run(directory: Path | None, port: int, tell: Callable[[str], None], *, browser: bool) -> None:
    """Serves until SIGINT or SIGTERM, which are no failures. `tell` gets the address. Raises SetupError."""
    listening = _listening(port)
    token, watcher = secrets.token_urlsafe(TOKEN_BYTES), Watcher(directory)
    app = App(watcher, token)
    address = f"http://{HOST}:{listening.getsockname()[1]}/{token}/"
    server = Server(uvicorn.Config(app.asgi, http=OwnersProtocol, ws="none", loop="asyncio", lifespan="off",
                                   log_config=None, access_log=False, server_header=False, proxy_headers=False,
                                   limit_concurrency=CONNECTIONS, timeout_graceful_shutdown=STOP_S), watcher)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again after its own orderly stop: so that is an end, and no failure.
        signal.signal(number, _leave)
    tell(address)
    if browser:
        _open(address)
    with listening:
        server.run(sockets=[listening])


def _listening(port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((HOST, port))
        found.listen()
    except OSError as exc:
        found.close()
        if exc.errno == errno.EADDRINUSE:
            raise SetupError(f"Port {port} is in use by another program. Choose another one: --port 0 takes any that "
                             "is free.", EXIT_BUSY) from exc
        if exc.errno in (errno.EACCES, errno.EPERM):
            raise SetupError(f"Port {port} is for root only. Choose one from 1024 on: --port 0 takes any that is free.",
                             EXIT_USAGE) from exc
        raise SetupError(f"Nothing can listen on {HOST}:{port}: {exc.strerror}.", EXIT_FAILED) from exc
    return found


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _open(address: str) -> None:
    """Starts a browser where there is a screen. Without one nothing happens: the address is told in any case."""
    opener = next(filter(None, map(shutil.which, OPENERS)), None)
    if opener is None or not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    environment = {name: value for name, value in os.environ.items() if not name.startswith(SECRET)}
    child = subprocess.Popen([opener, address], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, start_new_session=True)
    # The browser may be this child, and outlive the page.
    threading.Thread(target=child.wait, name="browser", daemon=True).start()
