"""Questions about downloads: of our own upload, and of one file that is there already, read only.

Trusts  nothing: what is delivered is compared with what was delivered whole.
Never   shows a name, an id or a byte of the file.
"""

from typing import Final

from .run import Run
from .service import NoAnswer, NothingToAsk
from .words import Answer, Facts, disposition, outcome, said, tame

ACCEPT: Final = {"accept": "application/binary"}
READ_BYTES: Final = 1 << 16     # of an answer to a range that is compared: a server without ranges sends all


def own_upload(run: Run) -> Facts:
    """What does the download of an upload get?"""
    answer = run.service.ask("GET", f"/v1/files/{run.three()[0]}/content", headers=ACCEPT)
    return {**outcome(answer), "x-should-retry": answer.headers.get("x-should-retry")}


def whole(run: Run) -> Facts:
    """What does a whole download carry, and has it the length that the listing says? What does a range get?"""
    if run.learned.downloadable is None:
        raise NothingToAsk("no downloadable file (of 1 byte to 20 MB, in the listing's first page): only Claude's tools make those")
    file_id, size, mime_type = run.learned.downloadable
    path = f"/v1/files/{file_id}/content"
    answer = run.service.ask("GET", path, headers=ACCEPT)
    if not answer.fine:
        raise NoAnswer(said(answer))
    data, length = answer.body, answer.headers.get("content-length")
    facts: Facts = {
        "kind": mime_type.partition("/")[0], "size_bytes": size, "delivered_bytes": len(data), "length_as_listed": len(data) == size,
        "content_length": {"sent": length is not None, "right": length == str(len(data)), "transfer_encoding": answer.headers.get("transfer-encoding")},
        "etag": answer.headers.get("etag"), "content_disposition": disposition(answer.headers.get("content-disposition")),
        "accept_ranges": answer.headers.get("accept-ranges"), "type_as_listed": answer.headers.get("content-type") == mime_type,
        "status": answer.status}
    middle = len(data) // 2
    asked = {"first": (f"bytes=0-{middle}", 0, middle + 1), "open": (f"bytes={middle}-", middle, len(data)),
             "suffix": ("bytes=-3", max(0, len(data) - 3), len(data)), "beyond_the_end": (f"bytes={len(data) + 10}-", 0, 0)}
    ranges = {what: _range(run.service.ask("GET", path, headers={**ACCEPT, "range": text}, read_bytes=READ_BYTES), data, first, stop)
              for what, (text, first, stop) in asked.items()}
    return {**facts, "ranges": ranges}


def _range(answer: Answer, data: bytes, first: int, stop: int) -> Facts:
    if not answer.fine:
        return {**outcome(answer), "content_range": _tamed(answer)}
    start = first if answer.status == 206 else 0
    end = stop if answer.status == 206 else len(data)
    compared = min(READ_BYTES, end - start)
    return {"status": answer.status, "content_range": _tamed(answer),
            "bytes_right": answer.body[:compared] == data[start:start + compared] and (compared == READ_BYTES or len(answer.body) == compared)}


def _tamed(answer: Answer) -> str | None:
    text = answer.headers.get("content-range")
    return None if text is None else tame(text)
