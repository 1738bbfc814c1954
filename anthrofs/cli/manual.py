"""The manual: pages in plain sentences that come with the package, shown by `anthrofs help`.

Owns    how a page is shown. The pages themselves are anthrofs/manual/*.md; whoever adds a file there has added a page.
Never   changes a page for anything but a terminal: a pipe and a file get its text as it stands.
"""

import re
import sys
from collections.abc import Iterable
from importlib import resources
from importlib.resources.abc import Traversable

from anthrofs.cli import output, terminal
from anthrofs.cli.entries import PREFIX, entries_in, lines_of
from anthrofs.cli.entries import nearest as entries_about
from anthrofs.cli.syntax import COMMANDS, nearest
from anthrofs.errors import EXIT_USAGE, SetupError

SUFFIX = ".md"
ELSEWHERE = {"fstab": "service", "systemd": "service"}      # a subject that is on another's page
FEWEST_WORDS = 3        # by which something that was read is found, if not by all of it


def names() -> list[str]:
    """The pages, in alphabetical order."""
    return sorted(entry.name.removesuffix(SUFFIX) for entry in _directory().iterdir() if entry.name.endswith(SUFFIX))


def page(name: str) -> str:
    """The text of one page. Raises SetupError, which names all pages, for a page that isn't there."""
    known, name = names(), ELSEWHERE.get(name, name)
    if name not in known:
        raise SetupError(f"The manual has no page {name!r}{nearest(name, [*known, *COMMANDS])}. Its pages are "
                         f"{', '.join(known)}. "
                         "The options of a command: anthrofs COMMAND --help", EXIT_USAGE)
    return (_directory() / f"{name}{SUFFIX}").read_text(encoding="utf-8")


def explain(said: str) -> list[str]:
    """The entries for what somebody has read, as lines. Raises SetupError when there are none."""
    entries = [entry for name in names() if name.startswith(PREFIX) for entry in entries_in(page(name))]
    words = said.split()
    # What stands last may be a part of what differs: the system's own words, or a name.
    tries = [said, *(" ".join(words[:end]) for end in range(len(words) - 1, FEWEST_WORDS - 1, -1))]
    found = next((about for each in tries if (about := entries_about(entries, each))), [])
    if not found:
        raise SetupError(f"The manual has no entry for {said!r}. Try fewer words of it, without names and numbers; "
                         "anthrofs help says lists the pages of entries.", EXIT_USAGE)
    return list(lines_of(found))


def list_lines() -> list[str]:
    """One line a page, with its name and its first sentence; then how to see one."""
    known = [name for name in names() if "-" not in name]       # others are named on a page of these
    width = max(map(len, known))
    return [*(f"{name:<{width}}  {first_sentence(page(name))}" for name in known),
            "", "anthrofs help PAGE shows one of these pages. anthrofs --help lists the commands, COMMAND --help",
            "the options of one. anthrofs help says WORDS explains an error that you have read."]


def first_sentence(text: str) -> str:
    """The sentence that a page begins with below its heading, on one line and without marks."""
    paragraph = " ".join(text.split("\n\n")[1].split()).replace("`", "")
    return paragraph.partition(". ")[0].removesuffix(".") + "."


def put_lines(lines: Iterable[str]) -> None:
    """Prints a list, or entries: on a terminal within its width, else as they stand."""
    if sys.stdout is None or not sys.stdout.isatty():
        output.put("\n".join(lines))
        return
    import shutil  # noqa: PLC0415 - for a terminal only
    import textwrap  # noqa: PLC0415 - the same

    width = shutil.get_terminal_size().columns
    output.show(*(textwrap.fill(line, width, subsequent_indent=" " * _hanging(line)) for line in lines))


def _hanging(line: str) -> int:
    """The column in which a line's text begins: behind a name and its gap, or behind the line's own indentation."""
    found = re.match(r"\s+|[\w-]+ {2,}", line)
    return found.end() if found else 0


def show(text: str) -> None:
    """Prints a page: on a terminal laid out for its width, else as it stands."""
    if sys.stdout is not None and sys.stdout.isatty():
        terminal.lay_out(text)
    else:
        output.put(text.removesuffix("\n"))


def _directory() -> Traversable:
    return resources.files("anthrofs") / "manual"
