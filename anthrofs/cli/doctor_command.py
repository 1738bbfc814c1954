"""The command `anthrofs doctor`.

Never   asks the service more than once, and mends nothing that could lose something.
"""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from anthrofs.cli import output
from anthrofs.cli.common_options import JSON
from anthrofs.cli.syntax import argument, command, flag, option
from anthrofs.errors import EXIT_FAILED, EXIT_USAGE, SetupError
from anthrofs.text import printable

if TYPE_CHECKING:
    from anthrofs.doctor.finding import Finding

SET_IN: Final = " " * 6
NARROWEST: Final = 30


@command("doctor", argument("profile", "A profile, whose service is asked.", count="?"),
         flag("--fix", "fix", "Mend what can be mended without losing anything."),
         option("--bundle", "bundle", "FILE", "Pack what was found, versions, settings and the ends of logs into a "
                "tar.gz, for somebody who helps; keys and passwords are left out.", Path),
         flag("--offline", "offline", "Don't ask the service."), JSON)
def doctor(profile: str | None, fix: bool, bundle: Path | None, offline: bool, as_json: bool) -> None:
    """Find out what is wrong: FUSE, libraries, settings, key, proxy, service, clock, states, disks, mounts, services.

    What is wrong is said with the command that mends it. The service is asked once; what hangs isn't waited for.
    """
    from anthrofs.doctor.bundle import write_bundle
    from anthrofs.doctor.checkup import findings, mended
    from anthrofs.doctor.finding import BAD, Patient
    from anthrofs.settings.config_file import read_config
    from anthrofs.settings.findings import ended
    from anthrofs.settings.precedence import no_profile

    if profile is not None and profile not in (file := read_config(os.environ)).profiles:
        raise SetupError(f"{printable(profile)}: {ended(no_profile(file, profile))}", EXIT_USAGE)
    patient = Patient(dict(os.environ), profile=profile, asks=not offline)
    found, done = list["Finding"](), list["Finding"]()
    for each in findings(patient):
        found.append(each)
        if not as_json:
            output.show(*_lines(each))
    for each, refused in mended(found) if fix else ():
        if refused:
            output.complain(f"That could not be mended: {refused}")
        else:
            done.append(each)
    wrong = [each for each in found if each.grade == BAD and each not in done]
    if as_json:
        output.put(json.dumps([{**each.as_json(), "mended": each in done} for each in found]))
    else:
        output.show("", *(f"Mended: {each.what}" for each in done), _sum(wrong))
    if bundle is not None:
        names = write_bundle(bundle, patient, found)
        if not as_json:
            output.show(f"{bundle} (a tar.gz, whatever its name): {', '.join(names)}",
                        "Keys and passwords are left out. Names of your files are in it: look before you send it.")
    if wrong:
        sys.exit(EXIT_FAILED)


def _lines(each: "Finding") -> list[str]:
    """As wide as the terminal is."""
    import textwrap
    from shutil import get_terminal_size

    width = max(get_terminal_size().columns - 1, NARROWEST)

    def set_in(text: str, first: str) -> list[str]:
        return textwrap.wrap(printable(text), width, initial_indent=first, subsequent_indent=SET_IN,
                             break_long_words=False, break_on_hyphens=False)

    grade = each.grade.upper() if each.grade == "bad" else each.grade
    return [*set_in(each.what, f"{grade:<{len(SET_IN)}}"), *(set_in(each.why, SET_IN) if each.why else []),
            *([f"{SET_IN}Mend it: {printable(each.mend)}"] if each.mend else [])]


def _sum(wrong: "list[Finding]") -> str:
    if not wrong:
        return "Nothing is wrong."
    fixable = sum(each.fix is not None for each in wrong)
    said = "1 thing is wrong" if len(wrong) == 1 else f"{len(wrong)} things are wrong"
    return said + (f"; `anthrofs doctor --fix` mends {fixable} of them." if fixable else ".")
