"""Where an answer sends a request on to, and with what; pure.

Trusts  a redirect as far as the SDKs do: a GET follows it; what changes something is repeated only at the same host,
        and only when the answer says that nothing was done yet (307, 308: RFC 9110, 15.4).
Never   lets a key, or a header that the user has set for the service, go to another host.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from anthrofs.errors import InTheWay

FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})
REPEATED: Final = frozenset({307, 308})         # the same method and body, elsewhere
MOST: Final = 10                                # hops of one request
NEUTRAL: Final = frozenset({"accept", "accept-encoding", "range", "user-agent"})        # all that another host is told
PORTS: Final = {"http": 80, "https": 443}
WORDS_LIMIT: Final = 200        # of an address that is shown


@dataclass(frozen=True, slots=True)
class Hop:
    """The next request of the same exchange."""

    url: str
    trusted: bool           # the same host as at the beginning: it gets the key


def hop_of(method: str, url: str, status: int, location: str | None, *, content: bool, hops: int,
           trusted: bool = True) -> Hop | None:
    """The request that follows an answer to one for `url`; None: that was no redirect. `content`: a file's, which may
    lie anywhere. `trusted`: `url` is the service's own; else whoever is named next isn't trusted either.

    Raises InTheWay, which names the target, where the request must not follow.
    """
    if status not in FOLLOWED or location is None:
        return None
    target = _joined(url, location)
    here, there = urlsplit(url), urlsplit(target or url)
    same = here.hostname == there.hostname and (_origin(url) == _origin(target or url) or (
        (here.scheme, there.scheme) == ("http", "https") and _default(here.port, here.scheme)
        and _default(there.port, there.scheme)))
    words = f"{method} was redirected (HTTP {status}) to {_shown(target) if target else 'an address that is none'}"
    stored = method == "POST" and status not in REPEATED       # 303, and 302 in practice, may mean: done, see there
    if target is None or (here.scheme, there.scheme) == ("https", "http"):
        raise InTheWay(f"{words}, where it can't go", maybe_stored=stored, status=status)
    if hops >= MOST:
        raise InTheWay(f"{words}, and that for the {hops + 1}th time", maybe_stored=stored, status=status)
    if not same and not (method == "GET" and content):
        raise InTheWay(f"{words}: the key isn't sent to another host. If the service is there now, set "
                       "ANTHROPIC_BASE_URL to it; if it is a login page of your network, log in there",
                       maybe_stored=stored, status=status)
    if method != "GET" and status not in REPEATED:
        raise InTheWay(f"{words}, which would make another request of it: set ANTHROPIC_BASE_URL to where the service "
                       "is", maybe_stored=stored,
                       status=status)
    return Hop(target, same and trusted)


def _joined(url: str, location: str) -> str | None:
    try:
        target = urljoin(url, location.strip())
        parts = urlsplit(target)
        usable = (parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0 and target.isprintable()
                  and " " not in target)
    except ValueError:
        return None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl() if usable else None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)


def _default(port: int | None, scheme: str) -> bool:
    return port in (None, PORTS.get(scheme))


def _shown(url: str) -> str:
    """Without its query: one-time secrets are in those."""
    parts = urlsplit(url)
    return parts._replace(query="", fragment="").geturl()[:WORDS_LIMIT]
