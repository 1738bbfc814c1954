"""The upload form as it streams in.

Owns    one multipart body: the part `file` goes to disk as it comes, small text parts to memory.
Trusts  nothing: a body that isn't such a form becomes ApiError(400), one that is too large ApiError(413).
Never   judges a name or type: rules.py does, once all parts are here, for they come in any order.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from .rules import ApiError, too_large

if TYPE_CHECKING:
    from collections.abc import Callable

    from .content import Incoming

TEXT_LIMIT = 1 << 16
# `"` comes as %22 and `\` perhaps doubled: what HTML and httpx do. A lone backslash stands for itself.
QUOTED = re.compile(r';\s*(name|filename)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))', re.IGNORECASE)


class Form:
    def __init__(self, content_type: str, receive: Callable[[], Incoming], limit_bytes: int, *,
                 decode: bool = True) -> None:
        self._receive = receive                         # given
        self._decode = decode                           # %22, %0D and %0A of a name, as forms spell them
        self._limit_bytes = limit_bytes

        self.fields: dict[str, str] = {}                # text parts by name
        self.file: Incoming | None = None               # set when the part's headers are here
        self.filename: str | None = None                # None: the part had none
        self.mime_type: str | None = None
        self.complete = False                           # the closing boundary was seen

        self._headers: dict[str, str] = {}              # of the part that is being read
        self._name = bytearray()
        self._value = bytearray()
        self._field: str | None = None                  # the text part that is being read
        self._text = bytearray()
        self._parser = self._parser_of(content_type)

    def feed(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise ApiError(400, f"The multipart body can't be read: {error}") from error

    def finish(self) -> Incoming:
        """The file, once the whole body was fed."""
        if not self.complete:
            raise ApiError(400, "The multipart body ends too early")
        if self.file is None:
            raise ApiError(400, "file: Field required")
        return self.file

    def discard(self) -> None:
        if self.file is not None:
            self.file.discard()

    def _parser_of(self, content_type: str) -> MultipartParser:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise ApiError(400, "Content-Type must be multipart/form-data with a boundary")
        try:
            return MultipartParser(boundary, {
                "on_part_begin": self._begin, "on_header_field": self._header_field,
                "on_header_value": self._header_value, "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end, "on_part_data": self._data, "on_part_end": self._end,
                "on_end": self._complete,
            })
        except FormParserError as error:
            raise ApiError(400, f"Content-Type: {error}") from error

    def _begin(self) -> None:
        self._headers = {}
        self._field = None
        self._text.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        try:
            value = self._value.decode()
        except UnicodeDecodeError as error:
            raise ApiError(400, "A header of the multipart body isn't UTF-8") from error
        self._headers[self._name.decode("latin-1").strip().lower()] = value.strip()
        self._name.clear()
        self._value.clear()

    def _headers_end(self) -> None:
        found = {}
        for name, quoted, plain in QUOTED.findall(self._headers.get("content-disposition", "")):
            found[name.lower()] = re.sub(r"\\([\\\"])", r"\1", quoted) if quoted else plain
        part = found.get("name")
        if part is None:
            raise ApiError(400, "A part of the multipart body has no name")
        if part != "file":
            self._field = part
            return
        if self.file is not None:
            raise ApiError(400, "file: exactly one is expected")
        filename = found.get("filename")
        self.filename = None if filename is None else self._decoded(filename)
        self.mime_type = self._headers.get("content-type")
        self.file = self._receive()

    def _decoded(self, filename: str) -> str:
        return re.sub("%(22|0[DdAa])", lambda found: chr(int(found[1], 16)), filename) if self._decode else filename

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field is not None:
            self._text += data[start:end]
            if len(self._text) > TEXT_LIMIT:
                raise ApiError(400, f"{self._field[:40]}: too long")
            return
        assert self.file is not None
        self.file.write(data[start:end])
        if self.file.size_bytes > self._limit_bytes:
            raise too_large(self._limit_bytes)

    def _end(self) -> None:
        if self._field is not None:
            self.fields[self._field] = self._text.decode(errors="replace")

    def _complete(self) -> None:
        self.complete = True
