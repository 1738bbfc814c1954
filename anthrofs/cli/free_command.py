"""The commands `anthrofs free` and `anthrofs fetch`: what of a mount's files is on this disk."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from anthrofs.cli import output
from anthrofs.cli.amounts import shown_bytes
from anthrofs.cli.common_options import FILES, JSON
from anthrofs.cli.syntax import command, flag
from anthrofs.cli.teller import Teller
from anthrofs.client import asking
from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.text import printable


@command("free", FILES, flag("--yes", "yes", "Don't ask."), JSON)
def free(paths: list[Path], yes: bool, as_json: bool) -> None:
    """Give up what is here of files (or of all in a directory): the copies that make your uploads readable, and what
    was downloaded.

    What is still to be sent, stays here, or is open is never given up. On a terminal you are asked first, where nobody
    could read uploads of yours any more.
    """
    if not (yes or as_json) and sys.stdin.isatty() and output.is_terminal() and not _agreed(paths):
        raise SetupError("Nothing was given up.", EXIT_USAGE)
    found = dict[str, dict[str, Any]]()
    try:
        for path, answer in asking.each("free", paths):
            found[str(path)] = answer
            if not as_json:
                output.show(*output.freed_lines([(path, answer)]))
    finally:                # what was freed is told, whatever comes behind it
        if as_json:
            output.put(json.dumps(found))


def _agreed(paths: list[Path]) -> bool:
    """Returns whether it may be done: nothing would be lost by it, or a person says so."""
    count = 0
    with contextlib.suppress(SetupError):       # what can't be given up, its own answer says
        for _, answer in asking.each("last_copies", paths):
            count += answer["count"]
    if not count:
        return True
    of = "1 upload of yours" if count == 1 else f"{count} uploads of yours"
    try:
        said = input(f"Nobody can read {of} any more then: only this machine has a copy. Go on? [y/N] ")
    except (EOFError, UnicodeDecodeError):
        said = ""
    return said.strip().lower() in ("y", "yes")


@command("fetch", FILES, JSON)
def fetch(paths: list[Path], as_json: bool) -> None:
    """Download files (or all in a directory) that can be downloaded, so that they can be read without the network."""
    found, lacking = dict[str, dict[str, Any]](), list[str]()
    try:
        with Teller("fetching") as teller:
            for path, answer in asking.each("fetch", paths):
                if "fetching" in answer:
                    teller.tell(f"fetching {answer['fetching']}", answer["fetched"], answer.get("of"))
                    continue
                found[str(path)] = answer
                lacking += map(printable, answer["refused"].values())
                if not as_json:
                    here = "" if answer["fetched"] or answer["refused"] else ", it was here"
                    with teller.aside():
                        output.show(f"{path}: {shown_bytes(answer['fetched'])} fetched{here}")
    finally:                # what was fetched is told, whatever comes behind it
        if as_json:
            output.put(json.dumps(found))
    if lacking:
        raise SetupError("Not fetched:\n" + "\n".join(f"  {reason}" for reason in lacking))
