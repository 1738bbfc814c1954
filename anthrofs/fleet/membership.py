"""The workspace that a mount is in with others, once the service has named it, and this mount's name among those.

Owns    the scope, set when a first answer of the service has been recognized.
Never   lets two workspaces, or two services, meet: every name in the store and on the board begins with the scope.
"""

import hashlib
import secrets
import threading
from dataclasses import dataclass
from functools import lru_cache

from anthrofs.config import Credentials, Service
from anthrofs.model import Workspace


@dataclass(frozen=True, slots=True)
class Scope:
    """A workspace as all its mounts name it."""

    organization: str           # the budget is one's
    workspace: str              # its files are one's

    @property
    def text(self) -> str:
        """The whole name."""
        return f"{self.organization}/{self.workspace}"


def scope_of(named: Workspace, service: Service) -> Scope:
    """Returns the scope of what answers have named. Where a server sends no ids, a hash of address and key stands for
    them: two local servers with one key must not meet, nor two keys on one server. An agent session's files are a
    listing of their own.
    """
    organization = named.organization_id or _unnamed(service)
    workspace = named.workspace_id or _unnamed(service)
    return Scope(organization, f"{workspace}/{service.scope_id}" if service.scope_id else workspace)


@lru_cache(1)       # it takes 20 ms, to make guesses dear, and is asked for with each answer
def _unnamed(service: Service) -> str:
    who = service.credentials
    key = who.value if isinstance(who, Credentials) else f"profile {who.name}"
    return "unnamed-" + hashlib.scrypt(f"{service.base_url}\n{key}".encode(), salt=b"anthrofs fleet", n=2**12, r=8, p=1,
                                       dklen=12).hex()


class Membership:
    """One mount's."""

    def __init__(self, service: Service, label: str) -> None:
        """`label`: what people call this mount, `host:directory`; shown to the others of the fleet."""
        self._service = service             # given
        self.label = label                  # constant
        self.member = secrets.token_hex(8)  # constant: of this mount's process, among the others

        self._lock = threading.Lock()       # guards the following; a leaf
        self._scope: Scope | None = None
        self._named: Workspace | None = None    # as the answer named it that the scope is of

    def join(self, named: Workspace) -> None:
        """The service has answered, for this workspace."""
        if self.scope is not None and self.is_of(named):
            return
        scope = scope_of(named, self._service)
        with self._lock:
            self._scope, self._named = scope, named

    def is_of(self, named: Workspace) -> bool:
        """Whether an answer is of the workspace that this mount is in with others."""
        with self._lock:
            return self._named == named

    @property
    def scope(self) -> Scope | None:
        """The scope; None: no answer has named it yet, so nothing of the board's or the store's is asked for."""
        with self._lock:
            return self._scope

    def is_in(self, named: Workspace) -> bool:
        """Whether an answer is of this mount's workspace."""
        return scope_of(named, self._service) == self.scope
