"""Static credentials and a region from the files that AWS's own tools keep, where the environment names none.

Trusts  the files of this user, as AWS's tools do. Roles and single sign-on, which need those tools, aren't read.
Never   keeps a key: what is read goes to the client of the store.
"""

import configparser
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from anthrofs.fleet import store_words

# Any of these says where credentials come from: then no file is looked at, as AWS's tools have it.
NAMED: Final = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI")
AGAIN: Final = timedelta(minutes=10)        # obstore asks again five minutes before
KEYS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


class Profile:
    """A user's profile, looked at anew now and then: tools of single sign-on write keys there that live for an hour."""

    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        name = environ.get("AWS_PROFILE") or "default"
        config_name = name if name == "default" else f"profile {name}"
        config = Path(environ.get("AWS_CONFIG_FILE") or home / ".aws" / "config")
        keys = Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials")
        self._places = ((keys, name), (config, config_name))                        # constant
        self._is_named = any(environ.get(each) for each in NAMED)                   # constant
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
        self.region = None if region else _section(config, config_name).get("region")       # constant; None: as it is

    def has_keys(self) -> bool:
        """Whether the client is to take its keys from here."""
        return not self._is_named and self._keys() is not None

    def __call__(self) -> dict[str, Any]:
        """Returns the keys, as obstore wants them. Raises LookupError: they have gone meanwhile."""
        keys = self._keys()
        if keys is None:
            raise LookupError(store_words.GONE)
        return {"access_key_id": keys[KEYS[0]], "secret_access_key": keys[KEYS[1]], "token": keys.get(KEYS[2]),
                "expires_at": datetime.now(UTC) + AGAIN}

    def _keys(self) -> Mapping[str, str] | None:
        found = (_section(*place) for place in self._places)
        return next((each for each in found if KEYS[0] in each and KEYS[1] in each), None)


def _section(path: Path, name: str) -> Mapping[str, str]:
    """A file's section; empty, if there is none, or none that can be read."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}
    return dict(parser[name]) if parser.has_section(name) else {}
