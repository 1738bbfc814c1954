"""mount(8) calls this program by these words: service/mount_helper.py reads them.

Owns    the change to another user, which root's line of fstab may ask for.
Never   starts anything as root that was asked for as somebody else: without that change there is no mount.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from anthrofs.cli import output
from anthrofs.cli.syntax import typed
from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.fuse import mountpoint
from anthrofs.service.mount_helper import Call, called, exit_code
from anthrofs.text import printable

THEIRS: Final = frozenset({"PATH", "LANG", "LANGUAGE", "TERM", "TZ"})      # of root's variables, what is anybody's


def answer(program: str, words: Sequence[str]) -> None:
    """Do what mount(8) asks for, and exit; return where it was no such call."""
    try:
        call = called(program, words)
        if call is None:
            return
        _mount(call)
    except SetupError as exc:
        output.complain(str(exc))
        sys.exit(exit_code(exc.exit_code))


def _mount(call: Call) -> NoReturn:
    directory = Path(call.words[-1])
    # mount(8) leaves out what it sees mounted, but of a profile without our prefix it doesn't see that.
    if (call.profile and mountpoint.source_at(directory) == mountpoint.source_of(call.profile)
            and not mountpoint.is_dead(directory)):
        sys.exit(0)
    if call.run_as:
        if mountpoint.mounts_at_a_look(directory):
            raise SetupError("-o setuid= and x-systemd.automount don't go together: fusermount3, which mounts for a "
                             "user, does it on no directory that waits for a first look.", EXIT_USAGE)
        become(call.run_as)
    if call.settings:
        if not os.path.lexists(call.settings):
            raise SetupError(f"-o config={printable(call.settings)}: that file does not exist.", EXIT_USAGE)
        os.environ["ANTHROFS_CONFIG"] = call.settings
    if not call.fake:
        import anthrofs.cli.mount_command  # noqa: F401, PLC0415 - so that it is known

        known, values = typed(call.words)
        known.run(**values)
    elif not os.path.isdir(directory):     # noqa: PTH112 - false, whatever the system says of it
        raise SetupError(f"{directory} is not a directory. Choose an empty directory to mount on.", EXIT_USAGE)
    sys.exit(0)


def become(name: str) -> None:
    """From now on this process is that user's. Raises SetupError."""
    import pwd  # noqa: PLC0415 - few calls change the user

    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise SetupError(f"-o setuid={name}: there is no such user.", EXIT_USAGE) from None
    if os.getuid() == user.pw_uid:
        return
    try:
        os.initgroups(name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    except OSError as exc:
        raise SetupError(f"-o setuid={name}: only root can mount as somebody else.", EXIT_USAGE) from exc
    # Root's other variables may have secrets, and that user's configuration names commands, which would get them.
    for variable in [each for each in os.environ if each not in THEIRS and not each.startswith("LC_")]:
        del os.environ[variable]
    os.environ.update(HOME=user.pw_dir, USER=name, LOGNAME=name)
    os.chdir("/")
