"""`python -m anthrofs.emulator`.

Owns    the command line.
Trusts  argparse.
Never   does more than hand on what it was given.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .server import DEFAULT_KEY, CannotServe, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m anthrofs.emulator", description="The Files API on loopback.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one and prints it")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where files live; made if missing")
    parser.add_argument("--api-key", action="append", metavar="KEY", help=f"accepted, repeatable ({DEFAULT_KEY})")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input ends")
    parser.add_argument("--samples", action="store_true", help="put a few files into a new data directory")
    given = parser.parse_args()
    try:
        run(given.host, given.port, given.data, given.api_key or [], exit_with_stdin=given.exit_with_stdin,
            samples=given.samples)
    except CannotServe as exc:
        sys.exit(f"emulator: {exc}")


if __name__ == "__main__":
    main()
