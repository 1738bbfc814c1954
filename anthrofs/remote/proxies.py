"""The proxy that a request goes through, by the environment that curl and the SDKs read; pure.

Trusts  nothing: an entry of NO_PROXY that can't be read, or a proxy of an unknown kind, is a SetupError that names the
        variable.
Never   quotes a proxy's URL: a password may be in it.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from anthrofs.errors import EXIT_USAGE, SetupError

KINDS: Final = frozenset({"http", "https", "socks5", "socks5h"})
PORTS: Final = {"http": 80, "https": 443}
ENTRY: Final = re.compile(
    r"((?P<scheme>\w+)://)?(?P<host>\[[^\]]*\]|[^:\[\]]+|[^\[\]]*:[^\[\]]*:[^\[\]]*)(:(?P<port>\d{1,5}))?", re.ASCII)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """A place that NO_PROXY is asked about."""

    scheme: str
    host: str
    port: int


def proxy_of(environ: Mapping[str, str], url: str) -> str | None:
    """The proxy's URL for a request to `url`; None: directly. Raises SetupError."""
    parts = urlsplit(url)
    target = Target(parts.scheme, (parts.hostname or "").rstrip("."), parts.port or PORTS.get(parts.scheme, 0))
    # In a CGI program HTTP_PROXY is a header of whoever asks; it never names the proxy there, and so nowhere else
    # either.
    for variable in (f"{parts.scheme}_proxy", "all_proxy"):
        name = next((each for each in (variable, variable.upper()) if environ.get(each, "").strip()), None)
        if name is not None:
            return None if _excepted(environ, target) else _checked(name, environ[name].strip())
    return None


def _checked(variable: str, value: str) -> str:
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and url.isprintable() and " " not in url
        kind = parts.scheme.lower()
    except ValueError:
        usable, kind = False, ""
    if not usable:
        raise SetupError(f"{variable} is not a proxy's URL, like http://proxy.example:3128: correct or unset it.",
                         EXIT_USAGE)
    if kind not in KINDS:
        raise SetupError(f"{variable} names a proxy of a kind that anthrofs doesn't know ({kind}). It knows "
                         f"{', '.join(sorted(KINDS))}.",
                         EXIT_USAGE)
    return url


def _excepted(environ: Mapping[str, str], target: Target) -> bool:
    name = "no_proxy" if environ.get("no_proxy", "").strip() else "NO_PROXY"
    entries = [entry for entry in re.split(r"[,\s]+", environ.get(name, "")) if entry]
    found = [_matches(name, entry, target) for entry in entries]        # all of them: a wrong one is said
    return any(found)


def _matches(variable: str, entry: str, target: Target) -> bool:
    """One entry: *, a host, .its.domain, an address, or a network; with a port if only that is meant."""
    if entry == "*":
        return True
    host = _address(target.host)
    try:
        if "/" in entry and "://" not in entry:
            network = ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False)
            return host is not None and host in network
        parts = ENTRY.fullmatch(entry.rstrip("/"))
        if parts is None:
            raise ValueError
        if (parts["scheme"] or target.scheme) != target.scheme or int(parts["port"] or target.port) != target.port:
            return False
        named = parts["host"]
        if named.startswith("[") or ":" in named:
            return host is not None and host == ipaddress.ip_address(named.strip("[]"))
    except ValueError as exc:
        raise SetupError(f"{variable} has an entry that is no host, address or network: {entry!a}. Correct or remove "
                         "it.", EXIT_USAGE) from exc
    if (address := _address(named)) is not None:
        return host == address
    name, domain = target.host.lower(), named.lower().removeprefix("*").rstrip(".")
    return name.endswith(domain) if domain.startswith(".") else name == domain or name.endswith(f".{domain}")


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
