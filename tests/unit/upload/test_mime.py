"""A file's type is what its name says, else its content."""

import gzip
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.upload.mime import HEAD_BYTES, UNKNOWN, mime_type_of
from tests.fakes import law

TEXT: Final = b"some words, and a number: 12\n"
PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(20)
GZIP: Final = gzip.compress(TEXT, mtime=0)


@pytest.mark.parametrize(("name", "head", "expected"), [
    ("note.txt", TEXT, "text/plain"), ("NOTE.TXT", TEXT, "text/plain"), ("page.html", TEXT, "text/html"),
    ("data.csv", TEXT, "text/csv"), ("data.json", b"{}", "application/json"), ("paper.pdf", b"%PDF-1.7", "application/pdf"),
    ("photo.jpeg", b"\xff\xd8\xff\xe0", "image/jpeg"), ("a.b.c.png", PNG, "image/png"), ("README.md", TEXT, "text/markdown"),
    ("run.py", TEXT, "text/x-python"), ("data.jsonl", TEXT, "application/jsonl"), ("app.log", TEXT, "text/plain"),
    ("settings.yml", TEXT, "application/yaml"), ("main.rs", TEXT, "text/x-rust"), ("index.ts", TEXT, "text/x-typescript"),
    ("sheet.xlsx", b"PK\x03\x04", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    # the extension wins over the content
    ("note.txt", PNG, "text/plain"), ("image.png", TEXT, "image/png"), ("empty.pdf", b"", "application/pdf"),
    # what is packed is sent as packed
    ("data.csv.gz", GZIP, "application/gzip"), ("backup.tar.gz", GZIP, "application/gzip"), ("backup.tgz", GZIP, "application/gzip"),
    ("x.bz2", b"BZh9", "application/x-bzip2"), ("x.txt.xz", b"\xfd7zXZ", "application/x-xz"),
    # without an extension that says something, the content tells
    ("README", TEXT, "text/plain"), (".env", b"A=1\n", "text/plain"), ("Makefile", b"all:\n\ttrue\n", "text/plain"),
    ("v1.2", TEXT, "text/plain"), ("name.", TEXT, "text/plain"), ("empty", b"", "text/plain"), ("notes.unknownext", TEXT, "text/plain"),
    ("report", b"%PDF-1.7\n", "application/pdf"), ("picture", PNG, "image/png"), ("photo", b"\xff\xd8\xff\xe0", "image/jpeg"),
    ("moving", b"GIF89a", "image/gif"), ("picture", b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"), ("sound", b"RIFF\x10\0\0\0WAVEfmt ", UNKNOWN),
    ("archive", b"PK\x03\x04" + bytes(20), "application/zip"), ("packed", GZIP, "application/gzip"),
    ("base", b"SQLite format 3\0", "application/vnd.sqlite3"),
    ("program", b"\x7fELF\x02\x01\x01\0", UNKNOWN), ("noise", b"\xff\xfe\xfd\xfc" * 9, UNKNOWN), ("a.out.1", bytes(10), UNKNOWN),
    # extensions that say no more than "bytes"
    ("teapot.obj", b"v 0 0 0\n", "text/plain"), ("paper.bin", b"%PDF-1.7\n", "application/pdf"), ("random.bin", bytes(10), UNKNOWN),
])
def test_a_file_gets_the_type_that_its_name_says_else_its_content(name: str, head: bytes, expected: str) -> None:
    assert mime_type_of(name, head) == expected


@law
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50),
       name=st.sampled_from(["README", "notes.unknownext", "dump.bin", "a.b.", ".profile", "LICENSE.de", "x.txt", "x.py", "x.md", "x.log"]))
def test_text_is_never_sent_as_octet_stream(text: str, name: str) -> None:
    assert mime_type_of(name, text.encode()) != UNKNOWN


@pytest.mark.parametrize("character", ["é", "語", "😀"])
@pytest.mark.parametrize("shift", range(4))
def test_a_character_cut_at_the_heads_end_is_still_text(character: str, shift: int) -> None:
    head = (b"x" * shift + character.encode() * HEAD_BYTES)[:HEAD_BYTES]

    assert mime_type_of("README", head) == "text/plain"


def test_a_broken_character_anywhere_else_is_not_text() -> None:
    assert mime_type_of("README", "é".encode()[:1]) == UNKNOWN                      # the file ends there
    assert mime_type_of("README", b"x\xff" + b"x" * (HEAD_BYTES - 2)) == UNKNOWN


@law
@given(name=st.text(min_size=1, max_size=30), head=st.binary(max_size=30))
def test_every_name_and_content_has_a_type_that_a_header_can_hold(name: str, head: bytes) -> None:
    kind = mime_type_of(name, head)

    assert kind.isascii()
    assert kind.count("/") == 1
    assert " " not in kind
