"""The form of an upload, read as a whole, and what its file is called then.

Trusts  nothing: what isn't such a form is BadForm.
"""

import mimetypes
import re
from dataclasses import dataclass, field
from typing import Final

from tests.simulation.rules import BAD_IN_NAMES, NAME_CHARACTERS, TYPE_CHARACTERS, Refusal

BOUNDARY: Final = re.compile(r'^multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
PARAMETER: Final = re.compile(r';\s*(name|filename)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))', re.IGNORECASE)
TYPES: Final = mimetypes.MimeTypes()       # the built-in ones
SPELLED: Final = {"%22": '"', "%0d": "\r", "%0a": "\n"}


class BadForm(Exception):
    """The words say why."""


class TooLarge(Exception):
    """The file in it is, which is seen before anything that comes later."""


@dataclass(slots=True)
class Form:
    """Its parts."""

    content: bytes | None = None        # None: it has no part `file`
    name: str | None = None             # None: the part says none
    mime_type: str | None = None
    fields: dict[str, str] = field(default_factory=dict)


def form_of(content_type: str, body: bytes, limit_bytes: int, *, decoded: bool = True) -> Form:
    """Raises BadForm, TooLarge. `decoded`: %22 in a name is a quote, as browsers and httpx mean it."""
    found = BOUNDARY.match(content_type)
    if found is None:
        raise BadForm("Content-Type must be multipart/form-data with a boundary")
    delimiter = b"--" + (found[1] or found[2]).encode("latin-1")
    if not body.startswith(delimiter):
        raise BadForm("the body doesn't begin with its boundary")
    form, place, delimiter = Form(), len(delimiter), b"\r\n" + delimiter
    while not body.startswith(b"--", place):
        if not body.startswith(b"\r\n", place):
            raise BadForm("a boundary is followed by something")
        head_end = body.find(b"\r\n\r\n", place)
        end = body.find(delimiter, head_end + 4)
        if head_end < 0:
            raise BadForm("the body ends too early")
        content = body[head_end + 4:] if end < 0 else body[head_end + 4:end]
        if end < 0:
            content = content[:len(content) - next(count for count in range(len(delimiter), -1, -1) if content.endswith(delimiter[:count]))]
        _take(form, body[place + 2:head_end], content, limit_bytes, decoded=decoded)
        if end < 0:
            raise BadForm("the body ends too early")
        place = end + len(delimiter)
    return form


def _take(form: Form, head: bytes, content: bytes, limit_bytes: int, *, decoded: bool) -> None:
    headers = {}
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        try:
            headers[name.decode("ascii").strip().lower()] = value.decode().strip()
        except UnicodeDecodeError:
            raise BadForm("a header isn't UTF-8") from None
        if not colon:
            raise BadForm("a header without a colon")
    found = {name.lower(): re.sub(r"\\([\\\"])", r"\1", quoted) or plain
             for name, quoted, plain in PARAMETER.findall(headers.get("content-disposition", ""))}
    part = found.get("name")
    if part is None:
        raise BadForm("a part has no name")
    if part != "file":
        form.fields[part] = content.decode(errors="replace")
        return
    if form.content is not None:
        raise BadForm("two parts are called file")
    if len(content) > limit_bytes:
        raise TooLarge
    form.content, form.mime_type, form.name = content, headers.get("content-type"), found.get("filename")
    if decoded and form.name is not None:
        form.name = re.sub("%(?:22|0[DdAa])", lambda spelled: SPELLED[spelled[0].lower()], form.name)


def name_of(form: Form, mime_type: str) -> str:
    """Raises Refusal."""
    name = "" if form.name is None else form.name.rpartition("/")[2]
    if not name:
        return "unnamed" + (TYPES.guess_extension(mime_type.partition(";")[0].strip().lower()) or "")
    if len(name) > NAME_CHARACTERS or BAD_IN_NAMES.search(name):
        raise Refusal(400, "filename: too long, or with a character that isn't allowed")
    return name


def type_of(form: Form, *, required: bool) -> str:
    """Raises Refusal."""
    if not form.mime_type:
        if required:
            raise Refusal(400, "file: the part has no Content-Type")
        return TYPES.guess_type(form.name or "")[0] or "application/octet-stream"
    if len(form.mime_type) > TYPE_CHARACTERS:
        raise Refusal(400, "mime_type: too long")
    return form.mime_type
