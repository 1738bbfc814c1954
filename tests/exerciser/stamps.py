"""Content that says where it comes from: each byte is of a word that names the operation which wrote it, and the place for which.

A word is 8 bytes, at a multiple of 8 of the file: the operation's number, the word's. All its bytes are turned by an amount that depends on the
operation, so that bytes of two operations at one place always differ. What was never written is 0.
"""

from array import array
from typing import Final

WORD: Final = 8
TURNS: Final = 251
TURNED: Final = [bytes((value + 37 * turn) % 256 for value in range(256)) for turn in range(TURNS)]
BACK: Final = [bytes((value - 37 * turn) % 256 for value in range(256)) for turn in range(TURNS)]


def stamped(number: int, offset: int, length: int) -> bytes:
    """The bytes that operation `number` writes there."""
    first, end = offset // WORD, -(-(offset + length) // WORD)
    words = array("Q", range(number << 32 | first, number << 32 | end)).tobytes().translate(TURNED[number % TURNS])
    return words[offset - first * WORD:offset - first * WORD + length]


def origin(content: bytes | bytearray, place: int, base: int, last: int) -> str:
    """Whose byte that is, in words. The content is that of a file from `base` on; no operation has a higher number than `last`. A copy may have
    brought it, so its word can begin anywhere.
    """
    for begin in range(max(0, place - WORD + 1), place + 1):
        word = bytes(content[begin:begin + WORD])
        for turn in range(TURNS if len(word) == WORD else 0):
            value = int.from_bytes(word.translate(BACK[turn]), "little")
            number, at = value >> 32, (value & 0xFFFFFFFF) * WORD
            if 0 < number <= last and number % TURNS == turn and at < 2**32:
                return f"operation {number} wrote it for byte {at + place - begin}"
    around = bytes(content[max(0, place - WORD):place + WORD])
    if not any(content[place:place + 1]) and not all(around):
        return "nobody wrote it: a hole"
    run, number = max(((_alike(content, place, base, number), number) for number in range(1, last + 1)), default=(0, 0))
    if run > 1:
        return f"operation {number} wrote it, and {run - 1} beside it"
    return f"{content[place]:#04x}, in the middle of {around.hex(' ')}"


def _alike(content: bytes | bytearray, place: int, base: int, number: int) -> int:
    """How many bytes in a row, that one among them, are what that operation writes there."""
    begin, end = max(0, place - WORD), min(len(content), place + WORD)
    alike = [one == other for one, other in zip(content[begin:end], stamped(number, base + begin, end - begin), strict=True)]
    if not alike[place - begin]:
        return 0
    before, after = alike[:place - begin][::-1], alike[place - begin + 1:]
    return 1 + sum(next((at for at, same in enumerate(side) if not same), len(side)) for side in (before, after))
