"""The command `anthrofs emulator`."""

from pathlib import Path

from anthrofs.cli.syntax import command, number, option
from anthrofs.errors import EXIT_BUSY, EXIT_USAGE, SetupError


@command("emulator", option("--data", "data", "DIR", "Where its files are kept.", Path),
         option("--port", "port", "N", "0: any free one; it is printed.", number(0, 65535, whole=True), default=0),
         option("--key", "key", "KEY", "An accepted key, for tests. Default: demo-key.", repeated=True))
def emulator(data: Path | None, port: int, key: list[str] | None) -> None:
    """Run the imitation of the service on this machine's loopback, until interrupted.

    Its routes under /_emulator show what it was asked, and have it refuse, wait or break off: `anthrofs help emulator`.
    """
    if data is None:
        raise SetupError("Where? Say --data DIR.", EXIT_USAGE)
    from anthrofs.emulator.server import CannotServe
    from anthrofs.emulator.server import run as serve

    try:
        serve("127.0.0.1", port, data, key or ["demo-key"])
    except CannotServe as exc:
        raise SetupError(f"The emulator can't start: {exc}.", EXIT_BUSY if exc.in_use else EXIT_USAGE) from exc
    except OSError as exc:          # its data directory
        raise SetupError(f"The emulator can't keep its files in {data}: {exc.strerror}.", EXIT_USAGE) from exc
