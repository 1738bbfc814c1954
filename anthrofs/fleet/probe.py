"""The look at the store when a mount begins: an object is put, read and removed, so that what would never work is said
in one sentence before anything is mounted.

Owns    one thread, which asks while the mount lists the workspace.
Never   stops a mount for a store that merely doesn't answer, or makes it wait for one.
"""

import logging
import secrets
import threading
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import FsError, NotStored, SetupError, StoreAway, StoreRefuses
from anthrofs.fleet import store_words
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.object_store import ObjectStore
from anthrofs.fleet.shelf import LAYOUT

log = logging.getLogger(__name__)

PATIENCE_S: Final = 3.0         # behind the first listing
CONTENT: Final = b"A probe of anthrofs. It may be removed."


class Probe:
    """One look, of one mount."""

    def __init__(self, objects: ObjectStore, keys: FleetKeys, clock: Clock, *, writes: bool) -> None:
        """`writes`: this mount is to put something there; else it only looks."""
        self._objects, self._keys, self._clock = objects, keys, clock       # given
        self._writes = writes                                               # constant
        self._thread = threading.Thread(target=self._run, name="store probe", daemon=True)
        self._refused: SetupError | None = None     # written by the thread before it ends

    def begin(self) -> None:
        """The look begins."""
        self._thread.start()

    def end(self) -> None:
        """Waits for it, a moment. Raises SetupError when the store has refused this mount."""
        if self._clock.join([self._thread], PATIENCE_S) and self._refused is not None:
            raise self._refused

    def _run(self) -> None:
        try:
            look(self._objects, self._keys, writes=self._writes)
        except SetupError as exc:
            self._refused = exc
            log.warning("%s", exc)
        except FsError as exc:          # the rest has said so, and goes on asking
            log.info("the look at the store had no answer: %s", exc)


def look(objects: ObjectStore, keys: FleetKeys, *, writes: bool) -> None:
    """Puts a probe, reads it and removes it; or only looks for one. Raises SetupError when the store refuses what every
    member needs, and StoreAway when it doesn't answer.
    """
    path = f"{LAYOUT}/{keys.ids[0]}/probe/{secrets.token_hex(8)}"
    blind = _others(objects, keys)
    if not writes:
        _can_read(objects, path)
        return
    try:
        objects.put(path, CONTENT, create=True)
    except StoreRefuses as exc:
        if store_words.NO_BUCKET in str(exc):
            raise _useless(exc) from None
        _can_read(objects, path)
        log.warning("this mount reads from the store, and can't put anything there: %s. --share none says that it is "
                    "meant so", exc)
        return
    if blind is not None:
        log.warning("this mount may not list the store, so it learns of others' files only while they are new: %s",
                    blind)
    try:
        if objects.get(path) != CONTENT:
            raise SetupError("The store can't be used: it gives back other bytes than it was given.")
    except StoreRefuses as exc:
        raise _useless(exc) from None
    except NotStored:
        log.warning("what was just put into the store can't be read at once")
    else:
        log.info("the store can be read and written")
    try:
        objects.remove([path])
    except StoreRefuses as exc:
        log.warning("this mount may not remove anything from the store, so what is deleted stays there: %s", exc)


def _others(objects: ObjectStore, keys: FleetKeys) -> StoreRefuses | None:
    try:
        found = set(objects.folders(LAYOUT))
    except StoreRefuses as exc:
        return exc
    if found and found.isdisjoint(keys.ids):
        log.warning("the store has files of the keys %s, and none of this mount's (%s): it is another fleet's, or this "
                    "mount has a wrong key, and sees nothing of the others'", ", ".join(sorted(found)),
                    ", ".join(keys.ids))
    return None


def _can_read(objects: ObjectStore, path: str) -> None:
    try:
        objects.get(path)
    except NotStored:
        return
    except StoreRefuses as exc:
        raise _useless(exc) from None


def _useless(why: StoreAway) -> SetupError:
    return SetupError(f"The store can't be used: {why}.", store_words.exit_code(str(why)))
