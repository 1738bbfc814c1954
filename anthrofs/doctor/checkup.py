"""All checks, in the order in which one would look.

Never   raises: a check that fails itself is a finding, and the next one goes on.
"""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Final

from anthrofs.doctor import machine, places, setup_files, states
from anthrofs.doctor.finding import BAD, Finding, Patient
from anthrofs.errors import SetupError

Check = Callable[[Patient], Iterator[Finding]]


def _service() -> ModuleType:
    """Imported by its own checks only: what it needs of packages may be missing, which is a finding of theirs."""
    from anthrofs.remote import client_library  # noqa: PLC0415 - see above

    client_library.load()               # before what imports httpx
    from anthrofs.doctor import service  # noqa: PLC0415 - see above

    return service


def _look_at_keys(patient: Patient) -> Iterator[Finding]:
    yield from _service().look_at_keys(patient)


def _look_at_way(patient: Patient) -> Iterator[Finding]:
    yield from _service().look_at_way(patient)


def _look_at_service(patient: Patient) -> Iterator[Finding]:
    yield from _service().look_at_service(patient)


CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    ("fuse", machine.look_at_device), ("fuse", machine.look_at_fusermount), ("libraries", machine.look_at_libraries),
    ("rights", machine.look_at_rights), ("settings", setup_files.look_at_settings), ("key", _look_at_keys),
    ("way", _look_at_way), ("service", _look_at_service), ("states", states.look_at_states),
    ("mounts", places.look_at_mounts), ("service", setup_files.look_at_units))


def findings(patient: Patient) -> Iterator[Finding]:
    """Yields them as they are found."""
    missing = set[str | None]()
    for about, check in CHECKS:
        try:
            yield from check(patient)
        except ModuleNotFoundError as exc:
            if exc.name not in missing:
                missing.add(exc.name)
                yield Finding(about, BAD, f"This could not be looked at: the package {exc.name} is missing.",
                              "Nothing can be mounted without it.", f"pip install {exc.name}")
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
