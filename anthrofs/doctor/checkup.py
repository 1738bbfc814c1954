"""All checks, in the order in which one would look.

Never   raises: a check that fails itself is a finding, and the next one goes on.
"""

from collections.abc import Callable, Iterator
from typing import Final

from anthrofs.doctor import machine, places, service, setup_files, states
from anthrofs.doctor.finding import BAD, Finding, Patient
from anthrofs.errors import SetupError

Check = Callable[[Patient], Iterator[Finding]]

CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    ("fuse", machine.look_at_device), ("fuse", machine.look_at_fusermount), ("libraries", machine.look_at_libraries),
    ("rights", machine.look_at_rights), ("settings", setup_files.look_at_settings), ("key", service.look_at_keys),
    ("way", service.look_at_way), ("service", service.look_at_service), ("states", states.look_at_states),
    ("mounts", places.look_at_mounts), ("service", setup_files.look_at_units))


def findings(patient: Patient) -> Iterator[Finding]:
    """Yields them as they are found."""
    for about, check in CHECKS:
        try:
            yield from check(patient)
        except Exception as exc:
            yield Finding(about, BAD, f"This could not be looked at: {type(exc).__name__}: {exc}.",
                          "Something may be wrong there that nobody sees.", "anthrofs doctor --bundle FILE")


def mended(found: list[Finding]) -> Iterator[tuple[Finding, str]]:
    """Does what can be done without a loss. Yields what was done, with the reason why it could not be, or nothing."""
    for each in found:
        if each.fix is not None:
            try:
                each.fix()
                yield each, ""
            except (OSError, SetupError) as exc:
                yield each, str(exc)
