"""A download as an answer: what is delivered of a file, and which part of it."""

import hashlib
import re
from typing import Final

from tests.simulation.rules import MEDIA, Answer, Refusal, Rules
from tests.simulation.shapes import Stored

PROVENANCE: Final = b"emulated provenance data\n"      # as the emulator has it: bodies can be compared
RANGE: Final = re.compile(r"bytes=\s*([0-9]*)-([0-9]*)\s*")


def delivered_of(file: Stored, rules: Rules) -> bytes:
    """The content that comes: pictures and sounds may get something behind them, or lose some."""
    extra = rules.delivered_extra_bytes if file.mime_type.startswith(MEDIA) else 0
    if extra <= 0:
        return file.content[:len(file.content) + extra] if len(file.content) + extra > 0 else b""
    return file.content + (PROVENANCE * (extra // len(PROVENANCE) + 1))[:extra]


def delivery(file: Stored, rules: Rules, wanted: str | None, unchanged: str | None) -> Answer:
    """`wanted`: the header Range; `unchanged`: If-Range. Raises Refusal."""
    content = delivered_of(file, rules)
    headers = [("content-type", file.mime_type)]
    etag = ""
    if rules.etag or unchanged is not None:
        etag = f'"{hashlib.md5(content).hexdigest()}"'
    if rules.etag:
        headers.append(("etag", etag))
    if rules.content_disposition:
        headers.append(("content-disposition", "attachment"))
    status = 200
    if rules.ranges:
        headers.append(("accept-ranges", "bytes"))
        part = part_of(wanted, len(content), strict=rules.senseless_ranges == "error400") if unchanged in (None, etag) else None
        if part is not None:
            status = 206
            headers.append(("content-range", f"bytes {part[0]}-{part[1]}/{len(content)}"))
            content = content[part[0]:part[1] + 1]
    if rules.content_length:
        headers.append(("content-length", str(len(content))))
    return Answer(status, headers, content)


def part_of(wanted: str | None, size: int, *, strict: bool) -> tuple[int, int] | None:
    """First and last byte; None: all of it. Raises Refusal."""
    found = RANGE.fullmatch(wanted or "")
    first, last = found.groups() if found else ("", "")
    if first == last == "" or (first and last and int(last) < int(first)):
        if strict and wanted is not None:
            raise Refusal(400, "Range: makes no sense")
        return None
    begin, end = (max(0, size - int(last)), size - 1) if not first else (int(first), min(int(last or size), size - 1))
    if begin > end:
        raise Refusal(416, "none of these bytes exist", headers=[("content-range", f"bytes */{size}")])
    return begin, end
