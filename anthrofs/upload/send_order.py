"""The order in which files are sent.

Big files and small ones are two queues, so that neither keeps the other waiting: big ones have a few of the threads,
and the first that is free when none of them is under way. In each, what a close waits for goes first, then what was
promised first; but now and then the schedule names nothing that is waited for, else a stream of saves would starve the
others.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from anthrofs.model import Attempt, NodeId
from anthrofs.tree.transaction import Tx

THREADS: Final = 10             # a small file costs a round trip, not bandwidth: rclone needs that many for 50 of them
BIG_THREADS: Final = 3          # of them, for big files: more at a time don't make a line faster
SAME: Final = 3                 # probes in a row with the same file while uploads are refused, if there are others
AT_MOST: Final = 20             # files that take turns at that


@dataclass(frozen=True, slots=True)
class Scene:
    """The schedule's knowledge in the moment in which the rows are read."""

    not_now: Collection[NodeId]     # threads work on them, or they wait for their next try
    bigs: int                       # big files that threads work on
    waited: Collection[NodeId]      # closes wait for them
    held_s: Mapping[NodeId, float]  # held off until then
    holds_new: bool                 # with content as well, if they are new


def sendable(tx: Tx, scene: Scene) -> tuple[list[Attempt], list[float]]:
    """Returns the attempts that could take a step now, best first: not all, but as many as all threads may take in this
    moment, and one; and the ends of the hold-offs that were passed over.
    """
    big, small, passed = tx.uploads.sendable(
        BIG_THREADS - scene.bigs, THREADS + 1, not_now=scene.not_now, waited=scene.waited,
        held=dict.fromkeys(scene.held_s, scene.holds_new))
    at_once = 0 if scene.bigs else 1
    return [*big[:at_once], *small, *big[at_once:]], [scene.held_s[node_id] for node_id in passed]


def probe(tx: Tx, not_now: Collection[NodeId], refused: Mapping[NodeId, int]) -> list[Attempt]:
    """Returns the smallest attempt, to find out whether anything can be sent; but not always the same: it may be one
    that nobody ever takes. `refused`: how often each was.
    """
    found = tx.uploads.smallest(not_now, AT_MOST)
    return sorted(found, key=lambda attempt: refused.get(attempt.node_id, 0) // SAME)[:1]
