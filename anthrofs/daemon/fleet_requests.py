"""Requests about a fleet: what the commands `anthrofs fleet …` ask of a running mount; control.py carries them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from anthrofs.fleet.picture import Picture


class FleetRequests:
    """Answers each with one JSON object or more."""

    def __init__(self, picture: Picture, share_all: Callable[[], dict[str, Any]]) -> None:
        self._picture = picture         # given
        self._share_all = share_all     # given: puts all own uploads that have a copy here into the store

        self.table = {"fleet status": self._on_status, "fleet share": self._on_share}       # constant

    def _on_status(self, _request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield self._picture.whole()

    def _on_share(self, _request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield self._share_all()
