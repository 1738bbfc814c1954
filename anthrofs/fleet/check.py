"""Whether a store is fit for a fleet, found out by using it: a made-up file is put, found, read and removed.

Never   touches what a workspace has in the store: the made-up file is of a scope of its own.
"""

import secrets
from collections.abc import Iterator
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import Forged, FsError, NotStored
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Scope
from anthrofs.fleet.objects import objects_of
from anthrofs.fleet.shelf import Shelf
from anthrofs.model import FileId

CONTENT: Final = b"A file that `anthrofs fleet check` has made up."


def check_store(url: str, keys: FleetKeys, clock: Clock) -> Iterator[str]:
    """Yields a line for each thing that is as it must be. Raises FsError for the first that isn't."""
    scope = Scope("check", secrets.token_hex(8))
    shelf = Shelf(objects_of(url, clock), keys, lambda: scope)
    return _round(shelf)


def _round(shelf: Shelf) -> Iterator[str]:
    file_id = FileId("check")
    shelf.put(file_id, len(CONTENT), lambda offset, size: CONTENT[offset:offset + size], create=True)
    try:
        yield "a file can be put"
        if not shelf.has(file_id):
            raise NotStored("what was just put isn't there")
        if shelf.chunk(file_id, 0).data != CONTENT:
            raise Forged("what was just put reads otherwise")
        yield "it can be read"
        if shelf.known([file_id]) != {file_id}:
            raise NotStored("what was just put isn't in the store's listing")
        yield "it is listed"
    finally:
        shelf.remove(file_id)
    if shelf.has(file_id):
        raise FsError("what was removed is still there")
    yield "it can be removed"
