"""A bucket as a program, for s3fs: names, no content, nothing can be changed.

    python -m tests.bench.s3 FILES

Owns    one listening port; the first line out is its number. It ends with its standard input.
Trusts  every signature: the numbers of requests are what it is for.
"""

import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

BUCKET: Final = "bench"
DATE: Final = "Mon, 01 Jan 2024 00:00:00 GMT"
ENTRY: Final = ('<Contents><Key>{}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>"d41d8cd98f00b204e9800998ecf8427e"</ETag>'
                "<Size>3</Size><StorageClass>STANDARD</StorageClass></Contents>")


class Bucket(BaseHTTPRequestHandler):
    """Files `bulk-000000.csv` and so on in its root."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    count = 0                   # of files; set before the first request

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_HEAD(self) -> None:
        found = re.fullmatch(r"bulk-(\d{6})\.csv", unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}/"))
        if found and int(found[1]) < self.count:
            self._answer(200, b"012", {"Last-Modified": DATE, "ETag": '"d41d8cd98f00b204e9800998ecf8427e"', "x-amz-meta-mode": "33188"})
        else:
            self._answer(404, b"")

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if urlsplit(self.path).path.strip("/") != BUCKET:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        first = 0 if "marker" not in asked else int(asked["marker"][5:11]) + 1
        prefix = asked.get("prefix", "")
        keys = [] if prefix else [f"bulk-{number:06}.csv" for number in range(first, min(self.count, first + int(asked.get("max-keys", "1000"))))]
        more = bool(keys) and first + len(keys) < self.count
        following = f"<NextMarker>{keys[-1]}</NextMarker>" if more else ""
        body = (f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{BUCKET}</Name>'
                f"<IsTruncated>{str(more).lower()}</IsTruncated>{following}{''.join(map(ENTRY.format, keys))}</ListBucketResult>")
        self._answer(200, body.encode(), {"Content-Type": "application/xml"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def main() -> None:
    Bucket.count = int(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
