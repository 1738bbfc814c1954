"""A transaction: statements, and the tables that they are written through."""

from anthrofs.clock import Clock
from anthrofs.tree.deletion_queue import Deletions
from anthrofs.tree.history import History
from anthrofs.tree.nodes import Nodes
from anthrofs.tree.rows import Connection, Rows
from anthrofs.tree.shares import Shares
from anthrofs.tree.upload_queue import Uploads
from anthrofs.tree.xattrs import Xattrs


class Tx(Rows):
    """Atomic together is what is written through one of these: one `with`, one commit."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        super().__init__(connection)
        self.nodes = Nodes(self)                        # constant, like the others: they own rows, and next to no state
        self.uploads = Uploads(self)
        self.deletions = Deletions(self, clock)
        self.shares = Shares(self, clock)
        self.history = History(self, clock)
        self.xattrs = Xattrs(self)
