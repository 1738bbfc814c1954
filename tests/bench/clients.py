"""Bare clients of the Files API, with which anthrofs is compared: curl, and one that keeps its connection.

Serves  the rows.
Never   puts a key into an argument list.
"""

import subprocess
import time
from collections.abc import Mapping
from http.client import HTTPConnection


def curl(url: str, headers: Mapping[str, str]) -> None:
    """The content to /dev/null; url and headers come by standard input, where nobody else sees them."""
    lines = [f'url = "{url}"', *(f'header = "{name}: {value}"' for name, value in headers.items())]
    subprocess.run(["curl", "--disable", "--fail", "--silent", "--show-error", "--noproxy", "*", "--output", "/dev/null", "--config", "-"],
                   input="\n".join(lines), text=True, check=True)


def first_byte_s(port: int, path: str, headers: Mapping[str, str], before: str | None) -> float:
    """Seconds from the request to the first byte of its answer's body, on a connection that has just answered the request
    `before`; None: on a new one, and its connect counts.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        if before is not None:
            connection.request("GET", before, headers=dict(headers))
            connection.getresponse().read()
        start_s = time.perf_counter()
        connection.request("GET", path, headers=dict(headers))
        with connection.getresponse() as answer:
            assert answer.status == 200, answer.status
            assert answer.read(1)
            return time.perf_counter() - start_s
    finally:
        connection.close()
