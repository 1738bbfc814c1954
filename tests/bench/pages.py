"""A listing as a program: as many files as a row needs, made up page by page, so that no server is what a listing waits for.

    python -m tests.bench.pages FILES FOLDERS

Owns    one listening port; the first line out is its number. Each line in is a number of files that are new from then on, and is answered by one
        line, the number of requests so far. It ends with its standard input.
Trusts  every key. Files can't be read, changed or removed: their names and attributes are what it is for.
"""

import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, urlsplit

SEPARATOR: Final = "\uff0f"         # in a server's name it stands for /
SIZE_BYTES: Final = 3
ENTRY: Final = ('{{"type":"file","id":"file_{0:024}","size_bytes":3,"created_at":"2025-{1}.{2:06}Z","filename":"{3}bulk-{4:06}.csv",'
                '"mime_type":"text/csv","downloadable":true}}')
DAY_S: Final = 86400


class Listing(BaseHTTPRequestHandler):
    """Files numbered from 0, the last one newest; the first so many are in folders, in turn."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1               # head and body in one piece
    count = 0                   # of files; written by the main thread only
    folders = 0                 # set before the first request
    requests = 0
    lock = threading.Lock()     # guards requests

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        with self.lock:
            type(self).requests += 1
        url = urlsplit(self.path)
        if found := re.fullmatch(r"/v1/files/file_(\d{24})", url.path):
            self._answer(200, entry(int(found[1]), self.folders))
        elif url.path == "/v1/files":
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            self._answer(200, page(self.count, self.folders, int(asked.get("limit", "20")), asked.get("after_id")))
        else:
            self._answer(404, '{"type":"error","error":{"type":"not_found_error","message":"nothing here"}}')

    def _answer(self, status: int, body: str) -> None:
        content = body.encode()
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(content))), ("request-id", "req_bench"),
                            ("anthropic-organization-id", "00000000-0000-0000-0000-000000000001")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def page(count: int, folders: int, limit: int, after_id: str | None) -> str:
    """The newest first; behind a file, if one is named."""
    first = count - 1 if after_id is None else int(after_id.removeprefix("file_")) - 1
    numbers = range(first, max(-1, first - limit), -1)
    ends = f'"file_{numbers[0]:024}","last_id":"file_{numbers[-1]:024}"' if numbers else 'null,"last_id":null'
    more = "true" if numbers and numbers[-1] else "false"
    return f'{{"data":[{",".join(entry(number, folders) for number in numbers)}],"has_more":{more},"first_id":{ends}}}'


def entry(number: int, folders: int) -> str:
    """One more each millisecond, on days long ago."""
    day, rest = divmod(number // 1000, DAY_S)
    moment = f"01-{day + 1:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    place, here = (f"folder-{number % folders:04}{SEPARATOR}", number // folders) if folders else ("", number)
    return ENTRY.format(number, moment, number % 1000 * 1000, place, here)


def main() -> None:
    Listing.count, Listing.folders = int(sys.argv[1]), int(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listing)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    for line in sys.stdin:
        Listing.count += int(line)
        print(Listing.requests, flush=True)


if __name__ == "__main__":
    main()
