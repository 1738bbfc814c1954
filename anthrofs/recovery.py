"""What a start makes of what the last end left, clean or not. Nothing is open yet.

Serves  daemon, once, before anything is served.
Trusts  the database: rows say which stages are promised. A promised one is sent; what was being written when the program was
        killed was promised to nobody, so its name shows what it showed before, and its bytes stay in staging for check to report.
Never   removes bytes that nobody asked to remove.
"""

import logging

from anthrofs import mime
from anthrofs.db import Database
from anthrofs.index import Index
from anthrofs.model import StageId
from anthrofs.outbox import IN_FLIGHT, Outbox
from anthrofs.staging import Staging

log = logging.getLogger(__name__)


def recover(db: Database, index: Index, outbox: Outbox, staging: Staging) -> None:
    """Bring the rows back to what can be served."""
    with db.transaction(durable=True) as tx:
        outbox.recover(tx)
        in_flight = {attempt.stage for attempt in outbox.every() if attempt.state in IN_FLIGHT}
        unlinked = index.end_hidden(tx) - in_flight         # the uploader still has to learn what became of those
        for name in index.forget_unpromised(tx):
            log.warning("%r was being written when anthrofs was ended: nothing of it was promised, so it isn't shown", name)
        promised = index.promised(tx)
        for node in promised:
            assert node.stage is not None
            attempt = outbox.of(tx, node.node_id)
            behind = attempt is None or (attempt.state not in IN_FLIGHT and attempt.stage != node.stage)
            if node.wanted is not None and behind:          # promised by fsync, never closed
                kind = mime.mime_type_of(node.name, _head(staging, node.stage))
                outbox.attempt(tx, node.node_id, node.stage, node.wanted, kind, node.size_bytes)
    staging.start({node.stage for node in promised if node.stage is not None} | in_flight)
    for number in unlinked:
        staging.remove(number)


def _head(staging: Staging, number: StageId) -> bytes:
    try:
        with staging.path(number).open("rb") as content:
            return content.read(mime.HEAD_BYTES)
    except OSError:
        return b""          # the uploader says that it is missing
