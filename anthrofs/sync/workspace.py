"""A state directory belongs to one workspace of one service: this module says whose files the state mirrors.

Owns    the facts base_url, organization_id, workspace_id, scope_id and key_hash in the table meta.
Trusts  the ids in the server's headers over key and address: a new key of the same workspace is the same workspace.
Never   stores a key: its hash only tells whether it is the one of last time.
"""

import enum
import hashlib
import json
import logging
from dataclasses import replace
from functools import lru_cache

from anthrofs.config import Config, Credentials, Service, without_user
from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.model import Workspace
from anthrofs.store import neighbours
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.transaction import Tx

log = logging.getLogger(__name__)


class Match(enum.Enum):
    """Whether a service's files are those of this state, as far as is known before, or after, the service was asked."""

    NEW = enum.auto()       # this state has never seen a service
    SAME = enum.auto()
    OTHER = enum.auto()
    UNSURE = enum.auto()    # another key or address: only the server can tell whose it is


def match(tx: Tx, service: Service, named: Workspace | None) -> Match:
    """Compares with what the state remembers. `named` is what the server's headers say; None where it was not asked
    yet.
    """
    known_url = tx.get_meta("base_url")
    if known_url is None:
        return Match.NEW
    # Another address can lead to the same workspace (a gateway, a moved port): the ids tell, where there are any.
    # It may have been remembered with a password in it.
    same_key = without_user(known_url) == service.base_url and tx.get_meta("key_hash") == _key_hash(service, known_url)
    if named is None:
        return Match.SAME if same_key else Match.UNSURE
    if tx.get_meta("scope_id") != service.scope_id:
        return Match.OTHER
    known = Workspace(tx.get_meta("organization_id"), tx.get_meta("workspace_id"))
    if named.workspace_id and known.workspace_id:
        return Match.SAME if named == known else Match.OTHER
    if named.organization_id and known.organization_id and named.organization_id != known.organization_id:
        return Match.OTHER
    return Match.SAME if same_key else Match.OTHER


def is_the_ignored_one(tx: Tx, service: Service) -> bool:
    """Whether the state is of the workspace that ANTHROPIC_WORKSPACE_ID names, and was perhaps filled when that was
    sent with a key, too.
    """
    ignored = service.ignored_workspace_id
    if ignored is None or service.workspace_id is not None:
        return False
    named = replace(service, workspace_id=ignored)
    if tx.get_meta("workspace_id") == ignored:
        return True
    return tx.get_meta("key_hash") == _key_hash(named, tx.get_meta("base_url") or service.base_url)


def identify(db: Database, mirror: Mirror, config: Config, named: Workspace) -> bool:
    """Sees whose files the service's are, before any of them is believed. Returns whether they are another workspace's
    than before: the tree is empty now.

    Raises SetupError for another workspace's while files for the old one are unsent here, or where nobody has asked for
    another.
    """
    service = config.service
    with db.transaction(durable=True) as tx:
        found = match(tx, service, named)
        if found is Match.OTHER and is_the_ignored_one(tx, service):
            raise _ignored(config)
        if found is Match.OTHER:
            unsent = len(tx.nodes.unsent())
            if unsent:
                raise SetupError(f"The state in {config.state_dir} belongs to another workspace and holds {unsent} "
                                 "files that were not sent to it. Mount that one again to send them, or use --profile "
                                 "or --state-dir for this one.", EXIT_USAGE)
            log.warning("the key belongs to another workspace than before: the index begins anew")
            mirror.forget_server(tx)
            tx.uploads.forget_all()
            tx.deletions.forget_all()
            tx.shares.forget_all()
            forget(tx)
        remember(tx, service, named)
        line = _line(tx)
    neighbours.declare(config.state_dir, line)
    return found is Match.OTHER


def _line(tx: Tx) -> str:
    """The same of all states of one workspace; of all with one key, where the service doesn't name the workspace."""
    names = ("base_url", "organization_id", "workspace_id") if tx.get_meta("workspace_id") else ("base_url", "key_hash")
    return json.dumps({name: tx.get_meta(name) for name in names})


def _ignored(config: Config) -> SetupError:
    ignored = config.service.ignored_workspace_id
    return SetupError(
        f"The state in {config.state_dir} is of the workspace {ignored}, which ANTHROPIC_WORKSPACE_ID names; with a "
        "key or token that variable isn't used (the official SDKs ignore it, too), so another workspace would be "
        f"shown. To go on with this one, mount with --workspace {ignored} --state-dir {config.state_dir}; for the "
        "key's own, unset the variable and choose another state with --profile or --state-dir.", EXIT_USAGE)


def remember(tx: Tx, service: Service, named: Workspace) -> None:
    """This state is that workspace's from now on. Ids that the server doesn't name stay as they were."""
    tx.set_meta("base_url", service.base_url)
    tx.set_meta("key_hash", _key_hash(service, service.base_url))
    tx.set_meta("scope_id", service.scope_id)
    if named.organization_id:
        tx.set_meta("organization_id", named.organization_id)
    if named.workspace_id:
        tx.set_meta("workspace_id", named.workspace_id)


def forget(tx: Tx) -> None:
    """Empties the facts before the state becomes another workspace's. Listings go on being counted: rows remember the
    number that showed them.
    """
    for name in ("base_url", "key_hash", "organization_id", "workspace_id", "scope_id", "watermark", "listed_ns",
                 "one_page", "swept_ns", "sweep", "unordered", "unreadable"):
        tx.set_meta(name, None)


@lru_cache(maxsize=4)
def _key_hash(service: Service, base_url: str) -> str:
    """Hashes the key (of a profile: whose it is, for its token changes each hour) and the workspace or session that it
    was used for. The address is the salt, so that equal hashes tell nothing elsewhere.
    """
    who = service.credentials
    key = (who.value if isinstance(who, Credentials)
           else "\n".join(["profile", who.name, who.organization_id or "", who.workspace_id or ""]))
    text = "\n".join([base_url, key, service.workspace_id or "", *([service.scope_id] if service.scope_id else [])])
    return hashlib.scrypt(text.encode(), salt=b"anthrofs", n=2**12, r=8, p=1, dklen=16).hex()
