"""Extended attributes that a user may set: what the next upload of a file asks the service for.

Trusts  nothing: what the service would refuse is refused here, where the program that sets it can be told.
"""

import re
from typing import Final

from anthrofs.errors import BadName
from anthrofs.model import Node
from anthrofs.names import EXPIRES_IN, MIME_TYPE

# The column of each, see schema.
COLUMNS: Final = {MIME_TYPE: "mime_type", EXPIRES_IN: "expires_s"}
# A type and a subtype (RFC 6838), perhaps with parameters; the service stores what it is sent, up to 255 characters.
_MIME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*( *;[ -~]*)?", re.ASCII)
_MIME_CHARS: Final = 255
EXPIRES_S: Final = range(3600, 7_776_001)      # seconds, by the API's reference


def parse(name: str, text: str | None) -> str | int | None:
    """The value of one in COLUMNS to be kept; None: it is removed. Raises BadName for one that the service would refuse."""
    if text is None:
        return None
    if name == MIME_TYPE:
        if len(text) > _MIME_CHARS or not _MIME.fullmatch(text):
            raise BadName(f"{text!a} is no MIME type, like text/csv")
        return text
    if not re.fullmatch("[0-9]{1,9}", text, re.ASCII) or (int(text) and int(text) not in EXPIRES_S):
        raise BadName(f"{text!a} is no number of seconds from {EXPIRES_S.start} to {EXPIRES_S.stop - 1}, nor 0 for never")
    return int(text)


def value(node: Node, name: str) -> str | int | None:
    """What the user has set, or what the server has; None: neither."""
    if name == MIME_TYPE:
        return node.mime_type or (None if node.remote is None else node.remote.mime_type)
    return node.expires_s


def matters(node: Node, name: str, value: str | int | None) -> bool:
    """What the server has was not sent with that value."""
    if name == MIME_TYPE:
        return value != node.mime_type and (node.remote is None or value != node.remote.mime_type)
    return (value or 0) != (node.expires_s or 0)
