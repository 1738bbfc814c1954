"""Requests of who watches a mount, as the page of `anthrofs web` does; control.py carries them."""

from collections.abc import Iterator, Mapping
from typing import Any

from anthrofs.daemon.folder_sums import FolderSums
from anthrofs.remote.pace import Pacer


class WatchRequests:
    """Answers each with one JSON object or more."""

    def __init__(self, pacer: Pacer, sums: FolderSums) -> None:
        self._pacer = pacer         # given
        self._sums = sums           # given

        self.table = {"traffic": self._on_traffic, "held": self._on_held}       # constant

    def _on_traffic(self, _request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Tells the last hour's requests, minute by minute, and how many one may have."""
        per_minute, minutes, over_s = self._pacer.traffic()
        yield {"per_minute": per_minute, "minutes": minutes, "over_s": over_s}

    def _on_held(self, _request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Tells how much of each folder is on this machine's disk."""
        yield from self._sums.now()
