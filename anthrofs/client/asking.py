"""The mount that a path is in, and what that mount answers.

Trusts  the kernel: a mount's root tells where its state directory is, and so its control socket. Before that is looked
        at, the socket says that its process goes on: a look at a mount that hangs never comes back.
Never   prints: what can't be had is a SetupError, with the words.
"""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from anthrofs.attribute_names import CONTROL, FILE_ID, STATE
from anthrofs.client import control_client
from anthrofs.client.known_states import known_states, last_place, last_process
from anthrofs.client.mount_again import mount_there_again
from anthrofs.daemon.control_address import NAME
from anthrofs.errors import EXIT_FAILED, EXIT_LEFT, EXIT_USAGE, SetupError
from anthrofs.fuse import mountpoint
from anthrofs.fuse.patience import within
from anthrofs.state_place import states_root
from anthrofs.text import printable

ANSWER_S: Final = 700.0     # the longest silence of a mount that is asked for something: longer than a download's first
                            # byte may take
FIRST_LOOK_S: Final = 0.02  # then twice as long each time: between looks for an id that an upload will bring
LOOKS_S: Final = 0.2        # at most
HEAR_S: Final = 5.0         # a mount that lives knows by itself where it is
MOVING: Final = ("waiting", "uploading", "sent")        # how the states begin in which a file's upload is under way

Tell = Callable[[Path, str, dict[str, Any]], None]


class Mounts:
    """Mounts that were found before: as long as the kernel has them there, they are found without a look at them. A
    look has a mount ask the service for news, and so do looks again and again for as long as they go on.
    """

    def __init__(self) -> None:
        self._found = dict[Path, tuple[str, Path, Path]]()      # by what was asked for: the kernel's number, then both

    def around(self, directory: Path) -> tuple[Path, Path]:
        """As `mount_of`."""
        if (before := self._found.get(directory)) is not None:
            device, root, state_dir = before
            if mountpoint.device_of(root) == device:
                return root, state_dir
        root, state_dir = mount_of(directory)
        if (number := mountpoint.device_of(root)) is not None:
            self._found[directory] = (number, root, state_dir)
        return root, state_dir


def ask_all(directory: Path | None, op: str, known: Mounts | None = None,
            **values: Any) -> tuple[dict[Path, dict[str, Any]], list[str]]:
    """The answers of the mount on a directory, or of all mounts of this user, by their mount points; and why others of
    them gave none. `known`: those of the looks before.

    Raises SetupError when the one gives none.
    """
    answers, silent = {}, []
    for path in [directory] if directory else mountpoint.mounts():
        try:
            root, state_dir = mount_of(path) if known is None else known.around(path)
            answers[root] = control_client.only(state_dir, op, **values)
        except SetupError as exc:
            if directory:
                raise
            if mountpoint.is_mounted(path) and not mountpoint.is_others(path):      # else it was unmounted since
                silent.append(str(exc))
    return answers, silent


def state_dir(directory: Path) -> Path:
    """The state directory of the mount that a path is in."""
    return mount_of(directory)[1]


def decide(op: str, path: Path, **values: Any) -> dict[str, Any]:
    """The one answer of a mount that is asked for something about a path in it."""
    return next(answers(op, path, patience_s=30, **values))


def each(op: str, paths: list[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The answers for each of them. What failed is raised at the end, together."""
    failed = list[SetupError]()
    for path in paths:
        try:
            for answer in answers(op, path):
                yield path, answer
        except SetupError as exc:
            failed.append(exc)
    if failed:
        raise SetupError("\n".join(map(str, failed)), failed[0].exit_code)


def answers(op: str, path: Path, *, patience_s: float = ANSWER_S, **values: Any) -> Iterator[dict[str, Any]]:
    """All that a mount says of a path in it."""
    root, state_dir = mount_of(path)
    return control_client.ask(state_dir, op, patience_s=patience_s, path=below(root, path), **values)


def below(root: Path, path: Path) -> str:
    """As the mount names it; its root is nothing."""
    below = os.path.relpath(os.path.realpath(path), root)
    return "" if below == "." else below


def mount_of(directory: Path) -> tuple[Path, Path]:
    """(mount point, state directory) of the mount on, or around, a path. Raises SetupError."""
    path = mountpoint.resolved(directory)
    if (around := mountpoint.around(path)) is not None:
        if mountpoint.is_others(around):
            raise _of_another(around)
        if (found := _state_of(around)) is not None and path == around:
            return around, found
        path = Path(os.path.realpath(directory))        # it answers
    for place in (path, *path.parents):
        try:
            said = os.getxattr(place, CONTROL)
            if mountpoint.is_mounted(place):        # else anybody can give a directory of theirs that attribute
                return place, Path(os.fsdecode(said))
        except OSError as exc:
            if exc.errno == errno.ENOTCONN:
                root = next((each for each in (place, *place.parents) if each in mountpoint.mounts()), place)
                shown = printable(str(root))
                raise SetupError(f"{shown} holds the rest of a mount whose program has ended. What it had not sent is "
                                 f"kept. Mount it again: {mount_there_again(root)}, or only clear it: anthrofs "
                                 f"umount {shown}", EXIT_FAILED) from exc
            if exc.errno == errno.ENOENT:
                raise SetupError(f"{printable(str(place))} does not exist.", EXIT_USAGE) from exc
    raise SetupError(f"{printable(str(directory))} is not in a mount of anthrofs.", EXIT_USAGE)


def _state_of(root: Path) -> Path | None:
    """The state directory of the mount there, found without a look at it. None: there is none that its process tells
    of, as in another user's states; but it answers. Raises Silent.
    """
    device, hung = mountpoint.device_of(root), None
    for state_dir in known_states(states_root(os.environ)):
        if last_place(state_dir) == root and os.path.lexists(state_dir / NAME):
            try:
                if control_client.only(state_dir, "where", patience_s=HEAR_S)["device"] == device:
                    return state_dir
            except control_client.Silent:
                hung = state_dir
            except SetupError:      # it has ended; or is of an earlier version, which doesn't tell
                pass
    with contextlib.suppress(OSError):          # said by the look that follows
        if hung is not None or within(lambda: os.getxattr(root, CONTROL), HEAR_S) is None:
            raise _hangs(root, hung)
    return None


def _hangs(root: Path, state_dir: Path | None) -> control_client.Silent:
    shown = printable(str(root))
    pid = None if state_dir is None else last_process(state_dir)
    if state_dir is None or pid is None:
        return control_client.Silent(f"{shown} doesn't answer: its process is stopped, or hangs. End that (ps -C "
                                     f"anthrofs), then: anthrofs umount {shown}. What it has not sent is kept.")
    return control_client.Silent(f"{shown} doesn't answer: its process ({pid}) is stopped, or hangs, as anthrofs.log "
                                 f"in {printable(str(state_dir))} may tell. If it is stopped: kill -CONT {pid}. Else "
                                 f"end it: kill -9 {pid}; anthrofs umount {shown}. What it has not sent is kept, and "
                                 "the next mount sends it.")


def _of_another(root: Path) -> SetupError:
    import pwd  # noqa: PLC0415 - most mounts are one's own

    number = mountpoint.owner_of(root)
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = f"#{number}"
    shown = printable(str(root))
    return SetupError(f"The mount on {shown} is another user's ({name}), whom alone it answers. Ask as that one: sudo "
                      f"-u {name} anthrofs …", EXIT_USAGE)


def mount_around(path: Path) -> tuple[Path, Path]:
    """The same for a path that may be there no more: of what is left of it."""
    left = path
    while not mountpoint.is_there(left) and left != left.parent:
        left = left.parent
    try:
        return mount_of(left)
    except SetupError as exc:
        if left != path and exc.exit_code == EXIT_USAGE:
            raise SetupError(f"{printable(str(path))} does not exist.", EXIT_USAGE) from exc
        raise


def await_end(path: Path, until_s: float, tell: Tell) -> str:
    """The state of a file once it doesn't change by itself any more, or when the time (monotonic) is over.

    `tell` gets the path, the state, and why what waits does so, again and again. Raises SetupError for what is no file
    of a mount.
    """
    look_s = FIRST_LOOK_S
    while True:
        state = _attribute(path, STATE)
        if not state.startswith(MOVING) or time.monotonic() >= until_s:
            return state
        why: dict[str, Any] = {}
        if state == "waiting":
            with contextlib.suppress(SetupError):       # a mount of an earlier version, or another user's
                why = control_client.only(state_dir(path), "hurry")
        tell(path, state, why)
        time.sleep(look_s)
        look_s = min(2 * look_s, LOOKS_S)


def id_of(path: Path, state: str, waited_s: float, why: Iterable[str] = ()) -> str:
    """The id of a file that has this state. Raises SetupError when it has none; `why` it waits is said then."""
    if state.startswith("remote"):
        return _attribute(path, FILE_ID)
    shown = printable(str(path))
    if state.startswith(MOVING):
        raise SetupError(f"{shown} has no id after {waited_s:.0f} s: {'; '.join([state, *why])}.", EXIT_LEFT)
    raise SetupError(f"{shown} has no id: {state}.")


def _attribute(path: Path, name: str) -> str:
    try:
        return os.fsdecode(os.getxattr(path, name))
    except OSError as exc:
        shown = printable(str(path))
        if exc.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            raise SetupError(f"{shown} is not a file in a mount of anthrofs.", EXIT_USAGE) from exc
        if exc.errno == errno.ENOTCONN:
            mount_of(path)          # raises what helps
        raise SetupError(f"{shown}: {os.strerror(exc.errno or 0)}.", EXIT_USAGE) from exc
