"""The command `anthrofs id`.

Owns    which files are asked for, and what is said of those that have no id.
Never   lets a file without an id keep the others' from being printed.
"""

import json
import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anthrofs.cli import output
from anthrofs.cli.common_options import JSON, TIMEOUT
from anthrofs.cli.draining import tell_state
from anthrofs.cli.syntax import argument, command, flag
from anthrofs.cli.teller import Teller
from anthrofs.client import asking
from anthrofs.errors import EXIT_FAILED, SetupError
from anthrofs.text import printable


@command("id", argument("paths", "Files in a mount.", Path, count="+"),
         flag("-R --recursive", "recursive", "Also all files in the folders, each with its path behind the id. "
              "Where a name may have a line break: --json."),
         TIMEOUT, JSON)
def show_id(paths: list[Path], recursive: bool, timeout: float, as_json: bool) -> None:
    """The file id of each path, one a line; waits for uploads that are under way, and says what they wait for.

    A save, a rename and a new type give a file a new id, and the old one is dead: `anthrofs log PATH` shows those
    before.
    """
    ids, local, failed = dict[str, str](), list[str](), list[SetupError]()
    until_s = time.monotonic() + timeout
    with Teller("looking for ids") as teller:
        why_it_waits = list[str]()

        def tell(path: Path, state: str, why: dict[str, Any]) -> None:
            why_it_waits[:] = output.reason_lines(why)
            tell_state(teller, path, f"{path} has no id yet", state, why)
        for path in files_of(paths) if recursive else paths:
            try:
                if os.path.isdir(path):     # noqa: PTH112 - false, whatever the system says of it
                    raise SetupError(f"{path} is a folder: anthrofs id -R {shlex.quote(str(path))}", EXIT_FAILED)
                why_it_waits.clear()
                state = asking.await_end(path, until_s, tell)
                if recursive and state == "local":
                    local.append(str(path))
                    continue
                ids[str(path)] = file_id = asking.id_of(path, state, timeout, why_it_waits)
            except SetupError as exc:
                failed.append(exc)
                continue
            if not as_json:
                with teller.aside():
                    output.show_to_programs(*([_row(file_id, path)] if recursive else [file_id]))
    if as_json:
        output.put(json.dumps(ids))
    if local:
        output.complain(f"Without an id, as they stay on this machine: {', '.join(local)}.")
    if failed:
        raise SetupError("\n".join(map(str, failed)), failed[0].exit_code)


def _row(file_id: str, path: Path) -> str:
    """One line for a person, whatever is in the name; a program is given the name as it is."""
    return f"{file_id}  {printable(str(path)) if output.is_terminal() else path}"


def files_of(paths: list[Path]) -> Iterator[Path]:
    """The files among them, and those in the folders, in the order of their names."""
    for path in paths:
        if not os.path.isdir(path):     # noqa: PTH112 - false, whatever the system says of it
            yield path
        else:
            for folder, folders, names in os.walk(path):
                folders.sort()
                yield from (Path(folder, name) for name in sorted(names))
