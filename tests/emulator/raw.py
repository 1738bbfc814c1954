"""Plain HTTP for tests: requests as bytes where an SDK would tidy them up.

Owns nothing. Serves the tests of this directory. Never retries.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .process import EmulatorProcess

GA = {"anthropic-version": "2023-06-01"}
BETA = {"anthropic-beta": "files-api-2025-04-14"}
AGENTS = {"anthropic-beta": "managed-agents-2026-04-01"}
BOUNDARY = "x-boundary-x"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True, slots=True)
class Api:
    client: httpx.Client

    def upload(self, name: str = "note.txt", content: bytes = b"text", mime_type: str = "text/plain",
               headers: Mapping[str, str] | None = None, **fields: str) -> httpx.Response:
        return self.client.post("/v1/files", files={"file": (name, content, mime_type)}, data=fields, headers=headers)

    def form(self, body: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self.client.post("/v1/files", content=body, headers={"content-type": FORM, **(headers or {})})

    def listing(self, headers: Mapping[str, str] | None = None, **query: str | int | list[str]) -> httpx.Response:
        return self.client.get("/v1/files", params=query, headers=headers)

    def names(self, headers: Mapping[str, str] | None = None, **query: str | int | list[str]) -> list[str]:
        answer = self.listing(headers, **query)
        assert answer.status_code == 200, answer.text
        return [file["filename"] for file in answer.json()["data"]]

    def download(self, file_id: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self.client.get(f"/v1/files/{file_id}/content", headers=headers)

    def metadata(self, file_id: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self.client.get(f"/v1/files/{file_id}", headers=headers)

    def delete(self, file_id: str) -> httpx.Response:
        return self.client.delete(f"/v1/files/{file_id}")


def part(content: bytes, disposition: str, content_type: str | None = None) -> bytes:
    """One part of a form, its header exactly as given."""
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n"
    if content_type is not None:
        head += f"Content-Type: {content_type}\r\n"
    return head.encode() + b"\r\n" + content + b"\r\n"


def file_part(content: bytes, filename: str, content_type: str | None = "text/plain") -> bytes:
    return part(content, f'name="file"; filename="{filename}"', content_type)


def closed(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error in the envelope, which is checked on the way."""
    body = answer.json()
    assert body["type"] == "error"
    assert body["request_id"] == answer.headers["request-id"]
    return cast("dict[str, Any]", body["error"])


def connect(emulator: EmulatorProcess) -> socket.socket:
    url = httpx.URL(emulator.url)
    return socket.create_connection((url.host, url.port or 0), timeout=30)


def upload_head(emulator: EmulatorProcess, length: int) -> bytes:
    """The header of an upload whose body the test sends, or doesn't."""
    return (f"POST /v1/files HTTP/1.1\r\nhost: emulator\r\nx-api-key: {emulator.key}\r\n"
            f"anthropic-version: 2023-06-01\r\ncontent-type: {FORM}\r\ncontent-length: {length}\r\n\r\n").encode()
