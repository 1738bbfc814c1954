"""The commands `anthrofs completion …`: the shell completes commands, options, values and paths.

Owns    where each shell looks for such a file, and the three lines that zsh needs to look there.
Trusts  shtab to write what a shell understands.
Never   changes a line of a shell's own start-up file; it adds lines of its own, between two marks, and removes those.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anthrofs.cli import output
from anthrofs.cli.syntax import COMMANDS, GROUPS, PROGRAM, SUBJECT, Parser, argument, command
from anthrofs.errors import EXIT_FAILED, EXIT_USAGE, SetupError

if TYPE_CHECKING:
    from argparse import Action

GROUPS["completion"] = "Have the shell complete commands, options and paths when the tabulator key is pressed."

SHELLS: Final = ("bash", "zsh", "fish")
ONE: Final = argument("shell", "bash, zsh or fish; without it the one that you use.", count="?")
BEGIN: Final = "# >>> completion of anthrofs: written by `anthrofs completion install` >>>"
END: Final = "# <<< completion of anthrofs <<<"
# Options that take one of a few words.
WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "upload": ("wait", "queue"), "api": ("beta", "ga"), "layout": ("tree", "flat"), "share": ("all", "uploads", "none"),
    "notify": ("auto", "never"), "glances": ("all", "none"),
    "binding": ("mfusepy", "fusepy"), "keep_uploads": ("all", "none"), "key_type": ("key", "token"), "shell": SHELLS,
}
DIRECTORIES: Final = frozenset({"state_dir", "data"})
PLAIN: Final = re.compile(r"\w[\w.@+:-]*")
ASK: Final = f"{PROGRAM} completion profiles 2>/dev/null"
# A directory, or a profile of the configuration, which is asked for when the key is pressed.
PLACES: Final = {
    "bash": "_anthrofs_places", "zsh": "_anthrofs_places", "fish": f"(__fish_complete_directories; {ASK})",
    "preamble": {
        "bash": f'_anthrofs_places() {{ compgen -W "$({ASK})" -- "$1"; compgen -d -- "$1"; }}',
        "zsh": f'_anthrofs_places() {{ local -a found; found=(${{(f)"$({ASK})"}}); compadd -a found; _files -/; }}',
    },
}
PROFILES: Final = {
    "bash": "_anthrofs_profiles", "zsh": f"($({ASK}))", "fish": f"({ASK})",
    "preamble": {"bash": f'_anthrofs_profiles() {{ compgen -W "$({ASK})" -- "$1"; }}'},
}


@command("completion install", ONE)
def install(shell: str | None) -> None:
    """Write the shell's file to where it looks for it. It holds from the next shell on."""
    for one in _chosen(shell):
        path = _place(one, os.environ)
        _written(path, _script(one))
        output.show(f"{one}: {path}")
        if one == "zsh" and (changed := _zsh_looks_there(path.parent, os.environ)):
            output.show(f"zsh: {changed} has three lines more, by which zsh looks there")
        if one == "bash" and not _has_bash_completion():
            output.show("bash reads it with the package bash-completion, which isn't here: install that, or add this "
                        f"line to ~/.bashrc:  source {path}")


@command("completion remove", ONE)
def remove(shell: str | None) -> None:
    """Remove what `install` has written."""
    for one in SHELLS if shell is None else _chosen(shell):
        path = _place(one, os.environ)
        gone = path.exists()
        path.unlink(missing_ok=True)
        if one == "zsh":
            gone = _without_lines(_zshrc(os.environ)) or gone
        output.show(f"{one}: {'removed' if gone else 'nothing was installed'}")


@command("completion show", ONE)
def show(shell: str | None) -> None:
    """Print the shell's file, for a place of your own."""
    output.put(_script(_chosen(shell)[0]))


@command("completion profiles")
def profiles() -> None:
    """Print the names of the configuration's profiles, one a line: the shell asks for them so. A name that a shell
    could take for more than a word is left out: it would run what is in it.
    """
    from anthrofs.settings.config_file import read_config

    if found := [name for name in read_config(os.environ).profiles if PLAIN.fullmatch(name)]:
        output.put("\n".join(sorted(found)))


def _chosen(shell: str | None) -> list[str]:
    """The shell that is named, or the user's. Raises SetupError."""
    one = shell or Path(os.environ.get("SHELL", "")).name
    if one not in SHELLS:
        raise SetupError(f"Which shell? Completion is there for {', '.join(SHELLS)}, not for {one or 'none'!a}.",
                         EXIT_USAGE)
    return [one]


def _place(shell: str, environ: Mapping[str, str]) -> Path:
    """Where that shell, or its completion package, looks for it without being told; zsh is told."""
    data = _folder(environ, "XDG_DATA_HOME", ".local/share")
    if shell == "fish":
        return _folder(environ, "XDG_CONFIG_HOME", ".config") / "fish" / "completions" / f"{PROGRAM}.fish"
    return data / ("bash-completion/completions" if shell == "bash" else "zsh/site-functions") / (
        PROGRAM if shell == "bash" else f"_{PROGRAM}")


def _folder(environ: Mapping[str, str], variable: str, otherwise: str) -> Path:
    if named := environ.get(variable, ""):
        return Path(named)
    return _home(environ) / otherwise


def _home(environ: Mapping[str, str]) -> Path:
    if not environ.get("HOME", ""):
        raise SetupError("There is no home directory to write a shell's file to: set HOME, or use `anthrofs completion "
                         "show SHELL` and put the file where the shell looks for it.", EXIT_USAGE)
    return Path(environ["HOME"])


def _zshrc(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("ZDOTDIR") or _home(environ)) / ".zshrc"


def _zsh_looks_there(directory: Path, environ: Mapping[str, str]) -> Path | None:
    """Returns the file that was changed for it; None: it has the lines."""
    path = _zshrc(environ)
    if path.exists() and BEGIN in path.read_text(errors="surrogateescape"):
        return None
    before = path.read_text(errors="surrogateescape") if path.exists() else ""
    gap = "" if before.endswith("\n") or not before else "\n"
    _written(path, f"{before}{gap}{BEGIN}\nfpath=({_quoted(directory)} $fpath)\nautoload -Uz compinit && compinit\n"
                   f"{END}\n")
    return path


def _without_lines(path: Path) -> bool:
    """Returns whether they were there."""
    text = path.read_text(errors="surrogateescape") if path.exists() else ""
    before, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if begin and end:
        _written(path, before + after)
    return bool(begin and end)


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _written(path: Path, text: str) -> None:
    """Raises SetupError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, errors="surrogateescape")
    except OSError as exc:
        raise SetupError(f"{path} can't be written: {exc.strerror}. `anthrofs completion show SHELL` prints what it "
                         "would hold.", EXIT_FAILED) from exc


def _has_bash_completion() -> bool:
    return any(Path(each).exists() for each in ("/usr/share/bash-completion/bash_completion", "/etc/bash_completion"))


def _script(shell: str) -> str:
    """The text that a shell has to read."""
    import shtab

    text = str(shtab.complete(_parser(), shell))
    # Paths with spaces are quoted, and a directory gets its slash.
    return text if shell != "bash" else text.replace("-o bashdefault ", "-o bashdefault -o filenames ")


def _parser() -> Parser:
    """All commands in one, each argument with how it is completed."""
    from anthrofs.cli import manual

    whole = Parser(PROGRAM, [SUBJECT])
    whole.add_argument("-V", "--version", action="store_true", help="show the versions, and exit")
    rooms: dict[str, Any] = {"": whole.add_subparsers(title="commands", metavar="COMMAND", dest="command")}
    for known in sorted(COMMANDS.values(), key=lambda each: each.name):
        of, _, name = known.name.rpartition(" ")
        if of not in rooms:
            rooms[of] = rooms[""].add_parser(of, help=GROUPS[of]).add_subparsers(metavar="COMMAND", dest=f"of {of}")
        one = rooms[of].add_parser(name, help=known.paragraphs[0])
        for names, settings in known.parameters:
            _taught(one.add_argument(*names, **settings), pages=manual.names() if name == "help" else [])
    return whole


def _taught(action: "Action", pages: list[str]) -> None:
    import shtab

    if words := WORDS.get(action.dest, tuple(pages)):
        action.choices = words
    elif action.dest == "directory":
        action.complete = PLACES                    # type: ignore[attr-defined] # shtab's own way
    elif action.dest == "profile":
        action.complete = PROFILES                  # type: ignore[attr-defined] # the same
    elif action.dest in DIRECTORIES:
        action.complete = shtab.DIRECTORY           # type: ignore[attr-defined] # the same
    elif action.type is Path or action.dest.endswith(("_file", "_key")):
        action.complete = shtab.FILE                # type: ignore[attr-defined] # the same
