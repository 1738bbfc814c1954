"""The mounts, looked at as long as somebody looks at the page.

Owns    what each mount has said last, and the one task that asks them, which ends with the last viewer.
Trusts  no mount to answer: each is asked in a thread of its own, and one that is silent holds up none of the others.
Never   asks a mount twice at once, nor for more than a tenth of its time.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from anthrofs.client import asking, control_client
from anthrofs.client.detached import detached_from, every_detached
from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.fuse import mountpoint
from anthrofs.web.picture import of_mount, of_silence
from anthrofs.web.threads import apart

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0        # between two looks at a mount
LONGEST_S: Final = 10.0     # the same, of one that takes its time
SHARE: Final = 10           # a look's time may be one in so many
ANSWER_S: Final = 10.0      # of a mount
SILENT_S: Final = 3.0       # then the page says so
BEAT_S: Final = 15.0        # without news: that the page is still served


@dataclass(frozen=True, slots=True)
class Seen:
    """A mount's last answer."""

    state_dir: Path
    device: str | None              # the kernel's number of its file system; None: it has left its place
    picture: dict[str, Any]


@dataclass(slots=True)
class _Place:
    """One mount point."""

    seen: Seen | None = None
    words: str = ""                     # why it gave no answer, the last time
    looked: bool = False                # it has answered once, or was silent
    left: bool = False                  # by a mount, whose process may still send: it is shown as long as that answers
    over: bool = False                  # so was it, and it answers no more
    asked: "asyncio.Future[Seen | None] | None" = None     # under way
    asked_s: float = 0.0
    next_s: float = 0.0

    def silent_s(self, now_s: float) -> float:
        """How long it has been asked now."""
        return 0.0 if self.asked is None else now_s - self.asked_s


def look(path: Path, before: Seen | None = None) -> Seen | None:
    """Asks the mount there, or the one that has left that place and still sends. `before`: what was seen there last.
    None: it is another user's. Raises SetupError.
    """
    gone, device = None, mountpoint.device_of(path)
    try:
        same = before is not None and device is not None and before.device == device
        state_dir = before.state_dir if before is not None and same else asking.state_dir(path)
    except SetupError:
        if mountpoint.is_others(path):
            return None
        if (gone := detached_from(path)) is None:
            raise
        state_dir = gone.state_dir
    status = control_client.only(state_dir, "status", patience_s=ANSWER_S)
    try:
        traffic = control_client.only(state_dir, "traffic", patience_s=ANSWER_S)
    except SetupError:
        traffic = None              # a mount of an earlier version doesn't count it
    left = "" if gone is None else str(gone.why())
    return Seen(state_dir, device, of_mount(path, mountpoint.source_at(path), status, traffic, left))


def _left() -> list[Path]:
    return [each.mountpoint for each in every_detached()]


class Watcher:
    """The picture of all mounts of this user, or of one. Used on the event loop only."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory                     # constant
        self._places = dict[Path, _Place]()
        self._viewers = set[asyncio.Event]()
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._text = ""
        self._ended = False

    async def pictures(self) -> AsyncGenerator[str | None, None]:
        """Yields what there is to see, as JSON, now and whenever it is another; None now and then, while it isn't."""
        news, told = asyncio.Event(), None
        self._viewers.add(news)
        if self._task is None:
            # What was seen an hour ago isn't shown; but who hasn't answered since isn't asked a second time.
            self._places = {path: place for path, place in self._places.items() if place.asked is not None}
            for place in self._places.values():
                place.seen, place.words, place.looked = None, "", False
            self._text = ""
            self._task = asyncio.create_task(self._watch())
        try:
            while not self._ended:
                if self._text not in ("", told):
                    told = self._text
                    yield told
                    continue
                try:
                    await asyncio.wait_for(news.wait(), BEAT_S)
                    news.clear()
                except TimeoutError:
                    yield None
        finally:
            self._viewers.discard(news)
            self._hurry.set()               # the task looks whether anybody is left

    def seen(self, root: str) -> Seen:
        """The last answer of the mount there. Raises SetupError."""
        found = self._places.get(Path(root))
        if found is None or found.seen is None:
            raise SetupError("That mount isn't there any more.", EXIT_USAGE)
        return found.seen

    def hasten(self) -> None:
        """Something was done: the next look comes at once."""
        for place in self._places.values():
            place.next_s = 0.0
        self._hurry.set()

    def end(self) -> None:
        """Nobody sees any more from now on."""
        self._ended = True
        for viewer in self._viewers:
            viewer.set()
        self._hurry.set()

    # ---- the task

    async def _watch(self) -> None:
        if self._directory is None:
            left = apart(_left)
            await asyncio.wait([left], timeout=SILENT_S)
            if left.done() and left.exception() is None:        # else those that are mounted are shown
                self._places |= {path: _Place(left=True) for path in left.result() if path not in self._places}
        while self._viewers and not self._ended:
            now_s = asyncio.get_running_loop().time()
            self._note_mounts()
            for path, place in self._places.items():
                if place.asked is None and place.next_s <= now_s:
                    place.asked, place.asked_s = apart(partial(look, path, place.seen)), now_s
                    place.asked.add_done_callback(partial(self._answered, place))
            self._publish()
            self._hurry.clear()
            try:
                await asyncio.wait_for(self._hurry.wait(), EVERY_S)
            except TimeoutError:
                continue
        self._task = None

    def _note_mounts(self) -> None:
        paths = [self._directory] if self._directory else mountpoint.mounts()
        before, self._places = self._places, {}
        for path in paths:
            self._places[path] = before.pop(path, _Place())
            self._places[path].left = self._places[path].over = False
        for path, place in before.items():
            place.left = self._directory is None and (place.left or place.seen is not None)
            if place.left and not place.over:
                self._places[path] = place

    def _answered(self, place: _Place, asked: "asyncio.Future[Seen | None]") -> None:
        now_s = asyncio.get_running_loop().time()
        place.asked, place.words, place.looked = None, "", True
        place.next_s = place.asked_s + min(max(EVERY_S, SHARE * (now_s - place.asked_s)), LONGEST_S)
        try:
            place.seen = asked.result()
        except SetupError as exc:
            place.words, place.over = str(exc), place.left
        except Exception:
            log.exception("a mount's answer can't be shown")
            place.words = control_client.STRANGE
        self._publish()

    def _publish(self) -> None:
        now_s = asyncio.get_running_loop().time()
        places = {path: place for path, place in self._places.items()
                  if place.looked or place.silent_s(now_s) >= SILENT_S}
        if not self._text and len(places) < len(self._places):
            return                          # the first looks are under way: the page begins with all of them
        text = json.dumps({"mounts": [told for path, place in places.items()
                                      if (told := self._told(path, place, now_s)) is not None]})
        if text != self._text:
            self._text = text
            for viewer in self._viewers:
                viewer.set()

    @staticmethod
    def _told(path: Path, place: _Place, now_s: float) -> dict[str, Any] | None:
        if place.over:
            return None
        silent_s = place.silent_s(now_s)
        if silent_s >= SILENT_S:
            return of_silence(path, f"It has not answered for {silent_s:.0f} s.")
        if place.words:
            return of_silence(path, place.words)
        return None if place.seen is None else place.seen.picture
