"""The service's rules as arithmetic: names, types, expiry, ranges, and what an error looks like.

Owns    the limits, and the one exception that becomes an error answer.
Trusts  nothing a client sent.
Never   does I/O.
"""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FILENAME_LIMIT = 255
MIME_TYPE_LIMIT = 255
FORBIDDEN = re.compile(r'[<>:"|?*\\/\x00-\x1f]')
EXPIRY_S = range(3600, 7776000 + 1)
OCTET_STREAM = "application/octet-stream"
MEDIA = ("image/", "audio/", "video/")      # get provenance data when delivered
VERSIONS = ("2023-06-01", "2026-10-21")

ERROR_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    408: "invalid_request_error", 409: "conflict_error", 413: "request_too_large", 429: "rate_limit_error",
    500: "api_error", 504: "timeout_error", 529: "overloaded_error",
}

# Answers about the key or the account, which pass; (status, error_type, error_code, more of the error's details).
ACCOUNT: dict[str, tuple[int, str | None, str | None, dict[str, str]]] = {
    "unauthorized": (401, None, None, {}),
    "forbidden": (403, None, None, {}),
    "on_hold": (400, None, "organization_on_hold", {"appeal_url": "https://example.com/appeal"}),
    "cmek_key_disabled": (400, None, "cmek_key_disabled", {}),
    "cmek_key_network_blocked": (400, None, "cmek_key_network_blocked", {}),
    "creator_left": (400, None, "claude_code_key_creator_not_member", {}),
    "quota": (400, None, "storage_quota_exceeded", {}),
    "quota_as_it_was": (403, "permission_error", "storage_quota_exceeded", {}),
}

# Forms in which gateways answer: (content type, body); {0} is the status, {1} the reason.
GATEWAY: dict[str, tuple[str, str]] = {
    "html": ("text/html", ("<html>\r\n<head><title>{0} {1}</title></head>\r\n"
                           "<body><center><h1>{0} {1}</h1></center></body>\r\n</html>\r\n")),
    "litellm": ("application/json",
                '{{"error": {{"message": "{1}", "type": "auth_error", "param": "None", "code": "{0}"}}}}'),
    "aws": ("application/json", '{{"message": "{1}"}}'),
    "fastapi": ("application/json", '{{"detail": "{1}"}}'),
    "problem": ("application/problem+json", '{{"type": "about:blank", "title": "{1}", "status": {0}}}'),
    "text": ("text/plain", "upstream connect error or disconnect/reset before headers: {1}"),
    "empty": ("text/plain", ""),
}

# Built-in tables only: the system's own differ from machine to machine.
_TYPES = mimetypes.MimeTypes()


class ApiError(Exception):
    """An answer that isn't the one asked for."""

    def __init__(self, status: int, message: str, *, error_type: str | None = None, error_code: str | None = None,
                 headers: Mapping[str, str] | None = None, more: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.error_type = error_type or error_type_of(status)
        self.error_code = error_code
        self.headers = dict(headers or {})
        self.more = dict(more or {})        # of the details

    def body(self, request_id: str, *, details: bool) -> dict[str, Any]:
        error: dict[str, Any] = {"type": self.error_type, "message": self.message}
        if details and self.error_code is not None:
            error["details"] = {"error_code": self.error_code, **self.more}
        return {"type": "error", "error": error, "request_id": request_id}


def error_type_of(status: int) -> str:
    return ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")


def not_found(file_id: str) -> ApiError:
    return ApiError(404, f"File '{file_id}' not found")


def expired(file_id: str) -> ApiError:
    return ApiError(404, f"File '{file_id}' has expired", error_code="file_expired")


def not_downloadable(file_id: str) -> ApiError:
    return ApiError(400, f"File '{file_id}' is not downloadable", error_code="file_not_downloadable",
                    headers={"x-should-retry": "false"})


def too_large(limit_bytes: int) -> ApiError:
    # The rest of the body stays unread, so the connection can't be used again.
    return ApiError(413, f"File exceeds the maximum size of {limit_bytes} bytes", headers={"connection": "close"})


def quota_exceeded(status: int) -> ApiError:
    return ApiError(status, "The organization's storage quota is exceeded", error_code="storage_quota_exceeded")


def uploaded_name(raw: str | None, mime_type: str | None) -> str:
    """The name a file gets, from what its part's header said. Raises ApiError(400)."""
    name = "" if raw is None else raw.rpartition("/")[2]
    if name == "":
        return "unnamed" + (_TYPES.guess_extension(_essence(mime_type)) or "" if mime_type else "")
    if len(name) > FILENAME_LIMIT:
        raise ApiError(400, f"filename: it has {len(name)} characters, at most {FILENAME_LIMIT} are allowed")
    if found := FORBIDDEN.search(name):
        raise ApiError(400, f"filename: character {found[0]!r} is not allowed")
    return name


def stored_name(name: str, way: str) -> str:
    """As listings show it."""
    return name if way == "as_sent" else unicodedata.normalize("NFC" if way == "nfc" else "NFD", name)


def uploaded_type(sent: str | None, raw_name: str | None, *, required: bool) -> str:
    """The mime type a file gets: as sent, else guessed by name. Raises ApiError(400)."""
    if sent is None or sent == "":
        if required:
            raise ApiError(400, "file: the part has no Content-Type")
        guessed, _ = _TYPES.guess_type(raw_name or "")
        return guessed or OCTET_STREAM
    if len(sent) > MIME_TYPE_LIMIT:
        raise ApiError(400, f"mime_type: longer than {MIME_TYPE_LIMIT} characters")
    return sent


def expiry_s(text: str) -> int:
    """`expires_in_seconds` as a number. Raises ApiError(400)."""
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) not in EXPIRY_S:
        raise ApiError(400, f"expires_in_seconds: {text[:40]!r} is not between {EXPIRY_S[0]} and {EXPIRY_S[-1]}")
    return int(text)


def byte_range(header: str | None, size: int, *, strict: bool = False) -> tuple[int, int] | None:
    """First and last byte asked for; None: all of it, also for what we don't understand (RFC 9110, 14.2), unless we are
    `strict`.

    Raises ApiError: 416 when no asked byte exists, 400 for what makes no sense.
    """
    match = re.fullmatch(r"bytes=\s*([0-9]*)-([0-9]*)\s*", header or "")
    backwards = match is not None and match[1] and match[2] and int(match[2]) < int(match[1])
    if match is None or match[1] == match[2] == "" or backwards:
        if strict and header is not None:
            raise ApiError(400, "Range: is not valid")
        return None
    if match[1] == "":
        length = min(int(match[2]), size)
        first, last = size - length, size - 1
    else:
        first = int(match[1])
        last = min(int(match[2]), size - 1) if match[2] else size - 1
    if first > last:
        raise ApiError(416, "None of the bytes asked for exist", headers={"content-range": f"bytes */{size}"})
    return first, last


def _essence(mime_type: str) -> str:
    return mime_type.partition(";")[0].strip().lower()
