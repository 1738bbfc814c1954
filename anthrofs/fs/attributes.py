"""Extended attributes: what is known of a file that stat has no field for, and what a user sets.

Trusts  the rows. An attribute that a file doesn't have is absent, never empty.
Never   waits for the network.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from anthrofs import attribute_names
from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.errors import Exists, NoAttribute, NotPermitted, NotSupported
from anthrofs.fs.paths import Paths
from anthrofs.model import ROOT, Attempt, FileId, Node, RemoteFile
from anthrofs.tree import intents, xattrs
from anthrofs.tree.database import Database
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import FAILED
from anthrofs.upload.uploader import Uploader


class Attributes:
    """The attributes of one mount's files."""

    def __init__(self, config: Config, clock: Clock, db: Database, paths: Paths, handles: OpenTable,
                 uploader: Uploader, lent: Callable[[FileId, int], bool]) -> None:
        self._config = config           # given
        self._clock = clock             # given
        self._db = db                   # given
        self._paths = paths             # given
        self._handles = handles         # given
        self._uploader = uploader       # given
        self._lent = lent               # given: whether another state of this user has a copy of so many bytes

    def value(self, path: str, name: str) -> str:
        """Raises NoAttribute, NotFound."""
        node = self._paths.node(path)
        if node.node_id == ROOT and name == attribute_names.CONTROL:
            return str(self._config.state_dir.absolute())
        value = self._all(node).get(name)
        if value is None:
            raise NoAttribute(f"no attribute {name}")
        return value

    def names(self, path: str) -> list[str]:
        """Raises NotFound."""
        return sorted(self._all(self._paths.node(path)))

    def _all(self, node: Node) -> dict[str, str]:
        """Returns the values by name; a directory has only what was set."""
        with self._db.reading() as tx:
            own, attempt = tx.xattrs.all(node.node_id), tx.uploads.of(node.node_id)
        if node.directory:
            return own
        found = {attribute_names.STATE: self.state(node, attempt)}
        remote = node.remote
        if remote is not None:
            found |= {attribute_names.FILE_ID: remote.file_id, "user.anthropic.filename": remote.name,
                      "user.anthropic.created_at": moment(remote.created_ns),
                      "user.anthropic.downloadable": "true" if remote.downloadable else "false"}
            if self._config.has_store:
                found[attribute_names.SHARED] = self._shared(node, remote)
            if remote.expires_ns is not None:
                found["user.anthropic.expires_at"] = moment(remote.expires_ns)
        found |= own
        for name in xattrs.SETTINGS:
            if (value := xattrs.value(node, name)) is not None:
                found[name] = str(value)
        return found

    def set(self, path: str, name: str, text: str | None, *, create: bool = False, replace: bool = False) -> None:
        """Sets an attribute, or, with None, removes it. What the service doesn't know is kept on this machine; what is
        only told stays as it is.

        Raises NotSupported for a name of ours that doesn't exist, Exists and NoAttribute as setxattr(2) has them,
        DiskFull, and what `_set_for_upload` does.
        """
        with self._db.transaction(durable=True) as tx:
            node = self._paths.own(self._paths.node(path))
            if name in xattrs.FACTS:
                return
            ours = name in xattrs.SETTINGS
            if name.startswith("user.anthropic.") and not ours:
                raise NotSupported(f"{name}: only {' and '.join(xattrs.SETTINGS)} can be set")
            has = xattrs.value(node, name) is not None if ours else tx.xattrs.has(node.node_id, name)
            if create and has:
                raise Exists(f"{path} has {name}")
            if replace and not has:
                raise NoAttribute(f"{path} has no {name}")
            if ours:
                self._set_for_upload(tx, path, node, name, text)
            else:
                tx.xattrs.set(node.node_id, name, text)
            tx.nodes.changed(node.node_id, self._clock.time_ns())
        self._uploader.wake()

    def _set_for_upload(self, tx: Tx, path: str, node: Node, name: str, text: str | None) -> None:
        """Sets what the next upload asks for. An own upload that the server has is sent again.

        Raises NotPermitted for a folder and for a file that can't be sent again, BadName for a value that the service
        would refuse.
        """
        value = xattrs.parse(name, text)
        if node.directory:
            raise NotPermitted(f"{path}: {name} belongs to a file")
        matters = xattrs.matters(node, name, value)
        if not node.resendable and node.only_there:
            if not matters:
                return
            raise NotPermitted(f"{path}: {name} belongs to an upload, and this file can't be sent again without its "
                               "being an upload then. Copy it to another name, and set it there")
        tx.nodes.set_setting(node.node_id, xattrs.SETTINGS[name], value)
        if node.stage is None and node.wanted is not None and matters and not node.is_hidden:
            wanted = intents.saved_as(tx, node, self._config.layout)
            intents.want(tx, tx.nodes.node(node.node_id), wanted, anew=True)

    def state(self, node: Node, attempt: Attempt | None) -> str:
        """Says one of: remote, remote named here, local, waiting, uploading N%, failed: reason."""
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
            over = datetime.fromtimestamp(sent.over_ns / 1e9)       # noqa: DTZ006 - as the user's clock
            return f"sent, waiting for the answer since {over:%H:%M:%S}"
        return f"uploading {sent.percent}%"

    @staticmethod
    def damage(node: Node) -> str:
        """Says how much of it the server lacks, and what can be done about it."""
        assert node.remote is not None, "it was listed"
        again = "" if node.local else "; `anthrofs retry` sends it again"
        return (f"the server lists {node.listed_bytes} bytes of it, and {node.remote.size_bytes} were sent "
                f"({node.remote.file_id}). "
                + (f"The whole copy is kept here{again}" if node.kept else "No copy of it is kept here"))

    def _shared(self, node: Node, remote: RemoteFile) -> str:
        """Says whether the store of the fleet has the content: true, waiting (until this mount has put it there), no.
        """
        if node.unsent:
            return "waiting" if self._config.shares_uploads and not node.local else "no"
        return "true" if remote.shared else "waiting" if self._is_owed(remote) else "no"

    def _is_owed(self, remote: RemoteFile) -> bool:
        with self._db.reading() as tx:
            return tx.shares.is_owed(remote.file_id)

    def _rest_state(self, node: Node) -> str:
        if node.local:
            return "local"
        if node.remote is None:
            return "waiting"
        if node.damaged:
            return f"failed: {Attributes.damage(node)}"
        named = f", named here: the server calls it {node.remote.name}" if node.named_here else ""
        lacking = ", no copy here: uploaded from here" if node.ours else ", can't be read: uploaded elsewhere"
        lent = not node.readable and self._lent(node.remote.file_id, node.size_bytes)
        closed = ("" if node.readable else ", lent: read from the copy that another profile keeps here" if lent
                  else f"{lacking}, and the service keeps uploads to itself")
        return f"remote{named}{closed}{self._shared_state(node)}"

    def _shared_state(self, node: Node) -> str:
        """Says what the store of the fleet has to do with it, if that isn't what one expects of it."""
        remote = node.remote
        if remote is None or remote.downloadable or not self._config.has_store:
            return ""
        if not node.readable:
            return ", nor does the fleet's store have it"
        if not node.kept:
            return ", from the fleet's store"
        return ", not in the fleet's store yet" if not remote.shared and self._is_owed(remote) else ""


def moment(ns: int) -> str:
    """A point of time, as the API spells it."""
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
