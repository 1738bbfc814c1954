"""The commands `anthrofs states [list]` and `anthrofs states remove`.

Never   removes a state that is mounted; nor, without an explicit word, one that has something nobody else has.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from anthrofs.cli import output
from anthrofs.cli.amounts import shown_bytes
from anthrofs.cli.syntax import argument, command, flag, number, option
from anthrofs.errors import EXIT_BUSY, EXIT_LEFT, EXIT_USAGE, SetupError
from anthrofs.text import printable

if TYPE_CHECKING:
    from anthrofs.client.state_pictures import StatePicture

DAY_S: Final = 86400.0
LONGEST_DAYS: Final = 10**5


@command("states list", flag("--json", "as_json", "One JSON value on standard output."))
def states(as_json: bool) -> None:
    """Show what mounts keep on this machine: each state with its workspace, its size, and what only it has.

    `anthrofs states` alone does the same. `anthrofs states remove NAME` removes one that nobody needs any more.
    """
    found = list(_pictures())
    if as_json:
        output.put(json.dumps([one.as_json() for one in found]))
    elif not found:
        output.put("No states.")
    else:
        for one in found:
            output.show(*_lines(one))


@command("states remove", argument("names", "States, as `anthrofs states` calls them.", count="*"),
         option("--older", "days", "DAYS", "All that were not used for so many days, and have nothing that only they "
                "have.", number(0, LONGEST_DAYS)),
         flag("--with-unsent", "with_unsent", "Also files that the server never got, and helper files."),
         flag("--with-copies", "with_copies", "Also copies of uploads: nobody can read those uploads any more then."))
def remove(names: list[str], days: float | None, with_unsent: bool, with_copies: bool) -> None:
    """Remove states with all that is in them: index, queue, cache, copies and log. The files on the server stay."""
    if not names and days is None:
        raise SetupError("Which? Name states, as `anthrofs states` calls them, or say --older DAYS.", EXIT_USAGE)
    if names and days is not None:
        raise SetupError("Name states, or say --older DAYS; not both.", EXIT_USAGE)
    known = {one.name: one for one in _pictures()}
    if missing := [name for name in names if name not in known]:
        raise SetupError(f"There is no state {printable(missing[0])}. There are: "
                         f"{', '.join(map(printable, known)) or 'none'}.", EXIT_USAGE)
    chosen = [known[name] for name in names]
    if days is not None:
        oldest_s = time.time() - days * DAY_S
        chosen = [one for one in known.values() if one.last_used < oldest_s and not (one.in_use or one.losses)
                  and one.readable]
        if not chosen:
            output.put("Nothing to remove.")
    failed = list[SetupError]()
    for one in chosen:
        try:
            output.show(*_removed(one, with_unsent=with_unsent, with_copies=with_copies))
        except SetupError as exc:
            failed.append(exc)
    if failed:
        raise SetupError("\n".join(map(str, failed)), failed[0].exit_code)


def _pictures() -> Iterator["StatePicture"]:
    from anthrofs.client.known_states import known_states
    from anthrofs.client.state_pictures import picture
    from anthrofs.state_place import states_root

    root = states_root(os.environ)
    for path in known_states(root):
        try:
            yield picture(path, root)
        except OSError as exc:
            output.complain(f"{path} can't be looked at: {exc.strerror}.")


def _lines(one: "StatePicture") -> Iterator[str]:
    where = (f"mounted on {one.mounted_on}" if one.mounted_on
             else "in use by a process that doesn't answer" if one.in_use
             else f"last mounted on {one.last_mounted_on}" if one.last_mounted_on else "not mounted")
    yield printable(f"{one.name}  ({where})")
    if one.service:
        yield printable(f"  {one.service}" + (f", {one.workspace}" if one.workspace else ""))
    day = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.last_used))
    yield f"  {shown_bytes(one.size_bytes)} on this disk, last used {day}"
    if not one.readable:
        yield "  ITS DATABASE CAN'T BE READ: `anthrofs check` and `anthrofs mount` say why"
    if only := _only_here(one.unsent, one.helper_files, one.copies, one.copy_bytes):
        yield f"  only here: {', '.join(only)}"
    if one.deletions:
        yield f"  {counted(one.deletions, 'file')} still to be deleted on the server"


def _only_here(unsent: int, helper_files: int, copies: int, copy_bytes: int) -> list[str]:
    return [*([f"{counted(unsent, 'file')} not sent"] if unsent else []),
            *([counted(helper_files, "helper file")] if helper_files else []),
            *([f"{counted(copies, 'readable copy', 'readable copies')} of uploads ({shown_bytes(copy_bytes)})"]
              if copies else [])]


def _removed(one: "StatePicture", *, with_unsent: bool, with_copies: bool) -> Iterable[str]:
    """Removes it. Raises SetupError: it is in use, or has what only it has."""
    from anthrofs.store import state_removal
    from anthrofs.tree.left_state import look

    if one.mounted_on:
        raise SetupError(f"The state {printable(one.name)} is mounted on {printable(one.mounted_on)}: anthrofs umount "
                         f"{printable(one.mounted_on)}", EXIT_BUSY)
    path = Path(one.path)
    try:
        with state_removal.held(path):
            now = look(path)        # nobody changes it any more
            unsent, local = (0, 0) if with_unsent else (now.unsent_files, now.local)
            lost = _only_here(unsent, local, 0 if with_copies else now.copies, now.copy_bytes)
            if lost:
                words = [*(["--with-unsent"] if now.unsent_files or now.local else []),
                         *(["--with-copies"] if now.copies else [])]
                sent = " A mount of it sends what is not sent." if unsent else ""
                raise SetupError(f"The state {printable(one.name)} was not removed. Only there: {', '.join(lost)}."
                                 f"{sent} To remove it with that: anthrofs states remove {printable(one.name)} "
                                 f"{' '.join(words)}", EXIT_LEFT)
            strange = state_removal.remove(path)
    except OSError as exc:
        raise SetupError(f"The state {printable(one.name)} could not be removed: {exc.strerror} "
                         f"({printable(os.fsdecode(exc.filename or path))}). Mend that, and remove it again.") from exc
    freed = f"{printable(one.name)}: {shown_bytes(one.size_bytes)} freed"
    if now.deletions:
        freed += f"; {counted(now.deletions, 'file')} that were to be deleted stay on the server"
    return [freed, *(f"  stays, for it isn't anthrofs's: {printable(str(path / name))}" for name in strange)]


def counted(count: int, one: str, many: str = "") -> str:
    """1 file, 2 files"""
    return f"{count} {one if count == 1 else many or one + 's'}"
