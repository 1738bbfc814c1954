"""The parts of which a running emulator consists.

Owns    one of each part, and nothing else: behaviour belongs to the parts.
Trusts  the event loop: all parts but the store are used on it only.
Never   grows verbs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .bucket import Bucket
from .connections import Connections
from .faults import Faults
from .journal import Journal
from .logins import Logins
from .store import Store, View
from .switches import Switches

if TYPE_CHECKING:
    import asyncio

MS_US = 1000


@dataclass(slots=True)
class Parts:
    store: Store
    keys: frozenset[str]                                # accepted, as they are sent
    switches: Switches = field(default_factory=Switches)        # replaced whole by admin.py
    faults: Faults = field(default_factory=Faults)
    journal: Journal = field(default_factory=Journal)
    bucket: Bucket = field(default_factory=lambda: Bucket(time.monotonic))
    sessions: set[str] = field(default_factory=set)     # that exist besides those that have files
    logins: Logins = field(default_factory=Logins)
    connections: Connections = field(default_factory=Connections)
    # listings by address: when made, and what they said
    cached: dict[str, tuple[float, bytes]] = field(default_factory=dict)
    later: set[asyncio.Task[Any]] = field(default_factory=set)     # late commits; a loop holds tasks only weakly

    def view(self, scope_id: str | None = None) -> View:
        return View(self.switches.order, scope_id, self.switches.listing_lag_ms * MS_US,
                    self.switches.deletion_lag_ms * MS_US, self.switches.metadata_lag_ms * MS_US)
