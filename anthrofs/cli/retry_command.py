"""The command `anthrofs retry`.

Owns    what is told of what became of the files: on the server, refused again, or still on their way.
"""

import json
import time
from pathlib import Path
from typing import Any

from anthrofs.cli import output
from anthrofs.cli.common_options import JSON, TIMEOUT
from anthrofs.cli.draining import rows, tell_state
from anthrofs.cli.syntax import argument, command, flag
from anthrofs.cli.teller import Teller
from anthrofs.client import asking
from anthrofs.errors import EXIT_FAILED, EXIT_LEFT, EXIT_USAGE, SetupError
from anthrofs.text import printable

# What becomes of a file.
SENT, REFUSED, WAITING, LACKING = "sent", "refused", "waiting", "lacking"


@command("retry", argument("paths", "Files, or directories with all that was refused in them.", Path, count="*"),
         flag("--all", "everything", "Everything that was refused in the mount, of the path or of this directory."),
         flag("--as-is", "as_is", "Also what isn't whole, because a write was refused."), TIMEOUT, JSON)
def retry(paths: list[Path], everything: bool, as_is: bool, timeout: float, as_json: bool) -> None:
    """Send again what was refused, and wait for what becomes of it; try at once what waits."""
    if not (paths or everything):
        raise SetupError("Which? Name files or directories, or say --all.", EXIT_USAGE)
    chosen = [asking.mount_of(path)[0] for path in paths or [Path()]] if everything else paths
    became: dict[str, dict[str, str]] = {SENT: {}, REFUSED: {}, WAITING: {}, LACKING: {}}
    until_s = time.monotonic() + timeout
    with Teller("sending again") as teller:
        for path in chosen:
            root, answer = asking.mount_of(path)[0], asking.decide("retry", path, as_is=as_is)
            # a mount of an earlier version doesn't tell
            became[LACKING] |= dict.fromkeys(answer.get("lacking", ()), "a write was refused: it isn't the whole file")
            for number, shown in enumerate(answer["paths"]):
                def tell(path: Path, state: str, why: dict[str, Any], shown: str = shown,
                         behind: int = len(answer["paths"]) - number - 1) -> None:
                    words = f"{shown}{f' and {behind} more' if behind else ''}"
                    tell_state(teller, path, f"sending {words} again", state, why)
                kind, words = outcome(root / shown, until_s, tell)
                became[kind][shown] = words
                if kind == SENT and not as_json:
                    with teller.aside():
                        output.show(f"{shown} is on the server: {words}")
    if as_json:
        output.put(json.dumps(became))
    elif not (became[SENT] or became[REFUSED] or became[WAITING]):
        output.put("Nothing was refused there; what waits is tried now." if not became[LACKING]
                   else "Nothing is sent again.")
    complain(became)


def outcome(path: Path, until_s: float, tell: asking.Tell) -> tuple[str, str]:
    """Says what became of a file that is sent again, and its id, the reason, or its state."""
    try:
        state = asking.await_end(path, until_s, tell)
        if state.startswith("remote"):
            return SENT, asking.id_of(path, state, 0)
    except SetupError as exc:           # removed or renamed meanwhile
        return WAITING, str(exc)
    kind, _, reason = state.partition(": ")
    return (REFUSED, reason) if kind == "failed" else (WAITING, state)


def complain(became: dict[str, dict[str, str]]) -> None:
    """Raises SetupError, if not all of it has arrived."""
    said = list[SetupError]()
    if became[REFUSED]:
        said.append(SetupError("Refused again, and kept on this machine (anthrofs discard PATH gives it up):"
                               + rows(f"{shown}: {words}" for shown, words in became[REFUSED].items()), EXIT_FAILED))
    if became[LACKING]:
        said.append(SetupError("Not sent, for a write was refused and so it isn't the whole file: "
                               + ", ".join(map(printable, became[LACKING])) +
                               ". Write it anew, give it up (anthrofs discard), or send it as it is (--as-is).",
                               EXIT_FAILED))
    if became[WAITING]:
        said.append(SetupError("Sent again, and not on the server yet (this mount or the next one goes on):"
                               + rows(f"{shown}: {words}" for shown, words in became[WAITING].items()), EXIT_LEFT))
    if said:
        raise SetupError("\n".join(map(str, said)), said[0].exit_code)
