"""One upload, exactly once: brings an attempt to its end, whatever the network does in between.

Owns    nothing on its own: rows of the outbox and the index, one stage, one kept copy, each by its owner.
Serves  uploader, whose threads call `run`, one at a time for a node.
Trusts  a listing more than its own memory: what became of an upload whose answer was lost is asked, not guessed.
Never   sends a stage again that may be stored, and never removes one that the server doesn't have.
"""

import errno
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from anthrofs import mime, names
from anthrofs.cache import BlockCache
from anthrofs.clock import Clock
from anthrofs.db import Database, Tx
from anthrofs.errors import FsError, Gone, NotFound, Offline, QuotaExceeded, Refused, RemoteError, Stopping, UploadCut
from anthrofs.index import Index
from anthrofs.model import HIDDEN, Attempt, Node, NodeId, RemoteFile, StageId
from anthrofs.outbox import FAILED, QUEUED, SENDING, UNKNOWN, Outbox, Step, fits
from anthrofs.remote import Body, RemoteFiles, backoff_s
from anthrofs.staging import Staging

log = logging.getLogger(__name__)

LOOKS_S: Final = (1.0, 5.0, 20.0)       # after a lost answer: when the newest listing is asked
LOOKS_500_S: Final = (1.0,)             # after the service's own 500: it rarely stores, and shows it at once
CUTS: Final = 3                         # a file that is saved faster than it is sent must arrive now and then
FIRST_LOOK: Final = 100                 # of the newest files; then whole pages, back to when it was sent
NEXT_LOOKS: Final = 1000


@dataclass
class Plan:
    """What memory adds to an attempt's row; after a restart the defaults do. Only the thread that runs the attempt writes."""

    not_before_s: float = 0.0
    looks: tuple[float, ...] = LOOKS_S      # still to be made while UNKNOWN, seconds after the answer was lost
    lost_s: float | None = None             # when it was lost; None: before this start
    refusal: Refused | None = None          # what to fail with if it turns out not to be stored
    cuts: int = 0                           # in a row, because newer content had come


class Delivery:
    """The steps of outbox.NEXT, taken with what the network said."""

    def __init__(self, db: Database, index: Index, outbox: Outbox, staging: Staging, cache: BlockCache, uploads: RemoteFiles,
                 listings: RemoteFiles, clock: Clock, chance: random.Random, moved: Callable[[NodeId, int], None],
                 local_patterns: Sequence[str]) -> None:
        self._db = db               # given
        self._index = index         # given
        self._outbox = outbox       # given
        self._staging = staging     # given
        self._cache = cache         # given
        self._uploads = uploads     # given
        self._listings = listings   # given
        self._clock = clock         # given
        self._chance = chance       # given
        self._local_patterns = local_patterns       # constant
        self._moved = moved         # given: told the bytes handed to the connection so far

    def run(self, attempt: Attempt, plan: Plan) -> RemoteError | None:
        """One step further. Returns what the network said, if it was no success. `attempt` was reserved for this thread."""
        now = self._outbox.look(attempt.node_id)
        if now is None:
            return None                     # done or unlinked since it was read
        if now.state == SENDING:            # a thread failed at it, for instance because the disk was full
            self._lose(now, plan, LOOKS_S)
            return None
        if now.state == UNKNOWN:
            return self._look_for(now, plan)
        return self._send(now, plan) if now.state == QUEUED else None

    def _send(self, attempt: Attempt, plan: Plan) -> RemoteError | None:
        try:
            body = Body(self._staging.path(attempt.stage), lambda sent: self._moved(attempt.node_id, sent),
                        lambda: plan.cuts < CUTS and self._pointless(attempt))
        except FileNotFoundError:
            if not self._superseded(attempt):
                log.exception("the content of %r is missing in staging", attempt.name)
                self._step(attempt, Step.REFUSED, code=errno.EIO, reason="its content is missing in this machine's staging")
            return None
        with body:
            earliest_ns = self._server_now_ns()
            with self._db.transaction(durable=True) as tx:
                now = self._outbox.of(tx, attempt.node_id)
                if now is None or (now.state, now.stage) != (QUEUED, attempt.stage):
                    return None             # unlinked or superseded meanwhile
                self._outbox.step(tx, now, Step.SEND, sent_ns=earliest_ns)
                sending = self._outbox.of(tx, attempt.node_id)
            assert sending is not None
            try:
                file = self._uploads.upload(sending.name, sending.mime_type, body)
            except RemoteError as exc:
                self._not_sent(sending, plan, exc)
                return exc
            except Stopping:
                self._step(sending, Step.TRY_LATER)     # no slot was had: nothing went out
                return None
        plan.cuts = 0
        self._have(sending, file, Step.STORED)
        return None

    def _superseded(self, attempt: Attempt) -> bool:
        now = self._outbox.look(attempt.node_id)
        return now is None or now.stage != attempt.stage

    def _not_sent(self, attempt: Attempt, plan: Plan, exc: RemoteError) -> None:
        """Three ways on from an error: surely not stored and later, surely refused, or unknown."""
        plan.refusal = exc if isinstance(exc, Refused) else None
        if exc.maybe_stored:
            log.info("the answer to the upload of %r was lost (%s): the listing will tell", attempt.name, exc)
            self._lose(attempt, plan, LOOKS_500_S if exc.from_service and exc.status == 500 else LOOKS_S)
        elif plan.refusal is not None:
            self._fail(attempt, plan.refusal)
        else:
            if isinstance(exc, UploadCut):
                plan.cuts += 1
            else:
                self._postpone(attempt, plan, exc)
            self._step(attempt, Step.TRY_LATER)

    def _lose(self, attempt: Attempt, plan: Plan, looks: tuple[float, ...]) -> None:
        plan.lost_s, plan.looks = self._clock.now_s(), looks
        plan.not_before_s = plan.lost_s + looks[0]
        self._step(attempt, Step.LOST)

    def _look_for(self, attempt: Attempt, plan: Plan) -> RemoteError | None:
        """The newest listing tells what became of an upload whose answer was lost."""
        try:
            listed = self._listed_since(attempt)
        except RemoteError as exc:
            self._postpone(attempt, plan, exc)
            return exc
        with self._db.reading() as tx:
            found = [file for file in listed
                     if not self._index.knows(tx, file.file_id) and not self._outbox.is_doomed(tx, file.file_id)]
            twins = self._outbox.twins(tx, attempt)
        if len(found) == 1 and not twins:
            self._have(attempt, found[0], Step.FOUND)
            return None
        plan.looks = plan.looks[1:]
        if plan.looks and not found:
            plan.lost_s = self._clock.now_s() - LOOKS_S[0] if plan.lost_s is None else plan.lost_s
            plan.not_before_s = plan.lost_s + plan.looks[0]
            return None
        plan.looks, plan.lost_s = LOOKS_S, None
        if found:
            log.warning("%r may have been stored by an earlier try, or by somebody else: it is sent again, and the server may "
                        "have it twice", attempt.name)
        if plan.refusal is not None:
            self._fail(attempt, plan.refusal)
        else:
            self._postpone(attempt, plan, None)
            self._step(attempt, Step.ABSENT)
        return None

    def _listed_since(self, attempt: Attempt) -> list[RemoteFile]:
        """What a listing shows that fits the attempt, back to when it was sent. Raises RemoteError."""
        page = self._listings.list(FIRST_LOOK)
        found = [file for file in page.files if fits(attempt, file)]
        seen = {file.file_id for file in page.files}
        while (page.following is not None and attempt.sent_ns is not None
               and page.files and page.files[-1].created_ns >= attempt.sent_ns):
            page = self._listings.list(NEXT_LOOKS, page.following)
            new = [file for file in page.files if file.file_id not in seen]
            if not new:
                break               # a page that repeats
            seen.update(file.file_id for file in new)
            found += [file for file in new if fits(attempt, file)]
        return found

    def _have(self, attempt: Attempt, file: RemoteFile, step: Step) -> None:
        """The server has the stage: a second name for it in the cache, then one transaction, then the stage goes."""
        copied = True
        try:
            self._cache.adopt(file.file_id, self._staging.path(attempt.stage))
        except OSError as exc:
            copied = False
            log.warning("%r is on the server, but no readable copy of it could be kept (%s), and the service doesn't give uploads "
                        "back: %s has its content", attempt.name, exc, self._staging.path(attempt.stage))
        head = self._staging.head(attempt.stage, mime.HEAD_BYTES)
        with self._db.transaction(durable=True) as tx:
            self._outbox.step(tx, attempt, step)
            again = self._note_stored(tx, attempt, file, head, found=step is Step.FOUND)
            if not copied:
                self._index.forget_kept(tx, file.file_id)
            namesakes = self._index.namesakes(tx, attempt.node_id, file.name)
        if copied and not again:
            self._staging.remove(attempt.stage)     # who has it open reads on through the descriptor
        if copied:
            self._cache.verify(file.file_id)
        for node in namesakes:
            if names.stays_local(node.name, self._local_patterns):
                self._detach(node)

    def _detach(self, node: Node) -> None:
        """A backup's server file has been replaced there: it lives on here, and that file goes."""
        assert node.remote is not None
        try:
            stage = self._staging.link_of(self._cache.kept_path(node.remote.file_id)) if node.kept else self._fetch(node.remote)
        except (OSError, FsError) as exc:
            log.warning("%s could not be fetched (%s): its content stays on the server, under the name %s", node.name, exc, node.remote.name)
            return
        with self._db.transaction(durable=True) as tx:
            now = self._node(node.node_id)
            used = now is not None and (now.stage, now.remote, now.wanted) == (None, node.remote, None)
            if used:
                self._index.detach(tx, node.node_id, stage)
                self._outbox.doom(tx, node.remote.file_id, node.remote.name)
        if not used:
            self._staging.remove(stage)

    def _fetch(self, file: RemoteFile) -> StageId:
        """The whole content, into staging. Raises OSError, FsError."""
        self._staging.reserve(file.size_bytes)
        stage, done = self._staging.create(), 0
        try:
            with self._listings.download(file.file_id) as body:
                for piece in body:
                    stage.write(piece, done)
                    done += len(piece)
            self._staging.publish("fetch", stage.descriptor)
        except BaseException:
            self._staging.remove(stage.number)
            raise
        finally:
            stage.close()
        return stage.number

    def _note_stored(self, tx: Tx, attempt: Attempt, file: RemoteFile, head: bytes, *, found: bool) -> bool:
        """True: the stage is still needed, for the node was renamed meanwhile."""
        node = self._node(attempt.node_id)
        if node is None:                    # unlinked while it was sent
            self._outbox.doom(tx, file.file_id, file.name)
            return False
        if node.stage is None and node.remote is not None and node.wanted == node.remote.name != file.name:
            self._outbox.doom(tx, file.file_id, file.name)      # there and back while it was sent
            return False
        again = node.stage == attempt.stage and node.wanted not in (None, attempt.name)
        self._index.stored(tx, attempt.node_id, file, attempt.stage, found=found, renamed=again)
        if node.remote is not None:
            self._outbox.doom(tx, node.remote.file_id, node.remote.name)
        if node.stage is not None and (again or node.stage != attempt.stage) and node.sealed:       # newer content, or another name
            self._queue(tx, attempt, node, head)
        return again

    def _step(self, attempt: Attempt, step: Step, *, code: int | None = None, reason: str | None = None) -> None:
        """A step that ends without a stored file. An unlinked, superseded or renamed attempt ends here or makes room."""
        stage: StageId | None = None
        head = self._staging.head(attempt.stage, mime.HEAD_BYTES)
        with self._db.transaction(durable=True) as tx:
            state = self._outbox.step(tx, attempt, step, code=code, reason=reason)
            node = self._node(attempt.node_id)
            if state in (QUEUED, FAILED) and (node is None or (node.stage, node.wanted) != (attempt.stage, attempt.name)):
                self._outbox.drop(tx, attempt.node_id)
                stage = None if node is not None and node.stage == attempt.stage else attempt.stage
                if node is not None and node.stage is not None and node.sealed:     # else its close queues it
                    self._queue(tx, attempt, node, head)
        if stage is not None:
            self._staging.remove(stage)

    def _queue(self, tx: Tx, attempt: Attempt, node: Node, head: bytes) -> None:
        """The node's newer stage, or name, takes its turn. `head` is the beginning of the attempt's own stage."""
        assert node.stage is not None
        if node.wanted is None:
            return                          # a name that stays here
        mime_type = mime.mime_type_of(node.name, head) if node.stage == attempt.stage else attempt.mime_type
        self._outbox.attempt(tx, node.node_id, node.stage, node.wanted, mime_type, node.size_bytes)

    def _fail(self, attempt: Attempt, exc: Refused) -> None:
        if not attempt.size_bytes and exc.from_service and exc.status == 400 and not isinstance(exc, QuotaExceeded):
            self._keep_here(attempt)
            return
        log.error("%r was refused: %s. It is kept; see `anthrofs status`", attempt.name, exc)
        # A 404 here is the address's: ESTALE would say that the file is gone.
        self._step(attempt, Step.REFUSED, code=errno.EIO if isinstance(exc, Gone) else exc.code, reason=str(exc))

    def _keep_here(self, attempt: Attempt) -> None:
        """A service that takes no empty files: this one stays on this machine, as names do that stay local, until it has content."""
        log.info("%r is empty, and the service takes no empty files: it stays here until something is in it", attempt.name)
        with self._db.transaction() as tx:
            node = self._node(attempt.node_id)
            if node is not None and (node.stage, node.wanted) == (attempt.stage, attempt.name):
                self._index.rename(tx, node.node_id, node.name, None)
        self._step(attempt, Step.REFUSED, code=errno.EINVAL)

    def _postpone(self, attempt: Attempt, plan: Plan, exc: RemoteError | None) -> None:
        if isinstance(exc, Offline):
            plan.not_before_s = 0.0         # the uploader's probe decides
            return
        wait_s = exc.retry_after_s if exc is not None and exc.retry_after_s is not None else backoff_s(attempt.tries, self._chance)
        plan.not_before_s = self._clock.now_s() + wait_s

    def _server_now_ns(self) -> int | None:
        """The earliest that the server's clock may show now. Asked once if no answer has told yet."""
        if self._uploads.clock() is None:
            try:
                self._listings.list(1)
            except RemoteError:
                return None         # the upload will say what is wrong
        known = self._uploads.clock()
        return None if known is None else self._clock.time_ns() + known.earliest_ns

    def _pointless(self, attempt: Attempt) -> bool:
        """The node is gone, or shows other content by now, or under another name."""
        node = self._node(attempt.node_id)
        return node is None or node.parent == HIDDEN or (node.stage, node.wanted) != (attempt.stage, attempt.name)

    def _node(self, node_id: NodeId) -> Node | None:
        try:
            return self._index.node(node_id)
        except NotFound:
            return None


