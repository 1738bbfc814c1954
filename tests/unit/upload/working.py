"""Threads that take work and give it back as a test tells them to, and what has to hold of what each has taken."""

import random

from anthrofs.model import ROOT, FileId, NodeId, RemoteFile
from anthrofs.upload.send_order import BIG_THREADS, THREADS
from anthrofs.upload.work import Delete, Item, Pause, Prepare, Send
from tests.unit.upload.queued import BIG, SMALL, Queue

Key = NodeId | FileId


def key_of(item: Item) -> Key:
    if isinstance(item, Delete):
        return item.file_id
    return item.attempt.node_id if isinstance(item, Send) else item.node.node_id


class Threads:
    """The threads of one queue."""

    def __init__(self, queue: Queue, chance: random.Random) -> None:
        self.queue, self.chance = queue, chance
        self.busy: dict[Key, Item] = {}
        self.later_s: dict[Key, float] = {}
        self.nodes: list[NodeId] = []           # all of them
        self.saved: list[NodeId] = []           # of which a close has handed content over
        self.doomed = 0
        self.tried = 0          # pieces of work

    def save(self) -> None:
        size_bytes = self.chance.choice([SMALL, SMALL, 0, BIG])
        if self.saved and self.chance.random() < 0.5:
            node_id = self.chance.choice(self.saved)
            self.queue.save(node_id, size_bytes)
            self.queue.schedule.promised(node_id)
        else:
            self.saved.append(self.queue.add(f"{len(self.nodes)}", size_bytes))
            self.nodes.append(self.saved[-1])

    def rename(self) -> None:
        """A file that the server has under another name."""
        with self.queue.db.transaction(durable=True) as tx:
            node_id = tx.nodes.create(ROOT, f"{len(self.nodes)}", 0o644, 0, "wanted")
            tx.run("UPDATE node SET file_id = node_id, server_name = 'old', size_bytes = ? WHERE node_id = ?", self.chance.choice([SMALL, BIG]), node_id)
        with self.queue.db.transaction(durable=True) as tx:
            tx.nodes.set_resend(node_id, True)
        self.nodes.append(node_id)

    def doom(self) -> None:
        self.doomed += 1
        with self.queue.db.transaction(durable=True) as tx:
            tx.deletions.doom(RemoteFile(FileId(f"file_{self.doomed}"), f"old {self.doomed}", "text/plain", 1, 1, downloadable=False))

    def take(self) -> bool:
        if len(self.busy) == THREADS:
            return False
        item = self.queue.schedule.next()
        if isinstance(item, Pause):
            assert item.seconds is None or item.seconds >= 0
            return False
        key = key_of(item)
        assert key not in self.busy
        assert self.later_s.get(key, 0.0) <= self.queue.clock.now_s()
        self.busy[key] = item
        assert sum(self.is_big(each) for each in self.busy.values()) <= BIG_THREADS
        return True

    @staticmethod
    def is_big(item: Item) -> bool:
        size_bytes = item.attempt.size_bytes if isinstance(item, Send) else item.node.size_bytes if isinstance(item, Prepare) else 0
        return size_bytes >= BIG

    def finish(self, *, well: bool | None = None) -> None:
        if not self.busy:
            return
        self.tried += 1
        key = self.chance.choice(list(self.busy))
        item, self.later_s[key] = self.busy.pop(key), 0.0
        if self.chance.random() < 0.5 if well is None else well:
            with self.queue.db.transaction(durable=True) as tx:
                if isinstance(item, Send):
                    tx.uploads.drop(item.attempt.node_id)
                elif isinstance(item, Prepare):
                    tx.nodes.set_resend(item.node.node_id, False)
                else:
                    tx.deletions.deleted(item.file_id, 1)
            item.plan.hasten()
        else:
            item.plan.not_before_s = self.later_s[key] = self.queue.clock.now_s() + self.chance.choice([0.0, 1.0, 60.0])
            if not isinstance(item, Delete):
                item.plan.cuts += 1         # something that the next try has to know
        assert self.queue.schedule.finish(item) in (True, False)

    def retry_now(self) -> None:
        self.queue.schedule.retry_now()
        self.later_s.clear()

    def wait_for(self) -> None:
        self.queue.wait_for(*self.chance.sample(self.nodes, min(2, len(self.nodes))))
