"""Texts without their secrets: keys, tokens, passwords and headers' values, wherever they stand.

Trusts  no place to be free of them: what is known to be secret here is taken out of every text, and what looks like a
        secret as well.
Never   leaves a part of a secret.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, unquote

MASK: Final = "***"
FEWEST: Final = 5           # characters of a secret: one letter would be taken out of every word
# Variables whose values are secret as a whole.
NAMES: Final = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|HEADERS|COOKIE|SIGNATURE|SAS", re.IGNORECASE)
# Of these the name says what isn't one: a place.
PLACES: Final = re.compile(r".*(_FILE|_PATH|_DIR|_DIRECTORY|_SOCK|_COMMAND|_URL|_URI)", re.IGNORECASE)
PROXY: Final = re.compile(r".*_proxy", re.IGNORECASE)       # an address, which needs no scheme
SHAPES: Final = (
    re.compile(r"\bsk-[A-Za-z0-9_-]{4,}"),                                  # Anthropic's keys
    re.compile(r"\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*"),     # JSON Web Tokens
    re.compile(r"\bA[KS]IA[A-Z0-9]{12,}"),                                  # AWS
    re.compile(r"(?<=://)[^\s\"'<>]+(?=@)"),        # name and password in a URL, also with a bare slash
    re.compile(r"(?i)(?<=bearer )\S+"),
    re.compile(r"(?i)(?<=basic )[A-Za-z0-9+/=_-]{6,}"),
)
QUERY: Final = re.compile(r"(?i)(?P<name>[?&][^=&\s\"']*(?:sig|key|token|sastk|secret|password|credential|signature"
                          r"|code|auth)[^=&\s\"']*=)[^&\s\"']+")
# Headers that are secret to the end of their line, where no quote ends them before.
HEADER: Final = re.compile(r"(?im)(?P<name>(?:authorization|cookie|x-api-key) ?[:=] ?)(?![\s\"'])[^\n\"']+")
# `name = value` where the name says that it is secret: of a file of settings, or a line of a log.
ASSIGNED: Final = re.compile(
    r"""(?ix) (?P<name> (?:(?:api[_-]?key|token|secret|password|passwd|passphrase|pwd?|credential|signature
                             |access[_-]?key|authorization|cookie)s? ["']? \s{0,9} (?:[=:] | (?<=["']),)
                           | (?<![A-Za-z0-9-]) (?:key|auth) ["']? \s{0,9} =) \s{0,9})
              (?P<value> b?(?:\"""[\s\S]*?\""" | \'\'\'[\s\S]*?\'\'\' | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*')
                         | \[[^\]]*\] | [^\s,;}]+)""")


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
        for named in (QUERY, HEADER):
            text = named.sub(lambda match: match["name"] + MASK, text)
        return ASSIGNED.sub(lambda match: match["name"] + MASK, text)


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """The values of an environment that are secret, or have something secret in them."""
    found = list[str]()
    for name, value in environ.items():
        if NAMES.search(name) and not PLACES.fullmatch(name):
            found += [value, *(line.partition(":")[2].strip() for line in value.splitlines())]
        found += _of_url(f"http://{value}" if PROXY.fullmatch(name) and "://" not in value else value)
    return found


def _of_url(value: str) -> list[str]:
    _, scheme, rest = value.partition("://")
    pair = rest.rpartition("@")[0]
    if not scheme or not pair:
        return []
    # The password begins at the first colon, and may have a slash that should have been quoted.
    return [pair, pair.partition(":")[2], base64.b64encode(unquote(pair).encode(errors="replace")).decode()]


def _forms(secret: str) -> list[str]:
    """As it may stand somewhere."""
    text = secret.strip()
    return [text, quote(text, safe=""), unquote(text), text.encode("unicode_escape").decode(),
            json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1],
            *(line.strip() for line in text.splitlines())]
