"""The words of something on the way, which isn't the service: its page's title, its JSON's message, its plain text;
pure.

Trusts  nothing: one tame line of a bounded length comes out, or nothing.
Never   repeats what the request had in its headers: a gateway's error may quote the key.
"""

import html
import json
import re
from collections.abc import Mapping
from typing import Any, Final

LIMIT: Final = 200
# where JSON says it, most telling first
SPOKEN: Final = ("message", "detail", "error_description", "title", "error", "reason", "msg")
TITLE: Final = re.compile(rb"<title[^>]{0,200}>(.{1,2000}?)</title|<h1[^>]{0,200}>(.{1,2000}?)</h1",
                          re.IGNORECASE | re.DOTALL)
TAGS: Final = re.compile(r"<[^>]{0,500}>")
# Controls, ends of lines, halves of surrogate pairs, and what turns the direction of a text on a terminal.
WILD: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
SHORTEST_SECRET: Final = 6      # shorter values of headers are words like "true"
OPEN: Final = frozenset({"accept", "accept-encoding", "anthropic-beta", "anthropic-version", "anthropic-workspace-id",
                         "connection", "content-length",
                         # what isn't secret of a request
                         "content-type", "host", "range", "transfer-encoding", "user-agent"})


def words_of(body: bytes) -> str:
    """One line, without control characters; empty: it says nothing that a person can read."""
    text = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith((b"{", b"[")):
        try:
            return tame(_spoken(json.loads(text)))
        except (ValueError, RecursionError):
            return ""
    if text.startswith(b"<"):
        found = TITLE.search(text)
        return tame(html.unescape(TAGS.sub(" ", (found[1] or found[2]).decode(errors="replace")))) if found else ""
    try:
        line = text[:4 * LIMIT].decode(errors="strict" if len(text) <= 4 * LIMIT else "ignore")
    except UnicodeDecodeError:
        return ""
    return tame(line)


def without_secrets(body: bytes, headers: Mapping[str, str]) -> bytes:
    """An answer's body, with `[secret]` for whatever the request's headers had."""
    for name, value in headers.items():
        for secret in {value, value.partition(" ")[2]} if name.lower() not in OPEN else ():
            if len(secret) >= SHORTEST_SECRET:
                body = body.replace(secret.encode(errors="replace"), b"[secret]")
    return body


def tame(text: str) -> str:
    """One line, bounded."""
    return " ".join(WILD.sub(" ", text).split())[:LIMIT].strip()


def _spoken(answer: Any, depth: int = 3) -> str:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list) and answer and depth:
        return _spoken(answer[0], depth - 1)
    if isinstance(answer, dict) and depth:
        return next((said for name in SPOKEN if (said := _spoken(answer.get(name), depth - 1))), "")
    return ""
