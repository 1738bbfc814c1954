"""`python -m tests.fleet ceph|azurite|redis`: a server to try a fleet with, on this machine, in memory, until it is interrupted.

Owns    one server and a temporary directory; nothing of them outlives this.
Never   listens anywhere but on this machine's loopback. Its keys are no secrets: nothing private belongs there.
"""

import argparse
import shlex
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.fleet.azurite_server import Azurite
from tests.fleet.ceph import Ceph
from tests.fleet.redis_server import RedisServer

NAME: Final = "team"
ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def started(what: str, base: Path, ends: ExitStack) -> dict[str, str]:
    """The variables by which a mount gets there."""
    if what == "redis":
        return {"ANTHROFS_BOARD": ends.enter_context(RedisServer(base)).url}
    if what == "azurite":
        azurite = ends.enter_context(Azurite(base))
        azurite.make_container(NAME)
        return {**azurite.environment, "ANTHROFS_STORE": f"az://{NAME}/anthrofs"}
    ceph = ends.enter_context(Ceph(base))
    ceph.make_bucket(NAME)
    return {**ceph.environment, "ANTHROFS_STORE": f"s3://{NAME}/anthrofs"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet")
    parser.add_argument("server", choices=("ceph", "azurite", "redis"))
    what = parser.parse_args().server
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)       # so that it is a way out, not one through the middle of a start
    with ExitStack() as ends:
        base = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix=f"anthrofs-{what}.")))
        for name, value in started(what, base / what, ends).items():
            print(f"export {name}={shlex.quote(value)}")
        print("# That is where it is until Ctrl-C.", flush=True)
        signal.sigwait(ENDINGS)


if __name__ == "__main__":
    main()
