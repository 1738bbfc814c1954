"""The man pages: one for anthrofs, one for each command, and one for each page of the manual."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import anthrofs.cli.every_command  # noqa: F401 - it fills COMMANDS
from anthrofs.cli import manual
from anthrofs.cli.syntax import (
    COMMANDS,
    PROGRAM,
    SUBJECT,
    WANTED,
    Command,
    Parameter,
    first_sentence,
    parser_of,
    wanted,
)
from scripts.man import roff

COMMAND_SECTION: Final = 1
PAGE_SECTION: Final = 7


def written(directory: Path, version: str) -> Iterator[tuple[Path, str]]:
    """Writes them all; each file, and its place below an environment."""
    for name, section, text in _all(version):
        path = directory / f"{name}.{section}"
        path.write_text(text, encoding="utf-8")
        yield path, f"share/man/man{section}/{path.name}"


def _all(version: str) -> Iterator[tuple[str, int, str]]:
    yield PROGRAM, COMMAND_SECTION, _overview(version)
    for known in COMMANDS.values():
        yield _page_of(known.name), COMMAND_SECTION, _of_command(known, version)
    for name in manual.names():
        yield _page_of(name), PAGE_SECTION, _of_page(name, version)


def _page_of(name: str) -> str:
    return f"{PROGRAM}-{name.replace(' ', '-')}"


def _overview(version: str) -> str:
    each = {known.name: first_sentence(known.paragraphs[0]) for known in COMMANDS.values()}
    of_groups = {name.partition(" ")[0]: "" for name in each}
    ordered = [of for _, rows in wanted(of_groups, WANTED) for of in rows]
    rows = sorted(each.items(), key=lambda row: ordered.index(row[0].partition(" ")[0]))
    codes = manual.page("errors").partition("## What the exit codes")[2].partition("\n## ")[0].partition("\n")[2]
    return "".join((
        roff.head(PROGRAM, COMMAND_SECTION, version),
        f".SH NAME\n{PROGRAM} \\- mount the Anthropic Files API as a directory\n",
        f".SH SYNOPSIS\n.B {PROGRAM}\n.I COMMAND\n[\\fIoption\\fR ...]\n",
        f".SH DESCRIPTION\n{roff.escaped(SUBJECT)}\n", roff.of_markdown(_introduction()),
        ".SH COMMANDS\n", *(roff.tagged(roff.bold(name), roff.spoken(text)) for name, text in rows),
        ".SH EXIT STATUS\n", roff.of_markdown(codes),
        ".SH SEE ALSO\n", _see(*(f"{_page_of(name)}({PAGE_SECTION})" for name in manual.names())),
    ))


def _introduction() -> str:
    return ("Each command has a page, like **anthrofs-mount**(1), and so has each subject, like **anthrofs-costs**(7), which `anthrofs help "
            "costs` shows, too. `anthrofs help says WORDS` explains an error that you have read.")


def _of_command(known: Command, version: str) -> str:
    usage = parser_of(known).format_usage().removeprefix("usage: ").split(None, len(known.name.split()) + 1)
    first, *others = known.paragraphs
    named = [each for each in known.parameters if not each.names[0].startswith("-")]
    options = [each for each in known.parameters if each.names[0].startswith("-")]
    group = known.name.partition(" ")[0]
    also = [f"{PROGRAM}(1)", *([f"{_page_of(group)}({PAGE_SECTION})"] if group in manual.names() else [])]
    return "".join((
        roff.head(_page_of(known.name), COMMAND_SECTION, version),
        f".SH NAME\n{_page_of(known.name)} \\- {roff.escaped(_title(first).replace('`', ''))}\n",
        f".SH SYNOPSIS\n.B {PROGRAM} {known.name}\n{roff.escaped(' '.join(''.join(usage[len(known.name.split()) + 1:]).split()))}\n",
        f".SH DESCRIPTION\n{roff.spoken(first)}\n", *(f".PP\n{roff.spoken(each)}\n" for each in others),
        *([".SH ARGUMENTS\n", *map(_row, named)] if named else []),
        ".SH OPTIONS\n", *map(_row, options), roff.tagged(f"{roff.bold('-h')}, {roff.bold('--help')}", "Show this help, and exit."),
        ".SH SEE ALSO\n", _see(*also),
    ))


def _row(one: Parameter) -> str:
    settings: dict[str, Any] = one.settings
    names = ", ".join(map(roff.bold, one.names)) if one.names[0].startswith("-") else ""
    shows = roff.slanted(settings["metavar"]) if settings.get("metavar") else ""
    return roff.tagged(" ".join(filter(None, (names, shows))), roff.spoken(settings["help"].replace("%%", "%")))


def _of_page(name: str, version: str) -> str:
    text = manual.page(name)
    return "".join((
        roff.head(_page_of(name), PAGE_SECTION, version),
        f".SH NAME\n{_page_of(name)} \\- {roff.escaped(_title(manual.first_sentence(text)))}\n.SH DESCRIPTION\n",
        roff.of_markdown(text),
        ".SH SEE ALSO\n", _see(f"{PROGRAM}(1)", *(f"{_page_of(other)}({PAGE_SECTION})" for other in _named_in(text))),
    ))


def _named_in(text: str) -> list[str]:
    """The other pages that a page sends its readers to."""
    return [name for name in manual.names() if f"`anthrofs help {name}`" in text]


def _see(*pages: str) -> str:
    parts = [page.partition("(") for page in pages]
    return ",\n".join(f"{roff.bold(name)}({section}" for name, _, section in parts) + "\n"


def _title(text: str) -> str:
    """A sentence as the line that apropos(1) shows."""
    return first_sentence(text).removesuffix(".")
