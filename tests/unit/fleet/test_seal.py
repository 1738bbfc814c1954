"""A chunk opens only for the file, the place, the length and the workspace that it was sealed for."""

import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.errors import Forged
from anthrofs.fleet import seal
from anthrofs.fleet.keys import SECRET_BYTES, FleetKeys
from anthrofs.fleet.seal import CHUNK_BYTES, Chunk
from anthrofs.model import FileId

KEYS = FleetKeys([bytes(range(SECRET_BYTES))])
ID = FileId("file_1")


def opened(body: bytes, *, scope: str = "o/w", file_id: FileId = ID, number: int = 0, keys: FleetKeys = KEYS) -> Chunk:
    return seal.opened(keys, keys.ids[0], scope, file_id, number, body)


@given(st.integers(0, 40 * CHUNK_BYTES))
def test_chunks_cover_a_file_once(size: int) -> None:
    lengths = [seal.length_of(size, number) for number in range(seal.count_of(size))]
    assert sum(lengths) == size
    assert all(before == CHUNK_BYTES for before, _ in pairwise(lengths))
    assert size == 0 or all(lengths)


@pytest.mark.parametrize("data", [b"", b"x", os.urandom(1000)])
def test_what_is_sealed_opens(data: bytes) -> None:
    assert opened(seal.sealed(KEYS, "o/w", ID, 0, Chunk(data, len(data)))) == Chunk(data, len(data))


def test_the_last_chunk_of_several_has_the_rest() -> None:
    body = seal.sealed(KEYS, "o/w", ID, 1, Chunk(b"rest", CHUNK_BYTES + 4))
    assert opened(body, number=1) == Chunk(b"rest", CHUNK_BYTES + 4)
    assert len(seal.sealed(KEYS, "o/w", ID, 0, Chunk(bytes(CHUNK_BYTES), CHUNK_BYTES + 4))) == seal.LARGEST_BYTES


def test_nothing_of_the_plain_is_seen_and_two_sealings_differ() -> None:
    data = b"a secret sentence" * 100
    one, two = (seal.sealed(KEYS, "o/w", ID, 0, Chunk(data, len(data))) for _ in range(2))
    assert one != two
    assert b"secret" not in one
    assert ID.encode() not in one


@pytest.mark.parametrize("place", [{"scope": "o/v"}, {"file_id": FileId("file_2")}, {"number": 1}, {"keys": FleetKeys([bytes(SECRET_BYTES)])}])
def test_it_opens_at_no_other_place(place: dict[str, object]) -> None:
    size = 2 * CHUNK_BYTES          # so that both chunks have one length, and only the seal tells them apart
    body = seal.sealed(KEYS, "o/w", ID, 0, Chunk(bytes(CHUNK_BYTES), size))
    assert opened(body).size_bytes == size
    with pytest.raises(Forged):
        opened(body, **place)       # type: ignore[arg-type]  # one of its named arguments


@pytest.mark.parametrize("at", [0, 3, 4, 11, 12, 23, 24, 30, -16, -1])
def test_a_changed_byte_is_seen(at: int) -> None:
    body = bytearray(seal.sealed(KEYS, "o/w", ID, 0, Chunk(b"0123456789", 10)))
    body[at] ^= 1
    with pytest.raises(Forged):
        opened(bytes(body))


def test_a_cut_one_and_a_longer_one_are_seen() -> None:
    body = seal.sealed(KEYS, "o/w", ID, 0, Chunk(b"0123456789", 10))
    for length in range(len(body)):
        with pytest.raises(Forged):
            opened(body[:length])
    with pytest.raises(Forged):
        opened(body + b"\0")


def test_an_older_keys_chunk_opens_by_that_key_only() -> None:
    old, both = FleetKeys([b"o" * SECRET_BYTES]), FleetKeys([b"n" * SECRET_BYTES, b"o" * SECRET_BYTES])
    body = seal.sealed(old, "o/w", ID, 0, Chunk(b"kept", 4))
    assert seal.opened(both, old.ids[0], "o/w", ID, 0, body).data == b"kept"
    with pytest.raises(Forged):
        seal.opened(both, both.ids[0], "o/w", ID, 0, body)
