"""link(2), as far as publishing needs it: a helper file's content under a name of its own, which has to be free.

Some programs publish so, for a rename would replace what somebody else has published meanwhile: `link(x.partial, y)`,
then `unlink(x.partial)`. A link of two names to one file doesn't exist in the API, so y becomes a file of its own, with
one link: what is written to one of them later isn't in the other.

Trusts  a stage that is sealed never to change: y's is a second name of x's, and the next write to either makes a new
        one.
Never   links what the server knows, what is being written, or a file to itself: those who try that go on by renaming or
        copying.
"""

from anthrofs import local_names
from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.errors import Exists, NotPermitted
from anthrofs.fs.contents import Contents
from anthrofs.fs.paths import Paths
from anthrofs.fs.renames import Renames
from anthrofs.model import Caller, Node, NodeId
from anthrofs.store.staging import Staging
from anthrofs.tree.database import Database
from anthrofs.tree.open_table import OpenTable
from anthrofs.upload.uploader import Uploader


class Links:
    """The links of one mount."""

    def __init__(self, config: Config, clock: Clock, db: Database, paths: Paths, staging: Staging, handles: OpenTable,
                 contents: Contents, renames: Renames, uploader: Uploader) -> None:
        self._config = config           # given
        self._clock = clock             # given
        self._db = db                   # given
        self._paths = paths             # given
        self._staging = staging         # given
        self._handles = handles         # given
        self._contents = contents       # given
        self._renames = renames         # given: see FileSystem
        self._uploader = uploader       # given

    def link(self, old: str, new: str, caller: Caller) -> None:
        """The new name is there, and its content is to be sent, when this returns. Raises Exists, NotFound, BadName,
        NameTooLong, DiskFull, and NotPermitted for all that isn't a helper file at rest.
        """
        self._renames.forget_replacement(new)
        self._uploader.promised(self._linked(old, new, caller))

    def _linked(self, old: str, new: str, caller: Caller) -> NodeId:
        place = self._paths.place(new, local_names.maker_of(caller.program(), reads=True))
        if self._paths.exists(place):
            raise Exists(f"{new} exists")
        source = self._at_rest(old, caller)
        assert source.stage is not None
        stage = self._staging.link_of(self._staging.path(source.stage), "link")
        try:
            with self._db.transaction(durable=True) as tx:
                if self._paths.exists(place):
                    raise Exists(f"{new} exists")
                if self._paths.file(old).stage != source.stage:
                    raise NotPermitted(f"{old} was written to meanwhile")
                if tx.nodes.gap(source.node_id) is not None:
                    raise NotPermitted(f"a write to {old} was refused, so it isn't whole")
                node_id = tx.nodes.copy(source.node_id, place.parent, place.name, self._clock.time_ns(), place.wanted)
                tx.xattrs.copy(source.node_id, node_id)
                tx.nodes.promise(node_id, stage, source.size_bytes, source.mtime_ns, place.wanted,
                                 sealed=True, ctime_ns=self._clock.time_ns(), expires_s=self._config.expires_in_s)
                if place.wanted is not None:
                    tx.uploads.attempt(node_id, stage, source.size_bytes)
        except BaseException:
            self._staging.remove(stage)
            raise
        return node_id

    def _at_rest(self, path: str, caller: Caller) -> Node:
        """A helper file whose content is promised, and that its maker has closed. Raises NotPermitted for anything
        else.
        """
        node = self._paths.file(path)
        if not node.local or node.is_hidden or node.is_view:
            raise NotPermitted(f"{path}: the API has no links. What stays on this machine can be published under "
                               "another name so, nothing else")
        content = self._handles.content_of(node.node_id)
        if content is not None:
            # The last close is answered before the file is released here, so the table of handles can't tell.
            if caller.writes_to(caller.process, node.node_id):
                raise NotPermitted(f"{path} is being written")
            dirty, size_bytes = content.written()
            if size_bytes == 0:     # its last close waits for the release, see OpenFiles.flush: that may be doing it
                self._contents.promise(content, seal=True)
            elif dirty:
                raise NotPermitted(f"{path} is being written")
        node = self._paths.file(path)        # its release may have promised it between the two looks
        if node.stage is None or not node.sealed:
            raise NotPermitted(f"{path} has no content of its own here that is complete")
        return node
