"""The commands `anthrofs desktop …`: an entry in the desktop's menu, and what that starts.

Owns    two files below the user's directory for data: the entry and its icon.
Trusts  the desktop to show a folder that it is given (xdg-open, or gio).
Never   leaves a person without a word: what is started from a menu has no terminal, so an error is a notification, too.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from anthrofs.cli import output
from anthrofs.cli.again import program
from anthrofs.cli.syntax import COMMANDS, GROUPS, argument, command
from anthrofs.errors import EXIT_FAILED, EXIT_MISSING, EXIT_USAGE, SetupError
from anthrofs.fuse import mountpoint
from anthrofs.store.whole_file import put_whole
from anthrofs.text import printable

if TYPE_CHECKING:
    from anthrofs.settings.config_file import ConfigFile

GROUPS["desktop"] = "Have an entry in the desktop's menu, which mounts and shows your files."

MOUNT_S: Final = 900.0      # a first listing of a big workspace takes minutes
SHOW_S: Final = 10.0        # after which whoever shows the folder goes on without us


@command("desktop install")
def install() -> None:
    """Write the entry and its icon to where your desktop looks for them, with an action for each profile of your
    configuration. Do it again when those have changed.
    """
    from anthrofs.desktop.entry import entry, icon
    from anthrofs.settings.config_file import read_config

    profiles = sorted(read_config(os.environ).profiles)
    of_entry, of_icon = _places()
    _write(of_icon, icon())
    _write(of_entry, entry(program(), profiles, page="web" in COMMANDS).encode())
    output.show(str(of_entry), str(of_icon))
    if not profiles:
        output.show("Your configuration has no profile yet: `anthrofs init` makes one, which the entry then opens.")


@command("desktop remove")
def remove() -> None:
    """Remove what `install` has written."""
    for path in _places():
        gone = path.exists()
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            raise SetupError(f"{path} can't be removed: {exc.strerror}.", EXIT_FAILED) from exc
        output.show(f"{path}: {'removed' if gone else 'nothing was installed'}")


@command("desktop open", argument("profile", "A profile of your configuration; without it the one that there is.",
                                  count="?"))
def open_place(profile: str | None) -> None:
    """Mount a profile's directory, unless it is mounted, and show it in the file browser: what the entry does."""
    try:
        _show(_mounted(profile))
    except SetupError as exc:
        _tell(str(exc))
        raise


def _mounted(profile: str | None) -> Path:
    from anthrofs.settings.config_file import read_config
    from anthrofs.settings.precedence import directory_of

    file = read_config(os.environ)
    name = profile or _only(file)
    if name is None:
        return mountpoint.mounts()[0]
    where = directory_of(file, name)
    if name not in file.profiles or where is None:
        raise SetupError(f"There is no profile {printable(name)!r} with a directory in your configuration: `anthrofs "
                         "config show` has them.", EXIT_USAGE)
    if not mountpoint.is_mounted(where):
        _mount(name, where)
    return where


def _only(file: "ConfigFile") -> str | None:
    """The profile that is meant when none is named; None: the one mount that there is. Raises SetupError."""
    if len(file.profiles) == 1:
        return next(iter(file.profiles))
    if len(mountpoint.mounts()) == 1:
        return None
    if file.profiles:
        raise SetupError(f"Open which? Your profiles are {', '.join(map(printable, sorted(file.profiles)))}.",
                         EXIT_USAGE)
    raise SetupError("There is nothing to open yet: `anthrofs init`, in a terminal, makes a profile.", EXIT_USAGE)


def _mount(name: str, where: Path) -> None:
    import subprocess

    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SetupError(f"{where} can't be made: {exc.strerror}.", EXIT_USAGE) from exc
    try:
        done = subprocess.run([*program(), "mount", name], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              errors="replace", timeout=MOUNT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise SetupError(f"{printable(name)} could not be mounted: {exc}", EXIT_FAILED) from exc
    if done.returncode:
        said = done.stderr.strip().removeprefix("anthrofs: ")
        said = said or f"{printable(name)} could not be mounted: it said nothing"
        raise SetupError(said, done.returncode)


def _show(where: Path) -> None:
    """Raises SetupError, if nothing can."""
    import shutil
    import subprocess

    showing = next((words for words in (("xdg-open",), ("gio", "open")) if shutil.which(words[0])), None)
    if showing is None:
        raise SetupError(f"{where} is mounted; nothing here can show it: there is neither xdg-open nor gio. On Debian "
                         "and Ubuntu: sudo apt-get install xdg-utils", EXIT_MISSING)
    process = subprocess.Popen([*showing, where], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        code = process.wait(SHOW_S)
    except subprocess.TimeoutExpired:
        process.returncode = 0      # it is the browser itself: it lives on, and isn't ours to wait for
        return
    if code:
        raise SetupError(f"{where} is mounted; the desktop could not show it ({showing[0]} ended with {code}).",
                         EXIT_FAILED)


def _tell(text: str) -> None:
    from anthrofs.desktop.notifications import Notifications
    from anthrofs.desktop.session_bus import SessionBus, address_of

    if (address := address_of(os.environ)) is not None:
        desktop = Notifications(SessionBus(address))
        desktop.show("Anthropic Files", text, error=True)
        desktop.close()


def _places() -> tuple[Path, Path]:
    from anthrofs.desktop.entry import data_home, paths

    if (data := data_home(os.environ)) is None:
        raise SetupError("There is no home directory, so there is no menu of yours: set HOME.", EXIT_USAGE)
    return paths(data)


def _write(path: Path, content: bytes) -> None:
    """Whole, or not at all. Raises SetupError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put_whole(path, content, 0o644)
    except OSError as exc:
        raise SetupError(f"{path} can't be written: {exc.strerror}.", EXIT_FAILED) from exc
