"""The command `anthrofs fleet`: `fleet key`.

Never   prints a key anywhere but on standard output, where it was asked for.
"""

from anthrofs.cli import output
from anthrofs.cli.syntax import argument, command
from anthrofs.errors import EXIT_USAGE, SetupError


@command("fleet", argument("what", "`key`: print a new key for a fleet."))
def fleet(what: str) -> None:
    """Look after a fleet: mounts on many machines that share a store and a board."""
    if what != "key":
        raise SetupError(f"there is no `fleet {what}`. See anthrofs fleet --help", EXIT_USAGE)
    from anthrofs.fleet import keys

    output.show(keys.new_line())
