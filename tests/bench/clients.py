"""Bare clients of the Files API, with which anthrofs is compared: curl, and some that keep their connection.

Never   puts a key into an argument list.
"""

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import httpx

BOUND_S: Final = 60.0


def curl(url: str, headers: Mapping[str, str], *more: str, output: Path = Path("/dev/null")) -> None:
    """The content to a file; url and headers come by standard input, where nobody else sees them. `more`: other lines of its configuration."""
    lines = [f'url = "{url}"', *(f'header = "{name}: {value}"' for name, value in headers.items()), *more]
    subprocess.run(["curl", "--disable", "--fail", "--silent", "--show-error", "--noproxy", "*", "--output", str(output), "--config", "-"],
                   input="\n".join(lines), text=True, check=True, timeout=BOUND_S)


def curl_upload(url: str, headers: Mapping[str, str], path: Path) -> None:
    """`curl -F file=@PATH URL`, without Expect: it would wait for one answer more."""
    curl(url, {**headers, "Expect": ""}, f'form = "file=@{path}"')


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


def post_all_s(url: str, headers: Mapping[str, str], paths: Sequence[Path], at_once: int = 1) -> float:
    """Seconds that clients take which do nothing but upload these files, so many at once, each on one connection that it has already."""
    waiting = list(reversed(paths))         # taken from its end by all of them: one list's pop is one step
    connected = threading.Barrier(at_once + 1)

    def post() -> None:
        with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
            client.get("/v1/files", params={"limit": 1}).raise_for_status()
            connected.wait()
            while path := _next(waiting):
                with path.open("rb") as file:
                    client.post("/v1/files", files={"file": (path.name, file, "application/octet-stream")}).raise_for_status()

    with ThreadPoolExecutor(at_once) as pool:
        ends = [pool.submit(post) for _ in range(at_once)]
        connected.wait(BOUND_S)
        start_s = time.perf_counter()
        for end in ends:
            end.result()
        return time.perf_counter() - start_s


def _next(waiting: list[Path]) -> Path | None:
    try:
        return waiting.pop()
    except IndexError:
        return None


def list_all_s(url: str, headers: Mapping[str, str], limit: int) -> float:
    """Seconds that a loop takes which does nothing but get all pages of the listing, on one connection."""
    params: dict[str, str | int] = {"limit": limit, "beta": "true"}
    start_s = time.perf_counter()
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
        while (page := client.get("/v1/files", params=params).raise_for_status().json())["has_more"]:
            params["after_id"] = page["last_id"]
    return time.perf_counter() - start_s
