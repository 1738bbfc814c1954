"""A fleet as a person sees it from one of its mounts.

Trusts  the engines' parts for what they know from memory: nothing here waits for a store or a board, so that status
        answers while they are away.
Never   shows a key or a password: a key is shown by its id.
"""

from collections.abc import Callable, Mapping
from typing import Any

from anthrofs.config import Fleet
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.tale import Tale

# Of an engine, as JSON: answers_s, away_since (wall clock) and why, and what else its parts know: the store readable,
# unreadable, waiting, waiting_bytes, refused; the board mounts, listed_by, listed_s_ago, left, most.
Facts = Callable[[], Mapping[str, Any]]


class Picture:
    """One mount's."""

    def __init__(self, fleet: Fleet, keys: FleetKeys, membership: Membership, tale: Tale, store: Facts, board: Facts,
                 others: Facts) -> None:
        """`others`: the tales of the other mounts by their members, and the figures of the budget; nothing without a
        board.
        """
        self._fleet = fleet             # given
        self._keys = keys               # given
        self._membership = membership   # given
        self._tale = tale               # given
        self._store = store             # given
        self._board = board             # given
        self._others = others           # given

    def status(self) -> dict[str, Any]:
        """Returns what `anthrofs status --json` prints of the fleet."""
        fleet, scope = self._fleet, self._membership.scope
        return {
            "key": self._keys.ids[0], "older_keys": list(self._keys.ids[1:]), "member": self._membership.member,
            "workspace": None if scope is None else scope.text,
            "store": None if fleet.store_url is None else {"address": fleet.store_url, **self._store()},
            "board": None if fleet.board_url is None else {"address": fleet.board_url, **self._board()},
            "tale": self._tale.told(),
        }

    def whole(self) -> dict[str, Any]:
        """Returns what `anthrofs fleet status --json` prints: the status, and the mounts with their tales, this one
        first. While the board is away they are what it said last.
        """
        status = self.status()
        others = self._others()
        mounts = {status["member"]: status["tale"]} | {
            member: told for member, told in others.get("mounts", {}).items() if member != status["member"]}
        return {**status, "mounts": mounts, "seconds": others.get("seconds", []), "minutes": others.get("minutes", [])}
