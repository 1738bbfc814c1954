"""The parts that send and delete, without threads: a test has the schedule's work done piece by piece, by a clock that it moves."""

import random
from collections.abc import Callable
from pathlib import Path

from anthrofs.config import Config, Credentials, Service
from anthrofs.daemon.build import World, send_with
from anthrofs.daemon.local import Local
from anthrofs.daemon.notify import Notify
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.model import ROOT, Attempt, FileId, NodeId
from anthrofs.remote.pace import Pacer
from anthrofs.remote.way import Way
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from anthrofs.store.staging import Staging
from anthrofs.store.state_guard import StateGuard
from anthrofs.tree import intents
from anthrofs.tree.claims import ALONE, Claims
from anthrofs.tree.database import Database
from anthrofs.tree.kept_copies import KeptCopies
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from anthrofs.upload.work import Pause
from tests.fakes import FakeClock, FakeFiles


class House:
    """The parts below the verbs, with an uploader that does one piece of work when it is told to."""

    def __init__(self, root: Path, clock: FakeClock, files: FakeFiles, claims_of: Callable[[Database], Claims] = lambda _: ALONE) -> None:
        self.root, self.clock, self.files = root, clock, files
        self.asked = 0              # times that a listing was asked for
        disk, guard, surprises, self.handles = Disk(), StateGuard(), Surprises(clock, 10), OpenTable()
        self.staging = Staging(root / "staging", disk, 0)
        self.db = Database(root / "state.db", guard, clock, self.staging.remove)
        self.index = self.db.nodes
        self.mirror = Mirror(surprises, "tree")
        self.staging.start(set())
        self.cache = BlockCache(root, disk)
        self.cache.start()
        kept_copies = KeptCopies(self.db, self.cache, self.handles, disk, root, None, 0)
        config = Config(root, root, Service("", Credentials("", "")), upload="queue")
        world = World(clock, random.Random(1), disk, files, Pacer(60, clock), Notify(None))
        local = Local(guard, self.staging, self.db, self.mirror, self.cache, kept_copies, self.handles, surprises)
        sending = send_with(config, world, local, Way(clock), lambda _: files, self._ask, claims_of(self.db))
        self.schedule, self.uploader = sending.schedule, sending.uploader
        self.uploader.allow()

    def _ask(self) -> None:
        self.asked += 1

    def close(self) -> None:
        self.uploader.stop(1)
        self.db.close()

    # ---- what a user does

    def nodes(self) -> dict[str, NodeId]:
        found: dict[str, NodeId] = {}
        self.index.each_entry(ROOT, lambda name, node_id, _: found.update({name: node_id}))
        return found

    def save(self, name: str, content: bytes = b"content") -> NodeId:
        stage = self.staging.create()
        stage.write(content, 0)
        stage.close()
        with self.db.transaction(durable=True) as tx:
            node_id = self.nodes().get(name) or tx.nodes.create(ROOT, name, 0o644, self.clock.time_ns(), name)
            tx.nodes.promise(node_id, stage.number, len(content), self.clock.time_ns(), name, sealed=True)
            tx.uploads.attempt(node_id, stage.number, len(content))
        self.uploader.promised(node_id)
        return node_id

    def rename(self, old: str, new: str) -> None:
        with self.db.transaction(durable=True) as tx:
            node, there = self.index.entry(ROOT, old), self.nodes().get(new)
            if there is not None:
                intents.unlink(tx, self.index.node(there), self.clock.time_ns())
            tx.nodes.move(node.node_id, ROOT, new, self.clock.time_ns())
            intents.want(tx, node, new)

    def remove(self, name: str) -> None:
        with self.db.transaction(durable=True) as tx:
            intents.unlink(tx, self.index.entry(ROOT, name), self.clock.time_ns())

    # ---- what the uploader does

    def work(self) -> bool:
        """One piece of it. False: there is none now."""
        item = self.schedule.next()
        if isinstance(item, Pause):
            return False
        self.uploader._do(item)
        return True

    def doom(self, *names: str) -> list[FileId]:
        files = [self.files.generate(name, b"x", downloadable=False) for name in names]
        with self.db.transaction(durable=True) as tx:
            for file in files:
                tx.deletions.doom(file)
        return [file.file_id for file in files]

    def attempt(self, node_id: NodeId) -> Attempt | None:
        return self.db.nodes.attempt(node_id)

    def owed(self) -> int:
        with self.db.reading() as tx:
            return tx.deletions.count()
