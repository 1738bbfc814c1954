"""The parts of a mount that know this machine only: the disk, the rows, and who has what open."""

from dataclasses import dataclass

from anthrofs.fs.kernel_cache import Surprises
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.staging import Staging
from anthrofs.store.state_guard import StateGuard
from anthrofs.tree.database import Database
from anthrofs.tree.kept_copies import KeptCopies
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable


@dataclass(frozen=True, slots=True)
class Local:
    """The parts that know this machine only, and who has what open."""

    guard: StateGuard
    staging: Staging
    db: Database
    mirror: Mirror
    cache: BlockCache
    kept_copies: KeptCopies
    handles: OpenTable
    surprises: Surprises
