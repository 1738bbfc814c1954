"""Ids of the past, as `anthrofs log` and `anthrofs path` tell what became of them.

Never   changes anything.
"""

import contextlib
from typing import Any

from anthrofs.errors import NotFound
from anthrofs.model import FileId, Node
from anthrofs.tree.history import Event
from anthrofs.tree.transaction import Tx


def log(tx: Tx, path: str, node: Node | None) -> dict[str, Any]:
    """Returns the id that a path has now, with since when (the server's clock), and what is known of those that it has
    had, newest first. Times are seconds since the epoch.
    """
    now = None if node is None or node.remote is None else node.remote
    return {"path": path, "id": None if now is None else now.file_id,
            "since": None if now is None else now.created_ns / 1e9,
            "events": [{**_told(event), "was_path": None if event.was is None else tx.history.path_of(event.was)}
                       for event in tx.history.of_path(path, None if now is None else now.file_id)]}


def fate(tx: Tx, file_id: FileId) -> dict[str, Any] | None:
    """Returns what took an id's place, or how it ended; with what is there in the end of all that came after it, and
    where: its `path`, or how that one ended. None: nothing is known.
    """
    event = tx.history.fate(file_id)
    if event is None:
        return None
    last, end = tx.history.last(file_id)
    path: str | None = None
    with contextlib.suppress(NotFound):
        path = tx.nodes.path(tx.nodes.holder(last))
    return {**_told(event), "last": {"id": last, "path": path, "end": None if end is None else _told(end)}}


def _told(event: Event) -> dict[str, Any]:
    return {"id": event.file_id, "path": event.path, "why": event.why, "at": event.at_ns / 1e9, "was": event.was}
