"""One upload, exactly once: an attempt is brought to its end, whatever the network does in between.

Trusts  the uploader's threads to call `run` for one node one at a time; and a listing more than its own memory: what
        became of an upload whose answer was lost is asked, not guessed.
Never   sends a stage again that may be stored, and never removes one that the server doesn't have.
"""

import errno
import logging
import random
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import AccountRefused, Gone, Refused, RemoteError, Stopping, UploadCut
from anthrofs.model import Attempt, Node, RemoteFile
from anthrofs.remote.api import Body, RemoteFiles
from anthrofs.remote.gates import OF_THE_WAY
from anthrofs.remote.retry import backoff_s
from anthrofs.store.block_map import BlockMap
from anthrofs.store.staging import Staging
from anthrofs.tree import lost
from anthrofs.tree.arrivals import Arrivals, queue_newer
from anthrofs.tree.claims import Whose
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.upload_queue import FAILED, QUEUED, SENDING, UNKNOWN, Step, since_ns
from anthrofs.upload import mime
from anthrofs.upload.inquiries import INQUIRE_S, SHARED, Inquiries, pause_s, times_s
from anthrofs.upload.plans import SendPlan
from anthrofs.upload.progress import Progress
from anthrofs.upload.restaging import Restaging

log = logging.getLogger(__name__)

RESENDS: Final = 2                      # of what arrived cut
CUTS: Final = 3                         # a file that is saved faster than it is sent must arrive now and then
NOT_STORED: Final = (Step.TRY_LATER, Step.WRONG, Step.REFUSED)      # as this name, size and type, that is


class Delivery:
    """The steps of upload_queue.NEXT, taken with what the network said."""

    def __init__(self, db: Database, mirror: Mirror, staging: Staging, uploads: RemoteFiles, inquiries: Inquiries,
                 arrivals: Arrivals, restaging: Restaging, progress: Progress, clock: Clock,
                 chance: random.Random) -> None:
        self._db = db               # given
        self._mirror = mirror       # given
        self._staging = staging     # given
        self._uploads = uploads     # given
        self._inquiries = inquiries     # given
        self._claims = inquiries.claims     # given
        self._arrivals = arrivals   # given
        self._restaging = restaging     # given
        self._progress = progress   # given: told of each try
        self._clock = clock         # given
        self._chance = chance       # given

    def run(self, attempt: Attempt, plan: SendPlan) -> None:
        """Takes the attempt one step further. It was taken for this thread."""
        now = self._db.nodes.attempt(attempt.node_id)
        if now is None:
            return                     # done or unlinked since it was read
        if now.state == SENDING:            # a thread failed at it, for instance because the disk was full
            self._lose(now, plan, INQUIRE_S)
            return
        if now.state == UNKNOWN:
            self._inquire(now, plan)
        elif now.state == QUEUED:
            self._send(now, plan)

    def _send(self, attempt: Attempt, plan: SendPlan) -> None:
        sending: Attempt | None = None
        sums = BlockMap.empty()         # of the copy that will be kept: so it needn't be read again

        def pointless() -> bool:
            return plan.cuts < CUTS and sending is not None and not self._is_wanted(sending)

        try:
            body = Body(self._staging.path(attempt.stage), self._clock, pointless, sums.take)
        except FileNotFoundError:
            if not self._superseded(attempt):
                log.error("the content of node %d is missing in staging", attempt.node_id)      # noqa: TRY400 - no bug
                self._step(attempt, Step.REFUSED, code=errno.EIO,
                           reason="its content is missing in this machine's staging")
            return
        with body:
            earliest_ns, head = self._inquiries.server_now_ns(), body.head(mime.HEAD_BYTES)
            size_bytes = body.size_bytes()
            with self._db.transaction(durable=True) as tx:
                now, node = tx.uploads.of(attempt.node_id), self._db.nodes.find(attempt.node_id)
                if now is None or (now.state, now.stage) != (QUEUED, attempt.stage):
                    return             # unlinked or superseded meanwhile
                assert node is not None, "its end takes the attempt along"
                assert node.wanted is not None, "so does a name that stays here"
                mime_type = node.mime_type or mime.mime_type_of(node.name, head)
                sending = tx.uploads.send(now, node.wanted, mime_type, size_bytes, node.expires_s, earliest_ns)
            self._progress.begin(attempt.node_id, attempt.stage, body)
            self._claims.intend(sending)
            plan.refusal = None         # of the try before
            try:
                file = self._uploads.upload(node.wanted, mime_type, body, node.expires_s or None)
            except RemoteError as exc:
                plan.over_s = body.over_s
                self._not_sent(sending, plan, exc)
                return
            except Stopping:
                self._step(sending, Step.TRY_LATER)     # no slot was had: nothing went out
                return
        plan.cuts = 0
        if file.size_bytes == sending.size_bytes:
            self._arrived(sending, file, Step.STORED, sums)
        else:
            self._stored_wrong(sending, plan, file)

    def _arrived(self, attempt: Attempt, file: RemoteFile, step: Step, sums: BlockMap | None = None, *,
                 sure: bool = True) -> None:
        backups = self._arrivals.take_in(attempt, file, step, sums, sure=sure)
        self._claims.claim(attempt, file)
        for backup in backups:
            self._restaging.detach(backup)

    def _stored_wrong(self, attempt: Attempt, plan: SendPlan, file: RemoteFile) -> None:
        """The service itself says that it has another count of bytes than were sent: something on the way cuts. The
        file that the server had of the node before stays there, and so do the wrong ones, until a right one is there.
        """
        with self._db.reading() as tx:
            last = tx.deletions.wrongs(attempt.stage) >= RESENDS
        words = (f"of {attempt.size_bytes} bytes that were sent, the server has stored {file.size_bytes} "
                 f"({file.file_id})")
        if last:
            reason = f"{words}, {RESENDS + 1} times: something on the way cuts uploads"
            log.error("%r is not on the server: %s. It is kept; see `anthrofs status`", attempt.name, reason)
            self._step(attempt, Step.REFUSED, code=errno.EIO, reason=reason, wrong=file)
        else:
            log.warning("%r arrived cut: %s. It is sent again", attempt.name, words)
            self._postpone(attempt, plan, None)
            self._step(attempt, Step.WRONG, wrong=file)

    def _superseded(self, attempt: Attempt) -> bool:
        now = self._db.nodes.attempt(attempt.node_id)
        return now is None or now.stage != attempt.stage

    def _not_sent(self, attempt: Attempt, plan: SendPlan, exc: RemoteError) -> None:
        """Three ways on from an error: surely not stored and later, surely refused, or unknown."""
        plan.refusal = exc if isinstance(exc, Refused) and not isinstance(exc, AccountRefused) else None
        plan.refused += isinstance(exc, AccountRefused)
        if exc.maybe_stored:
            log.info("the answer to the upload of %r was lost (%s): the listing will tell", attempt.name, exc)
            self._lose(attempt, plan, times_s(exc, self._clock.now_s(), plan.over_s), exc.retry_after_s or 0.0)
        elif plan.refusal is not None:
            self._fail(attempt, plan.refusal)
        else:
            if isinstance(exc, UploadCut):
                plan.cuts += 1
            else:
                self._postpone(attempt, plan, exc)
            self._step(attempt, Step.TRY_LATER)

    def _lose(self, attempt: Attempt, plan: SendPlan, inquiries_s: tuple[float, ...], at_least_s: float = 0.0) -> None:
        plan.lost_s, plan.inquiries_s, plan.failed_s = self._clock.now_s(), inquiries_s, None
        plan.not_before_s = plan.lost_s + max(inquiries_s[0], at_least_s)
        self._step(attempt, Step.LOST)

    def _inquire(self, attempt: Attempt, plan: SendPlan) -> None:
        """The newest listing tells what became of an upload whose answer was lost. Newer content of the file isn't kept
        waiting for that: one inquiry, and it is sent.
        """
        try:
            listed = self._inquiries.since(since_ns(attempt), _not_before_s(plan))
        except RemoteError as exc:
            plan.failed_s = self._clock.now_s()
            self._postpone(attempt, plan, exc)
            plan.not_before_s = max(plan.not_before_s, plan.failed_s + pause_s(exc))
            return
        with self._db.reading() as tx:
            new = [file for file in listed if lost.is_namesake(attempt, file)
                   and not self._mirror.knows(tx, file.file_id) and not tx.deletions.is_doomed(file.file_id)]
            said = lost.learnt(tx)
            found = [file for file in new if lost.fits(attempt, file, said)]
            rivals = tx.uploads.twins(attempt) + lost.rivals(tx, attempt, self._clock.time_ns())
        whose = self._claims.whose(attempt, found) if found else {}
        found = [file for file in found if whose[file.file_id] is not Whose.OTHERS]
        disputed = any(whose[file.file_id] is Whose.DISPUTED for file in found)
        if len(found) == 1 and not rivals and not disputed:
            sure = said is not None and whose[found[0].file_id] is Whose.OURS       # else it may be a generated one
            self._arrived(attempt, found[0], Step.FOUND, sure=sure)
            return
        plan.inquiries_s, newer = plan.inquiries_s[1:], self._has_newer(attempt)
        if plan.inquiries_s and (disputed or not found) and not newer:      # who disputes it may know by then
            plan.lost_s = self._clock.now_s() - INQUIRE_S[0] if plan.lost_s is None else plan.lost_s
            plan.not_before_s = plan.lost_s + plan.inquiries_s[0]
            return
        plan.inquiries_s, plan.lost_s, plan.failed_s = INQUIRE_S, None, None
        if found:
            log.warning("%r may have been stored by an earlier try, or by somebody else: it is sent again, and the "
                        "server may have it twice", attempt.name)
        for file in new:
            if file.size_bytes < attempt.size_bytes:
                log.warning("%r was being sent when its answer was lost, and the server has %d of its %d bytes in %s: "
                            "perhaps a cut try of ours. That is left there, and shows",
                            attempt.name, file.size_bytes, attempt.size_bytes, file.file_id)
        if plan.refusal is not None:
            self._fail(attempt, plan.refusal)
        else:
            self._postpone(attempt, plan, None)
            plan.not_before_s *= not newer
            self._step(attempt, Step.ABSENT)

    def _has_newer(self, attempt: Attempt) -> bool:
        """Whether a close has handed newer content of the same file over."""
        node = self._db.nodes.find(attempt.node_id)
        return node is not None and node.stage is not None and node.stage != attempt.stage and node.sealed

    def _step(self, attempt: Attempt, step: Step, *, code: int | None = None, reason: str | None = None,
              wrong: RemoteFile | None = None) -> None:
        """A step ends without a stored file, or with a `wrong` one. An attempt whose node is gone, or wants something
        else by now, ends here.
        """
        with self._db.transaction(durable=True) as tx:
            if wrong is not None and not self._mirror.knows(tx, wrong.file_id):
                tx.deletions.doom_wrong(wrong, attempt.stage, last=step is Step.REFUSED)
            state = tx.uploads.step(attempt, step, code=code, reason=reason)
            if attempt.state == UNKNOWN:
                lost.remember(tx, attempt, self._clock.time_ns())
            node = self._db.nodes.find(attempt.node_id)
            if state in (QUEUED, FAILED) and not self._is_of(node, attempt):
                tx.uploads.drop(attempt.node_id)
                if node is None or node.stage != attempt.stage:
                    tx.unneeded(attempt.stage)
                if node is not None:
                    queue_newer(tx, node)
            elif state == FAILED and node is not None and attempt.name not in (None, node.wanted):
                # Its new name may not be refused.
                tx.uploads.attempt(attempt.node_id, attempt.stage, attempt.size_bytes)
        if step in NOT_STORED and attempt.state == SENDING:
            self._claims.withdraw(attempt)

    @staticmethod
    def _is_of(node: Node | None, attempt: Attempt) -> bool:
        """Whether the attempt's stage is what the node wants to have sent."""
        if node is None or node.wanted is None:
            return False
        return node.resend if node.stage is None else node.stage == attempt.stage

    def _is_wanted(self, attempt: Attempt) -> bool:
        """Whether it is so, and under the name under which it is being sent."""
        node = self._db.nodes.find(attempt.node_id)
        return node is not None and not node.is_hidden and node.wanted == attempt.name and self._is_of(node, attempt)

    def _fail(self, attempt: Attempt, exc: Refused) -> None:
        if not attempt.size_bytes and exc.from_service and exc.status == 400:
            self._keep_here(attempt)
            return
        log.error("%r was refused: %s. It is kept; see `anthrofs status`", attempt.name, exc)
        # A 404 here is the address's: ESTALE would say that the file is gone.
        self._step(attempt, Step.REFUSED, code=errno.EIO if isinstance(exc, Gone) else exc.code, reason=str(exc))

    def _keep_here(self, attempt: Attempt) -> None:
        """The service takes no empty files: this one stays on this machine, as local names do, until it has content."""
        log.info("%r is empty, and the service takes no empty files: it stays here until something is in it",
                 attempt.name)
        with self._db.transaction() as tx:
            node = self._db.nodes.find(attempt.node_id)
            if node is not None and self._is_of(node, attempt) and node.wanted == attempt.name:
                tx.nodes.keep_here(node.node_id)
        self._step(attempt, Step.REFUSED, code=errno.EINVAL)

    def _postpone(self, attempt: Attempt, plan: SendPlan, exc: RemoteError | None) -> None:
        if isinstance(exc, OF_THE_WAY):
            plan.not_before_s = 0.0         # the way says when it goes on
            return
        asked_s = None if exc is None else exc.retry_after_s
        wait_s = backoff_s(attempt.tries, self._chance) if asked_s is None else asked_s
        plan.not_before_s = self._clock.now_s() + wait_s


def _not_before_s(plan: SendPlan) -> float | None:
    """Returns when a listing must have begun that serves this inquiry; None: after a restart, any will do."""
    due_s = None if plan.lost_s is None else plan.lost_s + SHARED * plan.inquiries_s[0]
    return max((each for each in (due_s, plan.failed_s) if each is not None), default=None)
