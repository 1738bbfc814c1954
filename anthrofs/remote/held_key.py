"""The key of a mount, as long as the mount lives: read again where it was read, when the service refuses it.

Owns    the key in memory, and the last one that served.
Trusts  a key that was read again to be anybody's: it is `strange` until an answer has shown whose it is.
Never   holds its lock while a source is read, reads one more often than it takes to notice a change, or logs a key.
"""

import logging
import threading
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Final

from anthrofs.clock import Clock
from anthrofs.config import Credentials, KeySource
from anthrofs.errors import SetupError
from anthrofs.remote.identity import Token
from anthrofs.remote.key_sources import COMMAND_S, read_key

log = logging.getLogger(__name__)

AGAIN_S: Final = 30.0           # between two readings of a source that costs something: a command, a keyring
CHEAP: Final = ("file", "credential")
TURN_S: Final = COMMAND_S + 10.0        # the longest that one waits for another's reading


class HeldKey:
    """The key of one mount, with the source that it can be read from again."""

    is_login: Final = False

    def __init__(self, credentials: Credentials, source: KeySource, clock: Clock, environ: Mapping[str, str]) -> None:
        """`environ`: as it was when the process began."""
        self._header = credentials.header.lower()   # constant
        self._source = source                       # constant
        self._clock = clock                         # given
        self._environ = dict(environ)               # constant
        self._first = credentials.value             # constant

        self._turn = threading.Condition()          # guards everything below; a leaf
        self._token = Token(credentials.value, None)
        self._good = self._token                    # the last that was known to be of this workspace
        self._reading = False
        self._read_s = float("-inf")                # when it was read last

    def token(self) -> Token:
        """The key for the next request."""
        with self._turn:
            return self._token

    def sign(self, headers: MutableMapping[str, str], token: Token) -> None:
        """Put it into a request."""
        headers[self._header] = token.value

    def rejected(self, token: Token) -> bool:
        """The service doesn't take it (any more). True: `token` gives another one now."""
        other = self._again(token, forced=self._source.kind in CHEAP)
        if other:
            log.info("the service refuses a key; the %s has another one, which is used from now on", self._source.said)
        return other

    def read_again(self) -> None:
        """A person says that there is another one."""
        before = self.token()
        if self._source.kind == "environment":
            log.warning("the %s doesn't change while a program runs: mount again for another key", self._source.said)
        elif self._again(before, forced=True):
            log.info("the key was read again: the %s has another one", self._source.said)
        else:
            log.info("the key is the same as before")

    def known(self, token: Token) -> None:
        """An answer has shown that this one is of the mount's workspace."""
        with self._turn:
            if self._token.value == token.value:
                self._good = self._token = replace(self._token, strange=False)

    def disowned(self, token: Token) -> bool:
        """An answer has shown that this one is somebody else's: the one before is asked with, until there is a third.
        False: it is the start's, behind which a gateway may have several workspaces.
        """
        if token.value == self._first:
            return False
        with self._turn:
            if self._token.value == token.value:
                self._token = self._good
        return True

    def _again(self, token: Token, *, forced: bool) -> bool:
        until_s = self._clock.now_s() + TURN_S
        with self._turn:
            while self._reading and self._clock.now_s() < until_s:
                self._clock.wait(self._turn, until_s - self._clock.now_s())
            if self._token.value != token.value:
                return True
            now_s = self._clock.now_s()
            if self._reading or self._source.kind == "environment" or not (forced or now_s - self._read_s >= AGAIN_S):
                return False
            self._reading = True
        found: Credentials | None = None
        try:
            found = read_key(self._source, self._environ, self._clock)
        except SetupError as exc:
            log.warning("the key could not be read again: %s", exc)
        finally:
            with self._turn:
                self._reading, self._read_s = False, self._clock.now_s()
                other = found is not None and found.value != self._token.value
                if found is not None and other:
                    self._token = (self._good if found.value == self._good.value
                                   else Token(found.value, None, strange=True))
                self._turn.notify_all()
        return other
