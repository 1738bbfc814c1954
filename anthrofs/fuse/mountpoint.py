"""Mount points: whether one can be used, which are in use, and taking one away again.

Trusts  /proc/self/mountinfo and fusermount3.
Never   touches a mount of another program; imports at its head what only an unmount needs: most commands only look.
"""

import contextlib
import errno
import os
import re
import stat
import time
from pathlib import Path
from typing import Final, NamedTuple

from anthrofs.errors import EXIT_BUSY, EXIT_MISSING, EXIT_USAGE, SetupError
from anthrofs.fuse.clearing import alone
from anthrofs.fuse.patience import within

KIND: Final = "fuse.anthrofs"
SOURCE: Final = "anthrofs"          # what is mounted, as df and mount show it; with a colon and a name behind it, if it
                                    # has one
CAP_SYS_ADMIN: Final = 1 << 21      # as capabilities(7) counts
UNMOUNT_S: Final = 30
LOOK_S: Final = 5.0         # at a mount that may not answer
LINKS: Final = 40           # in a path, as for the kernel
BUSY_WAITS_S: Final = (0.05, 0.2, 0.5)      # a program that has just closed its files can keep them busy for a moment


def check(path: Path) -> None:
    """Raises SetupError: why nothing can be mounted there, and what to do."""
    if not _answers(path):
        raise SetupError(f"anthrofs is already mounted on {path}, and doesn't answer. What helps, this says: anthrofs "
                         f"umount {path}", EXIT_BUSY)
    try:
        entries = list(path.iterdir())
    except FileNotFoundError:
        raise SetupError(f"{path} does not exist. Make it: mkdir -p {path}", EXIT_USAGE) from None
    except NotADirectoryError:
        raise SetupError(f"{path} is not a directory. Choose an empty directory to mount on.", EXIT_USAGE) from None
    except OSError as exc:
        if exc.errno == errno.ENOTCONN:         # ours was cleared before
            raise SetupError(f"{path} holds the rest of another program's or user's mount that has ended (Transport "
                             f"endpoint is not connected). Clear it with: {unmounter()} -u {path}", EXIT_BUSY) from exc
        raise SetupError(f"{path} can't be read: {exc.strerror}.", EXIT_USAGE) from exc
    try:
        os.path.realpath(path).encode()         # as fusepy does, whatever the locale says
    except UnicodeEncodeError:
        raise SetupError(f"The path {os.path.realpath(path)!a} is not UTF-8: nothing can be mounted there. Rename what "
                         "is in its way, or choose another directory.", EXIT_USAGE) from None
    if is_mounted(path):
        raise SetupError(f"anthrofs is already mounted on {path}. Unmount it first: anthrofs umount {path}", EXIT_BUSY)
    if os.geteuid() and not _is_ours(path):
        raise SetupError(f"{path} isn't yours to mount on: you may not write to it. Choose a directory of your own.",
                         EXIT_USAGE)
    if entries:
        raise SetupError(f"{path} is not empty: mounting would hide what is in it. Choose an empty directory.",
                         EXIT_USAGE)


def _is_ours(path: Path) -> bool:
    """Whether this user may mount there, as fusermount sees it. A service of the machine's may mount without that one's
    help, and must not do it over anything else.
    """
    found = path.stat()
    shared = found.st_mode & stat.S_ISVTX and found.st_uid != os.geteuid()
    return os.access(path, os.W_OK, effective_ids=True) and not shared


def check_system() -> None:
    """Raises SetupError naming the package that is missing."""
    if not Path("/dev/fuse").exists():
        raise SetupError("/dev/fuse is missing: the kernel's fuse module is not loaded (sudo modprobe fuse), or this "
                         "is a container that wasn't given it (--device /dev/fuse --cap-add SYS_ADMIN). On Debian and "
                         "Ubuntu the package is fuse3.", EXIT_MISSING)
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise SetupError(f"/dev/fuse may not be opened by this user: {way_to(Path('/dev/fuse'))}", EXIT_MISSING)
    if _fusermount() is None:
        raise SetupError("fusermount3 is missing. On Debian and Ubuntu: sudo apt-get install fuse3", EXIT_MISSING)


def way_to(device: Path) -> str:
    """The command that lets this user open it."""
    import grp  # noqa: PLC0415 - see the head
    import pwd  # noqa: PLC0415 - see the head

    found = device.stat()
    if found.st_gid and found.st_mode & 0o060 == 0o060:     # its group may: a distribution's way
        with contextlib.suppress(KeyError):
            return (f"sudo usermod -aG {grp.getgrgid(found.st_gid).gr_name} {pwd.getpwuid(os.geteuid()).pw_name}   "
                    "# then log in again")
    return f"sudo chmod 666 {device}"


def refuse_others(asked: bool, conf: Path = Path("/etc/fuse.conf")) -> None:
    """Raises SetupError for -o allow_other where fusermount would refuse it."""
    if asked and os.geteuid() and not _mounts_itself() and not lets_others(conf):
        raise SetupError(f"allow_other needs a line in {conf}, which isn't there: echo user_allow_other | sudo tee -a "
                         f"{conf}", EXIT_USAGE)


def _mounts_itself() -> bool:
    """Whether the kernel lets this process mount (CAP_SYS_ADMIN, as the machine's services have): then libfuse asks no
    fusermount.
    """
    found = re.search(r"(?m)^CapEff:\s*([0-9a-f]+)", Path("/proc/self/status").read_text())
    return found is not None and bool(int(found[1], 16) & CAP_SYS_ADMIN)


def lets_others(conf: Path) -> bool:
    """Whether users of this machine may show their mounts to others."""
    try:
        text = conf.read_text(errors="replace")
    except OSError:
        return False
    return re.search(r"(?m)^[ \t]*user_allow_other\b", text) is not None


def mounts() -> list[Path]:
    """Where anthrofs is mounted, as the kernel says."""
    return [each.path for each in _entries()]


def source_of(label: str) -> str:
    """The name of a mount for everybody who looks at this machine's mounts. libfuse takes it in a list with commas."""
    return f"{SOURCE}:{re.sub(r'[^A-Za-z0-9@._-]', '_', label)}" if label else SOURCE


def source_at(path: Path) -> str:
    """The name of the mount right there; nothing, if there is none."""
    return next((each.source for each in reversed(_entries()) if each.path == path), "")


def named(label: str) -> Path | None:
    """Where a mount of this user with that name is. None: there is none, or there are several."""
    found = [each.path for each in _entries() if each.source == source_of(label) and not is_others(each.path)]
    return found[0] if len(found) == 1 else None


class _Entry(NamedTuple):
    """Something that is mounted, as the kernel says."""

    kind: str
    device: str             # the kernel's number of its file system
    path: Path
    source: str             # what it is called
    options: list[str]      # of the file system


def _entries() -> list[_Entry]:
    """Our mounts; what is on top comes last."""
    return [each for each in _all_entries() if each.kind == KIND]


def _all_entries() -> list[_Entry]:
    """Everything that is mounted, in the kernel's order."""
    found = []
    # paths are bytes; they hold no newline
    for line in os.fsdecode(Path("/proc/self/mountinfo").read_bytes()).split("\n"):
        before, _, after = line.partition(" - ")
        if after:
            _, _, device, _, path, *_ = before.split(" ")
            kind, source, options = [*after.split(" ", 2), "", ""][:3]
            found.append(_Entry(kind, device, Path(_unescaped(path)), _unescaped(source), options.split(",")))
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), text)


def device_of(path: Path) -> str | None:
    """The number of what is mounted right there: as long as that lives, nothing else has it. None: nothing is."""
    return next((each.device for each in reversed(_entries()) if each.path == path), None)


def place_of(device: str | None) -> Path | None:
    """Where it is now: a directory above may have been renamed. None: nowhere any more, though programs may still have
    files of it open.
    """
    return next((each.path for each in reversed(_entries()) if each.device == device), None)


def is_mounted(path: Path) -> bool:
    """Whether anthrofs is mounted right there."""
    # The kernel gives its list out page by page, and an entry can be skipped while another one goes: a no is asked
    # twice.
    return any(resolved(path) in mounts() for _ in range(2))


def resolved(path: Path) -> Path:
    """The path without links and dots, as os.path.realpath has it, but that no mount of anthrofs is looked at, nor what
    is in it: one that hangs would hold up whoever asks.
    """
    ours, links = frozenset(mounts()), 0
    if not ours:
        return Path(os.path.realpath(path))
    left = list(reversed((Path.cwd() / path).parts[1:]))
    here = Path("/")
    while left:
        name = left.pop()
        if name == "..":
            here = here.parent
            continue
        here /= name
        if any(each == here or each in here.parents for each in ours):
            continue
        try:
            target = here.readlink()
        except OSError:             # none; or it can't be known, as for realpath
            continue
        links += 1
        if links > LINKS:
            break
        left += reversed(target.parts[target.is_absolute():])
        here = Path("/") if target.is_absolute() else here.parent
    return here.joinpath(*reversed(left))


def around(path: Path) -> Path | None:
    """The mount that a resolved path is in; None: none of anthrofs."""
    found = [each for each in mounts() if each == path or each in path.parents]
    return max(found, key=lambda each: len(each.parts), default=None)


def is_there(path: Path) -> bool:
    """Whether something is. So is what can't be looked at, like the rest of a mount that was killed, or what hangs."""
    try:
        place = resolved(path)
        if (root := around(place)) is None or (place != root and _answers(root)):
            path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        pass
    return True


def _answers(path: Path) -> bool:
    """Whether a look at what is mounted there comes back, if something of anthrofs is."""
    if not is_mounted(path):
        return True
    try:
        return within(lambda: _looked_at(path), LOOK_S) is not None
    except OSError:
        return True


def _looked_at(path: Path) -> bytes:
    os.statvfs(path)        # the kernel answers lstat by itself for as long as it was told, whoever has ended
    return b""


def kind_of(path: Path) -> str:
    """The kind of file system that a directory is on; empty when the kernel doesn't tell."""
    place = resolved(path)
    found = [(len(at.parts), kind) for kind, _, at, *_ in _all_entries() if at in (place, *place.parents)]
    return max(reversed(found), key=lambda each: each[0], default=(0, ""))[1]


def mounts_at_a_look(path: Path) -> bool:
    """Whether there is nothing yet but systemd's, or autofs's, word that something is mounted at the first look."""
    place = resolved(path)
    top = next((each for each in reversed(_all_entries()) if each.path == place), None)
    return top is not None and top.kind == "autofs"


def is_dead(path: Path) -> bool:
    """Whether right there, on top, is what is left of a mount of this user's whose program has ended."""
    top = next((each for each in reversed(_all_entries()) if each.path == path), None)
    if top is None or top.kind != KIND or f"user_id={os.geteuid()}" not in top.options:
        return False
    try:
        within(lambda: _looked_at(path), LOOK_S)
    except OSError as exc:
        return exc.errno == errno.ENOTCONN
    return False


def clear_dead(path: Path) -> bool:
    """Takes what is left of a mount of ours away, so that its directory can be used. Programs that had files open there
    lose nothing by that: each call was an error already. False: there is no such mount. Raises SetupError.
    """
    place = resolved(path)
    if not is_dead(place):
        return False
    with alone(place.parent, UNMOUNT_S):      # else the mount that another has just made there could be taken for it
        if is_dead(place):
            unmount(place, lazy=True)
    return True


def is_others(path: Path) -> bool:
    """Whether what is mounted there is another user's, and isn't ours to ask: the kernel lets nobody else in, not even
    root, unless it has allow_other; and its state is that user's and root's.
    """
    place = resolved(path)
    top = next((each for each in reversed(_entries()) if each.path == place), None)
    return top is not None and f"user_id={os.geteuid()}" not in top.options and (
        os.geteuid() != 0 or "allow_other" not in top.options)


def owner_of(path: Path) -> int:
    """The number of the user whose mount is there; of nobody's, -1."""
    top = next((each for each in reversed(_entries()) if each.path == path), None)
    return next((int(each[8:]) for each in (top.options if top else ()) if each.startswith("user_id=")), -1)


def unmount(path: Path, *, lazy: bool = False) -> None:
    """Raises SetupError: a program has something open there, or the system says no."""
    import subprocess  # noqa: PLC0415 - see the head

    command = [_fusermount() or "fusermount3", "-u", *(["-z"] if lazy else []), str(path)]
    for wait_s in (*BUSY_WAITS_S, None):
        try:
            # Of our environment, which may hold a key, it needs nothing else.
            done = subprocess.run(command, capture_output=True, text=True, timeout=UNMOUNT_S, check=False,
                                  env={"PATH": os.environ.get("PATH", os.defpath)})
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise SetupError(f"{path} could not be unmounted: {exc}") from exc
        if done.returncode == 0:
            return
        words = done.stderr.strip()
        busy = "busy" in words.lower()
        if not busy or wait_s is None:
            break
        time.sleep(wait_s)
    if busy:
        from anthrofs.fuse.holders import held_by  # noqa: PLC0415 - see the head

        raise SetupError(f"{path} is in use: close the files and leave the directories there, then try again "
                         f"({held_by(device_of(path)) or f'who: fuser -vm {path}'}), or detach it now with: anthrofs "
                         f"umount --lazy {path}", EXIT_BUSY)
    raise SetupError(f"{path} could not be unmounted: {words or done.returncode}")


def unmounter() -> str:
    """The name of the command that takes a mount away, as a person would type it."""
    return Path(_fusermount() or "fusermount3").name


def _fusermount() -> str | None:
    import shutil  # noqa: PLC0415 - see the head

    return shutil.which("fusermount3") or shutil.which("fusermount")
