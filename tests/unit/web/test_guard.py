"""Who may ask the page's server: whoever has the whole address, by a name of this machine, from no other site."""

import asyncio
from typing import Any, Final

import pytest

from anthrofs.web.guard import ALWAYS, Guard, admitted

TOKEN: Final = "t-0_ken"
HOST: Final = "127.0.0.1:4321"
PAGE: Final = {"host": HOST, "origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
DEED: Final = {**PAGE, "content-type": "application/json"}


def passes(method: str, path: str, headers: dict[str, str] | list[tuple[str, str]]) -> str | None:
    pairs = list(headers.items()) if isinstance(headers, dict) else headers
    return admitted(method, path, [(name.encode(), value.encode("latin-1")) for name, value in pairs], TOKEN)


@pytest.mark.parametrize(("method", "path", "headers", "behind"), [
    pytest.param("GET", f"/{TOKEN}/", {"host": HOST}, "/", id="page"),
    pytest.param("GET", f"/{TOKEN}", {"host": HOST}, "", id="page-without-its-slash"),
    pytest.param("GET", f"/{TOKEN}/", {"host": "localhost:9", "sec-fetch-site": "cross-site"}, "/", id="page-through-ssh-from-a-link"),
    pytest.param("GET", f"/{TOKEN}/events", PAGE, "/events", id="stream"),
    pytest.param("GET", f"/{TOKEN}/events", {"host": HOST}, "/events", id="stream-to-a-program"),
    pytest.param("POST", f"/{TOKEN}/act", DEED, "/act", id="deed"),
])
def test_the_page_gets_in(method: str, path: str, headers: dict[str, str], behind: str) -> None:
    assert passes(method, path, headers) == behind


@pytest.mark.parametrize(("method", "path", "headers"), [
    pytest.param("GET", "/", {"host": HOST}, id="no-token"),
    pytest.param("GET", "/events", PAGE, id="no-token-for-the-stream"),
    pytest.param("GET", f"/{TOKEN[:-1]}/", {"host": HOST}, id="part-of-a-token"),
    pytest.param("GET", f"/{TOKEN}x/", {"host": HOST}, id="more-than-a-token"),
    pytest.param("GET", f"/{TOKEN.upper()}/", {"host": HOST}, id="token-in-capitals"),
    pytest.param("GET", "/t\u00f6ken/\udcff", {"host": HOST}, id="no-text"),
    pytest.param("GET", "", {"host": HOST}, id="no-path"),
    pytest.param("GET", f"//{TOKEN}/", {"host": HOST}, id="token-in-another-place"),
    pytest.param("GET", f"/{TOKEN}/", {}, id="no-host"),
    pytest.param("GET", f"/{TOKEN}/", {"host": "evil.example:4321"}, id="rebound-name"),
    pytest.param("GET", f"/{TOKEN}/", {"host": "127.0.0.1.evil.example:4321"}, id="name-that-begins-like-it"),
    pytest.param("GET", f"/{TOKEN}/", {"host": "evil.example:80:127.0.0.1"}, id="name-that-ends-like-it"),
    pytest.param("GET", f"/{TOKEN}/", [("host", HOST), ("host", "evil.example")], id="two-hosts"),
    pytest.param("GET", f"/{TOKEN}/events", {**PAGE, "sec-fetch-site": "cross-site"}, id="stream-from-another-site"),
    pytest.param("GET", f"/{TOKEN}/events", {**PAGE, "sec-fetch-site": "same-site"}, id="stream-from-another-port"),
    pytest.param("GET", f"/{TOKEN}/events", {"host": HOST, "origin": "http://127.0.0.1:8000"}, id="origin-of-another-port"),
    pytest.param("GET", f"/{TOKEN}/events", {"host": HOST, "origin": "null"}, id="origin-of-a-sandbox"),
    pytest.param("POST", f"/{TOKEN}/act", {"host": HOST, "content-type": "application/json"}, id="deed-without-origin"),
    pytest.param("POST", f"/{TOKEN}/act", {**DEED, "origin": "https://evil.example"}, id="deed-from-another-site"),
    pytest.param("POST", f"/{TOKEN}/act", {**DEED, "content-type": "text/plain"}, id="deed-by-a-form"),
    pytest.param("POST", f"/{TOKEN}/act", {**DEED, "content-type": "application/x-www-form-urlencoded"}, id="deed-by-another-form"),
    pytest.param("OPTIONS", f"/{TOKEN}/act", {"host": HOST, "origin": "https://evil.example"}, id="preflight"),
])
def test_everybody_else_stays_out(method: str, path: str, headers: dict[str, str]) -> None:
    assert passes(method, path, headers) is None


def test_a_no_says_nothing_and_every_answer_has_the_headers() -> None:
    said = list[dict[str, Any]]()

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", scope["path"].encode())]})

    async def send(message: Any) -> None:
        said.append(message)

    async def nothing() -> Any:
        raise AssertionError("nobody reads a stranger's body")

    guard = Guard(app, TOKEN, "default-src 'none'")
    for path in ("/wrong/act", f"/{TOKEN}/"):
        asyncio.run(guard({"type": "http", "method": "GET", "path": path, "headers": [(b"host", HOST.encode())]}, nothing, send))
    no, words, yes = said
    assert (no["status"], yes["status"]) == (403, 200)
    assert TOKEN.encode() not in words["body"]
    assert (b"x-own", b"/") in yes["headers"]
    for answer in (no, yes):
        assert {name.decode(): value.decode() for name, value in answer["headers"]}.items() >= {
            **ALWAYS, "content-security-policy": "default-src 'none'"}.items()


def test_the_address_without_its_slash_leads_to_the_page() -> None:
    """The page's own requests are named from there."""
    said = list[dict[str, Any]]()

    async def send(message: Any) -> None:
        said.append(message)

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise AssertionError("it isn't the page yet")

    async def nothing() -> Any:
        raise AssertionError("nor is there a body")
    asyncio.run(Guard(app, TOKEN, "")({"type": "http", "method": "GET", "path": f"/{TOKEN}", "headers": [(b"host", HOST.encode())]}, nothing, send))
    assert said[0]["status"] == 307
    assert (b"location", f"/{TOKEN}/".encode()) in said[0]["headers"]
