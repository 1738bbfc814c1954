"""The identity of whoever asks, and of those whose files the answers show.

Owns    the workspace as the answers' headers name it.
Trusts  the key of the start. A login's token, and a key that is read again, may be another workspace's: such an answer
        is an error, and before what somebody else has put there changes anything, a listing shows whose it is.
Never   shows a key or a token.
"""

import threading
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from anthrofs.errors import AuthFailed, RemoteError
from anthrofs.model import Workspace

OTHER_LOGIN: Final = ("the login is another organization's or workspace's than when this was mounted: nothing is sent "
                      "there. Log in to the former one, or unmount and mount again")
OTHER_KEY: Final = ("the key that was read again is another organization's or workspace's than when this was mounted: "
                    "nothing is sent there. Put one of the former's there, or unmount and mount again")

Stamp = tuple[int, int, int]    # of a file: what changes when somebody replaces it


@dataclass(frozen=True, slots=True)
class Token:
    """A token or a key that was read, or given."""

    value: str = field(repr=False)
    ends_s: float | None            # since the epoch; None: nobody said
    stamp: Stamp | None = None      # of the file that it was read from, or written to
    strange: bool = False           # not the start's, and not renewed by us: whose it is has to be seen
    refresh: str | None = field(default=None, repr=False)       # what renews it, where the file could not be written


class Holder(Protocol):
    """Whoever has the token, or the key, of the moment: login.py, held_key.py."""

    @property
    def is_login(self) -> bool:
        """Else it is a key."""
        ...

    def token(self) -> Token:
        """Returns the one for the next request. Raises RemoteError when there is none."""
        ...

    def sign(self, headers: MutableMapping[str, str], token: Token) -> None:
        """Put it into a request."""
        ...

    def rejected(self, token: Token) -> bool:
        """The service doesn't take it (any more). True: `token` gives another one now."""
        ...

    def read_again(self) -> None:
        """A person says that there is another one."""
        ...

    def known(self, token: Token) -> None:
        """An answer has shown whose it is: of the mount's workspace."""
        ...

    def disowned(self, token: Token) -> bool:
        """An answer has shown whose it is: another's than before. False: that is no matter, for whose files are shown
        is what this one says.
        """
        ...


class Identity:
    """The identity of one mount: a login's or a key's, or that of the headers which every request has."""

    def __init__(self, holder: Holder | None = None) -> None:
        self._holder = holder                   # given

        self._lock = threading.Lock()           # guards the following; a leaf
        self._workspace = Workspace(None, None)

    def workspace(self) -> Workspace:
        """As the last answer named it."""
        with self._lock:
            return self._workspace

    def sign(self, headers: MutableMapping[str, str], *, changing: bool, look: Callable[[], object]) -> Token | None:
        """Put the token there, if a login or a key says who asks. `look` asks for a listing. Raises RemoteError; then
        nothing was sent.
        """
        if self._holder is None:
            return None
        token = self._holder.token()
        if token.strange and changing:
            try:
                look()
            except RemoteError as exc:
                exc.maybe_stored = False
                raise
            token = self._holder.token()
        self._holder.sign(headers, token)
        return token

    def answered(self, headers: Mapping[str, str], token: Token | None, *, well: bool) -> None:
        """Learn from an answer whose it is. Raises AuthFailed where it is another workspace's than before."""
        named = Workspace(headers.get("anthropic-organization-id"), headers.get("anthropic-workspace-id"))
        with self._lock:
            known = self._workspace
            other = any(one and now and one != now for one, now in ((known.organization_id, named.organization_id),
                                                                     (known.workspace_id, named.workspace_id)))
        if other and token is not None and self._holder is not None and self._holder.disowned(token):
            raise AuthFailed(OTHER_LOGIN if self._holder.is_login else OTHER_KEY, maybe_stored=well)
        with self._lock:
            known = self._workspace         # another answer may have named it meanwhile
            self._workspace = Workspace(named.organization_id or known.organization_id,
                                        named.workspace_id or known.workspace_id)
        if token is not None and self._holder is not None and token.strange and well:
            self._holder.known(token)

    def read_again(self) -> bool:
        """The key is looked up anew. False: nobody holds one that could change."""
        if self._holder is None:
            return False
        self._holder.read_again()
        return True

    def rejected(self, token: Token) -> bool:
        """The service doesn't take it. True: there is another one now."""
        return self._holder is not None and self._holder.rejected(token)
