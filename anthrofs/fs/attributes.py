"""Extended attributes: what is known of a file that stat has no field for.

Trusts  the rows. An attribute that a file doesn't have is absent, never empty.
Never   waits, and takes no lock but the database's.
"""

from datetime import UTC, datetime

from anthrofs.errors import NoAttribute
from anthrofs.model import ROOT, Attempt, Node
from anthrofs.tree import xattrs
from anthrofs.tree.database import Database
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.upload_queue import FAILED
from anthrofs.upload.uploader import Uploader


class Attributes:
    """Of one mount."""

    def __init__(self, db: Database, uploader: Uploader, handles: OpenTable, control: str) -> None:
        self._db = db                   # given
        self._uploader = uploader       # given
        self._handles = handles         # given
        self._control = control         # constant

    def value(self, node: Node, name: str) -> str:
        """Raises NoAttribute."""
        if node.node_id == ROOT and name == xattrs.CONTROL:
            return self._control
        value = self.all(node).get(name)
        if value is None:
            raise NoAttribute(f"no attribute {name}")
        return value

    def all(self, node: Node) -> dict[str, str]:
        """By name; a directory has only what was set."""
        with self._db.reading() as tx:
            own, attempt = tx.xattrs.all(node.node_id), tx.uploads.of(node.node_id)
        if node.directory:
            return own
        found = {xattrs.STATE: self.state(node, attempt)}
        remote = node.remote
        if remote is not None:
            found |= {xattrs.FILE_ID: remote.file_id, "user.anthropic.filename": remote.name,
                      "user.anthropic.created_at": _time(remote.created_ns),
                      "user.anthropic.downloadable": "true" if remote.downloadable else "false"}
            if remote.expires_ns is not None:
                found["user.anthropic.expires_at"] = _time(remote.expires_ns)
        found |= own
        for name in xattrs.SETTINGS:
            if (value := xattrs.value(node, name)) is not None:
                found[name] = str(value)
        return found

    def state(self, node: Node, attempt: Attempt | None) -> str:
        """remote, remote named here, local, waiting, uploading N%, or failed: reason."""
        content = self._handles.content_of(node.node_id)
        dirty = content is not None and content.dirty       # one flag; a moment later it may be another
        if not node.unsent and not dirty:
            return self._rest_state(node)
        if node.local or (node.is_withheld and not dirty):
            return "local"
        if attempt is not None and attempt.state == FAILED:
            return f"failed: {attempt.reason}"
        sent = self._uploader.progress().get(node.node_id)
        if sent is None or attempt is None:
            return "waiting"
        if sent.awaits_answer:
            return f"sent, waiting for the answer since {datetime.fromtimestamp(sent.over_ns / 1e9):%H:%M:%S}"       # noqa: DTZ006 - as the user's clock
        return f"uploading {100 * sent.acknowledged // max(1, sent.size_bytes)}%"

    @staticmethod
    def damage(node: Node) -> str:
        """In words, with what can be done about it."""
        assert node.remote is not None, "it was listed"
        again = "" if node.local else "; `anthrofs retry` sends it again"
        return (f"the server lists {node.listed_bytes} bytes of it, and {node.remote.size_bytes} were sent ({node.remote.file_id}). "
                + (f"The whole copy is kept here{again}" if node.kept else "No copy of it is kept here"))

    @staticmethod
    def _rest_state(node: Node) -> str:
        if node.local:
            return "local"
        if node.remote is None:
            return "waiting"
        if node.damaged:
            return f"failed: {Attributes.damage(node)}"
        named = f", named here: the server calls it {node.remote.name}" if node.named_here else ""
        lacking = ", no copy here: uploaded from here" if node.ours else ", can't be read: uploaded elsewhere"
        closed = "" if node.readable else f"{lacking}, and the service keeps uploads to itself"
        return f"remote{named}{closed}"


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
