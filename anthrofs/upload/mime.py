"""The type that a file is sent as: a file stored as octet-stream can't be used as a document later.

Pure: a name and the first bytes in, a type out.
Trusts  the extension first, as browsers and the SDKs do; the content only where the extension says nothing.
"""

import mimetypes
from typing import Final

HEAD_BYTES: Final = 4096        # enough of the content for every rule below

# Python's own table, without the machine's files: the same name gets the same type everywhere. What it lacks:
_TABLE: Final = mimetypes.MimeTypes(filenames=())
_MORE: Final = {
    ".md": "text/markdown", ".markdown": "text/markdown", ".rst": "text/x-rst", ".log": "text/plain",
    ".yaml": "application/yaml", ".yml": "application/yaml", ".toml": "application/toml", ".ini": "text/plain",
    ".jsonl": "application/jsonl", ".ndjson": "application/x-ndjson", ".ipynb": "application/x-ipynb+json",
    ".parquet": "application/vnd.apache.parquet", ".webp": "image/webp", ".avif": "image/avif", ".heic": "image/heic",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".odt": "application/vnd.oasis.opendocument.text", ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".epub": "application/epub+zip", ".ts": "text/x-typescript", ".tsx": "text/x-typescript", ".go": "text/x-go",
    ".rs": "text/x-rust", ".java": "text/x-java", ".rb": "text/x-ruby", ".sql": "application/sql", ".tex": "text/x-tex",
}
_COMPRESSED: Final = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz",
                      "compress": "application/x-compress", "br": "application/x-brotli"}
_MAGIC: Final = (
    (b"%PDF-", "application/pdf"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"), (b"GIF89a", "image/gif"), (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"), (b"SQLite format 3\0", "application/vnd.sqlite3"),
)
UNKNOWN: Final = "application/octet-stream"


def mime_type_of(name: str, head: bytes) -> str:
    """The type for a file of this name whose content begins with `head` (up to HEAD_BYTES)."""
    suffix = "." + name.rpartition(".")[2].lower() if "." in name.lstrip(".") else ""
    if suffix in _MORE:
        return _MORE[suffix]
    guessed, encoding = _TABLE.guess_type("x" + suffix if suffix else "x", strict=False)
    if encoding:                # f.tar.gz is sent as it is: gzip
        return _COMPRESSED.get(encoding, UNKNOWN)
    return guessed if guessed not in (None, UNKNOWN) else _by_content(head)     # .bin and .obj say no more than "bytes"


def _by_content(head: bytes) -> str:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if b"\0" in head:
        return UNKNOWN
    try:
        head.decode()
    except UnicodeDecodeError as exc:
        # A character may be cut at the end of head; anywhere else it isn't UTF-8.
        return "text/plain" if len(head) >= HEAD_BYTES and exc.start > len(head) - 4 else UNKNOWN
    return "text/plain"
