"""See the package's head."""

import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from scripts.picture.session import COLUMNS, recorded

PICTURE: Final = Path(__file__).parent / "session.svg"
# As rich has it, without its fonts, which every reader's browser would load from elsewhere.
FORM: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>A terminal session: a folder is copied into a mount, and has its ids</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def drawn() -> str:
    """The picture of a session that is run now."""
    with tempfile.TemporaryDirectory(prefix="anthrofs-picture-") as home, Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, highlight=False)
        for line, answer in recorded(Path(home)):
            command, mark, remark = line.partition("  #")
            console.print(Text.assemble(("$ ", "green"), (command, "bold"), (f"{mark}{remark}", "cyan")))
            console.print(Text(answer), end="")
    return console.export_svg(title="anthrofs", theme=MONOKAI, code_format=FORM, unique_id="session")


def main() -> None:
    found = drawn()
    if "--check" not in sys.argv[1:]:
        PICTURE.write_text(found)
    elif found != PICTURE.read_text():
        sys.exit(f"{PICTURE.name} isn't what a session shows now. Draw it anew: .venv/bin/python -m scripts.picture")


main()
