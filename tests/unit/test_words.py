"""The pure words: block arithmetic, mime types, and what a command line and an environment may say."""

import dataclasses
import gzip
import zlib
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.cli.environment import credentials_of, select, service_of, state_dir_of
from anthrofs.cli.options import with_options
from anthrofs.config import DEFAULT_BASE_URL, Config, Credentials, Service
from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.store.blocks import BLOCK_BYTES, Cutter, Span, checksum, spans
from anthrofs.upload.mime import HEAD_BYTES, UNKNOWN, mime_type_of
from tests.fakes import law

KEY: Final = "sk-ant-api03-abc_DEF-123"
ENVIRONMENT: Final = {"ANTHROPIC_API_KEY": KEY}

# ---- blocks

@law
@given(offset=st.integers(0, 10**12), size=st.integers(0, 10**6), block_bytes=st.integers(1000, 10**5))
def test_spans_cover_the_range_once_and_in_order(offset: int, size: int, block_bytes: int) -> None:
    position = offset
    for span in spans(offset, size, block_bytes):
        assert span.number * block_bytes + span.start == position
        assert span.length > 0
        assert span.start + span.length <= block_bytes      # within one block
        position += span.length

    assert position == offset + size


@law
@given(offset=st.integers(0, 10**6), size=st.integers(1, 10**5), block_bytes=st.integers(1000, 10**5))
def test_only_the_first_span_starts_within_a_block(offset: int, size: int, block_bytes: int) -> None:
    cut = list(spans(offset, size, block_bytes))

    assert all(span.start == 0 for span in cut[1:])
    assert [span.number for span in cut] == list(range(cut[0].number, cut[0].number + len(cut)))


def test_an_aligned_kernel_read_is_one_block_and_nothing_is_no_block() -> None:
    assert list(spans(3 * BLOCK_BYTES, BLOCK_BYTES)) == [Span(3, 0, BLOCK_BYTES)]
    assert list(spans(BLOCK_BYTES - 1, 2)) == [Span(0, BLOCK_BYTES - 1, 1), Span(1, 0, 1)]
    assert list(spans(5, 0)) == []


@law
@given(sizes=st.lists(st.integers(0, 3 * BLOCK_BYTES), max_size=6), seed=st.integers(0, 255))
def test_pieces_of_any_size_become_whole_blocks_and_a_rest(sizes: list[int], seed: int) -> None:
    content = bytes((seed + place * place // 7) % 256 for place in range(2000)) * (sum(sizes) // 2000 + 1)
    cutter, blocks, start = Cutter(), list[bytes](), 0
    for size in sizes:
        blocks += cutter.push(content[start:start + size])
        start += size

    assert all(len(block) == BLOCK_BYTES for block in blocks)
    assert b"".join((*blocks, cutter.rest())) == content[:start]
    assert cutter.held_bytes == len(cutter.rest()) < BLOCK_BYTES


@law
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(0, 2**40), data=st.binary(max_size=200))
def test_a_checksum_is_never_0_and_fits_the_map(seed: int, number: int, data: bytes) -> None:
    assert 0 < checksum(seed, number, data) < 2**32


def test_a_block_whose_crc_is_0_does_not_look_absent() -> None:
    seed, number = 77, 5
    so_far = zlib.crc32(number.to_bytes(8, "little"), seed)
    data = (0x6DD90A9D ^ so_far).to_bytes(4, "little")
    assert zlib.crc32(data, so_far) == 0

    assert checksum(seed, number, data) == 1


@law
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(0, 2**31), data=st.binary(max_size=200), bit=st.integers(0, 31))
def test_swapped_blocks_and_files_and_flipped_bits_do_not_match(seed: int, number: int, data: bytes, bit: int) -> None:
    right = checksum(seed, number, data)

    # crc32 finds every change of up to 32 adjacent bits; only the result 0, which stands for 1, escapes that.
    assert right != checksum(seed, number ^ (1 << bit), data) or right == 1
    assert right != checksum(seed ^ (1 << bit), number, data) or right == 1
    if data:
        flipped = bytearray(data)
        flipped[bit % len(data)] ^= 1 << bit % 8
        assert right != checksum(seed, number, bytes(flipped)) or right == 1


# ---- mime types

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


# ---- credentials

@pytest.mark.parametrize(("environ", "header", "value"), [
    ({"ANTHROPIC_API_KEY": KEY}, "x-api-key", KEY),
    ({"ANTHROPIC_API_KEY": f"  {KEY}\n"}, "x-api-key", KEY),
    ({"ANTHROPIC_AUTH_TOKEN": "token"}, "Authorization", "Bearer token"),
    ({"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_AUTH_TOKEN": "token"}, "x-api-key", KEY),
    ({"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "token"}, "Authorization", "Bearer token"),
    ({"ANTHROPIC_API_KEY": " ", "ANTHROPIC_AUTH_TOKEN": "token"}, "Authorization", "Bearer token"),
])
def test_the_key_comes_from_where_the_sdks_look(environ: dict[str, str], header: str, value: str) -> None:
    assert credentials_of(environ) == Credentials(header, value)


@pytest.mark.parametrize("environ", [{}, {"ANTHROPIC_API_KEY": ""}, {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": " \t"}])
def test_without_credentials_the_words_say_which_to_set(environ: dict[str, str], tmp_path: Path) -> None:
    assert credentials_of(environ) is None
    with pytest.raises(SetupError, match="ANTHROPIC_API_KEY") as caught:
        service_of({**environ, "ANTHROPIC_CONFIG_DIR": ""} | {"HOME": str(tmp_path)})

    assert caught.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize("odd", [" ", "\n", "\r\nx-evil: 1", "\x00", "ä", "“", "\x7f", "\u200b"])
@pytest.mark.parametrize("variable", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
def test_a_key_with_odd_characters_is_refused_without_quoting_it(variable: str, odd: str) -> None:
    with pytest.raises(SetupError, match=variable) as caught:
        credentials_of({variable: f"sk-secret{odd}part"})

    assert "secret" not in str(caught.value)
    assert "part" not in str(caught.value)
    assert caught.value.exit_code == EXIT_USAGE


def test_no_repr_shows_the_key() -> None:
    service = service_of(ENVIRONMENT)
    config = Config(Path("/mnt"), Path("/state"), service)

    for value in (service.credentials, service, config, (config,), {"config": config}):
        assert KEY not in repr(value)
        assert KEY not in str(value)
    assert "x-api-key" in repr(service)         # which kind it is may be said


# ---- the service

@pytest.mark.parametrize(("given_url", "expected"), [
    (None, DEFAULT_BASE_URL), ("", DEFAULT_BASE_URL), ("  ", DEFAULT_BASE_URL), ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ("https://gateway.example/anthropic/", "https://gateway.example/anthropic"), ("http://[::1]:80/", "http://[::1]:80"),
    (" https://api.anthropic.com/ ", "https://api.anthropic.com"),
])
def test_the_base_url_is_the_environments_else_the_services(given_url: str | None, expected: str) -> None:
    environ = ENVIRONMENT if given_url is None else {**ENVIRONMENT, "ANTHROPIC_BASE_URL": given_url}

    assert service_of(environ) == Service(expected, Credentials("x-api-key", KEY), None, "beta")


@pytest.mark.parametrize("bad", [
    "api.anthropic.com", "ftp://host", "file:///etc/passwd", "http://", "https://:443", "http://host:port", "http://host:99999", "http://host:0",
    "http://[::1", "//host", "http:host", "/path", "http://host?key=1", "http://host#part", "http://my host", "http://host/\n.com", "http://h\tost",
])
def test_what_is_no_base_url_is_refused_before_anything_is_asked(bad: str) -> None:
    with pytest.raises(SetupError, match="ANTHROPIC_BASE_URL") as caught:
        service_of({**ENVIRONMENT, "ANTHROPIC_BASE_URL": bad})

    assert caught.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize("shape", ["beta", "ga"])
def test_the_shape_is_one_that_is_known(shape: str) -> None:
    assert select(service_of(ENVIRONMENT), shape=shape).shape == shape
    with pytest.raises(SetupError, match="alpha"):
        select(service_of(ENVIRONMENT), shape="alpha")


def test_a_session_is_asked_for_in_the_shape_that_knows_it() -> None:
    service = select(service_of(ENVIRONMENT), shape="ga", scope_id="sesn_1")
    assert (service.shape, service.scope_id) == ("agents", "sesn_1")


def test_the_command_lines_workspace_comes_first() -> None:
    service = service_of({**ENVIRONMENT, "ANTHROPIC_WORKSPACE_ID": "wrkspc_1"})
    assert select(service, shape="ga", workspace_id="wrkspc_2").workspace_id == "wrkspc_2"
    assert select(service, shape="ga", workspace_id="wrkspc_2").warnings() == ()


@pytest.mark.parametrize("bad", ["a/b", "..", ".", "a b", "a\nb", "\u00fc"])
@pytest.mark.parametrize("option", ["workspace_id", "scope_id"])
def test_what_is_no_id_is_refused(option: str, bad: str) -> None:
    with pytest.raises(SetupError, match="takes an id") as caught:
        select(service_of(ENVIRONMENT), shape="beta", **{option: bad})
    assert caught.value.exit_code == EXIT_USAGE


def test_the_environments_workspace_is_not_a_keys_and_that_is_said() -> None:
    service = service_of({**ENVIRONMENT, "ANTHROPIC_WORKSPACE_ID": "wrkspc_1"})
    assert (service.workspace_id, service.ignored_workspace_id) == (None, "wrkspc_1")
    assert "--workspace" in service.warnings()[0]
    assert service_of({**ENVIRONMENT, "ANTHROPIC_WORKSPACE_ID": " "}).warnings() == ()


# ---- where the state is

@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "/", "../up", "a\0b"])
def test_a_profile_is_a_plain_name(bad: str) -> None:
    with pytest.raises(SetupError, match="--profile"):
        state_dir_of({}, bad)


def test_the_state_is_where_xdg_says() -> None:
    assert state_dir_of({"XDG_STATE_HOME": "/var/state"}, "work") == Path("/var/state/anthrofs/work")
    at_home = Path.home() / ".local" / "state" / "anthrofs" / "work"
    for unusable in ({}, {"XDG_STATE_HOME": ""}, {"XDG_STATE_HOME": "relative/path"}):
        assert state_dir_of(unusable, "work") == at_home


# ---- mount options

CONFIG: Final = Config(Path("/mnt"), Path("/state"), Service("http://h", Credentials("x-api-key", KEY)), uid=1, gid=1)


@pytest.mark.parametrize(("given_options", "changes"), [
    ([], {}), ([""], {}), ([","], {}), (["rw"], {}), (["rw,nosuid,nodev,noatime,_netdev,nofail"], {}),
    (["ro"], {"read_only": True}), (["rw,ro"], {"read_only": True}), (["allow_other"], {"allow_other": True}),
    (["uid=1000"], {"uid": 1000}), (["gid=100"], {"gid": 100}), (["umask=027"], {"umask": 0o27}), (["umask=0"], {"umask": 0}),
    (["umask=7777"], {"umask": 0o777}), (["uid=5,gid=6", "umask=77"], {"uid": 5, "gid": 6, "umask": 0o77}), (["uid=5", "uid=6"], {"uid": 6}),
    ([",ro,,uid=0,"], {"read_only": True, "uid": 0}),
])
def test_mount_options_become_settings(given_options: list[str], changes: dict[str, int | bool]) -> None:
    assert with_options(CONFIG, given_options) == dataclasses.replace(CONFIG, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [
    "nonsense", "ro=1", "allow_other=yes", "uid", "uid=", "uid=me", "uid=-1", "gid=1.5", "umask=8", "umask=-1", "umask=", "UID=1", " ro"])
def test_an_option_that_is_not_known_or_makes_no_sense_is_named(bad: str) -> None:
    with pytest.raises(SetupError) as caught:
        with_options(CONFIG, ["rw", bad])

    assert f"-o {bad}:" in str(caught.value)
    assert caught.value.exit_code == EXIT_USAGE
