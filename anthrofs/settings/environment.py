"""Settings from the environment: which service, as whom, and where the state is kept, as the official SDKs find them.

Trusts  nothing: a value that can't work is refused here, with the words to mend it, before anything is mounted.
Never   quotes a key, or the value of a header.
"""

import base64
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from anthrofs.config import DEFAULT_BASE_URL, Credentials, KeySource, Profile, Service, without_user
from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.remote.key_sources import credential_of, keyring_of, read_key
from anthrofs.remote.profiles import credentials_in, federated, load, profile_of, shadowed
from anthrofs.settings.config_file import ConfigFile
from anthrofs.settings.findings import ended
from anthrofs.settings.precedence import LEVELS, Settings, no_profile, settings_of
from anthrofs.settings.table import KEYS
from anthrofs.state_place import states_root
from anthrofs.text import printable

HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")         # RFC 9110, 5.6.2
OURS_WIN: Final = frozenset({"accept-encoding", "content-type"})        # as the SDKs' own do
# What a request is, or asks for, is for us to say: with another Range or Content-Length wrong bytes would come, or go.
OWN_HEADERS: Final = frozenset({
    "connection", "content-encoding", "content-length", "content-range", "expect", "if-match", "if-modified-since",
    "if-none-match", "if-range", "if-unmodified-since", "keep-alive", "proxy-connection", "range", "te", "trailer",
    "transfer-encoding", "upgrade"})


def credentials_of(environ: Mapping[str, str]) -> Credentials | None:
    """The key or token that the SDKs use too, the key before the token; an empty value counts as unset. None: neither
    is set.

    Raises SetupError.
    """
    for variable in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        if environ.get(variable, "").strip():
            return read_key(KeySource("environment", (variable,), token=variable == "ANTHROPIC_AUTH_TOKEN"), environ)
    return None


def key_source(settings: Settings, environ: Mapping[str, str]) -> KeySource | None:
    """Where the settings say that the key is; else what systemd has given this process. None: a login says who asks.
    Raises SetupError.
    """
    place, token = settings.key_place, settings["key_type"] == "token"
    if place == "key_file":
        return KeySource("file", (os.path.realpath(settings[place]),), token)
    if place == "key_command":
        return KeySource("command", settings[place], token)
    if place == "keyring":
        return keyring_of(settings[place], token=token)
    return None if place == "login" else credential_of(settings["credential"] or "", environ, token=token)


def custom_headers_of(environ: Mapping[str, str]) -> tuple[dict[str, str], int]:
    """(the headers of ANTHROPIC_CUSTOM_HEADERS by their names in lower case, how many lines have none), as the SDKs
    read them.

    Raises SetupError, which never quotes a value.
    """
    found: dict[str, str] = {}
    lines = [line for line in environ.get("ANTHROPIC_CUSTOM_HEADERS", "").split("\n") if line.strip()]
    for line in lines:
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon:
            continue
        if not HEADER_NAME.fullmatch(name):
            raise SetupError("ANTHROPIC_CUSTOM_HEADERS has a line whose part before the colon is no header's name. It "
                             "takes lines like X-Team: research", EXIT_USAGE)
        if not all(character == "\t" or " " <= character <= "~" for character in value):
            raise SetupError(f"ANTHROPIC_CUSTOM_HEADERS gives {name} a value with a character that no header can have: "
                             "correct it.", EXIT_USAGE)
        if name.lower() in OWN_HEADERS:
            raise SetupError(f"ANTHROPIC_CUSTOM_HEADERS sets {name}, which says what a request's own bytes are, or "
                             "which bytes it asks for: remove that line.", EXIT_USAGE)
        if name.lower() not in OURS_WIN:
            found[name.lower()] = value
    return found, len([line for line in lines if ":" not in line])


def service_of(environ: Mapping[str, str], settings: Settings | None = None) -> Service:
    """The service that was set, and as whom, as the official SDKs find it. Raises SetupError."""
    settings = settings or settings_of({}, environ, ConfigFile(None), None)
    custom, odd_lines = custom_headers_of(environ)
    workspace_id = environ.get("ANTHROPIC_WORKSPACE_ID", "").strip() or None
    warnings = ([f"{odd_lines} lines of ANTHROPIC_CUSTOM_HEADERS have no colon: they are no headers, and aren't sent."]
                if odd_lines else [])
    given_url = settings["base_url"]
    if given_url:               # a login asks there for its tokens, too
        environ = {**environ, "ANTHROPIC_BASE_URL": given_url}
    credentials, used = _who(environ, settings, custom)
    if used in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        if used == "ANTHROPIC_API_KEY" and environ.get("ANTHROPIC_AUTH_TOKEN", "").strip():
            warnings.append("ANTHROPIC_API_KEY and ANTHROPIC_AUTH_TOKEN are both set: the key is used.")
        if (place := settings.key_place) and settings.found[place].level != "environment":
            warnings.append(f"{used} is set and goes before {place} in {settings.where(place)}: unset it to use that.")
        elif shadowed(environ):
            warnings.append(f"{used} is set and goes before the profile, or the federation, that is set up: unset it "
                            "to use that.")
    profile = credentials if isinstance(credentials, Profile) else None
    if (profile is not None and profile.credentials_path is not None
            and (profile.federation is None or profile.credentials_path.exists())):
        credentials_in(profile.credentials_path)        # what can't be used of it is said now
    base_url, basic = _base_url(given_url or (profile.base_url if profile else None) or DEFAULT_BASE_URL,
                                settings.where("base_url") or "ANTHROPIC_BASE_URL" if given_url or profile is None
                                else f"The base_url of the {profile.said}")
    if base_url.endswith("/v1"):
        base_url = base_url.removesuffix("/v1").rstrip("/")
        warnings.append("The base URL ends in /v1, which each request begins with anyway: it is left out.")
    if urlsplit(base_url).scheme == "http" and not is_here(urlsplit(base_url).hostname or ""):
        warnings.append("The base URL has http, not https: everybody on the way can read your key and your files, and "
                        "change what comes.")
    named = custom.pop("anthropic-workspace-id", None) or (profile.workspace_id if profile else None)
    return Service(base_url, credentials, named, headers=tuple({**basic, **custom}.items()),
                   ignored_workspace_id=None if profile else workspace_id, shadows=tuple(warnings))


def who_says(environ: Mapping[str, str], settings: Settings) -> str | None:
    """Returns what says who asks: an option of KEYS, a variable's name, or "credential". None: the SDKs' login, if
    there is one. Nothing is read for that but the names of custom headers. Raises SetupError.
    """
    place = settings.key_place
    level = LEVELS.index("built in") if place is None else settings.level(place)
    if place is not None and level == LEVELS.index("flag"):
        return place
    custom, _ = custom_headers_of(environ)
    for variable, is_there in (("ANTHROPIC_CUSTOM_HEADERS", custom.get("authorization") or custom.get("x-api-key")),
                               ("ANTHROPIC_API_KEY", environ.get("ANTHROPIC_API_KEY", "").strip()),
                               ("ANTHROPIC_AUTH_TOKEN", environ.get("ANTHROPIC_AUTH_TOKEN", "").strip())):
        if is_there:
            return variable
    if level > LEVELS.index("environment") and federated(environ):
        return "ANTHROPIC_FEDERATION_RULE_ID"
    return place or ("credential" if credential_of("", environ) else None)


def _who(environ: Mapping[str, str], settings: Settings, custom: dict[str, str]) -> tuple[Credentials | Profile, str]:
    """(who asks, what says it). A custom header that says it is taken from those, and one that doesn't count. Raises
    SetupError.
    """
    said = who_says(environ, settings)
    if said == "ANTHROPIC_CUSTOM_HEADERS":
        name = next(name for name in ("authorization", "x-api-key") if custom.get(name))
        return Credentials(name, custom.pop(name)), said
    if said in KEYS and settings.found[said].level == "flag":
        for name in ("authorization", "x-api-key"):
            custom.pop(name, None)
    found: Credentials | Profile | None
    if said in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        found = credentials_of(environ)
    elif said == "login":
        found = load(environ, settings["login"])
    elif said in (None, "ANTHROPIC_FEDERATION_RULE_ID"):
        found = profile_of(environ)
    else:
        source = key_source(settings, environ)
        found = None if source is None else read_key(source, environ)
    if found is None and settings.profile is not None and settings.profile not in settings.file.profiles:
        raise SetupError(f"No credentials by the profile {printable(settings.profile)}: "
                         f"{ended(no_profile(settings.file, settings.profile))}", EXIT_USAGE)
    if found is None:
        raise SetupError("No credentials: set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN), log in with `ant auth "
                         "login`, or say where the key is (`anthrofs init`), and mount again. To try anthrofs without "
                         "a key: anthrofs mount --demo DIR", EXIT_USAGE)
    return found, said or ""


def is_here(host: str) -> bool:
    """On this machine: nobody is on the way."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".") == "localhost"


def _base_url(url: str, source: str) -> tuple[str, dict[str, str]]:
    """(the URL without a name and password, the header that has them). Raises SetupError."""
    url = url.rstrip("/")
    try:
        parts = urlsplit(url)
        usable = (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
                  and not parts.query and not parts.fragment and url.isprintable() and " " not in url)
    except ValueError:
        usable = False
    if not usable:
        raise SetupError(f"{source} is not a URL like https://api.anthropic.com: correct or unset it.", EXIT_USAGE)
    if parts.username is None and parts.password is None:
        return url, {}
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return without_user(url), {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def select(service: Service, *, shape: str, workspace_id: str = "", scope_id: str = "") -> Service:
    """The service with what the command line says of it; an empty text says nothing. Raises SetupError."""
    if shape not in ("beta", "ga"):
        raise SetupError(f"--api takes beta or ga, not {shape!r}.", EXIT_USAGE)
    for option, value, example in (("--workspace", workspace_id, "wrkspc_…"), ("--scope", scope_id, "sesn_…")):
        if value and not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", value, re.ASCII):
            raise SetupError(f"{option} takes an id, like {example}, not {value!a}.", EXIT_USAGE)
    if workspace_id and isinstance(service.credentials, Profile) and service.credentials.federation is not None:
        raise SetupError("--workspace isn't for a federation's token, which is of one workspace: set "
                         "ANTHROPIC_WORKSPACE_ID, or workspace_id in the profile.", EXIT_USAGE)
    # Only that shape of the API knows sessions.
    return replace(service, workspace_id=workspace_id or service.workspace_id, scope_id=scope_id or None,
                   shape="agents" if scope_id else shape)


def state_dir_of(environ: Mapping[str, str], profile: str) -> Path:
    """$XDG_STATE_HOME/anthrofs/<profile>. Raises SetupError for a profile that isn't a plain name."""
    if not profile or profile in (".", "..") or "/" in profile or "\0" in profile:
        raise SetupError(f"--profile takes a plain name, not {profile!r}.", EXIT_USAGE)
    if (root := states_root(environ)) is None:
        raise SetupError("There is no home directory to keep the state in: set HOME or XDG_STATE_HOME, or use "
                         "--state-dir.", EXIT_USAGE)
    return root / profile
