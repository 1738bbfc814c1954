"""Whether a store, or a board, is fit for a fleet, found out by using it: a made-up file is put, found, read and
removed, and a page is written and read.

Trusts  no documentation: what a store says of itself isn't asked, but for a rule that will delete what was just put.
Never   touches what a workspace has there: what is made up is of a scope of its own.
"""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final, Protocol
from urllib.request import Request, urlopen

from anthrofs.clock import Clock
from anthrofs.errors import Forged, NotStored, StoreRefuses
from anthrofs.fleet.board import Board
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Scope
from anthrofs.fleet.object_store import ObjectStore
from anthrofs.fleet.shelf import LAYOUT, Shelf
from anthrofs.model import FileId

CONTENT: Final = b"A file that `anthrofs fleet check` has made up."
MADE_UP: Final = FileId("check")
BOUND_S: Final = 10.0
DAY_S: Final = 86400.0
EXPIRY: Final = re.compile(r'expiry-date="([^"]+)"')
PAGE_S: Final = 5.0         # of what is written on a board
APART_S: Final = 60.0       # between two clocks: above that, one is said to be wrong


class CheckedStore(ObjectStore, Protocol):
    """A store that others can be sent to, for what its own client doesn't show."""

    def signed(self, path: str) -> str | None:
        """Returns an address for one HEAD request of an object; None: this kind of store has none that says more."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found out."""

    good: bool              # False: a fleet suffers from it
    text: str


def check_store(objects: CheckedStore, keys: FleetKeys, clock: Clock) -> Iterator[Finding]:
    """Yields what is found, good or bad. Raises StoreAway for a store that can't be used at all."""
    yield from _keys(objects, keys)
    scope = Scope("check", secrets.token_hex(8))
    shelf = Shelf(objects, keys, lambda: scope)
    began_s, began_ns = clock.now_s(), clock.time_ns()
    shelf.put(MADE_UP, len(CONTENT), _read_at, create=True)
    try:
        found = shelf.chunk(MADE_UP, 0)
        yield Finding(good=found.data == CONTENT, text="what is put is read back, in "
                                                       f"{1000 * (clock.now_s() - began_s):.0f} ms")
        yield from _listing(objects, shelf, began_ns)
        yield _created(objects, shelf)
        yield _expiry(objects, shelf, clock)
    except (Forged, NotStored) as exc:
        yield Finding(good=False, text=f"what was just put can't be read: {exc}")
    try:
        shelf.remove(MADE_UP)
    except StoreRefuses as exc:
        yield Finding(good=False, text=f"nothing can be removed, so what is deleted stays there: {exc}")
    else:
        yield Finding(good=not shelf.has(MADE_UP), text="what is removed is gone")


def check_board(board: Board, clock: Clock) -> Iterator[Finding]:
    """Yields what is found, good or bad. Raises BoardAway for a board that can't be used."""
    began_s = clock.now_s()
    moment = board.now()
    yield Finding(good=True, text=f"it answers, in {1000 * (clock.now_s() - began_s):.0f} ms")
    board.put_page("check", CONTENT, moment, PAGE_S)
    found = board.page("check")
    yield Finding(good=found is not None and found.body == CONTENT, text="what is written there is read back")
    yield Finding(good=board.lease("check", PAGE_S), text="a lease can be had there")
    board.release("check")


def _keys(objects: ObjectStore, keys: FleetKeys) -> Iterator[Finding]:
    found = set(objects.folders(LAYOUT))
    if not found:
        yield Finding(good=True, text=f"the store is empty; this key is {keys.ids[0]}")
        return
    ours, others = found.intersection(keys.ids), sorted(found.difference(keys.ids))
    said = f"the store has files of this key, {keys.ids[0]}" if keys.ids[0] in ours else (
        f"the store has no file of this key, {keys.ids[0]}")
    if older := sorted(ours - {keys.ids[0]}):
        said += f"; of the older {', '.join(older)}"
    yield Finding(good=bool(ours) or not others, text=said + (
        f"; and of {', '.join(others)}, which isn't known here" if others else ""))


def _listing(objects: ObjectStore, shelf: Shelf, began_ns: int) -> Iterator[Finding]:
    place = shelf.place(MADE_UP, 0)
    found = [each for each in objects.list(place.rpartition("/")[0]) if each.path == place]
    if not found:
        yield Finding(good=False, text="what is put isn't in the store's listing at once: new mounts learn of it late")
        return
    yield Finding(good=True, text="what is put is listed at once")
    apart_s = (found[0].changed_ns - began_ns) / 1e9
    yield Finding(good=abs(apart_s) <= APART_S, text=(
        "this machine's clock and the store's agree" if abs(apart_s) <= APART_S else
        f"this machine's clock and the store's are {abs(apart_s) / 60:.0f} minutes apart: S3 refuses from 15 on"))


def _created(objects: ObjectStore, shelf: Shelf) -> Finding:
    path = shelf.place(MADE_UP, 0)
    before = objects.get(path)
    if not objects.put(path, before, create=True):
        return Finding(good=True, text="what is there isn't overwritten by a member that would create it")
    return Finding(good=True, text="what is there is overwritten by a member that would create it: that costs a "
                                   "transfer now and then, and nothing else")


def _expiry(objects: CheckedStore, shelf: Shelf, clock: Clock) -> Finding:
    """S3 and Ceph say with each object when a rule of the bucket's will delete it."""
    address = objects.signed(shelf.place(MADE_UP, 0))
    if address is None:
        return Finding(good=True, text="whether a rule of its own deletes what is there, this store doesn't say")
    try:
        request = Request(address, method="HEAD")                   # noqa: S310 - the store's own
        with urlopen(request, timeout=BOUND_S) as answer:           # noqa: S310 - the same
            found = EXPIRY.search(answer.headers.get("x-amz-expiration", ""))
    except OSError as exc:
        return Finding(good=True, text=f"whether a rule of its own deletes what is there can't be seen: {exc}")
    if found is None:
        return Finding(good=True, text="no rule of the store deletes what is put there")
    days = (parsedate_to_datetime(found[1]).timestamp() - clock.time_ns() / 1e9) / DAY_S
    return Finding(good=False, text=f"a rule of the store deletes what is put there after {days:.0f} days, and the "
                                    "readable copies of uploads with it")


def _read_at(offset: int, size: int) -> bytes:
    return CONTENT[offset:offset + size]
