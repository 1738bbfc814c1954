"""What the service, or who stands in its way, may answer, and what the exception says of it."""

from dataclasses import dataclass
from typing import Any, Final

from anthrofs.errors import (
    AuthFailed,
    BadAnswer,
    Gone,
    InTheWay,
    NotDownloadable,
    QuotaExceeded,
    RateLimited,
    Refused,
    RemoteError,
    RemoteTooLarge,
    Unavailable,
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault, and what the exception says of it."""

    action: dict[str, Any]
    kind: type[RemoteError]
    maybe_stored: bool
    from_service: bool
    transient: bool
    retry_after_s: float | None = None
    status: int | None = None


def status(number: int, kind: type[RemoteError], *, maybe_stored: bool, transient: bool, retry_after_s: float | None = None,
           **more: object) -> Trouble:
    """The service's own JSON."""
    return Trouble({"kind": "status", "status": number, **more}, kind, maybe_stored, from_service=True, transient=transient,
                   retry_after_s=retry_after_s, status=number)


def of_a_proxy(action: dict[str, Any], kind: type[RemoteError], *, transient: bool, maybe_stored: bool = True) -> Trouble:
    return Trouble(action, kind, maybe_stored, from_service=False, transient=transient, status=action.get("status", 200))


ANSWERS: Final = {
    "400": status(400, Refused, maybe_stored=False, transient=False),
    "401": status(401, AuthFailed, maybe_stored=False, transient=False),
    "403": status(403, AuthFailed, maybe_stored=False, transient=False),
    "404": status(404, Gone, maybe_stored=False, transient=False),
    "408": status(408, Unavailable, maybe_stored=True, transient=True),
    "409": status(409, Unavailable, maybe_stored=True, transient=True),
    "413": status(413, RemoteTooLarge, maybe_stored=False, transient=False),
    "429": status(429, RateLimited, maybe_stored=False, transient=True),
    "429 in seconds": status(429, RateLimited, maybe_stored=False, transient=True, retry_after_s=7.0, retry_after=7),
    "429 in ms": status(429, RateLimited, maybe_stored=False, transient=True, retry_after_s=0.25, retry_after=7, retry_after_ms=250),
    "500": status(500, Unavailable, maybe_stored=True, transient=True),
    "503": status(503, Unavailable, maybe_stored=False, transient=True, retry_after_s=2.0, retry_after=2),
    "504": status(504, Unavailable, maybe_stored=True, transient=True),
    "529": status(529, Unavailable, maybe_stored=False, transient=True),
    "quota": status(400, QuotaExceeded, maybe_stored=False, transient=False, error_code="storage_quota_exceeded"),
    "old quota": status(403, QuotaExceeded, maybe_stored=False, transient=False, error_code="storage_quota_exceeded"),
    "kept in": status(400, NotDownloadable, maybe_stored=False, transient=False, message="File 'f' is not downloadable"),
    "advised to retry": status(400, Unavailable, maybe_stored=False, transient=True, should_retry=True),
    "advised not to": status(500, Refused, maybe_stored=True, transient=False, should_retry=False),
    "HTML 502": of_a_proxy({"kind": "html", "status": 502}, InTheWay, transient=True),
    "HTML 503": of_a_proxy({"kind": "html", "status": 503}, InTheWay, transient=True),
    "HTML 407": of_a_proxy({"kind": "html", "status": 407}, InTheWay, transient=False),
    "HTML 302": of_a_proxy({"kind": "html", "status": 302}, InTheWay, transient=True),
    "HTML 200": of_a_proxy({"kind": "html", "status": 200}, InTheWay, transient=True),
    "HTML 413": of_a_proxy({"kind": "html", "status": 413}, RemoteTooLarge, transient=False, maybe_stored=False),
    "HTML 429": of_a_proxy({"kind": "html", "status": 429}, RateLimited, transient=True, maybe_stored=False),
    "garbage": of_a_proxy({"kind": "garbage_json"}, BadAnswer, transient=True),
}
