"""States, and the disks that they are on.

Never   opens a state that a mount uses, and removes nothing: `anthrofs states remove` does, when a person says so.
"""

import os
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from anthrofs.client.known_states import known_states
from anthrofs.client.mount_again import mount_again
from anthrofs.client.state_pictures import StatePicture, picture
from anthrofs.doctor.finding import BAD, GOOD, HINT, Finding, Patient
from anthrofs.fuse.mountpoint import kind_of
from anthrofs.state_place import states_root
from anthrofs.text import printable

STATES: Final = "states"
SPARE_BYTES: Final = 512 * 2**20        # that writes leave free, see Config.spare_bytes
OLD_DAYS: Final = 90
# Whose locks and syncs are another machine's word.
NETWORK: Final = frozenset({"9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
                            "glusterfs", "lustre", "nfs", "nfs4", "smb3", "smbfs", "virtiofs"})
MEMORY: Final = frozenset({"ramfs", "tmpfs"})


def look_at_states(patient: Patient) -> Iterator[Finding]:
    """Each state, and the disk below it."""
    root = states_root(patient.environ)
    if root is None:
        yield Finding(STATES, BAD, "There is no home directory to keep states in.",
                      "A mount keeps there what isn't sent yet.", "export HOME=… (or XDG_STATE_HOME)")
        return
    yield from _root(root, patient.environ)
    found = list(known_states(root))
    for path in found:
        yield from _state(path, root)
    for directory in dict.fromkeys([_there(root), *(path.parent for path in found if path.parent != root)]):
        yield from _disk(directory)
    noted = root / "unexpected.log"
    if noted.exists():
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(noted.stat().st_mtime))
        yield Finding(STATES, HINT, f"Something that anthrofs didn't expect was noted in {noted}, last on {day}.",
                      "It is a fault of anthrofs that somebody should know of.", "anthrofs doctor --bundle FILE")


def _root(root: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    nearest = _there(root)
    if not nearest.is_dir():
        yield Finding(STATES, BAD, f"{nearest} is a file, where the directory of the states is to be.",
                      "No mount can begin.", f"mv {nearest} {nearest}.away")
    elif os.statvfs(nearest).f_flag & os.ST_RDONLY:
        return              # its disk's finding says it
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield Finding(STATES, BAD, f"{nearest} can't be written to by you.", "No new mount can begin.",
                      _way_out(nearest, environ.get("HOME", "")))
    else:
        yield Finding(STATES, GOOD, f"States are kept in {root}.")


def _way_out(directory: Path, home: str) -> str:
    """Returns what lets this user write there. Only what is in a home of theirs may become theirs."""
    user = os.geteuid()
    if user == 0:
        return "choose another with XDG_STATE_HOME, or --state-dir"
    if directory.stat().st_uid == user:
        return f"chmod u+rwx {shlex.quote(str(directory))}"
    if home.startswith("/") and Path(home) in directory.parents and Path(home).stat().st_uid == user:
        return f"sudo chown -R {user} {shlex.quote(str(directory))}"
    return "export HOME=…   # a directory of yours; or XDG_STATE_HOME"


def _state(path: Path, root: Path) -> Iterator[Finding]:
    shown = printable(str(path))
    try:
        now = path.stat()
        one = picture(path, root)
    except OSError as exc:
        yield Finding(STATES, BAD, f"The state {shown} can't be looked at: {exc.strerror}.", mend=f"ls -ld {shown}")
        return
    if now.st_uid != os.geteuid():
        yield Finding(STATES, BAD, f"The state {shown} belongs to another user.", "A mount won't use it.",
                      f"sudo chown -R {os.geteuid()} {shown}")
    elif now.st_mode & 0o077:
        yield Finding(STATES, BAD, f"Others can look into the state {shown}.", "Contents of files are in there.",
                      f"chmod 700 {shown}", fix=lambda: path.chmod(0o700))
    if not one.readable:
        yield Finding(STATES, BAD, f"The database of the state {shown} can't be read.",
                      "It may be damaged, or a newer version's.", f"anthrofs check --state-dir {shown}")
        return
    yield from _rest(one, shown)


def _rest(one: StatePicture, shown: str) -> Iterator[Finding]:
    """A state that nobody mounts."""
    if one.in_use:
        return
    days = (time.time() - one.last_used) / 86400
    if one.unsent:
        place = Path(one.last_mounted_on) if one.last_mounted_on else None
        yield Finding(STATES, HINT, f"{one.unsent} files of the state {shown} aren't on the server, and it isn't "
                      "mounted.", "They are kept, and wait for a mount.", mount_again(Path(one.path), place))
    elif days > OLD_DAYS and not one.losses:
        yield Finding(STATES, HINT, f"The state {shown} was not used for {days:.0f} days, and has nothing that only it "
                      "has.", "It takes room.", f"anthrofs states remove {printable(one.name)}")


def _disk(directory: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(directory).free
    now = os.statvfs(directory)
    if now.f_flag & os.ST_RDONLY:
        yield Finding("disk", BAD, f"The disk of {directory} is read-only.", "No mount can begin there.",
                      f"mount -o remount,rw {directory}   # or see dmesg for why")
    elif free < SPARE_BYTES:
        yield Finding("disk", BAD, f"The disk of {directory} has {free // 2**20} MiB left.",
                      f"Writes fail with ENOSPC, so that {SPARE_BYTES // 2**20} MiB stay free.",
                      "anthrofs free PATH; anthrofs states")
    elif now.f_files and not now.f_favail:
        yield Finding("disk", BAD, f"The disk of {directory} has no inode left.", "No file can be made there.",
                      f"df -i {directory}")
    else:
        yield Finding("disk", GOOD, f"The disk of {directory} has {free / 1e9:.1f} GB left.")
    kind = kind_of(directory)
    if kind in MEMORY:
        yield Finding("disk", BAD, f"{directory} is in memory ({kind}).",
                      "What waits to be sent, and the copies of your uploads, are gone when the power is.",
                      "choose a disk with XDG_STATE_HOME, or --state-dir")
    elif kind in NETWORK:
        yield Finding("disk", HINT, f"{directory} is on another machine ({kind}).",
                      "That machine's word is what a close promises, and its locks keep two mounts apart.",
                      "choose a disk of this machine with XDG_STATE_HOME, or --state-dir")


def _there(path: Path) -> Path:
    """The path itself, or the nearest above it that exists."""
    return next(each for each in (path, *path.parents) if each.exists())
