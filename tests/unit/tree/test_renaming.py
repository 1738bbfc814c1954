"""What a rename asks of the server, and what it costs here."""

from anthrofs.model import FileId
from anthrofs.tree import renaming
from anthrofs.tree.database import Database
from anthrofs.tree.lookups import Lookups
from anthrofs.tree.mirror import Mirror
from tests.unit.tree.mirrored import NOBODY, remote


def test_another_name_for_what_others_made_changes_one_row(db: Database, index: Lookups, mirror: Mirror) -> None:
    """The rename of a folder does this for each file in it, while the whole mount waits."""
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        before = tx.one("SELECT total_changes()")[0]
        for wanted, changes in (("b.txt", 1), (None, 4), ("c.txt", 7)):       # to a name that stays here and back: the totals, too
            renaming.want(tx, index.holder(FileId("file_1")), wanted)
            node = index.holder(FileId("file_1"))
            assert (node.wanted, node.local, node.resend) == (wanted, wanted is None, False)
            assert tx.one("SELECT total_changes()")[0] - before == changes
            assert index.totals()[2] == (wanted is None)
