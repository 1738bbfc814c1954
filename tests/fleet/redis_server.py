"""A real redis-server for tests.

Owns    one child process on a port of 127.0.0.1, which it keeps over restarts, and a directory for its log.
Trusts  the child to be there once it answers a PING.
Never   waits without a bound, and never leaves the child behind.
"""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final, Self

import valkey
from valkey.backoff import NoBackoff
from valkey.exceptions import AuthenticationError, ResponseError, ValkeyError
from valkey.retry import Retry

READY_S: Final = 20.0
STOP_S: Final = 10.0


class RedisServer:
    """`with RedisServer(tmp_path / "redis") as redis: ...`; with options as redis-server's command line has them."""

    def __init__(self, directory: Path, *options: str) -> None:
        self._directory = directory
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._tls = False
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = int(found.getsockname()[1])

    def __enter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def of_tls(self) -> Self:
        """Speaks nothing else; the options name its certificate."""
        self._tls = True
        return self

    @property
    def url(self) -> str:
        return f"{'rediss' if self._tls else 'redis'}://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Another process may have taken the port meanwhile: then this fails, and says so."""
        assert self._process is None, "already started"
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["redis-server", *(("--port", "0", "--tls-port") if self._tls else ("--port",)), str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                 "--dir", str(self._directory), "--daemonize", "no", *self._options], stdout=log, stderr=log)
        until_s = time.monotonic() + READY_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until_s:
                self.stop()
                raise RuntimeError(f"redis-server did not start:\n{self.log()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """What it had is lost: it saves nothing."""
        if self._process is not None:
            self.signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(STOP_S)
            self._process = None

    def restart(self) -> None:
        """Empty."""
        self.stop()
        self.start()

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP: it is silent, and takes connections; SIGCONT ends that."""
        assert self._process is not None, "not started"
        if self._process.poll() is None:
            os.kill(self._process.pid, number)

    def client(self, **options: object) -> "valkey.Valkey":
        """For a test's own looks: the caller closes it."""
        return valkey.Valkey("127.0.0.1", self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0), **options)       # type: ignore[arg-type]

    def log(self) -> str:
        return (self._directory / "log").read_text(errors="replace")

    def _answers(self) -> bool:
        if self._tls:
            return "Ready to accept connections" in self.log()
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1), self.client() as client:
                client.ping()
        except (AuthenticationError, ResponseError):        # it wants a password
            return True
        except (OSError, ValkeyError):
            return False
        return True
