"""From what came over the wire to values and exceptions; pure.

Trusts  nothing: unknown fields are left out, an entry that lacks what can't be guessed is skipped and counted, a body
        that isn't the API's is BadAnswer. Names are handed on as they are: names.py makes them safe.
"""

import email.utils
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from anthrofs.errors import (
    AccountStopped,
    AuthFailed,
    BadAnswer,
    Expired,
    ForeignAnswer,
    Gone,
    InTheWay,
    LimitReached,
    NotDownloadable,
    QuotaExceeded,
    RateLimited,
    Refused,
    RemoteError,
    RemoteTooLarge,
    Unavailable,
)
from anthrofs.model import Cursor, FileId, Page, RemoteFile
from anthrofs.remote.bounds import ERROR_BYTES
from anthrofs.remote.unpacking import unpacked
from anthrofs.remote.words import WILD, without_secrets, words_of

WORDS_LIMIT: Final = 300        # of a server's message that we repeat; a proxy may send a page
LATER: Final = frozenset({408, 409, 429})       # the 4xx that may succeed when asked again
IN_THE_WAY: Final = frozenset({401, 403, 407})  # of a login page or a gateway, and each 3xx and 5xx
# beginnings of error codes
STOPPED: Final = ("organization_on_hold", "cmek_", "claude_code_key_creator_not_member")
NOT_FOUND: Final = "not_found_error"    # the only type of a 404 for which an id is forgotten
NOT_STORED_5XX: Final = frozenset({503, 529})   # with the service's own JSON: turned away before anything was kept
LONGEST_ADVICE_S: Final = 24 * 3600.0           # of a server's wait that we believe; a wrong clock must not stop us for
                                                # years
LONGEST_ID: Final = 1024                        # real ones have 29 characters
LONGEST_TYPE: Final = 255                       # RFC 6838, 4.2: twice 127 and a slash
INTEGER_LIMIT: Final = 2**63                    # what the state's database can hold
SIZE_LIMIT: Final = 2**44                       # of a file that is believed: half a million of them add up to less than
                                                # that
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def file_of(entry: object) -> RemoteFile | None:
    """A file, or None if the entry lacks an id, a name or a size: none of those can be guessed safely."""
    if not isinstance(entry, dict):
        return None
    file_id, name, size = entry.get("id"), entry.get("filename"), entry.get("size_bytes")
    if not (isinstance(file_id, str) and isinstance(name, str)) or isinstance(size, bool) or not isinstance(size, int):
        return None
    if not (_is_word(file_id, LONGEST_ID) and 0 <= size < SIZE_LIMIT):
        return None
    return _file(file_id, name, size, entry.get("mime_type"), entry.get("created_at"), entry.get("downloadable"),
                 entry.get("expires_at"))


def only_file_of(body: object) -> RemoteFile:
    """The file that an answer is about. Raises BadAnswer where there is none."""
    file = file_of(body)
    if file is None:
        raise BadAnswer("the answer does not describe a file")
    return file


def _file(file_id: str, name: str, size: int, mime_type: object, created_at: object, downloadable: object,
          expires_at: object) -> RemoteFile:
    sent = isinstance(mime_type, str) and mime_type.isascii() and _is_word(mime_type.replace(" ", ""), LONGEST_TYPE)
    return RemoteFile(
        file_id=FileId(file_id),
        name=_tidy(name),
        mime_type=str(mime_type) if sent else "application/octet-stream",
        size_bytes=size,
        created_ns=ns_of(created_at) or 0,
        downloadable=downloadable is True,
        expires_ns=ns_of(expires_at),
    )


def _is_word(text: str, most: int) -> bool:
    """Text that goes into addresses, headers, scripts and terminals: no end of a line, nothing that one would obey."""
    return 0 < len(text) <= most and text.isprintable() and " " not in text


def page_of(body: object, *, sample: bool = False) -> Page:
    """A listing's page in whichever of the API's shapes came. Raises BadAnswer when it is another API's, or no list at
    all.

    An empty page is believed only in one of these shapes: it proves that there is nothing, and an empty list of
    something else doesn't. `sample`: one file was asked for, only to see who answers. That it lacks something says
    nothing of the others.
    """
    if not isinstance(body, dict) or not isinstance(body.get("data"), list):
        raise BadAnswer("the listing is not a list of files")
    entries = body["data"]
    files = [file_of(entry) for entry in entries]
    known = tuple(file for file in files if file is not None)
    meant = sample and any(isinstance(entry, dict) and entry.get("type") == "file" for entry in entries)
    if not (known or meant) and (entries or "object" in body or not {"has_more", "next_page"} & body.keys()):
        raise ForeignAnswer(f"the listing is not the Files API's: {_shape_of(body, entries)}. The base URL leads to "
                            "another API, or to a gateway that answers for one")
    return Page(known, _following(body), len(files) - len(known))


class _Entry(msgspec.Struct, gc=False):
    id: str
    filename: str
    size_bytes: int
    mime_type: str | None = None
    created_at: str | None = None
    downloadable: bool | None = None
    expires_at: str | None = None


class _Listing(msgspec.Struct):
    data: list[_Entry]
    has_more: bool | None = None
    next_page: str | None = None
    last_id: str | None = None


_LISTING: Final = msgspec.json.Decoder(_Listing)


def plain_page_of(body: bytes) -> Page | None:
    """A listing's page, the quick way: 2.7 ms for 1,000 files, where JSON's values and `page_of` take 4.8. None:
    something about it is odd, so `page_of` shall say what it is. Raises BadAnswer as that does.
    """
    try:
        str(body, "utf-8")      # what isn't asked for is passed over without a look at its characters
        listing = _LISTING.decode(body)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return None
    if not all(_is_word(each.id, LONGEST_ID) and 0 <= each.size_bytes < SIZE_LIMIT for each in listing.data):
        return None
    files = tuple(_file(entry.id, entry.filename, entry.size_bytes, entry.mime_type, entry.created_at,
                        entry.downloadable, entry.expires_at) for entry in listing.data)
    if not files:
        return None
    return Page(files, _following({"has_more": listing.has_more, "next_page": listing.next_page,
                                   "last_id": listing.last_id}), 0)


def _shape_of(body: Mapping[str, Any], entries: Sequence[Any]) -> str:
    if not entries:
        return "it is empty, " + ("and like OpenAI's" if "object" in body else "and has neither has_more nor next_page")
    entry = entries[0]
    kind = entry.get("object") if isinstance(entry, dict) else None
    fields = [name for name in ("id", "filename", "size_bytes") if not isinstance(entry, dict) or name not in entry]
    lacks = f", the first one has no {' and no '.join(fields)}" if fields else ""
    like = ", like OpenAI's" if kind in ("file", "model") else ""
    return f"none of its {len(entries)} entries can be read{lacks}{like}"


def _following(body: Mapping[str, Any]) -> Cursor | None:
    next_page, last_id = body.get("next_page"), body.get("last_id")
    if isinstance(next_page, str) and next_page:
        return Cursor("page", _tidy(next_page))
    if body.get("has_more") is True and isinstance(last_id, str) and last_id:
        return Cursor("after_id", _tidy(last_id))
    if body.get("has_more") or next_page:       # taken for the last page, it would prove the absence of all that
                                                # follows
        raise BadAnswer("the listing goes on, but doesn't say where")
    return None


def _tidy(text: str) -> str:
    """JSON can spell half of a surrogate pair, which is no text: neither a database nor a URL holds it."""
    return text if text.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", text)


def ns_of(text: object) -> int | None:
    """An RFC 3339 time in ns since the epoch; None for what isn't one (a naive time is taken as UTC)."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    ns = ((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1000
    return ns if -INTEGER_LIMIT <= ns < INTEGER_LIMIT else None


def error_of(status: int, headers: Mapping[str, str], body: bytes, now_s: float) -> RemoteError:
    """The exception for an answer that isn't a success. The words name the request id, so that support can find it."""
    after_s = retry_after_s(headers, now_s)
    advice = {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())
    answer = _json(body)
    error = answer.get("error") if answer is not None else None
    request_id = _tame(headers.get("request-id") or (answer or {}).get("request_id")) or "none"
    if (answer is None or answer.get("type") != "error" or not isinstance(error, dict)
            or not isinstance(error.get("type"), str)):
        return _foreign(status, answer, words_of(body), advice, request_id, after_s)
    message = _tame(error.get("message")) or _tame(error["type"]) or "no message"
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    kind = _class_of(status, message, code if isinstance(code, str) else "", advice)
    if kind is Gone and error["type"] != NOT_FOUND:
        kind = Refused      # of something on the way that speaks as the service does, about its own routes
    return kind(
        f"{message} (HTTP {status}, request id {request_id})",
        retry_after_s=after_s, from_service=True, status=status,
        maybe_stored=status in (408, 409) or (status >= 500 and status not in NOT_STORED_5XX))


def _class_of(status: int, message: str, code: str, advice: bool | None) -> type[RemoteError]:
    """The kind of the service's own answer; what it advises about asking again wins over the status, in both
    directions.
    """
    if code == "storage_quota_exceeded":
        return QuotaExceeded
    if code.startswith(STOPPED):
        return AccountStopped
    if code == "file_not_downloadable" or (status == 400 and message.endswith("is not downloadable")):
        return NotDownloadable      # details may be missing
    if code == "file_expired":
        return Expired
    if status == 429:
        return LimitReached if advice is False else RateLimited
    fixed: dict[int, type[RemoteError]] = {401: AuthFailed, 403: AuthFailed, 404: Gone, 413: RemoteTooLarge}
    if advice is not True and status in fixed:
        return fixed[status]
    later = status >= 500 or status in LATER if advice is None else advice
    return Unavailable if later else Refused


def _foreign(status: int, answer: Mapping[str, Any] | None, said: str, advice: bool | None, request_id: str,
             after_s: float | None) -> RemoteError:
    """The error in a proxy's page, or in a gateway's own JSON: whether the service behind it did anything can't be
    told, but of what is refused for its size, its pace or its form.
    """
    if status == 413 and advice is not True:
        return RemoteTooLarge(f"{said + ': ' if said else ''}HTTP 413 that is not the service's own answer: a proxy or "
                              "gateway on the way takes no body of that size (nginx: client_max_body_size), request "
                              f"id {request_id}", maybe_stored=False, status=status)
    kind: type[RemoteError] = Refused
    if status == 429:
        kind = LimitReached if advice is False else RateLimited
    elif status >= 500 or status in IN_THE_WAY or status < 400:
        kind = InTheWay
    elif status in LATER or advice is True:
        kind = Unavailable
    exc = kind(f"{said + ': ' if said else ''}HTTP {status} that is not the service's own answer (a proxy?), request "
               f"id {request_id}",
               retry_after_s=after_s, status=status,
               maybe_stored=not (status in (413, 429) or (answer is not None and 400 <= status < 500
                                                          and status not in LATER)))
    exc.transient = exc.transient and advice is not False and status not in IN_THE_WAY
    return exc


def value_of(body: bytes, status: int, headers: Mapping[str, str], asked: Mapping[str, str]) -> object:
    """The JSON of a success. `asked`: the request's headers, whose secrets no words repeat. Raises InTheWay for a page
    of a network that wants a login, BadAnswer for what else is no JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        kind = InTheWay if "html" in headers.get("content-type", "").lower() else BadAnswer
        said = words_of(without_secrets(body[:ERROR_BYTES], asked))
        raise kind(f"{said + ': ' if said else ''}the answer is not JSON (a proxy?)", status=status) from exc


def _json(body: bytes) -> Mapping[str, Any] | None:
    """A JSON object; None for what isn't one."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def decoded(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """A body as it was before it was packed, cut at a limit; as it came if it wasn't, or isn't what it says."""
    found = bytearray()
    try:
        for piece in unpacked([body], encoding):
            found += piece
            if len(found) >= limit_bytes:
                break
    except ValueError:
        return bytes(found) or body
    return bytes(memoryview(found)[:limit_bytes])


def _tame(text: object) -> str:
    """One line without control characters: it goes into logs, a terminal and xattrs. Empty for what is no text: JSON
    as deep as its reader takes it is too deep to be shown.
    """
    return "" if not isinstance(text, str) else WILD.sub(" ", str(text)[:4 * WORDS_LIMIT])[:WORDS_LIMIT].strip()


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds that the server asks to wait: retry-after-ms, else retry-after in seconds or as an HTTP date. None:
    nothing usable.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "")
        try:
            wait_s = float(text) / unit
        except ValueError:
            continue
        if 0 <= wait_s < float("inf"):
            return min(wait_s, LONGEST_ADVICE_S)
    moment = date_s(headers.get("retry-after", ""))
    return None if moment is None else min(max(0.0, moment - now_s), LONGEST_ADVICE_S)


def age_s(headers: Mapping[str, str]) -> float:
    """How long an answer was in a cache on the way; 0: it wasn't, or nobody says so."""
    text = headers.get("age", "")
    return float(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(INTEGER_LIMIT)) else 0.0


def date_s(text: str) -> float | None:
    """An HTTP date in seconds since the epoch."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
