"""The command `anthrofs`: its words, its exit codes (errors.EXIT_…), and its last gate.

Never   imports what the command that was typed does without: `status`, `id` and `ls` are typed all day, and most of
        their time is that of imports. Each command has a module of its own; every_command.py has them all.
"""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from anthrofs.cli import output
from anthrofs.cli.syntax import PROGRAM, outline, typed
from anthrofs.errors import EXIT_FAILED, EXIT_USAGE, SetupError


def main() -> None:
    """Errors that a person can mend are one sentence and an exit code; so are the rest, whose details a file has."""
    _speak_plainly()
    try:
        program = Path(sys.argv[0]).name
        if program != PROGRAM or sys.argv[3:4] == ["-o"]:       # it may be mount(8) that calls
            from anthrofs.cli import mount_call

            mount_call.answer(program, sys.argv[1:])
        run(sys.argv[1:])
    except SetupError as exc:
        output.complain(str(exc))
        if address := os.environ.get("NOTIFY_SOCKET"):      # systemd has started us, and shows it
            from anthrofs.daemon.notify import Notify

            Notify(address).failed(str(exc))
        sys.exit(exc.exit_code)
    except BrokenPipeError:
        output.let_go()                 # `anthrofs status | head`
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
    except FileNotFoundError as exc:
        if _is_somewhere():
            _fail(exc)
        output.complain("The directory that you are in was removed: go to another (cd), and try again.")
        sys.exit(EXIT_USAGE)
    except Exception as exc:
        _fail(exc)


def _is_somewhere() -> bool:
    """There is a directory that relative paths begin in."""
    try:
        return bool(os.getcwd())        # noqa: PTH109 - which says so
    except FileNotFoundError:
        return False


def _fail(exc: Exception) -> NoReturn:
    """Says what nobody expected, and exits."""
    from anthrofs.cli.last_gate import sentence_of

    error = sentence_of(exc)
    output.complain(str(error))
    sys.exit(error.exit_code)


def _speak_plainly() -> None:
    """A character that the terminal's encoding lacks is spelled by its number, and a path stays the path."""
    for stream, otherwise in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, TextIOWrapper):       # it may be closed
            plain = stream.encoding.lower() not in ("utf-8", "utf8")
            stream.reconfigure(errors="backslashreplace" if plain else otherwise)


def run(words: Sequence[str]) -> None:
    """The command that the words name. Raises SetupError, and SystemExit for an exit code without words."""
    if words and words[0] in ("--version", "-V"):
        words = ["version", *words[1:]]
    load(*words[:1])
    if not words:
        outline().print_help()
        sys.exit(EXIT_USAGE)
    known, values = typed(words)
    known.run(**values)


def load(word: str = "") -> None:
    """Have the command of that word known, or all, for a word that isn't typed all day."""
    match word:
        case "id":
            import anthrofs.cli.id_command
        case "ls":
            import anthrofs.cli.ls_command
        case "mount":
            import anthrofs.cli.mount_command
        case "path":
            import anthrofs.cli.path_command
        case "status":
            import anthrofs.cli.status_command
        case "sync":
            import anthrofs.cli.sync_command
        case "umount":
            import anthrofs.cli.umount_command
        case _:
            import anthrofs.cli.every_command
