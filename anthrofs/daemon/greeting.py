"""The first look at the service, before anything is mounted: what is wrong there is a sentence then.

Never   keeps a known workspace from being mounted because the service is away.
"""

import logging
from collections.abc import Callable
from typing import Final

from anthrofs.config import Config, Credentials, Profile, Service
from anthrofs.errors import EXIT_AUTH, EXIT_FAILED, EXIT_USAGE, AccountRefused, FsError, Offline, SetupError
from anthrofs.remote.http import HttpFiles
from anthrofs.sync import workspace
from anthrofs.sync.refresher import Refresher
from anthrofs.tree.database import Database

log = logging.getLogger(__name__)

GREET_S: Final = 3.0        # the longest that a mount with a saved index waits for its first refresh


def greet(config: Config, db: Database, refresher: Refresher, progress: Callable[[int], None]) -> None:
    """Start the refresher. A workspace that isn't known yet has to be listed; a known one may be away. Raises
    SetupError.
    """
    with db.reading() as tx:
        found = workspace.match(tx, config.service, None)
        listed = tx.get_meta("listed_ns") is not None
    if found is workspace.Match.SAME and listed:
        refresher.start()
        error = refresher.refresh(GREET_S)
        if isinstance(error, SetupError):
            raise error         # another workspace's files
        if error is not None:
            log.warning("mounted from the saved index: %s", error)
        return
    try:
        refresher.first(progress)
    except AccountRefused as exc:
        raise SetupError(f"The service refused the credentials: {exc}. {_remedy(config.service.credentials)}, and "
                         "mount again.", EXIT_AUTH) from exc
    except Offline as exc:
        why = ("this workspace was never listed here, so there is no saved index to show" if not listed else
               "the key or the address is not the one of last time, so only the service can tell whose files these are")
        raise SetupError(f"The service can't be reached ({exc}), and {why}. Check the network and ANTHROPIC_BASE_URL, "
                         "then mount again.", EXIT_FAILED) from exc
    except FsError as exc:
        raise SetupError(f"The first listing failed: {exc}. Nothing was mounted.", EXIT_FAILED) from exc
    refresher.start()


def _remedy(held: Credentials | Profile) -> str:
    """A sentence of what to do, at the place where the key was read, without its end."""
    source = held.source if isinstance(held, Credentials) else None
    if source is None:
        return ("Correct ANTHROPIC_CUSTOM_HEADERS" if isinstance(held, Credentials) else
                f"They are by the {held.said}: log in again with `ant auth login`")
    if source.kind == "environment":
        return f"Set {source.what[0]} to a valid one, or log in with `ant auth login`"
    if source.kind == "command":
        return f"They are what the {source.said} prints: have it print a valid one"
    return f"They are from the {source.said}: put a valid one there"


def see_session(service: Service, db: Database, http: HttpFiles) -> None:
    """An empty listing is that of a session which has no files yet, and of one that there isn't. Raises SetupError."""
    if service.scope_id is None or db.nodes.totals()[0]:
        return
    try:
        there = http.has_session(service.scope_id)
    except FsError as exc:
        log.info("whether there is a session %s can't be told: %s", service.scope_id, exc)
        return
    if not there:
        raise SetupError(f"There is no agent session {service.scope_id} in this workspace: correct --scope. Nothing "
                         "was mounted.", EXIT_USAGE)
