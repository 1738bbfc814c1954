"""Profiles: where `ant auth login`, or whoever writes the same files, says who this machine's user is.

    <config dir>/active_config              the name of the profile, if ANTHROPIC_PROFILE names none; else `default`
    <config dir>/configs/<name>.json        no secrets: how its tokens are made, and for which organization and
                                            workspace
    <config dir>/credentials/<name>.json    0600: the token, its end, and what renews it

Trusts  neither file: what the official SDKs refuse is refused here, with the same reasons (anthropic, lib/credentials).
Never   quotes what a credentials file holds, or follows a link there.
"""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from anthrofs.config import DEFAULT_BASE_URL, DEFAULT_PROFILE, Federation, Profile
from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.store.whole_file import put_whole

LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})     # where a token may be asked for without TLS
FILE_TYPE: Final = "oauth_token"
LIMIT_BYTES: Final = 2**20


def profile_of(environ: Mapping[str, str]) -> Profile | None:
    """Whom the environment or the active profile names, in the SDKs' order. None: nobody. Raises SetupError."""
    folder = _folder(environ)
    if environ.get("ANTHROPIC_PROFILE"):
        return load(environ, environ["ANTHROPIC_PROFILE"])
    if (federation := _federation_of(environ)) is not None:
        url = _token_url(environ.get("ANTHROPIC_BASE_URL", "") or DEFAULT_BASE_URL, "ANTHROPIC_BASE_URL")
        return Profile("", url, organization_id=federation.organization_id, federation=federation)
    pointed = _pointed(folder)
    name = pointed or DEFAULT_PROFILE
    if environ.get("ANTHROPIC_CONFIG_DIR") or pointed:
        return load(environ, name)
    try:
        return load(environ, name) if (folder / "configs" / f"{name}.json").is_file() else None
    except (SetupError, OSError):
        return None         # nobody has asked for it


def shadowed(environ: Mapping[str, str]) -> bool:
    """Whether somebody has set a profile or federation up, which a key or token in the environment goes before."""
    return bool(environ.get("ANTHROPIC_PROFILE") or environ.get("ANTHROPIC_CONFIG_DIR") or _pointed(_folder(environ))
                or _federation_of(environ) is not None)


def federated(environ: Mapping[str, str]) -> bool:
    """Whether the environment itself says how tokens are come by."""
    return _federation_of(environ) is not None


def load(environ: Mapping[str, str], name: str) -> Profile:
    """A profile, by its name. Raises SetupError."""
    if name != name.strip() or name.startswith(".") or not name.isprintable() or set(name) & set("/\\"):
        raise SetupError(f"{name!a} can't be the name of a profile: correct ANTHROPIC_PROFILE, or active_config in "
                         f"{_folder(environ)}.", EXIT_USAGE)
    path = _folder(environ) / "configs" / f"{name}.json"
    config = _json_of(path, "profile", forbidden=0o022, mend="chmod go-w")
    auth = config.get("authentication")
    if not isinstance(auth, dict):
        raise SetupError(f"The profile {path} has no authentication in it: log in again with `ant auth login`.",
                         EXIT_USAGE)

    def given(part: Mapping[str, Any], key: str, variable: str) -> str | None:
        value = part.get(key) or environ.get(variable)
        return value if isinstance(value, str) and value else None

    organization_id = given(config, "organization_id", "ANTHROPIC_ORGANIZATION_ID")
    workspace_id = given(config, "workspace_id", "ANTHROPIC_WORKSPACE_ID")
    url = _token_url(given(config, "base_url", "ANTHROPIC_BASE_URL") or DEFAULT_BASE_URL, f"base_url of {path}")
    own = given(config, "base_url", "")
    credentials = (_path_in(auth["credentials_path"], path) if auth.get("credentials_path")
                   else _folder(environ) / "credentials" / f"{name}.json")
    if auth.get("type") == "user_oauth":
        return Profile(name, url, path, credentials, own, organization_id, workspace_id, given(auth, "client_id", ""))
    if auth.get("type") != "oidc_federation":
        kind = auth.get("type")
        said = f" ({kind[:40]!a})" if isinstance(kind, str) else ""
        raise SetupError(f"The profile {path} is of a kind that anthrofs doesn't know{said}.", EXIT_USAGE)
    rule_id = given(auth, "federation_rule_id", "ANTHROPIC_FEDERATION_RULE_ID")
    source = auth.get("identity_token") or {"source": "file", "path": environ.get("ANTHROPIC_IDENTITY_TOKEN_FILE")}
    if not (rule_id and organization_id and isinstance(source, dict) and source.get("source") == "file"
            and source.get("path")):
        raise SetupError(f"The profile {path} lacks what a federation needs: federation_rule_id, organization_id, and "
                         "identity_token with a file.",
                         EXIT_USAGE)
    account = given(auth, "service_account_id", "ANTHROPIC_SERVICE_ACCOUNT_ID")
    federation = Federation(rule_id, organization_id, account, workspace_id, _path_in(source["path"], path))
    # Its tokens are a workspace's already; the request names none.
    return Profile(name, url, path, credentials, own, organization_id, None, None, federation)


def credentials_in(path: Path) -> dict[str, Any]:
    """The content of a credentials file. Raises SetupError, without a word of it."""
    found = _json_of(path, "login", forbidden=0o077, mend="chmod 600")
    if (found.get("type", FILE_TYPE) != FILE_TYPE or not isinstance(found.get("access_token"), str)
            or not found["access_token"]):
        raise SetupError(f"{path} holds no token: log in again with `ant auth login`.", EXIT_USAGE)
    return found


def write_credentials(path: Path, what: Mapping[str, Any]) -> None:
    """The file, whole or not at all, for its owner only. Raises OSError."""
    put_whole(path, json.dumps(what, indent=2).encode(), 0o600)


def _json_of(path: Path, what: str, *, forbidden: int, mend: str) -> dict[str, Any]:
    secret = forbidden == 0o077
    try:
        # The file that is looked at is the one that is read.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if secret else 0))
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise SetupError(f"The {what} {path} is no plain file.", EXIT_USAGE)
            if mode & forbidden:
                raise SetupError(f"The {what} {path} can be {'used' if secret else 'changed'} by others than you: "
                                 f"{mend} {path}", EXIT_USAGE)
            found = json.loads(file.read(LIMIT_BYTES))
    except FileNotFoundError as exc:
        raise SetupError(f"There is no {what} {path}: log in with `ant auth login`, or correct ANTHROPIC_PROFILE and "
                         "ANTHROPIC_CONFIG_DIR.",
                         EXIT_USAGE) from exc
    except OSError as exc:
        link = " (it is a link, which may lead out of your own directory)" if secret and path.is_symlink() else ""
        raise SetupError(f"The {what} {path} can't be read: {exc.strerror}{link}.", EXIT_USAGE) from exc
    except (ValueError, RecursionError):
        raise SetupError(f"The {what} {path} is no JSON: log in again with `ant auth login`.",
                         EXIT_USAGE) from None     # a frame of it has the text
    if not isinstance(found, dict):
        raise SetupError(f"The {what} {path} is no JSON object: log in again with `ant auth login`.", EXIT_USAGE)
    return found


def _folder(environ: Mapping[str, str]) -> Path:
    given = environ.get("ANTHROPIC_CONFIG_DIR")
    try:
        return Path(given) if given else Path.home() / ".config" / "anthropic"
    except RuntimeError:            # nobody by this number, and no HOME: then there is nothing there
        return Path("/nonexistent")


def _path_in(text: object, profile: Path) -> Path:
    """A path that a profile names. Raises SetupError."""
    try:
        if not isinstance(text, str) or "\0" in text:
            raise ValueError
        found = Path(text).expanduser()
        os.fsencode(found)
    except (ValueError, RuntimeError):      # of nobody's home
        raise SetupError(f"The profile {profile} names a path that is none: log in again with `ant auth login`.",
                         EXIT_USAGE) from None
    return found


def _pointed(folder: Path) -> str | None:
    try:
        return (folder / "active_config").read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError):
        return None


def _federation_of(environ: Mapping[str, str]) -> Federation | None:
    rule_id, organization_id = environ.get("ANTHROPIC_FEDERATION_RULE_ID"), environ.get("ANTHROPIC_ORGANIZATION_ID")
    path, token = environ.get("ANTHROPIC_IDENTITY_TOKEN_FILE"), environ.get("ANTHROPIC_IDENTITY_TOKEN")
    if not (rule_id and organization_id and (path or token)):
        return None
    return Federation(rule_id, organization_id, environ.get("ANTHROPIC_SERVICE_ACCOUNT_ID") or None,
                      environ.get("ANTHROPIC_WORKSPACE_ID") or None,
                      Path(path) if path else None, None if path else token)


def _token_url(base_url: str, source: str) -> str:
    """Where tokens come from: what is sent there is worth as much as a password."""
    try:
        parts = urlsplit(base_url.strip().rstrip("/"))
        safe = bool(parts.hostname) and (parts.scheme == "https"
                                         or (parts.scheme == "http" and parts.hostname in LOCAL))
    except ValueError:
        safe = False
    if not safe:
        raise SetupError(f"The {source} must be an https URL: a login's token is asked for there.", EXIT_USAGE)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() + "/v1/oauth/token"
