"""Extended attributes: their names, those that a user may set for the next upload, and those that mean nothing to the
service.

The latter are kept on this machine, with the node, as modes and times are.

Owns    the table attribute. It never holds one of the names that the mount itself answers for.
Trusts  no value: what the service would refuse is refused here, where the program that sets it can be told.
"""

import os
import re
from typing import Final

from anthrofs.attribute_names import FILE_ID, SHARED, STATE
from anthrofs.errors import BadName, DiskFull
from anthrofs.model import Node, NodeId
from anthrofs.tree.rows import Rows

# What is only told. Setting one is accepted and changes nothing: rsync -X and cp -a bring them along from elsewhere.
FACTS: Final = frozenset({FILE_ID, STATE, SHARED, "user.anthropic.filename", "user.anthropic.created_at",
                          "user.anthropic.downloadable", "user.anthropic.expires_at"})
MIME_TYPE: Final = "user.mime_type"
EXPIRES_IN: Final = "user.anthropic.expires_in_seconds"
# What can be set for the next upload: the column of each in the table node, see schema.
SETTINGS: Final = {MIME_TYPE: "mime_type", EXPIRES_IN: "expires_s"}
NODE_BYTES: Final = 64 * 1024       # names and values of one node; Linux lists no more
# A type and a subtype (RFC 6838), perhaps with parameters; the service stores what it is sent, up to 255 characters.
_MIME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*( *;[ -~]*)?", re.ASCII)
_MIME_CHARS: Final = 255
EXPIRES_S: Final = range(3600, 7_776_001)      # seconds, by the API's reference


class Xattrs:
    """Attributes that mean nothing to the service. Values are bytes on the disk, and text with surrogate escapes
    here.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows           # given

    def all(self, node_id: NodeId) -> dict[str, str]:
        """Returns the attributes of a node by name."""
        rows = self._rows.all("SELECT name, value FROM attribute WHERE node_id = ?", node_id)
        return {name: os.fsdecode(value) for name, value in rows}

    def has(self, node_id: NodeId, name: str) -> bool:
        """There is such an attribute."""
        return self._rows.one("SELECT 1 FROM attribute WHERE node_id = ? AND name = ?", node_id, name) is not None

    def copy(self, source: NodeId, target: NodeId) -> None:
        """Gives all attributes of one node to another, which has none."""
        self._rows.run("INSERT INTO attribute (node_id, name, value) SELECT ?, name, value FROM attribute "
                       "WHERE node_id = ?", target, source)

    def set(self, node_id: NodeId, name: str, value: str | None) -> None:
        """Sets an attribute, or, with None, removes it. Raises DiskFull when a node has too many."""
        self._rows.run("DELETE FROM attribute WHERE node_id = ? AND name = ?", node_id, name)
        if value is None:
            return
        data = os.fsencode(value)
        used = self._rows.one("SELECT coalesce(sum(length(name) + length(value)), 0) FROM attribute WHERE node_id = ?",
                              node_id)[0]
        if used + len(name.encode(errors="surrogateescape")) + len(data) > NODE_BYTES:
            raise DiskFull(f"a file can have {NODE_BYTES} bytes of extended attributes: {name} was not set")
        self._rows.run("INSERT INTO attribute VALUES (?, ?, ?)", node_id, name, data)


def parse(name: str, text: str | None) -> str | int | None:
    """The value of a setting as it is kept; None: it is removed. Raises BadName for one that the service would
    refuse.
    """
    if text is None:
        return None
    if name == MIME_TYPE:
        if len(text) > _MIME_CHARS or not _MIME.fullmatch(text):
            raise BadName(f"{text!a} is no MIME type, like text/csv")
        return text
    if not re.fullmatch("[0-9]{1,9}", text, re.ASCII) or (int(text) and int(text) not in EXPIRES_S):
        raise BadName(f"{text!a} is no number of seconds from {EXPIRES_S.start} to {EXPIRES_S.stop - 1}, "
                      "nor 0 for never")
    return int(text)


def value(node: Node, name: str) -> str | int | None:
    """A setting as the user has it, or else the server; None: neither."""
    if name == MIME_TYPE:
        return node.mime_type or (None if node.remote is None else node.remote.mime_type)
    return node.expires_s


def matters(node: Node, name: str, value: str | int | None) -> bool:
    """The server's file was not sent with that value of a setting."""
    if name == MIME_TYPE:
        return value != node.mime_type and (node.remote is None or value != node.remote.mime_type)
    return (value or 0) != (node.expires_s or 0)
