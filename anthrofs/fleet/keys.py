"""The fleet's keys: what seals contents and notes, and names them, so that whoever holds a store or a board, but no
key, can make things missing, never wrong, and reads nothing.

Owns    the secrets, in memory.
Trusts  a key file that its owner alone can read.
Never   shows a secret: `repr` says the ids, which are hashes.
"""

import hashlib
import hmac
import os
import re
import stat
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from anthrofs.errors import EXIT_USAGE, Forged, SetupError

SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 12             # of AES-GCM, random: a sub-key seals far fewer than the 2^32 messages that bears
TAG_BYTES: Final = 16
OVERHEAD_BYTES: Final = NONCE_BYTES + TAG_BYTES     # of what is sealed, over the plain
ID_CHARS: Final = 12                # of a key's id, in hex
NAME_CHARS: Final = 32              # of a name's MAC, in hex: 128 bits
SUBKEYS: Final = 1024               # that are remembered: a derivation takes 10 µs
LONGEST_FILE_BYTES: Final = 64 * 2**10
LINE: Final = re.compile(rb"[0-9a-f]{64}")

Part = bytes | str | int            # of what a name or a seal is about


class FleetKeys:
    """The secrets of a fleet, newest first. The first one seals; all of them open."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        """The secrets have SECRET_BYTES each; there is at least one."""
        self._secrets = {id_of(secret): secret for secret in secrets}       # constant
        self.ids = tuple(self._secrets)                                     # constant
        self._subkey = lru_cache(SUBKEYS)(self._derive)                     # constant

    def __repr__(self) -> str:
        return f"FleetKeys({', '.join(self.ids)})"

    def name(self, *parts: Part, key_id: str | None = None) -> str:
        """Returns what stands for these parts where others can read it: a MAC of NAME_CHARS. Of the first key, or of
        that one.
        """
        secret = self._subkey(key_id or self.ids[0], "names")
        return hmac.new(secret, encoded(*parts), hashlib.sha256).hexdigest()[:NAME_CHARS]

    def seal(self, purpose: str, about: Sequence[Part], plain: bytes | memoryview) -> bytes:
        """Returns nonce and ciphertext, by the first key. It opens only for the same purpose (a sub-key each) and the
        same `about`.
        """
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._subkey(self.ids[0], purpose)).encrypt(nonce, plain, encoded(*about))

    def open(self, purpose: str, about: Sequence[Part], sealed: bytes | memoryview,
             key_id: str | None = None) -> bytes:
        """Returns the plain bytes. Raises Forged: cut, changed, of another place, or of a key that isn't known here."""
        if len(sealed) < OVERHEAD_BYTES or (key_id is not None and key_id not in self._secrets):
            raise Forged("what is sealed was cut, or by a key that isn't known here")
        for each in self.ids if key_id is None else (key_id,):
            try:
                return AESGCM(self._subkey(each, purpose)).decrypt(bytes(sealed[:NONCE_BYTES]), sealed[NONCE_BYTES:],
                                                                   encoded(*about))
            except InvalidTag:
                continue
        raise Forged("what is sealed was changed, is of another place, or by another key")

    def _derive(self, key_id: str, purpose: str) -> bytes:
        return HKDF(SHA256(), SECRET_BYTES, None, f"anthrofs 1 {purpose}".encode()).derive(self._secrets[key_id])


def id_of(secret: bytes) -> str:
    """Returns the public id of a secret: its hash tells nothing of 32 random bytes."""
    return hashlib.sha256(b"anthrofs key id\0" + secret).hexdigest()[:ID_CHARS]


def encoded(*parts: Part) -> bytes:
    """Returns the parts as one string of bytes that no other parts have: each with its kind and length."""
    found = []
    for part in parts:
        kind, value = ((b"b", part) if isinstance(part, bytes) else (b"s", part.encode("utf-8", "surrogatepass"))
                       if isinstance(part, str) else (b"i", str(part).encode()))
        found.append(kind + len(value).to_bytes(8, "big") + value)
    return b"".join(found)


def new_line() -> str:
    """Returns a new secret as the line of a key file."""
    return os.urandom(SECRET_BYTES).hex()


def read(path: Path) -> FleetKeys:
    """Reads a key file: a secret on each line, newest first. Raises SetupError for one that others can read, or that
    makes no sense.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _useless(path, "is no plain file")
            if status.st_mode & 0o077:
                raise _useless(path, f"can be read by others (its mode is {stat.S_IMODE(status.st_mode):04o}): chmod "
                                     "600 it")
            if status.st_uid not in (0, os.geteuid()):
                raise _useless(path, "belongs to another user")
            text = file.read(LONGEST_FILE_BYTES)
    except OSError as exc:
        raise _useless(path, f"can't be read: {exc.strerror}") from None
    lines = {number: line.strip() for number, line in enumerate(text.splitlines(), 1) if line.strip()}
    if not lines:
        raise _useless(path, "is empty: `anthrofs fleet key > FILE` makes one, for one machine; copy it to the others")
    for number, line in lines.items():
        if not LINE.fullmatch(line):
            raise _useless(path, f"has no key on line {number}: a key is 64 characters, 0 to 9 and a to f")
    return FleetKeys([bytes.fromhex(line.decode()) for line in dict.fromkeys(lines.values())])


def _useless(path: Path, why: str) -> SetupError:
    return SetupError(f"The fleet key {path} {why}.", EXIT_USAGE)
