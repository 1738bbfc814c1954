"""The routes of the page: the page itself, what there is to see, what was clicked.

Owns    the bounds of a request.
Never   answers anybody whom the guard has not let in, and never with a traceback.
"""

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from importlib import resources
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from anthrofs.errors import SetupError
from anthrofs.web import deeds
from anthrofs.web.guard import Guard
from anthrofs.web.threads import apart
from anthrofs.web.watcher import Watcher

BODY_BYTES: Final = 2**16           # of a request: a path has at most 4096, and a reason less than that
POLICY: Final = ("default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                 "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")


class NoRequest(Exception):
    """A request that makes no sense: its status and words."""

    def __init__(self, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.status = status


class App:
    """Answers what a browser asks, by what one watcher sees."""

    def __init__(self, watcher: Watcher, token: str) -> None:
        self._watcher = watcher                                                 # given
        self._page = (resources.files("anthrofs") / "web" / "page.html").read_text(encoding="utf-8")    # constant
        routes = [Route("/", self._on_page), Route("/events", self._on_events), Route("/held", self._on_held),
                  Route("/act", self._on_act, methods=["POST"])]
        self.asgi: Final = Guard(Starlette(routes=routes, exception_handlers={
            SetupError: _refused, NoRequest: _refused}), token, policy_of(self._page))

    async def _on_page(self, _request: Request) -> Response:
        return HTMLResponse(self._page)

    async def _on_events(self, _request: Request) -> Response:
        return StreamingResponse(self._events(), media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        async with aclosing(self._watcher.pictures()) as pictures:
            async for picture in pictures:
                yield ": still here\n\n" if picture is None else f"data: {picture}\n\n"

    async def _on_held(self, request: Request) -> Response:
        mount = self._watcher.seen(request.query_params.get("mount", ""))
        return JSONResponse(await apart(partial(deeds.held, mount)))

    async def _on_act(self, request: Request) -> Response:
        asked = await _body(request)
        mount, path = self._watcher.seen(asked["mount"]), asked["path"]
        acts: dict[str, Callable[[], str]] = {
            "retry": lambda: deeds.retry(mount, path, as_is=asked.get("as_is") is True),
            "discard": lambda: deeds.discard(mount, path, asked.get("reason", ""))}
        if (act := acts.get(asked["do"])) is None:
            raise NoRequest("That is nothing that the page does.")
        try:
            return JSONResponse({"said": await apart(act)})
        finally:
            self._watcher.hasten()


def policy_of(page: str) -> str:
    """Returns the policy by which the page runs its own script and uses its own style, known by their sums, and nothing
    else.
    """
    sums = {kind: "'sha256-" + base64.b64encode(hashlib.sha256(found.encode()).digest()).decode() + "'"
            for kind, found in re.findall(r"<(script|style)>(.*?)</\1>", page, re.DOTALL)}
    return f"{POLICY}; script-src {sums['script']}; style-src {sums['style']}"


async def _body(request: Request) -> dict[str, Any]:
    """Raises NoRequest for what isn't an object with texts."""
    found = b""
    async for piece in request.stream():
        found += piece
        if len(found) > BODY_BYTES:
            raise NoRequest("That is too long.", 413)
    try:
        asked = json.loads(found)
    except (ValueError, RecursionError):
        asked = None
    texts = ("do", "mount", "path", "reason")
    if not isinstance(asked, dict) or not all(isinstance(asked.get(name, ""), str) for name in texts) or not all(
            name in asked for name in texts[:3]):
        raise NoRequest("That is no request of the page.")
    return asked


async def _refused(_request: Request, exc: Exception) -> Response:
    return JSONResponse({"error": str(exc)}, getattr(exc, "status", 409))
