"""FUSE on this machine, and the packages that anthrofs needs: whether something can be mounted at all.

Trusts  the kernel for whether /dev/fuse can be opened, rather than its mode.
Never   mounts anything.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from anthrofs.doctor.finding import BAD, GOOD, HINT, Finding, Patient
from anthrofs.errors import SetupError
from anthrofs.fuse import binding, mountpoint

FUSE: Final = "fuse"
NO_MOUNT: Final = "Without it nothing can be mounted."
CONTAINER: Final = "start the container with: --device /dev/fuse --cap-add SYS_ADMIN --security-opt apparmor=unconfined"


def look_at_device(patient: Patient) -> Iterator[Finding]:
    """The kernel's side of FUSE."""
    path = patient.at("/dev/fuse")
    contained = _is_container(patient)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK))
    except FileNotFoundError:
        yield Finding(FUSE, BAD, "/dev/fuse is missing: the kernel's module isn't loaded"
                      + (", or this container wasn't given it." if contained else "."), NO_MOUNT,
                      CONTAINER if contained else "sudo modprobe fuse")
    except OSError as exc:
        refused = exc.errno in (errno.EPERM, errno.EACCES)
        yield Finding(FUSE, BAD, f"/dev/fuse can't be opened: {exc.strerror}.", NO_MOUNT,
                      CONTAINER if contained and refused else mountpoint.way_to(path) if refused
                      else "sudo modprobe fuse")
    else:
        yield Finding(FUSE, GOOD, "/dev/fuse can be opened.")


def look_at_fusermount(patient: Patient) -> Iterator[Finding]:
    """The program that mounts for who isn't root."""
    found = patient.which("fusermount3", "fusermount")
    if found is None:
        yield Finding(FUSE, BAD, "fusermount3 is missing.", "It mounts and unmounts for you.",
                      "sudo apt-get install fuse3")
        return
    now = found.stat()
    if os.geteuid() and not (now.st_mode & stat.S_ISUID and now.st_uid == 0):
        yield Finding(FUSE, BAD, f"{found} isn't set-uid root.", "So it may not mount for you.",
                      f"sudo chown root {found} && sudo chmod u+s {found}")
    else:
        yield Finding(FUSE, GOOD, f"{found} is there.")


def look_at_libraries(patient: Patient) -> Iterator[Finding]:
    """The library that carries the kernel's requests, and the packages."""
    try:
        library = binding.load(patient.environ.get("ANTHROFS_BINDING", ""))
    except (SetupError, OSError) as exc:
        words, _, command = str(exc).partition(" On Debian and Ubuntu: ")
        yield Finding("libraries", BAD, words, NO_MOUNT, command or "sudo apt-get install fuse3")
    else:
        tested = ".".join(library.VERSION.split(".")[:2]) in binding.TESTED
        yield Finding("libraries", GOOD if tested else HINT, f"libfuse {library.VERSION}, through {library.NAME}"
                      + ("." if tested else f": not a version that was tested ({', '.join(sorted(binding.TESTED))})."))
    missing = [name for name in _needed() if not _is_there(name)]
    if missing:
        yield Finding("libraries", BAD, f"Packages of Python are missing: {', '.join(missing)}.",
                      "Some commands will say so in the middle of their work.", f"pip install {' '.join(missing)}")


def look_at_rights(patient: Patient) -> Iterator[Finding]:
    """The limits that a system sets to mounts of its users."""
    allows = mountpoint.lets_others(patient.at("/etc/fuse.conf"))
    if os.geteuid() and not allows:
        yield Finding("rights", HINT, "Mounts of yours can't be shown to other users.",
                      "-o allow_other needs a line in /etc/fuse.conf.",
                      "echo user_allow_other | sudo tee -a /etc/fuse.conf")
    else:
        yield Finding("rights", GOOD, "-o allow_other may be used"
                      + ("." if allows else ", by root, which needs nothing for it."))
    enabled = _text(patient.at("/sys/module/apparmor/parameters/enabled")).strip() == "Y"
    profile = next((patient.at(f"/etc/apparmor.d/{name}") for name in ("fusermount3", "fusermount")
                    if patient.at(f"/etc/apparmor.d/{name}").exists()), None)
    if enabled and profile is not None:
        yield Finding("rights", HINT, f"AppArmor confines fusermount here ({profile}): to directories below your home, "
                      "/mnt, /media, /tmp and /run/user, as distributions have it.",
                      "A mount elsewhere ends with 'Permission denied'.",
                      "mount below your home, or add a line to /etc/apparmor.d/local/fusermount3")


def _is_container(patient: Patient) -> bool:
    return any(patient.at(path).exists() for path in ("/.dockerenv", "/run/.containerenv", "/run/systemd/container"))


def _needed() -> list[str]:
    try:
        needs = metadata.requires("anthrofs") or []
    except metadata.PackageNotFoundError:
        return []
    return [match[0] for need in needs if "extra ==" not in need and (match := re.match(r"[A-Za-z0-9._-]+", need))]


def _is_there(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
