"""A fleet as a person sees it from one of its mounts.

Trusts  the engines' facts, which come from memory: nothing here waits for a store or a board, so that status answers
        while they are away.
Never   shows a key or a password: a key is shown by its id.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from anthrofs.config import Fleet
from anthrofs.fleet.counts import Counts, Name
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Membership

# Of an engine, as JSON: answers_s, away_since (wall clock) and why, and what else its parts know: the store readable,
# unreadable, waiting, waiting_bytes, refused; the board mounts, listed_by, listed_s_ago, left, most.
Facts = Callable[[], Mapping[str, Any]]
SHOWN: Final[tuple[Name, ...]] = ("hits", "misses", "wrong", "bytes", "puts", "put_bytes", "spared", "lists")


class Picture:
    """One mount's."""

    def __init__(self, fleet: Fleet, keys: FleetKeys, membership: Membership, counts: Counts, store: Facts,
                 board: Facts) -> None:
        self._fleet = fleet             # given
        self._keys = keys               # given
        self._membership = membership   # given
        self._counts = counts           # given
        self._store = store             # given
        self._board = board             # given

    def status(self) -> dict[str, Any]:
        """Returns what `anthrofs status --json` prints of the fleet."""
        fleet, scope = self._fleet, self._membership.scope
        return {
            "key": self._keys.ids[0], "older_keys": list(self._keys.ids[1:]), "member": self._membership.member,
            "label": self._membership.label, "workspace": None if scope is None else scope.text, "share": fleet.share,
            "store": None if fleet.store_url is None else {"address": fleet.store_url, **self._store()},
            "board": None if fleet.board_url is None else {"address": fleet.board_url, **self._board()},
            "counts": {name: self._counts.of(name) for name in SHOWN},
        }
