"""Deeds: what a click on the page has a mount do.

Trusts  the mount to refuse what can't be.
Never   gives up anything but what the person has seen: a file that has changed since is left alone.
"""

from typing import Any, Final

from anthrofs.client import control_client
from anthrofs.errors import SetupError
from anthrofs.text import printable
from anthrofs.web.watcher import Seen

HELD_S: Final = 60.0        # between two words of a mount that adds up many files


def retry(mount: Seen, path: str, *, as_is: bool) -> str:
    """Sends again what was refused: a file, or all with an empty path. Returns words. Raises SetupError."""
    answer = control_client.only(mount.state_dir, "retry", path=path, as_is=as_is)
    sent, lacking = answer["paths"], answer.get("lacking", ())
    if lacking:
        raise SetupError(f"{_names(lacking)} isn't whole, for a write was refused: write it anew, discard it, or send "
                         "it as it is.")
    if not sent:
        return "Nothing was refused there; what waits is tried now."
    return f"{_names(sent)} {'is' if len(sent) == 1 else 'are'} sent again."


def discard(mount: Seen, path: str, reason: str) -> str:
    """Gives up what is unsent of a file that was refused for this reason. Returns words. Raises SetupError."""
    failed = control_client.only(mount.state_dir, "status")["failed"]
    if not any(entry["path"] == path and printable(str(entry["reason"])) == reason for entry in failed):
        raise SetupError(f"{printable(path)} has changed since: look again before it is given up.")
    answer = control_client.only(mount.state_dir, "discard", path=path)
    return f"{printable(path)}: {printable(str(answer['now']))}."


def held(mount: Seen) -> dict[str, Any]:
    """Asks how much of each folder is on this machine's disk. Raises SetupError."""
    *_, found = [{"folders": [], "more": 0}, *control_client.ask(mount.state_dir, "held", patience_s=HELD_S)]
    return {"folders": [{**each, "shown": printable(each["path"])} for each in found["folders"]],
            "more": found["more"]}


def _names(paths: list[str]) -> str:
    return printable(paths[0]) if len(paths) == 1 else f"{len(paths)} files: {', '.join(map(printable, paths[:3]))}" + (
        ", …" if len(paths) > 3 else "")
