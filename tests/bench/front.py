"""nginx before the emulator: TLS, and contents straight from the disk, so that the server isn't what a fast reader waits for.

Owns    one nginx with two ports, its certificate, its log.
Trusts  the log for the requests for content: nginx writes a line when it has sent the last byte.
Never   answers anything but whole or partial contents by itself: all the rest is the emulator's.
"""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from tests.emulator.process import EmulatorProcess
from tests.gateways.running import STOP_S, await_end, filled, free_port, make_certificates, program
from tests.mounting import wait_until

# The emulator's etag is of the content, so nginx's own of the disk file would be another one; without any, as the service has it, nobody compares.
CONFIG: Final = """\
daemon off;
@USER@
worker_processes 2;
pid @DIR@/pid;
error_log @DIR@/error.log;
events { worker_connections 768; }
http {
    sendfile on;
    tcp_nopush on;
    default_type application/octet-stream;
    log_format plain '$request_method $uri $status $body_bytes_sent';
    access_log @DIR@/access.log plain;
    keepalive_requests 1000000;
    client_max_body_size 0;
    client_body_temp_path @DIR@/body;
    proxy_temp_path @DIR@/proxy;
    fastcgi_temp_path @DIR@/fastcgi;
    uwsgi_temp_path @DIR@/uwsgi;
    scgi_temp_path @DIR@/scgi;
    upstream service { server @SERVICE@; keepalive 16; }
    server {
        listen 127.0.0.1:@PORT@;
        listen 127.0.0.1:@TLS_PORT@ ssl;
        ssl_certificate @DIR@/localhost.pem;
        ssl_certificate_key @DIR@/localhost.key;
        location ~ ^/v1/files/[^/]+/content$ {
            root @DIR@/served;
            etag off;
            add_header request-id $request_id;
            try_files $uri @service;
        }
        location / { proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; proxy_buffering off; }
        location @service { proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
    }
}
"""


class Front:
    """`with Front(base, emulator) as front: front.serve(...)`"""

    def __init__(self, base: Path, emulator: EmulatorProcess) -> None:
        self._base = base                       # constant
        self._ports = {False: free_port(), True: free_port()}       # constant: with TLS or without
        base.mkdir()
        make_certificates(base)
        words = {"DIR": str(base), "PORT": str(self._ports[False]), "TLS_PORT": str(self._ports[True]), "USER": "" if os.geteuid() else "user root;",
                 "SERVICE": emulator.url.removeprefix("http://")}
        (base / "nginx.conf").write_text(filled(CONFIG, words))

    def __enter__(self) -> Self:
        with (self._base / "output").open("wb") as output:
            # setpriv: it ends with us, however we end. A session of its own: Ctrl-C is for us.
            self._process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", program("nginx"), "-p", str(self._base), "-e", str(self._base / "error.log"),
                                              "-c", str(self._base / "nginx.conf")], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                             start_new_session=True)
        wait_until(self._answers, "nginx takes connections")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        await_end(self._process, STOP_S)

    @property
    def certificates(self) -> Path:
        """Whom its clients have to trust."""
        return self._base / "ca.pem"

    def url(self, *, tls: bool) -> str:
        return f"https://localhost:{self._ports[True]}" if tls else f"http://127.0.0.1:{self._ports[False]}"

    def serve(self, file_id: str, content: Path) -> None:
        """This content is its own from now on; a name more of a file on the same disk."""
        place = self._base / "served" / "v1" / "files" / file_id
        place.mkdir(parents=True)
        os.link(content, place / "content")

    @contextmanager
    def asked(self) -> Iterator[list[int]]:
        """The bytes of each answer with content, once the block has ended."""
        found: list[int] = []
        log = self._base / "access.log"
        begin = log.stat().st_size
        yield found
        with log.open() as lines:
            lines.seek(begin)
            found += [int(line[1]) for line in re.finditer(r"^GET /v1/files/[^/]+/content 20[06] (\d+)$", lines.read(), re.MULTILINE)]

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._base / "output").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._ports[False])) == 0
