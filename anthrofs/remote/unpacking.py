"""Bodies that something on the way has packed, though nobody asked for that; pure.

Trusts  nothing: a thousand times as much may come out as went in, so it comes out in pieces of a bounded size.
Never   says what a body is: what it isn't, bodies.py and answers.py find out.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

KNOWN: Final = frozenset({"gzip", "x-gzip", "deflate"})
PIECE_BYTES: Final = 64 * 1024
LAYERS: Final = 3               # packed again and again: more than that nobody does in earnest
_EITHER: Final = zlib.MAX_WBITS | 32            # zlib's own header or gzip's
_BARE: Final = -zlib.MAX_WBITS                  # none: as some send what they call deflate


def unpacked(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The body as it was before. What nobody knows is taken for a wrong label, and comes as it is. Raises ValueError
    for what isn't packed so, or ends too early.
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    layers = [name for name in names if name in KNOWN]
    if len(layers) > LAYERS:
        raise ValueError(f"packed {len(layers)} times")
    for _ in layers:
        pieces = _inflated(pieces)
    yield from pieces


def _inflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    inflater = None
    try:
        for piece in pieces:
            if not piece:
                continue
            if inflater is None:
                inflater, some = _begun(piece)
            else:
                some = inflater.decompress(piece, PIECE_BYTES)
            while some:
                yield some
                some = inflater.decompress(inflater.unconsumed_tail, PIECE_BYTES)
    except zlib.error as exc:
        raise ValueError("it isn't packed as it is said to be") from exc
    if inflater is not None and not inflater.eof:
        raise ValueError("it ends in the middle")


def _begun(piece: bytes) -> "tuple[zlib._Decompress, bytes]":
    try:
        inflater = zlib.decompressobj(_EITHER)
        return inflater, inflater.decompress(piece, PIECE_BYTES)
    except zlib.error:
        inflater = zlib.decompressobj(_BARE)
        return inflater, inflater.decompress(piece, PIECE_BYTES)
