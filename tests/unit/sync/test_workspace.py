"""Whose files a state mirrors: by the workspace that the service names, else by address and key; and no key is written
down.
"""

from pathlib import Path
from typing import Final

import pytest

from anthrofs.config import Credentials, Service
from anthrofs.model import Workspace
from anthrofs.sync import workspace
from anthrofs.sync.workspace import Match
from anthrofs.tree.database import Database


def service(key: str = "key", url: str = "http://one", workspace_id: str | None = None) -> Service:
    return Service(url, Credentials("x-api-key", key), workspace_id)


ORG: Final = Workspace("org", None)
WORK: Final = Workspace("org", "wrkspc")
SILENT: Final = Workspace(None, None)


@pytest.mark.parametrize(("before", "who", "named", "expected"), [
    # before the server was asked
    (WORK, service(), None, Match.SAME), (SILENT, service(), None, Match.SAME), (WORK, service("new key"), None, Match.UNSURE),
    (WORK, service(url="http://two"), None, Match.UNSURE), (WORK, service(workspace_id="other"), None, Match.UNSURE),
    # where it names the workspace, that alone counts
    (WORK, service(), WORK, Match.SAME), (WORK, service("new key"), WORK, Match.SAME), (WORK, service(url="http://two"), WORK, Match.SAME),
    (WORK, service(), Workspace("org", "other"), Match.OTHER), (WORK, service("new key"), Workspace("other", "other"), Match.OTHER),
    # an organization alone can only tell apart
    (ORG, service(), ORG, Match.SAME), (ORG, service("new key"), ORG, Match.OTHER), (ORG, service(), Workspace("other", None), Match.OTHER),
    (ORG, service(), WORK, Match.SAME), (WORK, service(), ORG, Match.SAME), (WORK, service("new key"), ORG, Match.OTHER),
    # where it names nothing, the key and the address do
    (SILENT, service(), SILENT, Match.SAME), (SILENT, service("new key"), SILENT, Match.OTHER),
    (SILENT, service(url="http://two"), SILENT, Match.OTHER), (WORK, service(), SILENT, Match.SAME), (SILENT, service(), WORK, Match.SAME),
])
def test_a_state_knows_its_workspace(db: Database, before: Workspace, who: Service, named: Workspace | None, expected: Match) -> None:
    with db.transaction() as tx:
        assert workspace.match(tx, service(), None) is Match.NEW
        assert workspace.match(tx, service(), WORK) is Match.NEW
        workspace.remember(tx, service(), before)

        assert workspace.match(tx, who, named) is expected

        workspace.forget(tx)
        assert workspace.match(tx, who, named) is Match.NEW


def test_what_a_server_does_not_name_any_more_stays_known(db: Database) -> None:
    with db.transaction() as tx:
        workspace.remember(tx, service(), WORK)
        workspace.remember(tx, service(), SILENT)

        assert workspace.match(tx, service(), Workspace("org", "other")) is Match.OTHER


def test_no_key_is_written_into_the_state(db: Database, tmp_path: Path) -> None:
    with db.transaction(durable=True) as tx:
        workspace.remember(tx, service("sk-secret-key"), WORK)

    assert all(b"sk-secret-key" not in path.read_bytes() for path in tmp_path.iterdir())
