"""The grammar of the command line: the commands, what each takes, and what of that was typed.

Owns    COMMANDS. A command is a function; what it takes stands above it, in `@command(…)`.
Never   acts, and never prints but for --help: what can't be understood is a SetupError, with the words.

The standard library's argparse reads the words: its import takes 6 ms, of the 9 that Python itself needs to start. (Of
typer, which brings pydantic, it was 110.) Only the parser of the command that was typed is made.
"""

import itertools
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.settings import values

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
GROUPS: Final[dict[str, str]] = {
    "fleet": "Look after a fleet: mounts on many machines that share a store and a board.",
    "service": "Have systemd, or mount(8) and fstab, start a mount.",
    "states": "Show what mounts keep on this machine, and remove what nobody needs any more."}

# How --help shows them: what one wants, and the commands and groups for it. What isn't named here comes last.
WANTED: Final[dict[str, tuple[str, ...]]] = {
    "Begin and end": ("init", "mount", "umount", "sync"),
    "Look": ("status", "ls", "id", "path", "log", "refresh", "web"),
    "Decide": ("retry", "discard", "push", "free", "fetch"),
    "Set up": ("config", "service", "desktop", "completion", "states", "fleet"),
    "Find out what is wrong": ("help", "doctor", "check", "version"),
}


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
    """Reads one between those, as settings do; what was typed may be quoted here."""
    reader = values.number(least, most, whole=whole)

    def read(text: str) -> float:
        try:
            found: float = reader(text)
        except SetupError as exc:
            raise ArgumentTypeError(f"{str(exc).removesuffix('.')}, not {text!a}") from exc
        return found
    return read


class Parser(ArgumentParser):
    """Complains with one sentence, and lays a help's paragraphs out for the terminal's width."""

    def __init__(self, prog: str, paragraphs: Sequence[str] = (), listed: Sequence[tuple[str, dict[str, str]]] = (),
                 **named: Any) -> None:
        # An abbreviation that a script uses today would be another option's, or nobody's, in the next version.
        super().__init__(prog, allow_abbrev=False, **named)
        self._paragraphs = paragraphs       # constant
        self._listed = listed               # constant: titles, and below each the commands and what they do

    def error(self, message: str) -> NoReturn:
        """Raises SetupError."""
        said, unknown, word = message.partition("unrecognized arguments: ")
        wrong = (word.split() or [""])[0].partition("=")[0]         # one that is empty is like no other
        meant = nearest(wrong, self._option_string_actions) if unknown and not said and wrong else ""
        raise SetupError(f"{message}{meant}. See {self.prog} --help", EXIT_USAGE)

    def format_help(self) -> str:
        """See argparse."""
        import textwrap  # noqa: PLC0415 - for help only
        from shutil import get_terminal_size  # noqa: PLC0415 - the same

        width = get_terminal_size().columns - 2
        said = super().format_help().rstrip().split("\n\n", 1)
        parts = [said[0], *(textwrap.fill(each, width) for each in self._paragraphs), *said[1:]]
        column = max((len(name) for _, rows in self._listed for name in rows), default=0)
        for title, rows in self._listed:
            parts.append("\n".join([f"{title}:", *(textwrap.fill(text, width, subsequent_indent=" " * (column + 4),
                                                                 initial_indent=f"  {name:<{column}}  ")
                                                   for name, text in rows.items())]))
        return "\n\n".join(parts) + "\n"


def parser_of(known: Command) -> Parser:
    """Reads what follows the command's name."""
    parser = Parser(f"{PROGRAM} {known.name}", known.paragraphs)
    for names, settings in known.parameters:
        parser.add_argument(*names, **settings)
    return parser


def outline(of: str = "") -> Parser:
    """Reads the command's name, and shows them all, or those of a group."""
    shown = {known.name.removeprefix(f"{of} "): first_sentence(known.paragraphs[0]) for known in COMMANDS.values()
             if known.name.startswith(f"{of} ") or (not of and " " not in known.name)} | ({} if of else GROUPS)
    parser = Parser(f"{PROGRAM} {of}".rstrip(), [GROUPS[of]] if of else [SUBJECT], wanted(shown, {} if of else WANTED),
                    usage="%(prog)s COMMAND ...")
    names = parser.add_subparsers(metavar="COMMAND", dest="command", help=SUPPRESS)
    if not of:
        parser.add_argument("-V", "--version", action="store_true", help="show the versions, and exit")
    for name in shown:
        names.add_parser(name, add_help=False)
    return parser


def wanted(shown: dict[str, str], titles: dict[str, tuple[str, ...]]) -> list[tuple[str, dict[str, str]]]:
    """The commands below their titles."""
    named = [(title, {name: shown[name] for name in names if name in shown}) for title, names in titles.items()]
    others = {name: text for name, text in shown.items() if not any(name in rows for _, rows in named)}
    return [*named, *([("More" if titles else "Commands", others)] if others else [])]


def first_sentence(text: str) -> str:
    """The beginning of a docstring, for a list."""
    first, dot, _ = text.partition(". ")
    return first + dot.rstrip()


def typed(words: Sequence[str]) -> tuple[Command, dict[str, Any]]:
    """The command that the words name, and the values of its parameters.

    Raises SetupError; SystemExit when it was help that was asked for.
    """
    of = words[0] if words[0] in GROUPS else ""
    if f"{of} list" in COMMANDS and (words[1:2] or ["-"])[0].startswith("-") and words[1:2] not in (["-h"], ["--help"]):
        words = [of, "list", *words[1:]]
    name, rest = words[:2 if of else 1], words[2 if of else 1:]
    if (known := COMMANDS.get(" ".join(name))) is not None:
        return known, vars(parser_of(known).parse_args(_in_order(known, rest)))
    word = name[-1] if len(name) > bool(of) else ""
    if word.startswith("-"):
        outline(of).parse_args([word])          # help, or the error
    own = [each[len(of):].strip() for each in COMMANDS if each.startswith(f"{of} " if of else "")]
    see = f"See {f'{PROGRAM} {of}'.rstrip()} --help"
    if not word:
        raise SetupError(f"{PROGRAM} {of} needs one more word: {', '.join(own)}. {see}", EXIT_USAGE)
    near = nearest(word, own if of else [*own, *GROUPS])
    raise SetupError(f"there is no command {' '.join(name)!a}{near}. {see}", EXIT_USAGE)


def nearest(word: str, known: Iterable[str]) -> str:
    """Asks whether another was meant."""
    from difflib import get_close_matches  # noqa: PLC0415 - for mistakes only

    close = get_close_matches(word, list(known), 1)
    return f" (did you mean {close[0]}?)" if close else ""


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
