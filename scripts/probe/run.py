"""What the questions of one run share.

Owns    what was learned on the way: our uploads by age, the file to download, cursors.
Trusts  table.py to ask them in an order in which each finds what it needs.
Never   asks by itself, but to wait for a listing.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from .forms import PLAIN, Form, content_of, name_of
from .litter import Litter
from .service import NoAnswer, Service
from .words import Answer, Facts, said

LOOKS_S: Final = (0.0, 1.0, 4.0, 15.0)  # pauses between looks, within the bound: four requests at most


@dataclass(slots=True)
class Learned:
    """On the way."""

    order: str = ""                     # of the listing, see words.order_of
    mine: list[str] = field(default_factory=list)               # ids of the three that stay for a while, newest first
    uploads: list[Answer] = field(default_factory=list)         # every answer that was a file
    downloadable: tuple[str, int, str] | None = None            # id, size and type of the smallest one that is there
    listed_soon: bool = False           # a new upload was in the listing within the bound
    page: str | None = None             # a `page` cursor that points behind mine[1]
    start: list[str] = field(default_factory=list)              # ids of the first three files of the listing


class Run:
    def __init__(self, service: Service, litter: Litter, bound_s: float) -> None:
        self.service = service          # given
        self.litter = litter            # given
        self.bound_s = bound_s          # constant: the longest wait for one effect
        self.learned = Learned()        # the main thread only

    def form(self, suffix: str, mime_type: str | None = PLAIN, *, filename: str | None = None, expires_s: int | None = None) -> Form:
        """One of ours. Each suffix begins with another word of a-z and 0-9."""
        tag = self.litter.tag
        return Form(filename or name_of(tag, suffix), content_of(tag, suffix), mime_type, expires_s)

    def upload(self, form: Form, *, shape: str = "beta") -> Answer:
        answer = self.litter.upload(self.service, form, shape=shape)
        if answer.fine:
            self.learned.uploads.append(answer)
        return answer

    def three(self) -> list[str]:
        """Our three uploads that stay for a while, newest first. Raises NoAnswer."""
        mine = self.learned.mine
        while len(mine) < 3:
            answer = self.upload(self.form(f"more{len(mine)}.txt"))
            if not answer.fine:
                raise NoAnswer(f"it needs three uploads: {said(answer)}")
            mine.insert(0, str(answer.json()["id"]))
        return mine

    def listing(self, shape: str = "beta", **query: str | int | list[str]) -> Answer:
        """A page, whatever the status."""
        answer = self.service.ask("GET", "/v1/files", shape=shape, params={name.replace("ids", "ids[]"): value for name, value in query.items()})
        self.litter.recognise(answer)
        return answer

    def page(self, shape: str = "beta", **query: str | int | list[str]) -> Answer:
        """A page. Raises NoAnswer when it is refused."""
        answer = self.listing(shape, **query)
        if not answer.fine:
            raise NoAnswer(said(answer))
        return answer

    def looks(self, began_s: float) -> Iterator[float]:
        """When to look for an effect: seconds since it was asked for, within the bound."""
        for pause_s in LOOKS_S:
            left_s = self.bound_s - (time.time() - began_s)
            if pause_s and left_s <= 0:
                return
            time.sleep(min(pause_s, max(0.0, left_s)))
            yield time.time() - began_s

    def until(self, effects: Mapping[str, Callable[[], bool]], began_s: float) -> Facts:
        """Look until all of them have come."""
        facts: Facts = {}
        last_s: float | None = None
        for looked_s in self.looks(began_s):
            for what, has_come in effects.items():
                if what not in facts and has_come():
                    facts[what] = {"seen": True, "seconds_at_most": _rounded(time.time() - began_s), "not_yet_after_seconds": last_s}
            last_s = _rounded(looked_s)
            if len(facts) == len(effects):
                break
        return {what: facts.get(what, {"seen": False, "not_within_seconds": last_s}) for what in effects}


def _rounded(seconds: float) -> float:
    return round(seconds, 2)
