"""Texts without their secrets: keys, tokens, passwords and headers' values, wherever they stand.

Trusts  no place to be free of them: what is known to be secret here is taken out of every text, and what looks like a
        secret as well.
Never   leaves a part of a secret.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, unquote, urlsplit

MASK: Final = "***"
FEWEST: Final = 5           # characters of a secret: one letter would be taken out of every word
# Variables whose values are secret as a whole.
NAMES: Final = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|HEADERS|COOKIE|SIGNATURE|SAS", re.IGNORECASE)
# Of these the name says what isn't one: a place.
PLACES: Final = re.compile(r".*(_FILE|_PATH|_DIR|_DIRECTORY|_SOCK|_COMMAND|_URL|_URI)", re.IGNORECASE)
SHAPES: Final = (
    re.compile(r"\bsk-[A-Za-z0-9_-]{4,}"),                                  # Anthropic's keys
    re.compile(r"\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*"),     # JSON Web Tokens
    re.compile(r"\bA[KS]IA[A-Z0-9]{12,}"),                                  # AWS
    re.compile(r"(?<=://)[^/\s@\"']+(?=@)"),                                # name and password in a URL
    re.compile(r"(?i)(?<=bearer )\S+"),
    re.compile(r"(?i)(?<=basic )[A-Za-z0-9+/=_-]{6,}"),
    re.compile(r"(?i)(?<=[?&](?:sig|key)=)[^&\s\"']+"),
    re.compile(r"(?i)(?<=[?&](?:token|sastk)=)[^&\s\"']+"),
    re.compile(r"(?i)(?<=x-api-key: )\S+"),
)
# `name = value` where the name says that it is secret: of a file of settings, or a line of a log.
ASSIGNED: Final = re.compile(
    r"""(?ix) (?P<name> (?:(?:api_?key|token|secret|password|passwd|credential)s? ["']? \s{0,9} [=:]
                           | (?<![\w-]) key ["']? \s{0,9} =) \s{0,9})
              (?P<value> "[^"\n]*" | '[^'\n]*' | \[[^\]\n]*\] | [^\s,;}]+)""")


class Masks:
    """The secrets that are known here."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {form for each in secrets for form in _forms(each)}
        self._secrets = sorted((each for each in found if len(each) >= FEWEST), key=len, reverse=True)      # constant

    def masked(self, text: str) -> str:
        """The text without them, and without what looks like one."""
        for each in self._secrets:
            text = text.replace(each, MASK)
        for shape in SHAPES:
            text = shape.sub(MASK, text)
        return ASSIGNED.sub(lambda match: match["name"] + MASK, text)


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """The values of an environment that are secret, or have something secret in them."""
    found = list[str]()
    for name, value in environ.items():
        if NAMES.search(name) and not PLACES.fullmatch(name):
            found += [value, *(line.partition(":")[2].strip() for line in value.splitlines())]
        found += _of_url(value)
    return found


def _of_url(value: str) -> list[str]:
    if "@" not in value or "://" not in value:
        return []
    try:
        parts = urlsplit(value)
        return [each for each in (parts.password, parts.netloc.rpartition("@")[0]) if each]
    except ValueError:
        return [value]


def _forms(secret: str) -> list[str]:
    """As it may stand somewhere."""
    text = secret.strip()
    return [text, quote(text, safe=""), unquote(text), text.encode("unicode_escape").decode(),
            *(line.strip() for line in text.splitlines())]
