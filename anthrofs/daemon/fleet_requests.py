"""Requests about a fleet: what the commands `anthrofs fleet …` ask of a running mount; control.py carries them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from anthrofs.errors import NotPermitted
from anthrofs.fleet.garbage import Garbage
from anthrofs.fleet.picture import Picture


class FleetRequests:
    """Answers each with one JSON object or more."""

    def __init__(self, picture: Picture, look: Callable[[], object], share_all: Callable[[], dict[str, Any]],
                 garbage: Garbage | None) -> None:
        """`look` looks at the board now, within its bounds. `garbage`: None: there is no store."""
        self._picture = picture         # given
        self._look = look               # given
        self._share_all = share_all     # given: puts all own uploads that have a copy here into the store
        self._garbage = garbage         # given

        self.table = {"fleet status": self._on_status, "fleet share": self._on_share,
                      "fleet gc": self._on_gc}          # constant

    def _on_status(self, _request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        self._look()
        yield self._picture.whole()

    def _on_share(self, _request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield self._share_all()

    def _on_gc(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if self._garbage is None:
            raise NotPermitted("this mount's fleet has no store: mount it with --store")
        for found in self._garbage.collect(accept=bool(request.get("accept")), only_look=bool(request.get("look"))):
            yield asdict(found)
