"""How the simulated service behaves where services may differ, and what its refusals look like.

Owns    the rules, with their defaults; the names of errors.
Trusts  nothing of the emulator or of the package: what the API's pages say is written down here once more, so that a
        misunderstanding has to be made twice.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

FILES_BETA: Final = "files-api-2025-04-14"
AGENTS_BETA: Final = "managed-agents-2026-04-01"
VERSIONS: Final = frozenset({"2023-06-01", "2026-10-21"})
NAME_CHARACTERS: Final = 255
TYPE_CHARACTERS: Final = 255
BAD_IN_NAMES: Final = re.compile(r'[<>:"|?*\\/\x00-\x1f]')
EXPIRY_S: Final = (3600, 7_776_000)
KEPT_EXPIRED_S: Final = 30 * 24 * 3600      # so long an expired file is listed
MEDIA: Final = ("image/", "audio/", "video/")

TYPES: Final = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    409: "conflict_error", 413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error",
}
# Of the key or the account: status, type, code.
ACCOUNT: Final[dict[str, tuple[int, str, str]]] = {
    "unauthorized": (401, "authentication_error", ""),
    "forbidden": (403, "permission_error", ""),
    "on_hold": (400, "invalid_request_error", "organization_on_hold"),
    "cmek_disabled": (400, "invalid_request_error", "cmek_key_disabled"),
    "cmek_blocked": (400, "invalid_request_error", "cmek_key_network_blocked"),
    "creator_left": (400, "invalid_request_error", "claude_code_key_creator_not_member"),
    "quota": (400, "invalid_request_error", "storage_quota_exceeded"),
    "quota_once": (403, "permission_error", "storage_quota_exceeded"),
}
# Forms in which gateways speak for themselves.
PAGES: Final = {
    "html": ("text/html", "<html><head><title>{status}</title></head><body><h1>{status} from a proxy</h1></body></html>\n"),
    "openai": ("application/json", '{"error": {"message": "{status}", "type": "auth_error", "param": null, "code": "{status}"}}'),
    "message": ("application/json", '{"message": "{status}"}'),
    "detail": ("application/json", '{"detail": "{status}"}'),
    "problem": ("application/problem+json", '{"type": "about:blank", "title": "no", "status": {status}}'),
    "text": ("text/plain", "upstream connect error or disconnect/reset before headers: {status}"),
    "empty": ("text/plain", ""),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the pages don't say, both ways, and limits. Times are those of the service's clock; 0: none, or unlimited."""

    ranges: bool = True
    content_length: bool = True             # of downloads
    senseless_ranges: str = "ignore"        # error400
    etag: bool = False
    content_disposition: bool = False
    empty_uploads: str = "accept"           # refuse
    unknown_cursor: str = "error400"        # error404, restart, empty
    deleted_cursor: str = "unknown"         # in_place
    second_delete: str = "error404"         # accept
    delete_answer: str = "file_deleted"     # no_content, other_json, page: as gateways have it
    quota_status: int = 400                 # 403
    abandoned_uploads: str = "store"        # drop: whose client left after its last byte
    decoded_names: bool = True              # %22, %0D, %0A in a form's name
    unknown_scope: str = "empty"            # error404, error400
    stored_names: str = "as_sent"           # nfc, nfd
    time_resolution: str = "microseconds"   # milliseconds, seconds
    ratelimit_headers: bool = False
    error_details: bool = True
    foreign_workspace: str = "ignore"       # error403
    named_workspace: str = "own"            # as_asked
    extra_fields: bool = False
    order: str = "newest_first"             # oldest_first, shuffled
    identity_headers: bool = True           # organization and workspace
    dropped_headers: str = ""               # names, with commas between them
    delivered_extra_bytes: int = 0          # of images, audio, video: more, or less, than size_bytes
    uploads_downloadable: bool = False
    foreign_lists: str = "no"               # openai, bare
    unreadable_entries: int = 0             # of a page: so many have no size
    max_file_bytes: int = 500 * 10**6
    quota_bytes: int = 10**12
    requests_per_minute: int = 0            # in any 60 s
    listing_lag_ms: int = 0                 # until a new file is listed
    deletion_lag_ms: int = 0                # until a deleted one isn't any more
    metadata_lag_ms: int = 0                # until its metadata is a 404


Headers = list[tuple[str, str]]


@dataclass(slots=True)
class Answer:
    """One answer, whole."""

    status: int
    headers: Headers
    body: bytes
    signed: bool = True         # by the service, which puts its ids in the headers; a proxy doesn't
    judged: bool = True         # the key was looked at, and its workspace is known

    def length(self) -> int | None:
        """The length that it says; None: it says none."""
        return next((int(value) for name, value in self.headers if name == "content-length"), None)

    def say_length(self, size: int | None) -> None:
        self.headers = [header for header in self.headers if header[0] != "content-length"]
        if size is not None:
            self.headers.append(("content-length", str(size)))


class Refusal(Exception):
    """An answer that isn't the one asked for."""

    def __init__(self, status: int, message: str, *, kind: str = "", code: str = "", headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind or TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        self.code = code
        self.headers = headers

    def answer(self, request_id: str, *, details: bool = True) -> Answer:
        error: dict[str, Any] = {"type": self.kind, "message": str(self)}
        if self.code and details:
            error["details"] = {"error_code": self.code}
        answer = json_answer({"type": "error", "error": error, "request_id": request_id}, self.status)
        answer.headers += self.headers
        return answer


def json_answer(body: object, status: int = 200) -> Answer:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return Answer(status, [("content-type", "application/json"), ("content-length", str(len(text)))], text)


def page_answer(status: int, form: str = "html") -> Answer:
    """A proxy's page, or a gateway's own words."""
    kind, text = PAGES[form]
    body = text.replace("{status}", str(status)).encode()
    return Answer(status, [("content-type", kind), ("content-length", str(len(body)))], body, signed=False)
