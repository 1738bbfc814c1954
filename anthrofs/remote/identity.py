"""The identity of whoever asks, and of those whose files the answers show.

Owns    the workspace as the answers' headers name it.
Trusts  a key to stay its owner's. A login's token may become another workspace's while the mount lives: such an answer
        is an error, and before a token that somebody else has put there changes anything, a listing shows whose it is.
Never   shows a key or a token.
"""

import threading
from collections.abc import Callable, Mapping, MutableMapping
from typing import Final

from anthrofs.errors import AuthFailed, RemoteError
from anthrofs.model import Workspace
from anthrofs.remote.grants import BETA
from anthrofs.remote.login import Login, Token

OTHER: Final = ("the login is another organization's or workspace's than when this was mounted: nothing is sent there. "
                "Log in to the former one, or unmount and mount again")


class Identity:
    """The identity of one mount: a login's, or that of the headers which every request has."""

    def __init__(self, login: Login | None = None) -> None:
        self._login = login                     # given

        self._lock = threading.Lock()           # guards the following; a leaf
        self._workspace = Workspace(None, None)

    def workspace(self) -> Workspace:
        """As the last answer named it."""
        with self._lock:
            return self._workspace

    def sign(self, headers: MutableMapping[str, str], *, changing: bool, look: Callable[[], object]) -> Token | None:
        """Put the token there, if a login says who asks. `look` asks for a listing. Raises RemoteError; then nothing
        was sent.
        """
        if self._login is None:
            return None
        token = self._login.token()
        if token.strange and changing:
            try:
                look()
            except RemoteError as exc:
                exc.maybe_stored = False
                raise
            token = self._login.token()
        headers["authorization"] = f"Bearer {token.value}"
        flags = [flag.strip() for flag in headers.get("anthropic-beta", "").split(",") if flag.strip()]
        headers["anthropic-beta"] = ",".join([*flags, *([] if BETA in flags else [BETA])])
        return token

    def answered(self, headers: Mapping[str, str], token: Token | None, *, well: bool) -> None:
        """Learn from an answer whose it is. Raises AuthFailed where it is another workspace's than before."""
        named = Workspace(headers.get("anthropic-organization-id"), headers.get("anthropic-workspace-id"))
        with self._lock:
            known = self._workspace
            other = any(one and now and one != now for one, now in ((known.organization_id, named.organization_id),
                                                                     (known.workspace_id, named.workspace_id)))
            if token is None or not other:
                self._workspace = Workspace(named.organization_id or known.organization_id,
                                            named.workspace_id or known.workspace_id)
        if token is None or self._login is None:
            return
        if other:
            raise AuthFailed(OTHER, maybe_stored=well)
        if token.strange and well:
            self._login.known(token)

    def rejected(self, token: Token) -> bool:
        """The service doesn't take it. True: there is another one now."""
        return self._login is not None and self._login.rejected(token)
