"""The guard before the page: a request needs the address's token, comes by a name of this machine, and from no other
site's page.

Any page in the browser can send requests to a port of this machine, and a name that its owner turns to 127.0.0.1 would
make it the same site (DNS rebinding). So the token is in the path, where no page but ours knows it; the name must be
one of loopback; what changes anything, and what is read by programs, must come from our own page.

Owns    the headers of every answer: nothing is loaded from elsewhere, run, framed, kept or sent on.
Never   says more to a stranger than no, and never compares a token byte by byte. A cookie is no part of it: other ports
        of this machine would get it, too.
"""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
JSON: Final = "application/json"
NO: Final = ("This is the page of `anthrofs web`, and this address doesn't open it. Its whole address is in the "
             "terminal in which it runs.\n")
ALWAYS: Final = {"cache-control": "no-store", "cross-origin-opener-policy": "same-origin",
                 "cross-origin-resource-policy": "same-origin", "referrer-policy": "no-referrer",
                 "x-content-type-options": "nosniff", "x-frame-options": "DENY"}


class Guard:
    """Stands before the routes, which see paths without the token."""

    def __init__(self, app: App, token: str, policy: str) -> None:
        """`policy`: what the page may load and run."""
        self._app = app             # given
        self._token = token         # constant
        self._headers = [(name.encode(), value.encode())
                         for name, value in {**ALWAYS, "content-security-policy": policy}.items()]      # constant

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        if scope["type"] != "http":
            return
        rest = admitted(scope["method"], scope["path"], scope["headers"], self._token)
        if rest:
            await self._app({**scope, "path": rest, "raw_path": rest.encode(), "root_path": ""}, receive, guarded)
            return
        status, more = (403, []) if rest is None else (307, [(b"location", f"/{self._token}/".encode())])
        await guarded({"type": "http.response.start", "status": status,
                       "headers": [(b"content-type", b"text/plain; charset=utf-8"), *more]})
        await guarded({"type": "http.response.body", "body": NO.encode() if rest is None else b""})


def admitted(method: str, path: str, headers: list[tuple[bytes, bytes]], token: str) -> str | None:
    """The path behind the token, for a request that may pass, empty if not even a slash is; None for all others."""
    said, slash, rest = path.removeprefix("/").partition("/")
    if not hmac.compare_digest(said.encode("utf-8", "surrogatepass"), token.encode()):
        return None
    behind = slash + rest
    hosts = _values(headers, b"host")
    if len(hosts) != 1 or hosts[0].rsplit(":", 1)[0] not in HOSTS:
        return None
    origins, sites = _values(headers, b"origin"), _values(headers, b"sec-fetch-site")
    if any(origin != f"http://{hosts[0]}" for origin in origins):
        return None
    # A person may come from anywhere by the whole address; what is behind the page is for the page.
    if behind not in ("", "/") and any(site != "same-origin" for site in sites):
        return None
    if method != "GET" and not (origins and _values(headers, b"content-type") == [JSON]):
        return None
    return behind


def _values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for each, value in headers if each == name]
