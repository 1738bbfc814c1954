"""The sharer: threads that do what is owed to the store, see tree/shares.py: put contents there, or remove them.

Owns    two threads, which rows they are at, and how long they pause after a failure.
Trusts  the rows of the moment: while something was put, its file may have been removed.
Never   makes a close wait, nor fails anything: what the store doesn't take stays owed, and `sync` says so.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from anthrofs.clock import Clock
from anthrofs.errors import FsError, NotPermitted, NotReadable, StateLost, Stopping, StoreAway, StoreRefuses
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.seal import is_one_delivery
from anthrofs.fleet.shelf import Shelf
from anthrofs.model import FileId
from anthrofs.store.block_cache import BlockCache
from anthrofs.tree.database import Database
from anthrofs.tree.kept_copies import KeptCopies
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.shares import Share, Task

log = logging.getLogger(__name__)

THREADS: Final = 2
FIRST_S: Final = 5.0            # a pause after a failure, doubled after each further one
LONGEST_S: Final = 60.0
REFUSED_S: Final = 60.0         # until what the store refused is tried again: others have their turns meanwhile
NAMED: Final = 1000             # of what is still to be put, in a list


class Sharer:
    """One mount's."""

    def __init__(self, db: Database, mirror: Mirror, cache: BlockCache, kept_copies: KeptCopies, shelf: Shelf,
                 ready: Callable[[], bool], clock: Clock, counts: Counts, put: Callable[[FileId], None],
                 is_wrong: Callable[[FileId], bool]) -> None:
        """`ready`: the service has named the workspace. `put`: told of what the store has by now, from here.
        `is_wrong`: whether reads have seen something else in its place.
        """
        self._db = db                       # given
        self._mirror = mirror               # given
        self._cache = cache                 # given
        self._kept_copies = kept_copies     # given
        self._shelf = shelf                 # given
        self._ready = ready                 # given
        self._clock = clock                 # given
        self._counts = counts               # given
        self._put = put                     # given
        self._is_wrong = is_wrong           # given
        self._threads = [threading.Thread(target=self._run, name=f"share-{n}", daemon=True) for n in range(THREADS)]

        self._changed = threading.Condition()       # guards everything below; a leaf
        self._news = 0                  # counts wakes: none is missed between reading the rows and waiting
        self._busy = set[FileId]()      # threads are at these
        self._pause_s = 0.0             # of the last failure; 0: there was a success since
        self._until_s = 0.0             # nothing is tried before
        self._reason = ""               # of the last failure; empty: there was a success since
        self._refused = dict[FileId, str]()     # why the store has said no to this one
        self._stopping = False

    def start(self) -> None:
        """Begins with what an earlier mount left."""
        with contextlib.suppress(FsError):      # then a minute later
            self.begin()
        for thread in self._threads:
            thread.start()

    def begin(self) -> bool:
        """Tries again now what was refused, to an earlier mount or this one. Returns whether there was such."""
        with self._db.reading() as tx:
            held = tx.shares.waiting()[0] and tx.shares.next_s() is not None
        if held:
            with self._db.transaction() as tx:
                tx.shares.hasten()
        return bool(held)

    def wake(self) -> None:
        """Rows have changed, or the workspace is known now."""
        with self._changed:
            self._news += 1
            self._changed.notify_all()

    def hurry(self) -> None:
        """Somebody waits until everything is there: pauses end."""
        self._shelf.hurry()
        with self._changed:
            paused, self._pause_s, self._until_s = self._until_s > self._clock.now_s(), 0.0, 0.0
            self._reason = ""           # it is found out anew: a big file may take a while to be put
        if self.begin() or paused:
            self.wake()

    def stop(self, timeout_s: float) -> bool:
        """Ends the threads after what they are at. False: one hangs in a request, and its row says that it is owed."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        return self._clock.join([thread for thread in self._threads if thread.ident is not None], timeout_s)

    # ---- what others ask

    def reason(self) -> str:
        """Why nothing can be put there; empty: nothing has failed lately."""
        with self._changed:
            return self._reason

    def left(self) -> list[dict[str, Any]]:
        """Names own uploads that the store doesn't have yet, the oldest NAMED of them."""
        with self._changed:
            reason, refused = self._reason, dict(self._refused)
        with self._db.reading() as tx:
            owed = tx.shares.first_waiting(NAMED)
            paths = tx.nodes.paths_of([file_id for file_id, _ in owed])
        whys = [refused.get(file_id, reason) for file_id, _ in owed]
        return [{"path": paths[file_id], "bytes": size_bytes,
                 "state": "not in the fleet's store yet" + (f": {why}" if why else "")}
                for (file_id, size_bytes), why in zip(owed, whys, strict=True) if file_id in paths]

    def facts(self) -> dict[str, Any]:
        """Returns what status tells of it."""
        with self._db.reading() as tx:
            count, size_bytes = tx.shares.waiting()
        return {"waiting": count, "waiting_bytes": size_bytes}

    def share_all(self) -> dict[str, Any]:
        """A person wants all own uploads there that have a copy here. What is known to be there is looked for: it may
        have been lost. Raises StoreAway.
        """
        with self._db.reading() as tx:
            before, known = tx.shares.waiting(), tx.shares.kept()
        lost = set(known) - self._shelf.known(known) if known else set()
        with self._db.transaction(durable=True) as tx:
            for file_id in lost:
                tx.shares.missed(file_id)
            tx.shares.owe_kept()
            count, size_bytes = (now - then for now, then in zip(tx.shares.waiting(), before, strict=True))
        self.hurry()
        self.wake()
        return {"files": count, "bytes": size_bytes}

    def fetched(self, file_id: FileId, size_bytes: int) -> None:
        """A download has brought all of it onto this disk. Others may have it from the store then, if the service gives
        it out: an upload is its own mount's to put there.
        """
        with contextlib.suppress(FsError), self._db.transaction() as tx:     # its reader has the bytes without it
            file = tx.nodes.holder(file_id).remote
            if file is None or not file.downloadable or file.shared or not is_one_delivery(file, size_bytes):
                return
            tx.shares.owe(file_id, size_bytes, Task.FETCHED)
        self.wake()

    # ---- the threads

    def step(self) -> tuple[bool, float | None]:
        """Does one thing that is owed. Returns whether there was one; and if not, for how many seconds there is none.
        Called by the threads, and by tests.
        """
        share, wait_s = self._next()
        if share is None:
            return False, wait_s
        try:
            self._do(share)
        finally:
            with self._changed:
                self._busy.discard(share.file_id)
        return True, None

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                news = self._news
            try:
                worked, wait_s = self.step()
                if worked:
                    continue
            except Stopping:
                return
            except FsError as exc:
                wait_s = FIRST_S
                if not isinstance(exc, StateLost):      # that was said
                    log.warning("nothing can be put into the store now: %s. It stays owed", exc)
            except Exception:
                log.exception("bug in the sharer")
                wait_s = LONGEST_S
            with self._changed:
                if news == self._news and not self._stopping:
                    self._clock.wait(self._changed, wait_s)

    def _next(self) -> tuple[Share | None, float | None]:
        """Takes what is to be done now; or says how long there is nothing."""
        if not self._ready():
            return None, None
        with self._changed:
            rests_s = self._until_s - self._clock.now_s()
        if rests_s > 0:
            return None, rests_s
        with self._db.reading() as tx, self._changed:
            share = tx.shares.due(self._busy)
            if share is None:
                return None, tx.shares.next_s()
            self._busy.add(share.file_id)
        return share, None

    def _do(self, share: Share) -> None:
        try:
            if share.task is Task.WITHDRAW:
                self._withdraw(share)
            else:
                self._bring(share)
        except StoreAway as exc:
            of_one = isinstance(exc, StoreRefuses) and exc.of_one
            if not of_one:
                self._failed(exc)
            if isinstance(exc, StoreRefuses):
                with self._changed:
                    was, self._refused[share.file_id] = self._refused.get(share.file_id), str(exc)
                if of_one and was is None:
                    log.warning("the store can't get %s: %s", self._name_of(share.file_id), exc)
                with self._db.transaction() as tx:
                    tx.shares.postpone(share, REFUSED_S)
            return
        with self._changed:
            self._refused.pop(share.file_id, None)
            self._reason, self._pause_s, self._until_s = "", 0.0, 0.0

    def _failed(self, exc: StoreAway) -> None:
        """The store is away, or has said no; either was said when it began."""
        with self._changed:
            self._reason = str(exc)
            self._pause_s = min(LONGEST_S, 2 * self._pause_s) if self._pause_s else FIRST_S
            self._until_s = self._clock.now_s() + self._pause_s

    def _bring(self, share: Share) -> None:
        own = share.task is Task.OWN
        try:
            self._shelf.put(share.file_id, share.size_bytes, self._content_of(share.file_id),
                            create=not own and not self._is_wrong(share.file_id))
            whole = True
        except NotReadable:         # damaged; or what was downloaded had to give way to others in the cache
            whole = False
        if not whole:
            with self._db.transaction() as tx:
                tx.shares.drop(share)
            if own:
                log.error("the copy of %s that was kept on this machine is damaged, so the store can't get it",
                          self._name_of(share.file_id))
            return
        going = list[FileId]()
        with self._db.transaction(durable=True) as tx:
            same = tx.shares.done(share)
            if same and own:        # from now on its copy may go
                going = self._kept_copies.stored(tx, share.file_id, lasts=not self._kept_copies.low())
        self._kept_copies.remove(going)
        if same:
            self._counts.add("puts")
            self._counts.add("put_bytes", share.size_bytes)
            self._put(share.file_id)

    def _content_of(self, file_id: FileId) -> Callable[[int, int], bytes]:
        def read(offset: int, size: int) -> bytes:
            with self._changed:
                if self._stopping:
                    raise Stopping("the mount ends: it goes on with the next one")
            return self._cache.piece(file_id, offset, size)
        return read

    def _withdraw(self, share: Share) -> None:
        with self._db.reading() as tx:
            back = self._mirror.knows(tx, share.file_id)
        if not back:
            self._shelf.remove(share.file_id)
        with self._db.transaction() as tx:
            if back:
                tx.shares.back(share)
            else:
                tx.shares.done(share)

    def _name_of(self, file_id: FileId) -> str:
        with self._db.reading() as tx:
            return tx.nodes.paths_of([file_id]).get(file_id, file_id)


def refuse_all() -> dict[str, Any]:
    """A mount that puts nothing into a store is asked to. Raises NotPermitted."""
    raise NotPermitted("this mount puts nothing into a store: mount it with --store, and without --share none")
