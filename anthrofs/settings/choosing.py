"""A mount of what was set: which profile a word names, where it is mounted, and the Config of it all.

Never   mounts, and never asks the service.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from anthrofs.config import Config, Credentials, Service
from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.fuse import mountpoint
from anthrofs.settings.config_file import DEFAULTS, ConfigFile, read_config
from anthrofs.settings.config_file import PROFILE as SECTION
from anthrofs.settings.environment import select, service_of, state_dir_of
from anthrofs.settings.findings import ended, findings, nearest, of_section, unfit_name
from anthrofs.settings.fleet_options import fleet_of
from anthrofs.settings.mount_options import PROFILE, flags_of
from anthrofs.settings.precedence import Settings, directory_of, no_profile, settings_of
from anthrofs.settings.table import SETTINGS
from anthrofs.state_place import DEFAULT_STATE
from anthrofs.text import printable

VARIABLE: Final = "ANTHROFS_PROFILE"
OF_THEIR_OWN: Final = ("demo", "scope", "workspace")        # whose state is of that name, on whatever directory


def chosen(word: str | None, profile: str | None, options: Sequence[str], flags: Mapping[str, Any],
           environ: Mapping[str, str]) -> tuple[Path, Settings]:
    """(the mount point, all that was set for it). A word is a directory, or a profile's name where no directory is of
    that name. A profile's own directory is the profile, by whatever path. Raises SetupError.
    """
    file = read_config(environ)
    given = {**flags_of(options), **{name: value for name, value in flags.items() if value is not None}}
    named = given.pop(PROFILE, None)
    profile = profile or (named if isinstance(named, str) else None) or environ.get(VARIABLE, "") or None
    if profile is not None and unfit_name(profile):
        raise SetupError(f"--profile takes a plain name, not {profile!a}.", EXIT_USAGE)
    if word is not None and profile is None:
        if "/" not in word and not mountpoint.is_there(Path(word)):
            word, profile = _profile_meant(word, file)
        elif not any(given.get(name) or environ.get(SETTINGS[name].variable, "").strip() for name in OF_THEIR_OWN):
            profile = _profile_at(Path(word), file)
    settings = settings_of(given, environ, file, profile)
    where = Path(word) if word is not None else settings.directory
    if where is None:
        raise SetupError(_no_place(file, profile), EXIT_USAGE)
    return where, settings


def _profile_at(place: Path, file: ConfigFile) -> str | None:
    """The profile whose directory that is; of several, the one that is called like it."""
    found = list[str]()
    for name in file.profiles:
        with contextlib.suppress(SetupError):       # a mistake in another profile keeps nobody from mounting
            if (own := directory_of(file, name)) is not None and mountpoint.resolved(own) == mountpoint.resolved(place):
                found.append(name)
    return found[0] if len(found) == 1 else place.name if place.name in found else None


def _profile_meant(word: str, file: ConfigFile) -> tuple[str | None, str | None]:
    """Whether a word that is no directory is a profile's name. Raises SetupError for a profile without a place, and
    for a mistake that may be why it has none.
    """
    if wrong := of_section(findings(file), DEFAULTS, f"{SECTION}.{word}"):
        raise wrong[0].error()
    if word in file.profiles:
        if directory_of(file, word) is None:
            raise SetupError(_no_place(file, word), EXIT_USAGE)
        return None, word
    if file.profiles:
        raise SetupError(f"{printable(word)} does not exist. (Make it, if it is a directory that you mean: mkdir "
                         f"{printable(word)}.) As a profile, {ended(no_profile(file, word))}", EXIT_USAGE)
    return word, None


def _no_place(file: ConfigFile, profile: str | None) -> str:
    if profile is not None and profile in file.profiles:
        return (f"The profile {printable(profile)} has no directory: name one (anthrofs mount --profile "
                f"{printable(profile)} DIR), or write directory = \"~/…\" into {file.where('profile', profile)}.")
    if profile is not None:
        return (f"Where shall {printable(profile)} be mounted? Name a directory; in the configuration "
                f"{ended(no_profile(file, profile))}")
    if file.profiles:
        return ("Mount what? Name a directory, or a profile of yours: "
                f"{', '.join(map(printable, sorted(file.profiles)))}.")
    return ("Mount where? Name an empty directory, like: anthrofs mount ~/files. (`anthrofs init` asks, and remembers "
            "it.)")


def doubt(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """A sentence about a profile that nobody has written, where one of nearly that name is: a typo would be a state of
    its own.
    """
    name, known = settings.profile, settings.file.profiles
    if name is None or name in known or not (hint := nearest(name, list(known))) or state_for(
            settings, environ).exists():
        return None
    return f"The configuration has no profile {printable(name)}: {hint} A new state of that name is made."


def hides_profile(word: str | None, settings: Settings) -> bool:
    """Whether a directory that is called like a profile, and isn't that one's, was taken."""
    return word is not None and settings.profile is None and word in settings.file.profiles


def service_for(settings: Settings, environ: Mapping[str, str]) -> Service:
    """The service that is mounted, and as whom. Raises SetupError."""
    service = Service("http://demo", Credentials("", "")) if settings["demo"] else service_of(environ, settings)
    return select(service, shape=settings["api"], workspace_id=settings["workspace"] or "",
                  scope_id=settings["scope"] or "")


def state_for(settings: Settings, environ: Mapping[str, str]) -> Path:
    """Where the state of such a mount is. Raises SetupError."""
    found: Path | None = settings["state_dir"]
    # Whoever mounts several of them side by side needs no names for that.
    return (found or state_dir_of(environ, label_of(settings) or DEFAULT_STATE)).absolute()


def state_named(profile: str | None, environ: Mapping[str, str]) -> Path:
    """Where the state of a profile is; of the one that a mount without any has, for None. Raises SetupError."""
    if profile is not None and unfit_name(profile):
        raise SetupError(f"--profile takes a plain name, not {profile!a}.", EXIT_USAGE)
    return state_for(settings_of({}, environ, read_config(environ), profile), environ)


def label_of(settings: Settings) -> str:
    """The name by which such a mount is told from others; nothing, if nobody gave it one."""
    return (settings.profile or settings["scope"] or settings["workspace"]
            or ("demo" if settings["demo"] else ""))


def config_of(where: Path, settings: Settings, service: Service, environ: Mapping[str, str]) -> Config:
    """All that a mount is built from. Raises SetupError."""
    scoped = settings["scope"] is not None
    own = {name: settings[name] for name in ("uid", "gid") if settings[name] is not None}
    return Config(
        Path(os.path.realpath(where)), state_for(settings, environ), service, label=label_of(settings),
        read_only=settings["read_only"] or scoped, upload=settings["upload"], expires_in_s=settings["expires_in"],
        layout="flat" if settings["layout"] == "flat" else "tree", refresh_s=settings["refresh"],
        poll=settings["poll"], close_timeout_s=settings["close_timeout"], cache_bytes=settings["cache_size"],
        keep_bytes=settings["keep_uploads"], staging_bytes=settings["staging_size"], glance_bytes=settings["glances"],
        notify=settings["notify"] == "auto",
        requests_per_minute=settings["requests_per_minute"], binding=settings["binding"] or "",
        allow_other=settings["allow_other"], noexec=settings["noexec"], umask=settings["umask"],
        fleet=fleet_of(settings, environ), **own)
