"""The commands `anthrofs service …`: a mount that systemd starts, and what mount(8) needs to find anthrofs.

Never   writes a key, or changes a unit that it didn't make but for its own lines in it.
"""

import json
import os
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from anthrofs.cli import again, draining, output, syntax
from anthrofs.cli.syntax import argument, command, flag, option
from anthrofs.cli.teller import Teller
from anthrofs.errors import EXIT_FAILED, EXIT_MISSING, EXIT_USAGE, SetupError
from anthrofs.state_place import DEFAULT_STATE
from anthrofs.store.whole_file import put_whole
from anthrofs.text import printable

NAME: Final = argument("name", "The service's name, which is that of its profile, too.", count="?", default="default")
SYSTEM: Final = flag("--system", "system", "The machine's service, for which one has to be root; else your own.")
LASTS_S: Final = 60         # for what is queued, before a stop: as long as a SIGTERM gives it
FSTAB: Final = flag("--fstab", "fstab", "Only the names in /sbin by which mount(8) finds anthrofs.")


@command("service install", argument("name", "The service's name, which is that of its profile, too. Default: default, "
                                     "where that is a profile, or there is none.", count="?"), SYSTEM,
         option("--user", "user", "USER", "With --system: as whom it runs.", default=""),
         option("--dir", "directory", "DIR", "Where it mounts. Default: what the profile says, else ~/anthrofs/NAME.",
                Path),
         flag("--no-start", "waits", "Only write the files."), FSTAB)
def install(name: str | None, system: bool, user: str, directory: Path | None, waits: bool, fstab: bool) -> None:
    """Have a mount started with your session, or with --system with the machine; and start it now. It starts again
    when it has failed, and is watched.
    """
    from anthrofs.service import helper_links, units
    from anthrofs.service.manager import Manager, typed
    from anthrofs.settings.config_file import read_config

    program = again.program()
    if fstab:
        _warn_root()
        helper_links.make(Path(program[0]))
        output.show("mount(8) knows the type anthrofs now: mount -t anthrofs anthrofs:PROFILE DIR, and such lines in "
                    "/etc/fstab (`anthrofs help service`).")
        return
    if system and not user:
        raise SetupError("As whom shall the machine's service run? Say --user USER: the key, the state and the mount "
                         "are that user's.", EXIT_USAGE)
    if user and not system:
        raise SetupError("--user is for --system: your own service runs as you.", EXIT_USAGE)
    if directory is not None and not str(directory).isprintable():
        raise SetupError(f"{printable(str(directory))} can't be written into a file of variables: rename it.",
                         EXIT_USAGE)
    if user and not _is_user(user):
        raise SetupError(f"This machine has no user {printable(user)}.", EXIT_USAGE)
    profiles = None if system else read_config(os.environ).profiles     # root's own are nobody's here
    name = units.checked(_chosen(name, profiles or {}))
    folders, unit = _folders(system=system), units.unit_of(name)
    manager = None if waits else Manager(system=system)
    if system:
        _warn_root()
    if manager is not None:
        manager.do("show-environment")      # else files would be made that nobody reads
    _write(folders.template(), units.text(program, system=system))
    if system:
        _write(folders.drop_in(name), units.drop_in_text(user))
    output.show(f"made: {folders.template()}")
    environment = folders.environment(name)
    if not environment.exists():
        _write(environment, units.ENVIRONMENT.format(name=name), mode=0o600)
        output.show(f"made: {environment} (for a key, and options, if the profile {name} doesn't have them)")
    if profiles is not None and name not in profiles:
        output.show(f"Your configuration has no profile {name}: its key and its options are what {environment} says.")
    if directory is not None:
        _set_directory(environment, Path.cwd() / directory.expanduser())
    if manager is None:
        with suppress(SetupError):          # it isn't there yet, and will read them when it is
            Manager(system=system).do("daemon-reload")
        output.show(f"start it: {typed(system=system)} enable --now {unit}")
        return
    manager.do("daemon-reload")
    with Teller(f"starting {unit}"):
        manager.start(unit)
    output.show(f"{unit} is started: {manager.shown([unit]).get(unit, {}).get('StatusText', '')}")
    if not system and not Path(f"/var/lib/systemd/linger/{_me()}").exists():
        output.show("It runs while you are logged in; to have it run always: loginctl enable-linger")


@command("service remove", NAME, SYSTEM, FSTAB)
def remove(name: str, system: bool, fstab: bool) -> None:
    """Stop a service, which sends what is queued first, and have it started no more. Its state, with all that isn't
    sent yet, and its file of variables stay.
    """
    from anthrofs.service import helper_links, units
    from anthrofs.service.manager import START_S, Manager

    if fstab:
        helper_links.remove()
        output.show("mount(8) knows the type anthrofs no more.")
        return
    folders, unit = _folders(system=system), units.unit_of(units.checked(name))
    manager, state = None, "inactive"
    try:
        manager = Manager(system=system)
        state = manager.state_of(unit)
    except SetupError as exc:
        if exc.exit_code != EXIT_MISSING:
            raise
        manager = None      # no systemd runs here, and so no service
    if not folders.template().exists() and state == "inactive":
        raise SetupError(f"There is no service {name}: {folders.template()} isn't there.", EXIT_USAGE)
    left = _drained(name, folders)
    if manager is not None:
        with Teller(f"stopping {unit}"):
            manager.do("disable", "--now", unit, bound_s=START_S)
    for wanted in folders.units.glob(f"*.wants/{unit}"):
        wanted.unlink(missing_ok=True)
    drop_in = folders.drop_in(name)
    drop_in.unlink(missing_ok=True)
    if drop_in.parent.is_dir() and not any(drop_in.parent.iterdir()):
        drop_in.parent.rmdir()
    if not _instances(folders) and not any(folders.units.glob("anthrofs@*.service.d/user.conf")):
        folders.template().unlink(missing_ok=True)
    if manager is not None:
        manager.do("daemon-reload")
    output.show(f"{unit} is removed. Its state stays, and {folders.environment(name)}.")
    if left is not None:
        draining.say_left(left)


@command("service status", argument("name", "The service; all, without.", count="?"), SYSTEM,
         flag("--json", "as_json", "One JSON value on standard output."))
def status(name: str | None, system: bool, as_json: bool) -> None:
    """Show the services: which are started, since when, where they mount, and why one has failed."""
    from anthrofs.service import units
    from anthrofs.service.manager import Manager

    folders = _folders(system=system)
    names = _instances(folders) if name is None else [units.checked(name)]
    manager = Manager(system=system)
    loaded = manager.shown([units.unit_of("*")] if name is None else [])
    wanted = sorted({units.unit_of(each) for each in names} | set(loaded))
    shown = manager.shown(wanted)
    found = [_about(unit, shown.get(unit, {})) for unit in wanted]
    if as_json:
        output.put(json.dumps(found))
    elif not found:
        output.show("No services. Make one: anthrofs service install NAME")
    else:
        for one in found:
            output.show(*_lines(one))
    if any(one["state"] == "failed" for one in found):
        sys.exit(EXIT_FAILED)


@command("service run", argument("name", "The service's name."))
def run(name: str) -> None:
    """Become the mount of a service: what its unit calls."""
    from anthrofs.service import named_mount

    directory = named_mount.place(name, os.environ)
    with named_mount.prepared(directory):
        known, values = syntax.typed(named_mount.words(name, directory, os.environ))
        known.run(**values)


@command("service clear", argument("name", "The service's name."))
def clear(name: str) -> None:
    """Take away what a service's mount leaves when it is killed: what its unit calls behind its end."""
    from anthrofs.fuse import mountpoint
    from anthrofs.service import named_mount

    mountpoint.clear_dead(named_mount.place(name, os.environ))


def _chosen(name: str | None, profiles: Collection[str]) -> str:
    """Raises SetupError where nobody said which of several."""
    if name is None and profiles and DEFAULT_STATE not in profiles:
        raise SetupError(f"Which profile shall the service mount? Say its name: {', '.join(sorted(profiles))}.",
                         EXIT_USAGE)
    return name or DEFAULT_STATE


def _is_user(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except (KeyError, ValueError):      # ValueError: a zero byte is in it
        return False
    return True


def _drained(name: str, folders: Any) -> dict[str, Any] | None:
    """Returns the rest that a service leaves unsent, after as long as a stop gives it. None: its mount can't be asked.
    """
    from anthrofs.client import asking
    from anthrofs.service import named_mount

    try:
        variables = named_mount.variables_in(folders.environment(name))
        state_dir = asking.state_dir(named_mount.place(name, {**os.environ, **variables}))
        return draining.drained(state_dir, LASTS_S, last=True)
    except SetupError:
        return None         # it is stopped already, or another user's


def _warn_root() -> None:
    """Says that others can change what root will run, or what gets a right that is nearly root's."""
    if (found := again.others_place()) is not None:
        output.complain(f"{printable(str(found))}, which this program is in, can be changed by others than root: who "
                        "may do that can be root by it. Install it for all, as root, and call that one.")


def _folders(*, system: bool) -> Any:
    from anthrofs.service import units

    return units.SYSTEM if system else units.users_folders(os.environ)


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Whole or not at all. Raises SetupError."""
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        put_whole(path, text.encode(), mode)
    except OSError as exc:
        hint = " Only root can make the machine's services: sudo anthrofs service …" if os.geteuid() else ""
        raise SetupError(f"The service's file {path} can't be written: {exc.strerror}.{hint}", EXIT_USAGE) from exc


def _set_directory(environment: Path, directory: Path) -> None:
    from anthrofs.service.named_mount import DIRECTORY

    before = environment.read_text(encoding="utf-8").splitlines()
    lines = [line for line in before if not line.startswith(f"{DIRECTORY}=")]
    quoted = str(directory).replace("\\", "\\\\").replace('"', '\\"')
    _write(environment, "\n".join([*lines, f'{DIRECTORY}="{quoted}"', ""]), mode=0o600)


def _instances(folders: Any) -> list[str]:
    """The names of those that are enabled."""
    return sorted({path.name.removeprefix("anthrofs@").removesuffix(".service")
                   for path in folders.units.glob("*.wants/anthrofs@*.service")})


def _me() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _about(unit: str, shown: Any) -> dict[str, Any]:
    name = unit.removeprefix("anthrofs@").removesuffix(".service")
    return {
        "name": name, "unit": unit, "state": shown.get("ActiveState", "inactive"), "step": shown.get("SubState", ""),
        "enabled": shown.get("UnitFileState", "") == "enabled", "says": shown.get("StatusText", ""),
        "result": shown.get("Result", ""), "exit_code": int(shown.get("ExecMainStatus") or 0),
        "since": shown.get("ActiveEnterTimestamp", ""), "pid": int(shown.get("MainPID") or 0) or None,
        "restarts": int(shown.get("NRestarts") or 0), "installed": shown.get("LoadState", "") == "loaded"}


def _lines(one: dict[str, Any]) -> list[str]:
    since = f" since {one['since']}" if one["state"] == "active" and one["since"] else ""
    often = "once" if one["restarts"] == 1 else f"{one['restarts']} times"
    more = f", started again {often}" if one["restarts"] else ""
    lines = [f"{one['name']}: {one['state']} ({one['step']}){since}{more}"]
    if not one["installed"]:
        lines.append(f"  its unit isn't there: anthrofs service install {one['name']}")
    elif not one["enabled"]:
        lines.append("  it isn't started by itself")
    if one["says"]:
        lines.append(f"  {one['says']}")
    if one["state"] == "activating" and (one["restarts"] or one["exit_code"]):
        ended = f"; the last time it ended with exit code {one['exit_code']}" if one["exit_code"] else ""
        lines.append(f"  it is tried again by itself{ended}")
    if one["state"] == "failed":
        lines.append(f"  it has failed: {one['result']}, exit code {one['exit_code']} (`anthrofs help errors`)")
    return lines
