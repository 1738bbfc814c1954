"""The commands `anthrofs config …`: what was set, and what of that makes no sense.

Never   shows a key or a password, runs a command that the file names, or asks the service.
"""

import json
import os

from anthrofs.cli import output
from anthrofs.cli.common_options import JSON
from anthrofs.cli.syntax import GROUPS, argument, command
from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.text import printable

GROUPS["config"] = "Show what is set for your mounts, and find mistakes in that."


@command("config show", argument("profile", "A profile; without it, what a mount without one has.", count="?"), JSON)
def show(profile: str | None, as_json: bool) -> None:
    """Show each option's value and where it is from: a flag is all that would go before it. Secrets are masked."""
    from anthrofs.settings.config_file import read_config
    from anthrofs.settings.findings import ended
    from anthrofs.settings.precedence import no_profile, settings_of
    from anthrofs.settings.shown import as_json as as_value
    from anthrofs.settings.shown import shown

    file = read_config(os.environ)
    profile = profile or os.environ.get("ANTHROFS_PROFILE", "") or None
    if profile is not None and profile not in file.profiles:
        raise SetupError(f"{printable(profile)}: {ended(no_profile(file, profile))}", EXIT_USAGE)
    settings = settings_of({}, os.environ, file, profile)
    rows = shown(settings, os.environ)
    if as_json:
        output.put(json.dumps(as_value(settings, rows)))
        return
    there = file.path is not None and file.path.exists()
    lines = [f"{file.path}{'' if there else ' (not there: `anthrofs init` makes it)'}" if file.path is not None
             else "There is no home directory, and so no configuration."]
    if file.profiles:
        lines.append(f"profiles: {', '.join(sorted(file.profiles))}" + (f"; this is {profile}" if profile else ""))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    output.show(*lines, *(f"  {row.name:{widths[0]}}  {row.value:{min(widths[1], 40)}}  {row.where or row.level}"
                          for row in rows))


@command("config check", JSON)
def check(as_json: bool) -> None:
    """Name each mistake in the configuration and in the variables of anthrofs, with its line and what was probably
    meant.
    """
    from anthrofs.settings.config_file import read_config
    from anthrofs.settings.findings import everything

    file = read_config(os.environ)
    found = everything(file, os.environ)
    if as_json:
        output.put(json.dumps([{"section": each.section, "line": each.line, "text": each.text} for each in found]))
    elif not found:
        profiles = len(file.profiles)
        output.show("All is well: " + (f"{file.path} has {profiles} profile{'' if profiles == 1 else 's'}."
                                       if file.path is not None and file.path.exists() else
                                       "there is no configuration. `anthrofs init` makes one."))
    else:
        output.show(*(each.text for each in found))
    if found:
        raise SystemExit(EXIT_USAGE)
