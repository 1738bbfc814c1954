"""The grammar of the command line: the commands, what each takes, and what of that was typed.

Owns    COMMANDS. A command is a function; what it takes stands above it, in `@command(…)`.
Never   acts, and never prints but for --help: what can't be understood is a SetupError, with the words.

The standard library's argparse reads the words: its import takes 6 ms, of the 9 that Python itself needs to start. (Of
typer, which brings pydantic, it was 110.) Only the parser of the command that was typed is made.
"""

import itertools
import math
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from anthrofs.errors import EXIT_USAGE, SetupError

PROGRAM: Final = "anthrofs"
SUBJECT: Final = "The Anthropic Files API mounted as a directory."

Run = TypeVar("Run", bound=Callable[..., None])


class Parameter(NamedTuple):
    """An argument or an option, as argparse takes it."""

    names: tuple[str, ...]          # of an option as they are typed; of an argument its one name
    settings: dict[str, Any]


class Command(NamedTuple):
    """A function that people call from a shell."""

    name: str
    run: Callable[..., None]        # by the names of its parameters
    parameters: tuple[Parameter, ...]

    @property
    def paragraphs(self) -> list[str]:
        """The function's docstring."""
        return [" ".join(part.split()) for part in (self.run.__doc__ or "").split("\n\n")]


COMMANDS: Final[dict[str, Command]] = {}        # by their names, in the order in which --help shows them; those of a
                                                # group are two words
GROUPS: Final[dict[str, str]] = {"fleet": "Look after a fleet: mounts on many machines that share a store and a board."}


def command(name: str, *parameters: Parameter) -> Callable[[Run], Run]:
    """The function below is the command of that name."""
    def known(run: Run) -> Run:
        COMMANDS[name] = Command(name, run, parameters)
        return run
    return known


def argument(name: str, helps: str, kind: Callable[[str], Any] = str, *, count: str | None = None,
             default: Any = None) -> Parameter:
    """A word without dashes. `count` is argparse's: "?" one or none, "*" any number, "+" one or more."""
    many = {} if count is None else {"nargs": count, "default": default}
    return Parameter((name,), {"help": helps, "type": kind, "metavar": name.upper(), **many})


def option(names: str, to: str, shows: str, helps: str, kind: Callable[[str], Any] = str, *, default: Any = None,
           repeated: bool = False) -> Parameter:
    """An option with a value, for the function's parameter `to`. `shows` stands for the value in the help."""
    said = "" if default in (None, "") else f" (default: {default:g})" if isinstance(default, float) else (
        f" (default: {default})")
    return Parameter(tuple(names.split()), {
        "dest": to, "metavar": shows, "help": (helps + said).replace("%", "%%"), "type": kind, "default": default,
        "action": "append" if repeated else "store"})


def flag(names: str, to: str, helps: str) -> Parameter:
    """An option without a value."""
    return Parameter(tuple(names.split()), {"dest": to, "help": helps, "action": "store_true"})


def number(least: float, most: float, *, whole: bool = False) -> Callable[[str], float]:
    """Reads one between those. NaN isn't."""
    def read(text: str) -> float:
        try:
            found = int(text) if whole else float(text)
        except ValueError:
            found = math.nan
        if not least <= found <= most:
            raise ArgumentTypeError(f"it takes a {'whole ' if whole else ''}number from {least:g} to {most:.0f}, "
                                    f"not {text!a}")
        return found
    return read


class Parser(ArgumentParser):
    """Complains with one sentence, and lays a help's paragraphs out for the terminal's width."""

    def __init__(self, prog: str, paragraphs: Sequence[str] = (), **named: Any) -> None:
        # An abbreviation that a script uses today would be another option's, or nobody's, in the next version.
        super().__init__(prog, allow_abbrev=False, **named)
        self._paragraphs = paragraphs       # constant

    def error(self, message: str) -> NoReturn:
        """Raises SetupError."""
        raise SetupError(f"{message}. See {self.prog} --help", EXIT_USAGE)

    def format_help(self) -> str:
        """See argparse."""
        import textwrap  # noqa: PLC0415 - for help only
        from shutil import get_terminal_size  # noqa: PLC0415 - the same

        width = get_terminal_size().columns - 2
        said = super().format_help().split("\n\n", 1)
        return "\n\n".join([said[0], *(textwrap.fill(each, width) for each in self._paragraphs), *said[1:]])


def parser_of(known: Command) -> Parser:
    """Reads what follows the command's name."""
    parser = Parser(f"{PROGRAM} {known.name}", known.paragraphs)
    for names, settings in known.parameters:
        parser.add_argument(*names, **settings)
    return parser


def outline(of: str = "") -> Parser:
    """Reads the command's name, and shows them all, or those of a group."""
    parser = Parser(f"{PROGRAM} {of}".rstrip(), [GROUPS[of]] if of else [SUBJECT])
    names = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    shown = {known.name.removeprefix(f"{of} "): known.paragraphs[0] for known in COMMANDS.values()
             if known.name.startswith(f"{of} ") or (not of and " " not in known.name)} | ({} if of else GROUPS)
    if not of:
        parser.add_argument("-V", "--version", action="store_true", help="show the versions, and exit")
    for name, paragraph in shown.items():
        first, dot, _ = paragraph.partition(". ")
        names.add_parser(name, add_help=False, help=(first + dot.rstrip()).replace("%", "%%"))
    return parser


def typed(words: Sequence[str]) -> tuple[Command, dict[str, Any]]:
    """The command that the words name, and the values of its parameters.

    Raises SetupError; SystemExit when it was help that was asked for.
    """
    of = words[0] if words[0] in GROUPS else ""
    name, rest = words[:2 if of else 1], words[2 if of else 1:]
    if (known := COMMANDS.get(" ".join(name))) is None:
        outline(of).parse_args(name[-1:] if len(name) > bool(of) else [])       # help, or the error
        raise SetupError(f"there is no command {' '.join(name)!a}. See {f'{PROGRAM} {of}'.rstrip()} --help", EXIT_USAGE)
    return known, vars(parser_of(known).parse_args(_in_order(known, rest)))


def _in_order(known: Command, words: Sequence[str]) -> list[str]:
    """Options first, each with its value, then the arguments. People mix them (`anthrofs id a.txt --timeout 3 b.txt`),
    and values and files may begin with a dash: each version of argparse reads such words otherwise.
    """
    valued = {name for names, settings in known.parameters for name in names if settings.get("action") in ("store",
                                                                                                           "append")}
    options, arguments, rest = list[str](), list[str](), iter(words)
    for word in rest:
        if word == "--":
            arguments += rest
        elif word in valued:
            options.append("=".join([word, *itertools.islice(rest, 1)]))
        else:
            (options if word.startswith("-") and word != "-" else arguments).append(word)
    return [*options, *(["--"] if arguments else []), *arguments]
