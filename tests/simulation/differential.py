"""The same requests to the emulator and to the simulated service: drawn, asked of both, and told in words that fit both.

Owns    what is meant by the same: all but ids, times, cursors' spelling, request ids and an error's words.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx

Pairs = Sequence[tuple[str, str]]

BOUNDARY: Final = "drawn-boundary"
VERSION: Final = ("anthropic-version", "2023-06-01")
BETAS: Final = ["files-api-2025-04-14", "managed-agents-2026-04-01", "files-api-2025-04-14,managed-agents-2026-04-01", "something-else-2026-01-01", ""]
NAMES: Final = ["a.txt", "ä ö.csv", "", "dir/b.png", "c/", "x" * 255, "x" * 256, "bad?.txt", "tab\there", "quo%22te", 'es\\"c', "100%.md", "no type", "%0a",
                "\u0061\u0308.txt", "\u00e4.txt", "back\\\\slash", "\U0001f600.bin", ".hidden"]
TYPES: Final = ["text/plain", "image/png", "text/csv; charset=utf-8", "", "x" * 256, "application/octet-stream", "AUDIO/x", "video/mp4"]
RANGES: Final = ["bytes=0-", "bytes=0-0", "bytes=3-7", "bytes=5-2", "bytes=-4", "bytes=-0", "bytes=100000-", "bytes=2-100000", "bytes=a-b", "items=0-1",
                 "bytes=0-1,3-4", "bytes=-"]
SCOPES: Final = ["session_a", "session_b", "session_nobody"]
DAYS: Final = [0, 0, 5, 20, 40]
PLACE: Final = re.compile(r"\{(page )?(\d+)\}")
# Of an answer's headers: these as they are, those only whether they are there.
SAID: Final = ("content-range", "accept-ranges", "x-should-retry", "content-disposition", "anthropic-ratelimit-requests-limit", "content-length")
THERE: Final = ("date", "request-id", "anthropic-organization-id", "etag", "retry-after")

INVENTED: Final = frozenset({"later_invention", "something_new"})       # fields that no client knows

# Switches that both have under one name.
SWITCHES: Final[dict[str, list[Any]]] = {
    "ranges": [False], "content_length": [False], "senseless_ranges": ["error400"], "etag": [True], "content_disposition": [True],
    "empty_uploads": ["refuse"], "unknown_cursor": ["error404", "restart", "empty"], "deleted_cursor": ["in_place"],
    "second_delete": ["accept"], "delete_answer": ["no_content", "other_json", "page"], "quota_status": [403], "decoded_names": [False],
    "unknown_scope": ["error404", "error400"], "stored_names": ["nfc", "nfd"], "time_resolution": ["milliseconds", "seconds"],
    "ratelimit_headers": [True], "error_details": [False], "foreign_workspace": ["error403"], "named_workspace": ["as_asked"],
    "extra_fields": [True], "order": ["oldest_first"], "identity_headers": [False], "dropped_headers": ["request-id", "date,content-type"],
    "delivered_extra_bytes": [30, -2, -10**6], "uploads_downloadable": [True], "foreign_lists": ["openai", "bare"], "unreadable_entries": [2],
    "max_file_bytes": [3, 10], "quota_bytes": [20, 200], "requests_per_minute": [12],
    "listing_lag_ms": [10**9], "deletion_lag_ms": [10**9], "metadata_lag_ms": [10**9],
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request; `{3}` stands for the id of the fourth file, `{page 2}` for the third page's cursor."""

    method: str
    path: str
    query: Pairs = ()
    headers: Pairs = ()
    body: bytes = b""


@dataclass(slots=True)
class Side:
    """One of the two services."""

    client: httpx.Client
    generate: Callable[[Mapping[str, Any]], str]
    workspace_id: str
    ids: list[str] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)

    def asked(self, ask: Ask) -> Any:
        """What it answers, without what can't be the same."""
        query = httpx.QueryParams([(name, self._filled(value)) for name, value in ask.query])
        headers = httpx.Headers([(name, value.replace("{workspace}", self.workspace_id)) for name, value in ask.headers])
        url = self._filled(ask.path) + (f"?{query}" if ask.query else "")
        answer = self.client.send(self.client.build_request(ask.method, url, headers=headers, content=ask.body))
        wanted = ask.path.endswith("/content") and answer.is_success
        json = "json" in answer.headers.get("content-type", "") or (answer.content.startswith(b"{") and not wanted)
        body = answer.json() if json else None
        if isinstance(body, dict) and answer.status_code == 200:
            if ask.method == "POST":
                self.ids.append(body["id"])
            if body.get("next_page"):
                self.pages.append(body["next_page"])
        told: dict[str, Any] = {name: answer.headers.get(name) for name in SAID if name != "content-length" or (ask.method == "GET" and not json)}
        told |= {name: name in answer.headers for name in THERE}
        workspace = answer.headers.get("anthropic-workspace-id")
        return (answer.status_code, answer.headers.get("content-type", "").partition(";")[0], told,
                "own" if workspace == self.workspace_id else workspace, self._told(body, answer) if json else answer.content if ask.method == "GET" else b"")

    def made(self, wanted: Mapping[str, Any]) -> None:
        self.ids.append(self.generate(wanted))

    def _filled(self, text: str) -> str:
        def value(found: re.Match[str]) -> str:
            values = self.pages if found[1] else self.ids
            return values[int(found[2]) % len(values)] if values else "file_nobody"
        return PLACE.sub(value, text)

    def _told(self, value: Any, answer: httpx.Response, key: str = "") -> Any:
        if isinstance(value, dict):
            lasts = value.get("expires_at") and value.get("created_at") and round((_time(value["expires_at"]) - _time(value["created_at"])) / 3600)
            return {name: self._told(each, answer, name) for name, each in sorted(value.items()) if name not in INVENTED} | {
                "lasts": lasts, "more": not INVENTED.isdisjoint(value)}
        if isinstance(value, list):
            return [self._told(each, answer) for each in value]
        if key in ("message", "created_at", "expires_at", "next_page", "purpose", "status"):
            return value is not None and value != ""
        if key == "request_id":
            return value == answer.headers.get("request-id", value)
        return f"{{{self.ids.index(value)}}}" if value in self.ids else value


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class Drawer:
    """What is asked, and how the services are meant to be."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._count = 0

    def switches(self) -> dict[str, Any]:
        """Most are as they come."""
        chance = self._chance
        names = chance.sample(sorted(SWITCHES), chance.choice([0, 1, 3, 6]))
        return {name: chance.choice(SWITCHES[name]) for name in names}

    def file(self) -> dict[str, Any]:
        """What a tool makes; `days`: so old it is."""
        chance = self._chance
        self._count += 1
        return {"name": chance.choice(NAMES[:2] + NAMES[-3:]), "content": chance.randbytes(chance.choice([0, 1, 10, 500])),
                "mime_type": chance.choice(["text/plain", "image/png"]), "downloadable": chance.random() < 0.8,
                "scope_id": chance.choice([None, None, None, *SCOPES[:1]]), "days": chance.choice(DAYS),
                "lifetime_s": chance.choice([None, None, 86400, 1_000_000])}

    def ask(self) -> Ask:
        chance = self._chance
        draw = chance.choices([self._upload, self._list, self._metadata, self._delete, self._download, self._other], [6, 9, 3, 3, 5, 1])[0]
        return draw()

    def _id(self) -> str:
        return self._chance.choice([f"{{{self._chance.randrange(40)}}}"] * 9 + ["file_nobody"])

    def _headers(self, *more: tuple[str, str]) -> Pairs:
        chance = self._chance
        betas = chance.choice(BETAS)
        headers = [("x-api-key", "demo-key") if chance.random() < 0.7 else ("authorization", "Bearer demo-key")]
        if chance.random() < 0.03:
            headers = chance.choice([[], [("x-api-key", "wrong")], [("authorization", "Basic demo-key")]])
        headers.append(VERSION if chance.random() < 0.97 else ("anthropic-version", "1999-01-01"))
        if betas:
            headers += [("anthropic-beta", each) for each in (betas.split(",") if chance.random() < 0.5 else [betas])]
        if chance.random() < 0.1:
            headers.append(("anthropic-workspace-id", chance.choice(["{workspace}", "wrkspc_other"])))
        return [*headers, *more]

    def _upload(self) -> Ask:
        chance = self._chance
        name, kind, content = chance.choice(NAMES), chance.choice(TYPES), chance.choice([b"", b"x", b"text", b"\r\n--drawn\r\n", bytes(30)])
        disposition = f'form-data; name="{chance.choice(["file"] * 30 + ["other"])}"' + (f'; filename="{name}"' if chance.random() < 0.95 else "")
        head = f"content-disposition: {disposition}\r\n" + (f"Content-Type: {kind}\r\n" if kind else "")
        parts = [head.encode() + b"\r\n" + content]
        if chance.random() < 0.3:
            parts.append(b'Content-Disposition: form-data; name="expires_in_seconds"\r\n\r\n'
                         + chance.choice([b"3600", b"3599", b"7776000", b"7776001", b"1e4", b"", b"-3600"]))
        if chance.random() < 0.1:
            parts.append(b'Content-Disposition: form-data; name="purpose"\r\n\r\nuser_data')
        if chance.random() < 0.03:
            parts.append(parts[0])
        chance.shuffle(parts)
        body = b"".join(b"--drawn-boundary\r\n" + part + b"\r\n" for part in parts) + b"--drawn-boundary--\r\n"
        if chance.random() < 0.04:
            body = body[:chance.randrange(len(body) - 4)]
        form = chance.choice([f"multipart/form-data; boundary={BOUNDARY}"] * 20 + [f'multipart/form-data; boundary="{BOUNDARY}"', "multipart/form-data",
                                                                                  "application/json", "multipart/form-data; boundary=other"])
        return Ask("POST", "/v1/files", self._extra(), self._headers(("content-type", form)), body)

    def _extra(self) -> Pairs:
        return [("beta", "true")] if self._chance.random() < 0.5 else []

    def _list(self) -> Ask:
        chance, query = self._chance, list(self._extra())
        if chance.random() < 0.7:
            query.append(("limit", chance.choice(["1", "2", "3", "5", "20", "1000"] * 4 + ["0", "1001", "-1", "two", "", "٣"])))
        for name, values, share in (("after_id", [self._id()], 0.2), ("before_id", [self._id()], 0.2), ("page", ["{page 0}", "{page 1}", "{page 7}", "page_x", ""], 0.2),
                                    ("scope_id", SCOPES, 0.15)):
            if chance.random() < share:
                query.append((name, chance.choice(values)))
        if chance.random() < 0.12:
            query = [pair for pair in query if chance.random() < 0.3]
            query += [(chance.choice(["ids[]", "ids"]), self._id()) for _ in range(chance.choice([1, 2, 5, 101]))]
        return Ask("GET", "/v1/files", query, self._headers())

    def _metadata(self) -> Ask:
        return Ask("GET", f"/v1/files/{self._id()}", self._extra(), self._headers())

    def _delete(self) -> Ask:
        return Ask("DELETE", f"/v1/files/{self._id()}", self._extra(), self._headers())

    def _download(self) -> Ask:
        more = [("range", self._chance.choice(RANGES))] if self._chance.random() < 0.6 else []
        if self._chance.random() < 0.1:
            more.append(("if-range", '"another"'))
        return Ask("GET", f"/v1/files/{self._id()}/content", self._extra(), self._headers(("accept", "application/binary"), *more))

    def _other(self) -> Ask:
        chance = self._chance
        method, path = chance.choice([("GET", "/v1/sessions/session_a"), ("GET", "/v1/sessions/session_nobody"), ("GET", "/v1/sessions/session_b"),
                                      ("GET", "/v1/models"), ("GET", "/"), ("GET", "/v1/files/a/b"), ("GET", "/v1/files/a/content/c")])
        return Ask(method, path, self._extra(), self._headers())
