"""Requests about a fleet: what the commands `anthrofs fleet …` ask of a running mount; control.py carries them."""

from collections.abc import Iterator, Mapping
from typing import Any

from anthrofs.fleet.picture import Picture


class FleetRequests:
    """Answers each with one JSON object or more."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture     # given

        self.table = {"fleet status": self._on_status}      # constant

    def _on_status(self, _request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield self._picture.whole()
