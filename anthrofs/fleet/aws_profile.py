"""Static credentials and a region from the files that AWS's own tools keep, where the environment names none.

Trusts  the files of this user, as AWS's tools do. Roles and single sign-on, which need those tools, aren't read.
Never   keeps a key: what is read goes to the client of the store.
"""

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# Any of these says where credentials come from: then no file is looked at, as AWS's tools have it.
NAMED: Final = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI")
KEYS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


def settings(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Returns what a client of S3 is to be told besides the environment, by obstore's names."""
    profile = environ.get("AWS_PROFILE") or "default"
    found = dict[str, str]()
    config = _section(Path(environ.get("AWS_CONFIG_FILE") or home / ".aws" / "config"),
                      profile if profile == "default" else f"profile {profile}")
    if not any(environ.get(name) for name in NAMED):
        keys = _section(Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials"), profile)
        for each in (keys, config):
            if KEYS[0] in each and KEYS[1] in each:
                found = {name: each[name] for name in KEYS if name in each}
                break
    if not (environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")) and "region" in config:
        found["aws_region"] = config["region"]
    return found


def _section(path: Path, name: str) -> Mapping[str, str]:
    """A file's section; empty, if there is none, or none that can be read."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}
    return dict(parser[name]) if parser.has_section(name) else {}
