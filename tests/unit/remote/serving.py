"""Servers on loopback, and the service's files over real connections to them."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import httpx

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Service, Timeouts
from anthrofs.remote.http import HttpFiles, connect

KEY: Final = "demo-key"          # of every test's emulator
PROXY_VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@contextlib.contextmanager
def http_files(url: str, timeouts: Timeouts | None = None, shape: str = "beta") -> Iterator[HttpFiles]:
    """The service's files over real connections, with the patience that a test names."""
    timeouts = timeouts or Timeouts()
    with connect(Service(url, Credentials("x-api-key", KEY), shape=shape), timeouts) as client:
        yield HttpFiles(client, Clock(), timeouts.first_s, answer_s=timeouts.answer_s)


@contextlib.contextmanager
def unconnected(answers: Callable[[httpx.Request], httpx.Response], credentials: Credentials | None = None) -> Iterator[HttpFiles]:
    """The same without a connection: a test answers."""
    service = Service("https://api.example", credentials or Credentials("x-api-key", KEY))
    with connect(service, Timeouts(), {}, httpx.MockTransport(answers)) as client:
        yield HttpFiles(client, Clock())


@contextlib.contextmanager
def nobody_listening() -> Iterator[str]:
    """A port that refuses: bound, so that nobody else gets it, and never listened on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@dataclass
class Recorder:
    """Answers every GET and DELETE with a file or an empty list, and remembers the request line."""

    url: str = ""
    targets: list[str] = field(default_factory=list)


@contextlib.contextmanager
def recorder(tls: ssl.SSLContext | None = None) -> Iterator[Recorder]:
    said = Recorder()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said.targets.append(self.path)
            body = bytes(64 * 2**20) if "/big/" in self.path else b'{"id":"f","filename":"a.txt","size_bytes":3,"data":[],"has_more":false}'
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.send_header("request-id", "req_1")
            self.end_headers()
            self.wfile.write(body)

        do_DELETE = do_GET      # noqa: N815      the name is http.server's

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that doesn't trust us: silent."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        said.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield said
        finally:
            server.shutdown()
            thread.join()
