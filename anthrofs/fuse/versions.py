"""The versions of what runs here: anthrofs, Python, libfuse and its binding, and the libraries.

Trusts  what the packages say of themselves, as pip installed them.
Never   is imported by a mount: to read it all takes longer than to mount.
"""

import platform
import re
from importlib import metadata
from typing import Final

from anthrofs.errors import SetupError
from anthrofs.fuse import binding

PACKAGE: Final = "anthrofs"
NAME: Final = re.compile(r"[A-Za-z0-9._-]+")


def found() -> dict[str, str]:
    """Name and version, the most asked for first. What isn't there says so."""
    try:
        library = binding.load()
        fuse = {"libfuse": library.VERSION, "binding": library.NAME}
    except (SetupError, OSError) as exc:
        fuse = {"libfuse": f"none: {exc}"}
    return {PACKAGE: own(), "Python": platform.python_version(), **fuse, "Linux": platform.release(), **_libraries()}


def own() -> str:
    """The version of anthrofs, which stands in pyproject.toml and nowhere else."""
    return _version(PACKAGE)


def _libraries() -> dict[str, str]:
    """The packages that pyproject.toml names, also for an option, as far as they are installed."""
    try:
        needs = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return {}
    names = {name[0] for need in needs if "'dev'" not in need.replace('"', "'") and (name := NAME.match(need))}
    versions = {name: _version(name) for name in sorted(names)}
    return {name: version for name, version in versions.items() if version != "not installed"}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
