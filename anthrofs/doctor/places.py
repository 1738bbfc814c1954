"""Mounts: those that serve, that hang, that were killed, and that were detached.

Trusts  the kernel for what is mounted. A mount is asked with patience for some seconds.
Never   takes a living mount away.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from anthrofs.client import asking, control_client
from anthrofs.client.detached import every_detached
from anthrofs.client.mount_again import mount_there_again
from anthrofs.doctor.finding import BAD, GOOD, HINT, Finding, Patient
from anthrofs.errors import SetupError
from anthrofs.fuse import mountpoint
from anthrofs.text import printable

MOUNTS: Final = "mounts"
ANSWER_S: Final = 5.0       # a mount that lives knows its status by itself
DEAD: Final = "its program has ended"
HANGS: Final = "it doesn't answer"
OTHERS: Final = "it is another user's"


def look_at_mounts(_patient: Patient) -> Iterator[Finding]:
    """Each of this user's."""
    places = list(dict.fromkeys(mountpoint.mounts()))
    for place in places:
        yield from _mount(place)
    for gone in every_detached():
        yield Finding(MOUNTS, HINT, f"{gone.why()}.", mend=f"anthrofs umount {printable(str(gone.mountpoint))}")
    if not places:
        yield Finding(MOUNTS, GOOD, "Nothing is mounted.")


def _mount(place: Path) -> Iterator[Finding]:
    shown = printable(str(place))
    said = answer_of(place)
    if said == DEAD:
        yield Finding(MOUNTS, BAD, f"{shown} holds the rest of a mount whose program has ended.",
                      "What it had not sent is kept.",
                      f"{mount_there_again(place)}, or only to clear it: anthrofs umount {shown}",
                      fix=lambda: _clear(place))
        return
    if said == HANGS:
        yield Finding(MOUNTS, BAD, f"The mount on {shown} doesn't answer.", "Programs that look into it may hang.",
                      f"see anthrofs.log in its state; then: fusermount3 -u -z {shown}")
    elif isinstance(said, str):
        if said != OTHERS:
            yield Finding(MOUNTS, BAD, f"The mount on {shown} can't be asked: {said}", mend=f"anthrofs status {shown}")
    else:
        troubles = list(_troubles(said, shown))
        yield from troubles or [Finding(MOUNTS, GOOD, f"The mount on {shown} answers: {said.get('files', 0)} files, "
                                        f"{len(said.get('waiting', ()))} waiting to be sent.")]


def _troubles(said: dict[str, Any], shown: str) -> Iterator[Finding]:
    before = f"The mount on {shown}"
    if said.get("state_error"):
        yield Finding(MOUNTS, BAD, f"{before} can change and send nothing: {said['state_error']}.",
                      "Somebody has moved or removed its state.", "move it back")
    if count := len(said.get("failed", ())):
        yield Finding(MOUNTS, BAD, f"{before} has {count} files that were refused.", "They are kept here only.",
                      f"anthrofs status {shown}; then anthrofs retry PATH, or anthrofs discard PATH")
    for closed in said.get("closed", ()):
        yield Finding(MOUNTS, BAD, f"{before} can't go on now: {closed['reason']}.",
                      "It tries again by itself.", _way(closed["reason"], shown))
    for busy in said.get("busy", ()):
        yield Finding(MOUNTS, HINT, f"{before} waits: the service takes no {busy['for']} now: {busy['reason']}.",
                      "It tries again by itself.")
    if said.get("disk_low"):
        yield Finding(MOUNTS, BAD, f"{before} runs out of disk: uploads are no longer kept readable.",
                      "The service gives uploads back to nobody.", f"anthrofs free PATH; anthrofs status {shown}")


def _way(reason: str, shown: str) -> str:
    """The command that opens it, or what has to be done before."""
    again = f"anthrofs retry --all {shown}"
    if "(HTTP 401" in reason:
        return f"give it a valid key (anthrofs config show says where it is read); then: {again}"
    return f"when that is mended, or at once: {again}"


def answer_of(place: Path) -> dict[str, Any] | str:
    """The status of a mount, or why there is none: DEAD, HANGS, OTHERS, or a sentence."""
    if mountpoint.is_dead(place):
        return DEAD
    if mountpoint.is_others(place):
        return OTHERS
    try:
        return control_client.only(asking.state_dir(place), "status", patience_s=ANSWER_S)
    except control_client.Silent:
        return HANGS
    except SetupError as exc:
        return str(exc)


def _clear(place: Path) -> None:
    mountpoint.clear_dead(place)
