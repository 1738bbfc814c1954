"""The command `anthrofs mount`.

Owns    what it takes, and what of that becomes a Config.
Never   takes a key or a password as an argument: arguments are seen by everybody on the machine.
"""

import os
from argparse import BooleanOptionalAction
from typing import Any, Final

from anthrofs.cli import output
from anthrofs.cli.places import mount_point
from anthrofs.cli.syntax import Parameter, argument, command, flag, option
from anthrofs.fuse import mountpoint
from anthrofs.settings.table import SETTINGS, Setting

DIRECTORY: Final = argument("directory", "The mount point, or its name, or that of its profile.", mount_point)


def parameter_of(setting: Setting) -> Parameter:
    """The flag of an option."""
    if setting.is_switch:
        return Parameter((setting.flag,), {"dest": setting.name, "help": setting.helps, "default": None,
                                           "action": BooleanOptionalAction})
    said = f" (default: {setting.default})" if setting.default else ""
    return option(setting.flag, setting.name, setting.shows, setting.helps + said)


@command(
    "mount", argument("directory", "The mount point; or the name of a profile, which says where it is.",
                      count="?"),
    flag("-f --foreground", "foreground", "Stay in the foreground; log to standard error."),
    option("--profile", "profile", "NAME", "The profile of the configuration, and the name of the state to use; one "
           "mount at a time has it."),
    option("-o", "options", "OPTIONS", "ro, allow_other, uid=N, gid=N, umask=OCTAL, or any option of these; "
           "comma-separated.", repeated=True),
    *map(parameter_of, SETTINGS.values()))
def mount(directory: str | None, foreground: bool, profile: str | None, options: list[str] | None,
          **flags: Any) -> None:
    """Mount your workspace on DIRECTORY, and return when it is ready. Who you are, $ANTHROPIC_API_KEY or
    `ant auth login` says, or your configuration (`anthrofs init` makes one).

    An option counts as it is given here, else as the variable ANTHROFS_… says (ANTHROFS_CACHE_SIZE for --cache-size;
    ANTHROPIC_BASE_URL for --base-url, ANTHROPIC_PROFILE for --login, ANTHROFS_FLEET_KEY_FILE for --fleet-key), else
    the profile, else the configuration's defaults: see `anthrofs help config`.
    """
    from anthrofs.cli import launch
    from anthrofs.client.detached import refuse_detached
    from anthrofs.client.known_states import note
    from anthrofs.settings.choosing import chosen, config_of, doubt, hides_profile, service_for, state_for
    from anthrofs.settings.findings import unread
    from anthrofs.settings.fleet_options import check_place, warnings
    from anthrofs.state_place import states_root

    where, settings = chosen(directory, profile, options or [], flags, os.environ)
    if hides_profile(directory, settings):
        output.complain(f"{directory} is a directory here, and that goes before the profile of the same name, which "
                        f"is: anthrofs mount --profile {directory}")
    service = service_for(settings, os.environ)
    for warning in (*(each.text for each in unread(os.environ)), doubt(settings, os.environ), *service.warnings()):
        if warning is not None:
            output.complain(warning)
    refuse_detached(state_for(settings, os.environ))
    mountpoint.check_system()
    if mountpoint.clear_dead(where):
        output.complain(f"The program of the mount on {where} had ended without unmounting it. What was left of "
                        "that is cleared.")
    mountpoint.check(where)
    config = config_of(where, settings, service, os.environ)
    mountpoint.refuse_others(config.allow_other)
    if config.fleet is not None and config.fleet.store_url is not None:
        check_place(config.fleet.store_url, [config.mountpoint, *mountpoint.mounts()])
    for warning in warnings(config.fleet):
        output.complain(warning)
    if settings["base_url"]:        # a login asks there for its tokens, too, as long as the mount lives
        os.environ["ANTHROPIC_BASE_URL"] = settings["base_url"]
    note(states_root(os.environ), config.state_dir)
    if foreground:
        launch.serve(config, None, demo=settings["demo"])
    else:
        launch.start_in_background(config, demo=settings["demo"])
