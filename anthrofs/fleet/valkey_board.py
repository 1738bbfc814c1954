"""A board in Valkey or Redis.

Owns    the connections to it, and its rests after failures.
Trusts  nothing that it answers: what makes no sense is a failure like silence.
Never   waits longer than TIMEOUT_S for an answer (but for `announced`, which is asked to wait), tries a call twice,
        writes a key that has no time to live, names one without its workspace, or repeats a password.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import valkey
from valkey.backoff import NoBackoff
from valkey.exceptions import ValkeyError
from valkey.retry import Retry

from anthrofs.clock import Clock
from anthrofs.config import Fleet
from anthrofs.errors import BoardAway
from anthrofs.fleet import scripts
from anthrofs.fleet.board import (
    BURST,
    GRACE_S,
    HERE_S,
    INTENT_S,
    LOOK_S,
    NEWS_S,
    SECONDS,
    TENTH,
    YOUNG_S,
    Announcement,
    Ask,
    Moment,
    Note,
    Spent,
    Turn,
)
from anthrofs.fleet.membership import Membership, Scope
from anthrofs.fleet.rest import Away, Rest
from anthrofs.remote.budget import WINDOW_S
from anthrofs.remote.words import tame

TIMEOUT_S: Final = 0.5
PORT: Final = 6379

Found = TypeVar("Found")
Value = str | bytes | int


class ValkeyBoard:
    """See Board. Threadsafe: each call takes a connection of its own from a pool."""

    def __init__(self, fleet: Fleet, membership: Membership, clock: Clock) -> None:
        """The fleet has a board. Asks nothing yet."""
        assert fleet.board_url is not None
        parts = urlsplit(fleet.board_url)
        secure = parts.scheme in ("valkeys", "rediss")
        self._membership = membership                               # given
        self._member = membership.member                            # constant
        self._password = fleet.board_password                       # constant
        self._rest = Rest(f"the board {fleet.board_url}", BoardAway, clock)     # constant

        def client(answer_s: float) -> valkey.Valkey:
            return valkey.Valkey(
                parts.hostname or "", parts.port or PORT, int(parts.path.strip("/") or 0), fleet.board_password,
                username=fleet.board_user, socket_timeout=answer_s, socket_connect_timeout=TIMEOUT_S,
                retry=Retry(NoBackoff(), 0), lib_name=None, lib_version=None, ssl=secure, ssl_check_hostname=secure)

        self._client = client(TIMEOUT_S)                            # constant
        self._client_of = client                                    # constant
        self._scripts = {text: self._client.register_script(text) for text in (
            scripts.TAKE, scripts.TELL, scripts.MINUTES, scripts.BLOCK, scripts.PAGE, scripts.PUT_PAGE, scripts.LEASE,
            scripts.RELEASE, scripts.ANNOUNCE, scripts.WRITE, scripts.READ, scripts.ATTEND)}        # constant

    def away(self) -> Away | None:
        """Whether it rests, for people; None: it answers, or wasn't asked yet."""
        return self._rest.away()

    def close(self) -> None:
        """Nobody asks any more."""
        self._client.close()        # type: ignore[no-untyped-call]

    # ---- the promises, in the order of board.py

    def now(self) -> Moment:
        """See Board."""
        def ask(_: Scope) -> Moment:
            answer: Any = self._client.time()
            seconds, micros = answer
            return Moment(int(seconds) * 10**6 + int(micros))
        return self._ask(ask)

    def take(self, ask: Ask) -> Turn:
        """See Board."""
        def call(scope: Scope) -> Turn:
            keys = [_org(scope, name) for name in ("window", "young", "mounts", "queue", "until")]
            wait, left, mounts, epoch = self._run(scripts.TAKE, keys, [
                *self._spent(ask.spent), ask.number, ask.most, ask.keep, ask.own, BURST, TENTH, _micros(LOOK_S),
                _micros(GRACE_S)])
            return Turn(_seconds(wait), int(left), int(mounts), bytes(epoch).decode())
        return self._ask(call)

    def tell(self, spent: Sequence[Spent]) -> tuple[str, int]:
        """See Board."""
        def call(scope: Scope) -> tuple[str, int]:
            keys = [_org(scope, name) for name in ("window", "young", "mounts")]
            epoch, mounts = self._run(scripts.TELL, keys, self._spent(spent))
            return bytes(epoch).decode(), int(mounts)
        return self._ask(call)

    def block(self, seconds: float) -> None:
        """See Board."""
        self._ask(lambda scope: self._run(scripts.BLOCK, [_org(scope, "until")], [_millis(seconds)]))

    def minutes(self) -> list[int]:
        """See Board."""
        return self._ask(lambda scope: [int(each) for each in self._run(scripts.MINUTES, [_org(scope, "window")],
                                                                        [SECONDS])])

    def page(self, name: str) -> Note | None:
        """See Board."""
        def call(scope: Scope) -> Note | None:
            found = self._run(scripts.PAGE, [_key(scope, f"page:{name}")], [])
            return None if found is None else Note(bytes(found[1]), _seconds(found[0]))
        return self._ask(call)

    def put_page(self, name: str, body: bytes, asked: Moment, ttl_s: float) -> None:
        """See Board."""
        self._ask(lambda scope: self._run(scripts.PUT_PAGE, [_key(scope, f"page:{name}")],
                                          [int(asked), body, _millis(ttl_s)]))

    def lease(self, name: str, ttl_s: float) -> bool:
        """See Board."""
        return self._ask(lambda scope: bool(self._run(scripts.LEASE, [_key(scope, f"lease:{name}")],
                                                      [self._member, _millis(ttl_s)])))

    def release(self, name: str) -> None:
        """See Board."""
        self._ask(lambda scope: self._run(scripts.RELEASE, [_key(scope, f"lease:{name}")], [self._member]))

    def announce(self, body: bytes) -> None:
        """See Board."""
        self._ask(lambda scope: self._run(scripts.ANNOUNCE, [_key(scope, "news")], [body, _micros(NEWS_S)]))

    def announced(self, after: str | None, wait_s: float) -> list[Announcement]:
        """See Board."""
        def call(scope: Scope) -> list[Announcement]:
            key = _key(scope, "news")
            # A connection of this call's: it may wait as long as it is asked to, and its thread alone uses it.
            with self._client_of(wait_s + TIMEOUT_S) as patient:
                found: Any = patient.xread({key: after or "0"}, block=_millis(wait_s) if wait_s > 0 else None)
            return [Announcement(bytes(number).decode(), bytes(entry[b"body"]))
                    for _, entries in found for number, entry in entries]
        return self._ask(call)

    def intend(self, about: str, name: str, body: bytes) -> None:
        """See Board."""
        self._ask(lambda scope: self._run(scripts.WRITE, [_key(scope, f"intents:{about}")],
                                          [f"{self._member}:{name}", body, _micros(INTENT_S)]))

    def settle(self, about: str, name: str) -> None:
        """See Board."""
        self._ask(lambda scope: self._client.hdel(_key(scope, f"intents:{about}"), f"{self._member}:{name}"))

    def intents(self, about: str) -> dict[str, Note]:
        """See Board."""
        return self._ask(lambda scope: _notes(self._run(scripts.READ, [_key(scope, f"intents:{about}")],
                                                        [_micros(INTENT_S)])))

    def attend(self, body: bytes) -> int:
        """See Board."""
        return self._ask(lambda scope: int(self._run(scripts.ATTEND, [_key(scope, "roll"), _org(scope, "mounts")],
                                                     [self._member, body, _micros(HERE_S)])))

    def roll(self) -> dict[str, Note]:
        """See Board."""
        return self._ask(lambda scope: _notes(self._run(scripts.READ, [_key(scope, "roll")], [_micros(HERE_S)])))

    def leave(self) -> None:
        """See Board."""
        def call(scope: Scope) -> None:
            with self._client.pipeline(transaction=False) as one:
                one.hdel(_key(scope, "roll"), self._member)
                one.zrem(_org(scope, "mounts"), self._member)
                one.execute()       # type: ignore[no-untyped-call]
        self._ask(call)

    # ---- the exchange

    def _ask(self, call: Callable[[Scope], Found]) -> Found:
        scope = self._membership.scope
        if scope is None:
            raise BoardAway("the workspace isn't known yet")

        def asked() -> Found:
            try:
                return call(scope)
            except (ValkeyError, OSError) as exc:
                raise BoardAway(self._words_of(exc)) from None
            except (ValueError, TypeError, LookupError) as exc:
                raise BoardAway(f"what it answers makes no sense ({type(exc).__name__})") from None
        return self._rest.ask(asked)

    def _words_of(self, exc: Exception) -> str:
        """One line, bounded; a server may repeat what it was sent."""
        return tame((str(exc) or type(exc).__name__).replace(self._password or "\0", "[secret]"))

    def _run(self, text: str, keys: list[str], arguments: Sequence[Value]) -> Any:
        return self._scripts[text](keys, arguments)

    def _spent(self, spent: Sequence[Spent]) -> list[Value]:
        return [self._member, _micros(WINDOW_S), _micros(YOUNG_S), _micros(HERE_S), len(spent),
                *(value for each in spent for value in (each.number, _micros(each.age_s)))]


def _key(scope: Scope, name: str) -> str:
    return f"anthrofs:1:{{{scope.text}}}:{name}"


def _org(scope: Scope, name: str) -> str:
    return f"anthrofs:1:{{{scope.organization}}}:budget:{name}"


def _notes(flat: Any) -> dict[str, Note]:
    parts = iter(flat)
    return {bytes(field).decode(): Note(bytes(body), _seconds(age)) for field, age, body in zip(parts, parts, parts,
                                                                                              strict=True)}


def _micros(seconds: float) -> int:
    return round(seconds * 10**6)


def _millis(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _seconds(micros: Any) -> float:
    return max(0.0, int(micros) / 10**6)
