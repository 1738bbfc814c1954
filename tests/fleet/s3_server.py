"""A bucket in a directory, spoken to as S3 is, for tests of what a store does on the wire; the real ones are in `scripts/test fleet`.

    python -m tests.fleet.s3_server DIRECTORY PORT

Owns    one listening port; the first line out is its number. It ends with its standard input.
Trusts  every signature.

S3Server is the same from a test's side: the child process, what it was asked, what it is to say instead.
"""

import contextlib
import json
import os
import re
import select
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

BUCKET: Final = "team"
READY_S: Final = 20.0
STOP_S: Final = 10.0
ROOT: Final = Path(__file__).parents[2]
PAGE: Final = 1000


class Bucket(BaseHTTPRequestHandler):
    """Objects are files below `root`/BUCKET."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 2**16
    root = Path()               # set before the first request

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        path = self._path()
        if path == self.root / BUCKET:
            self._serve(self._list)
        else:
            self._serve(lambda: self._answer(200, path.read_bytes(), _facts(path)))

    def do_HEAD(self) -> None:
        path = self._path()
        self._serve(lambda: self._answer(200, b"", {**_facts(path), "Content-Length": str(path.stat().st_size)}))

    def do_PUT(self) -> None:
        body, path = self.rfile.read(int(self.headers["Content-Length"])), self._path()

        def put() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            made = path.with_name(f".{path.name}.{threading.get_ident()}")
            made.write_bytes(body)
            if self.headers["If-None-Match"] == "*":
                try:
                    os.link(made, path)         # one of all who create it wins
                except FileExistsError:
                    self._refuse(412, "PreconditionFailed")
                    return
                finally:
                    made.unlink()
            else:
                made.rename(path)
            self._answer(200, b"", {"ETag": '"x"'})

        self._serve(put)

    def do_POST(self) -> None:
        """Removes what the body lists."""
        keys = re.findall(r"<Key>(.*?)</Key>", self.rfile.read(int(self.headers["Content-Length"])).decode())

        def delete() -> None:
            for key in map(unescape, keys):
                (self.root / BUCKET / key).unlink(missing_ok=True)
            self._answer(200, f"<DeleteResult>{''.join(f'<Deleted><Key>{key}</Key></Deleted>' for key in keys)}</DeleteResult>".encode())

        self._serve(delete)

    def _serve(self, answer: Callable[[], None]) -> None:
        with (self.root / "asked").open("a") as asked:
            asked.write(f"{self.command} {self._path().relative_to(self.root / BUCKET)}\n")
        said: dict[str, list] = {}
        with contextlib.suppress(FileNotFoundError):
            said = json.loads((self.root / "said").read_text())
        if self.command in said:
            self._refuse(*said[self.command])
            return
        try:
            answer()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            self._refuse(404, "NoSuchKey")

    def _list(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        root, prefix, after = self.root / BUCKET, asked.get("prefix", ""), asked.get("continuation-token", "")
        keys = sorted(key for path in root.rglob("[!.]*") if path.is_file() and (key := str(path.relative_to(root))).startswith(prefix) and key > after)
        entries = [f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>x</ETag>"
                   f"<Size>{(root / key).stat().st_size}</Size><StorageClass>STANDARD</StorageClass></Contents>" for key in keys[:PAGE]]
        more = len(keys) > PAGE
        following = f"<NextContinuationToken>{escape(keys[PAGE - 1])}</NextContinuationToken>" if more else ""
        self._answer(200, (f'<?xml version="1.0"?><ListBucketResult><Name>{BUCKET}</Name><IsTruncated>{str(more).lower()}</IsTruncated>{following}'
                           f"<KeyCount>{len(entries)}</KeyCount>{''.join(entries)}</ListBucketResult>").encode(), {"Content-Type": "application/xml"})

    def _path(self) -> Path:
        return self.root / unquote(urlsplit(self.path).path).strip("/")

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()


def _facts(path: Path) -> dict[str, str]:
    return {"Last-Modified": formatdate(path.stat().st_mtime, usegmt=True), "ETag": '"x"'}


class S3Server:
    """`with S3Server(tmp_path / "s3") as store: ...`; a restart keeps objects and port."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = 0                           # until the first start
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        (self.root / BUCKET).mkdir(parents=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def environment(self, port: int | None = None) -> dict[str, str]:
        """For a mount that comes by this port, a wire's."""
        return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port or self.port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}/prefix"

    def start(self) -> None:
        assert self._process is None, "already started"
        self._process = subprocess.Popen([sys.executable, "-m", "tests.fleet.s3_server", str(self.root), str(self.port)], cwd=ROOT, text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert select.select([self._process.stdout], [], [], READY_S)[0], "it did not start"
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=STOP_S)
            self._process = None

    def say(self, method: str, status: int, code: str) -> None:
        """All requests of that method are answered so from now on."""
        made = self.root / "said.new"
        made.write_text(json.dumps({method: [status, code]}))
        made.rename(self.root / "said")

    def mend(self) -> None:
        (self.root / "said").unlink(missing_ok=True)

    def forget_asked(self) -> None:
        (self.root / "asked").unlink(missing_ok=True)

    def asked(self) -> Counter[str]:
        """How often each method was used."""
        with contextlib.suppress(FileNotFoundError):
            return Counter(line.split()[0] for line in (self.root / "asked").read_text().splitlines())
        return Counter()

    def chunks(self) -> list[Path]:
        """The chunks of files that are there."""
        return sorted(path for path in (self.root / BUCKET).rglob("[!.]*") if path.is_file() and path.read_bytes().startswith(b"AFS1"))


class Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A connection was reset: nobody reads that."""


def main() -> None:
    Bucket.root = Path(sys.argv[1])
    server = Server(("127.0.0.1", int(sys.argv[2])), Bucket)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
