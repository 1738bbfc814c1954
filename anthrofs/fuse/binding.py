"""The choice of the library that carries the kernel's requests: libfuse 3 where it is, through mfusepy; else libfuse 2,
through fusepy.

Owns    the choice.
Trusts  the dynamic loader to say what is there.
Never   loads a library, or a binding, before a mount needs it: no other command pays for that.
"""

import ctypes
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol

from anthrofs.config import Config
from anthrofs.errors import EXIT_MISSING, EXIT_USAGE, SetupError
from anthrofs.fuse.operations import Operations, Request

log = logging.getLogger(__name__)

PATH: Final = "FUSE_LIBRARY_PATH"       # both bindings load what this names; else mfusepy takes libfuse 2 where it is
TESTED: Final = frozenset({"2.9", "3.14", "3.17", "3.18"})      # of libfuse, without what comes behind a second point


class Library(Request, Protocol):
    """A binding's module, and so the library that it has loaded."""

    @property
    def NAME(self) -> str: ...          # noqa: N802 - a module's constant

    @property
    def VERSION(self) -> str: ...       # noqa: N802 - the same

    def serve(self, operations: Operations, config: Config) -> None:
        """Mounts, and returns when it is unmounted. Raises RuntimeError when libfuse refuses."""


def _libfuse3() -> Library:
    from anthrofs.fuse import libfuse3  # noqa: PLC0415 - it loads the library

    return libfuse3


def _libfuse2() -> Library:
    from anthrofs.fuse import libfuse2  # noqa: PLC0415 - it loads the library

    return libfuse2


class _Binding(NamedTuple):
    module: Callable[[], Library]
    library: str                # what it binds, for a person
    sonames: tuple[str, ...]    # of that, the newest first
    packages: str               # that have it, on Debian and Ubuntu


BINDINGS: Final = {             # the better one first
    "mfusepy": _Binding(_libfuse3, "libfuse 3", ("libfuse3.so.4", "libfuse3.so.3"), "fuse3"),
    "fusepy": _Binding(_libfuse2, "libfuse 2", ("libfuse.so.2",),
                       "fuse3 libfuse2 (libfuse2t64 on newer releases)"),
}


def load(asked: str = "", loads: Callable[[str], Any] = ctypes.CDLL) -> Library:
    """Returns the binding that was asked for, or the best that is there. Raises SetupError: what has to be installed.
    """
    if asked and asked not in BINDINGS:
        raise SetupError(f"--binding {asked}: one of {', '.join(BINDINGS)}.", EXIT_USAGE)
    found = next((library for name, each in BINDINGS.items() if asked in ("", name)
                  and (library := _loaded(each, loads)) is not None), None)
    if found is None:
        each = BINDINGS[asked or next(iter(BINDINGS))]
        raise SetupError(f"{each.library} is missing{f', which --binding {asked} needs' if asked else ''}. On Debian "
                         f"and Ubuntu: sudo apt-get install {each.packages}", EXIT_MISSING)
    return found


def serve(library: Library, operations: Operations, config: Config) -> None:
    """Mounts, and returns when it is unmounted. Raises SetupError when libfuse refuses."""
    known = ".".join(library.VERSION.split(".")[:2])
    log.info("libfuse %s, through %s%s", library.VERSION, library.NAME,
             "" if known in TESTED else f": not one that was tested ({', '.join(sorted(TESTED))})")
    try:
        library.serve(operations, config)
    except RuntimeError as exc:
        raise SetupError(f"libfuse could not mount {config.mountpoint} (see its own line, above or below).") from exc


def _loaded(binding: _Binding, loads: Callable[[str], Any]) -> Library | None:
    """The binding, with its library; None: that isn't there."""
    for soname in binding.sonames:
        with suppress(OSError):
            loads(soname)
            return _imported(binding.module, soname)
    return None


def _imported(module: Callable[[], Library], soname: str) -> Library:
    before = os.environ.get(PATH)
    os.environ[PATH] = soname
    try:
        return module()
    finally:
        del os.environ[PATH]
        if before is not None:
            os.environ[PATH] = before
