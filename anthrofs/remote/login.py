"""The token of a profile, as long as the mount lives: read again when its file changes, renewed before its end.

Owns    the token in memory; shares its file with the SDKs, `ant` and other mounts: written whole, one mount at a time.
Trusts  the file over what it remembers: whoever wrote it last knows best. But a token that somebody else put there may
        be another workspace's: it is `strange` until http has seen whose it is.
Never   holds its lock while it reads a file or asks for a token, logs a token, or quotes the answer of the token's
        source.
"""

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from anthrofs.clock import Clock
from anthrofs.config import Federation, Profile
from anthrofs.errors import AuthFailed, NoAnswer, RemoteError, SetupError
from anthrofs.remote.grants import BETA, FEDERATION_BETA, RELOGIN, federation_asked, grant_of, refresh_asked, sendable
from anthrofs.remote.identity import Stamp, Token
from anthrofs.remote.profiles import credentials_in, load, write_credentials

log = logging.getLogger(__name__)

RENEW_S: Final = 120.0          # before its end a token is renewed, while it still serves
LAST_S: Final = 30.0            # before its end it isn't used any more
AGAIN_S: Final = 5.0            # between two tries to renew
FORCED_S: Final = 30.0          # between two renewals that a 401 asks for: what was just renewed isn't at fault
TURN_S: Final = 40.0            # the longest that one renewal waits for another, here or in another mount
POLL_S: Final = 0.1

# (URL, JSON object, betas) to (status, body). Raises RemoteError
Exchange = Callable[[str, Mapping[str, str], str], tuple[int, bytes]]
class Login:
    """The login of one mount."""

    is_login: Final = True

    def __init__(self, profile: Profile, exchange: Exchange, clock: Clock,
                 environ: Mapping[str, str] = os.environ) -> None:
        self._exchange = exchange               # given
        self._clock = clock                     # given
        self._environ = dict(environ)           # constant: as it was at the start
        self._first = profile                   # constant

        self._turn = threading.Condition()      # guards everything below; a leaf
        self._profile = profile
        self._config_stamp = _stamp(profile.config_path)
        self._token: Token | None = None
        self._renewing = False
        self._failed_s = float("-inf")          # when a renewal failed
        self._failure: RemoteError | None = None        # and how
        self._forced_s = float("-inf")          # when a 401 made one

    def token(self) -> Token:
        """The token for the next request. Raises RemoteError when there is none."""
        until_s = self._clock.now_s() + TURN_S
        while True:
            profile, held = self._read()
            left_s = self._left_s(held)
            if held is not None and (left_s > RENEW_S or not profile.renewable):
                return held         # an old one of somebody else's file, too: our clock may be wrong, so let the
                                    # service say it
            with self._turn:
                now_s = self._clock.now_s()
                if held is not None and left_s > LAST_S and (self._renewing or now_s - self._failed_s < AGAIN_S):
                    return held
                if self._failure is not None and now_s - self._failed_s < AGAIN_S and not self._renewing:
                    # its source isn't asked for each request anew
                    raise type(self._failure)(str(self._failure), maybe_stored=False)
                if self._renewing:
                    if now_s >= until_s:
                        raise NoAnswer(f"the {profile.said} got no new token in time", maybe_stored=False)
                    self._clock.wait(self._turn, until_s - now_s)
                    continue
                self._renewing = True
            try:
                return self._renewed(profile, held)
            except RemoteError as exc:
                with self._turn:
                    self._failed_s, self._failure = self._clock.now_s(), exc
                if held is None or left_s <= LAST_S:
                    raise
                log.warning("%s", exc)
                return held
            finally:
                with self._turn:
                    self._renewing = False
                    self._turn.notify_all()

    def rejected(self, token: Token) -> bool:
        """The service doesn't take it (any more). True: `token` gives another one now."""
        try:
            profile, held = self._read()
            if held is not None and held.value != token.value:
                return True
            with self._turn:
                now_s = self._clock.now_s()
                if not profile.renewable or now_s - self._forced_s < FORCED_S:
                    return False
                self._forced_s = now_s
                if self._token is not None and self._token.value == token.value:
                    self._token = replace(self._token, ends_s=0.0)      # whoever comes first renews it
            return self.token().value != token.value
        except RemoteError as exc:
            log.warning("%s", exc)
            return False

    def known(self, token: Token) -> None:
        """A listing has shown whose this token is."""
        with self._turn:
            if self._token is not None and self._token.value == token.value:
                self._token = replace(self._token, strange=False)

    def sign(self, headers: MutableMapping[str, str], token: Token) -> None:
        """Put it into a request."""
        headers["authorization"] = f"Bearer {token.value}"
        flags = [flag.strip() for flag in headers.get("anthropic-beta", "").split(",") if flag.strip()]
        headers["anthropic-beta"] = ",".join([*flags, *([] if BETA in flags else [BETA])])

    def read_again(self) -> None:
        """A person says that there is another one: its file is looked at before each request anyway."""

    def disowned(self, token: Token) -> bool:       # noqa: ARG002 - of any
        """Somebody else's token is in the file: until that changes, each answer says so."""
        return True

    def _left_s(self, token: Token | None) -> float:
        if token is None:
            return float("-inf")
        return float("inf") if token.ends_s is None else token.ends_s - self._clock.time_ns() / 1e9

    # ---- the files

    def _read(self) -> tuple[Profile, Token | None]:
        """The profile, and the token that is held, or the file's if that has changed. Raises AuthFailed."""
        profile = self._checked()
        path = profile.credentials_path
        stamp = _stamp(path)
        with self._turn:
            held = self._token
        if path is None or (held is not None and (stamp is None or stamp == held.stamp)):
            return profile, held    # a file that is gone for a moment takes nothing away
        if profile.federation is not None and stamp is None:
            return profile, None    # there it is only a copy for other programs
        found = _token_in(self._credentials(path), stamp)
        with self._turn:
            before = self._token
            if before is not None and before.value == found.value:
                # Its end is what we know, if the service has said that it is over already.
                found = replace(found, strange=before.strange, ends_s=before.ends_s if before.ends_s == 0.0
                                else found.ends_s)
            else:
                found = replace(found, strange=before is not None)
            self._token = found
        return profile, found

    def _checked(self) -> Profile:
        """The profile as its file has it now: it may be changed, but not to somebody else's. Raises AuthFailed."""
        path = self._first.config_path
        stamp = _stamp(path)
        with self._turn:
            if path is None or stamp is None or stamp == self._config_stamp:
                return self._profile
        try:
            found = load(self._environ, self._first.name)
        except SetupError as exc:
            raise AuthFailed(str(exc), maybe_stored=False) from exc
        first = self._first
        if ((found.base_url, found.organization_id, found.workspace_id)
                != (first.base_url, first.organization_id, first.workspace_id)):
            raise AuthFailed(f"the {first.said} is of another service, organization or workspace than when this was "
                             "mounted: nothing is sent there. Log in to the former one, or unmount and mount again",
                             maybe_stored=False)
        with self._turn:
            self._profile, self._config_stamp = found, stamp
        return found

    def _credentials(self, path: Path) -> dict[str, Any]:
        try:
            return credentials_in(path)
        except SetupError as exc:
            raise AuthFailed(str(exc), maybe_stored=False) from exc

    @contextlib.contextmanager
    def _alone(self, path: Path | None) -> Iterator[None]:
        """One mount at a time renews a login: a refresh token serves once. (Its directory is locked, so no file is left
        there.)
        """
        if path is None:
            yield
            return
        descriptor = None
        with contextlib.suppress(OSError):      # a directory that isn't there yet, or a file system without locks
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            until_s = self._clock.now_s() + TURN_S
            while descriptor is not None and self._clock.now_s() < until_s:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self._clock.sleep(threading.Event(), POLL_S)
                except OSError:
                    break
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    # ---- a new one

    def _renewed(self, profile: Profile, held: Token | None) -> Token:
        """From its source. Raises RemoteError. One thread at a time."""
        path, federation = profile.credentials_path, profile.federation
        with self._alone(path):
            _, found = self._read()
            if found is not None and (held is None or found.value != held.value) and self._left_s(found) > RENEW_S:
                return found            # another mount, or program, was first
            kept: dict[str, Any] = {}
            if path is not None and (federation is None or path.exists()):
                kept = self._credentials(path)
            if held is not None and held.refresh is not None and held.stamp == _stamp(path):
                kept = {**kept, "refresh_token": held.refresh}
            if federation is None:
                asked, betas = refresh_asked(profile, kept), BETA
            else:
                asked, betas = federation_asked(federation, _assertion(federation)), f"{BETA},{FEDERATION_BETA}"
            answer = self._exchange(profile.token_url, asked, betas)
            try:
                grant = grant_of(profile, *answer, self._clock.time_ns() / 1e9)
            except AuthFailed:
                if (path is None or federation is not None
                        or self._credentials(path).get("refresh_token") == kept.get("refresh_token")):
                    raise
                _, found = self._read()         # it was used up by somebody who has written a new one
                if found is None:
                    raise
                return found
            token = Token(grant.value, grant.ends_s)
            if path is not None:
                news = {"version": "1.0", "type": "oauth_token", "access_token": grant.value,
                        "expires_at": int(grant.ends_s)}
                refresh = grant.refresh or kept.get("refresh_token")
                written = self._write(path, {**kept, **news, **({"refresh_token": refresh} if refresh else {})})
                token = replace(token, stamp=_stamp(path), refresh=None if written else refresh)
            with self._turn:
                self._token = token
            log.info("the %s has a new token", profile.said)
            return token

    def _write(self, path: Path, what: Mapping[str, Any]) -> bool:
        """Writes the token down. False: that can't be done, and the token is still good as long as the mount lives."""
        try:
            write_credentials(path, what)
            return True
        except OSError as exc:
            words = ("the renewed login could not be written to %s (%s): this mount goes on with it; whoever comes "
                     "next has to %s")
            log.error(words, path, exc.strerror, RELOGIN)       # noqa: TRY400 - no bug
            return False


def _assertion(federation: Federation) -> str:
    """Raises AuthFailed."""
    if federation.token_path is None:
        return federation.token or ""
    try:
        return federation.token_path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as exc:
        words = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise AuthFailed(f"the identity token {federation.token_path} can't be read: {words}",
                         maybe_stored=False) from None


def _stamp(path: Path | None) -> Stamp | None:
    if path is None:
        return None
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def _token_in(found: Mapping[str, Any], stamp: Stamp | None) -> Token:
    """Raises AuthFailed for an end that is no number."""
    ends = found.get("expires_at")
    if not sendable(found["access_token"]):
        raise AuthFailed(f"the login's token has characters that no token has: {RELOGIN}", maybe_stored=False)
    try:
        return Token(found["access_token"], None if ends is None else float(int(ends)), stamp)
    except (TypeError, ValueError, OverflowError):
        raise AuthFailed(f"the login's expires_at is no number of seconds since 1970: {RELOGIN}",
                         maybe_stored=False) from None
