"""What is uploaded: names that say whose they are, and bodies byte by byte.

Trusts  a tag to be random: it is how a run knows its own files in a listing.
Never   makes a name or a content that somebody else could have.
"""

from dataclasses import dataclass
from typing import Final

PREFIX: Final = "anthrofs-probe"
BOUNDARY: Final = "anthrofs-probe-boundary-5f0c2b"
PLAIN: Final = "text/plain"


@dataclass(frozen=True, slots=True)
class Form:
    """One upload."""

    filename: str
    content: bytes
    mime_type: str | None = PLAIN       # None: the part says none
    expires_s: int | None = None

    def body(self) -> bytes:
        """As the SDKs write it: raw UTF-8, a quote as %22, a backslash doubled."""
        name = self.filename.replace("\\", "\\\\").replace('"', "%22")
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        if self.mime_type is not None:
            head += f"Content-Type: {self.mime_type}\r\n"
        text = ""
        if self.expires_s is not None:
            text = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="expires_in_seconds"\r\n\r\n{self.expires_s}\r\n'
        return b"".join((text.encode(), head.encode(), b"\r\n", self.content, f"\r\n--{BOUNDARY}--\r\n".encode()))


def name_of(tag: str, suffix: str) -> str:
    """A name of this run."""
    return f"{PREFIX}-{tag}-{suffix}"


def filled_name(tag: str, suffix: str, length: int, character: str) -> str:
    """A name of this run with so many characters (code points)."""
    start = name_of(tag, suffix)
    return start + character * (length - len(start))


def content_of(tag: str, suffix: str) -> bytes:
    """Nobody else's bytes, in case a service keeps equal ones once."""
    return f"uploaded by anthrofs's scripts/probe-service, run {tag}, {suffix}; may be deleted\n".encode()
