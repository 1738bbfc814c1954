"""The command `anthrofs help`: the manual's pages, a command's options, and the entries for what anthrofs has said."""

from collections.abc import Sequence

from anthrofs.cli import output
from anthrofs.cli.syntax import COMMANDS, GROUPS, argument, command, outline, parser_of

SAYS = "says"       # the page that begins the entries: words behind it are looked up in them


@command("help", argument("words", "A page or a command; behind `says`, words that you have read; all are listed, "
                                   "without.", count="*"))
def show_help(words: Sequence[str]) -> None:
    """Show a page of the manual, or a command's options. `anthrofs help says WORDS` explains an error."""
    from anthrofs.cli import manual

    name = " ".join(words)
    if not words:
        manual.put_lines(manual.list_lines())
    elif words[0] == SAYS and len(words) > 1:
        manual.put_lines(manual.explain(" ".join(words[1:])))
    elif name in COMMANDS and name not in manual.names():
        output.put(parser_of(COMMANDS[name]).format_help().removesuffix("\n"))
    elif name in GROUPS and name not in manual.names():
        output.put(outline(name).format_help().removesuffix("\n"))
    else:
        manual.show(manual.page(name))
