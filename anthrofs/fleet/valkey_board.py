"""A board in Valkey or Redis.

Owns    the connections to it, and its rests after failures.
Trusts  nothing that it answers: what makes no sense is a failure like silence.
Never   waits longer than TIMEOUT_S for an answer (but for `announced`, which is asked to wait), tries a call twice,
        writes a key that has no time to live, names one without its workspace, or repeats a password.
"""

import socket
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import valkey
from valkey.backoff import NoBackoff
from valkey.connection import Connection, ConnectionPool, SSLConnection
from valkey.exceptions import ResponseError, ValkeyError
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
    NEWS_AT_ONCE,
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
from anthrofs.fleet.dial import Timed, dial
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
            return valkey.Valkey.from_pool(ConnectionPool(
                _Secure if secure else _Plain, host=parts.hostname or "", port=parts.port or PORT,
                db=int(parts.path.strip("/") or 0), username=fleet.board_user, password=fleet.board_password,
                socket_timeout=answer_s, retry=Retry(NoBackoff(), 0), lib_name=None, lib_version=None,
                now_s=clock.now_s, **{"ssl_check_hostname": True} if secure else {}))

        self._client = client(TIMEOUT_S)                            # constant
        self._client_of = client                                    # constant
        self._patient: dict[float, valkey.Valkey] = {}              # by how long they wait; the thread's of `announced`
        self._scripts = {text: self._client.register_script(text) for text in (
            scripts.TAKE, scripts.TELL, scripts.MINUTES, scripts.BLOCK, scripts.PAGE, scripts.PUT_PAGE, scripts.LEASE,
            scripts.RELEASE, scripts.ANNOUNCE, scripts.WRITE, scripts.READ, scripts.ATTEND)}        # constant

    def away(self) -> Away | None:
        """Whether it rests, for people; None: it answers, or wasn't asked yet."""
        return self._rest.away()

    def close(self) -> None:
        """Nobody asks any more."""
        for client in (self._client, *self._patient.values()):
            client.close()      # type: ignore[no-untyped-call]

    # ---- the promises, in the order of board.py

    def now(self) -> Moment:
        """See Board."""
        def ask(_: Scope) -> Moment:
            answer: Any = self._client.time()
            seconds, micros = answer
            return Moment(int(seconds) * 10**6 + int(micros))
        return self._look(ask)

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
        return self._look(lambda scope: [int(each) for each in self._run(scripts.MINUTES, [_org(scope, "window")],
                                                                        [SECONDS])])

    def page(self, name: str) -> Note | None:
        """See Board."""
        def call(scope: Scope) -> Note | None:
            found = self._run(scripts.PAGE, [_key(scope, f"page:{name}")], [])
            return None if found is None else Note(bytes(found[1]), _seconds(found[0]))
        return self._look(call)

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
            patient, block = self._client_for(wait_s), _millis(wait_s) if wait_s > 0 else None
            found: Any = patient.xread({key: after or "0"}, count=NEWS_AT_ONCE, block=block)
            if not found and after is not None and self._began_anew(key, after):
                found = self._client.xread({key: "0"}, count=NEWS_AT_ONCE)
            return [Announcement(bytes(number).decode(), bytes(entry.get(b"body", b"")))      # without: no member's
                    for _, entries in found for number, entry in entries]
        return self._look(call)

    def intend(self, about: str, name: str, body: bytes) -> None:
        """See Board."""
        self._ask(lambda scope: self._run(scripts.WRITE, [_key(scope, f"intents:{about}")],
                                          [f"{self._member}:{name}", body, _micros(INTENT_S)]))

    def settle(self, about: str, name: str) -> None:
        """See Board."""
        self._ask(lambda scope: self._client.hdel(_key(scope, f"intents:{about}"), f"{self._member}:{name}"))

    def intents(self, about: str) -> dict[str, Note]:
        """See Board."""
        return self._look(lambda scope: _notes(self._run(scripts.READ, [_key(scope, f"intents:{about}")],
                                                        [_micros(INTENT_S)])))

    def attend(self, body: bytes) -> int:
        """See Board."""
        return self._ask(lambda scope: int(self._run(scripts.ATTEND, [_key(scope, "roll"), _org(scope, "mounts")],
                                                     [self._member, body, _micros(HERE_S)])))

    def roll(self) -> dict[str, Note]:
        """See Board."""
        return self._look(lambda scope: _notes(self._run(scripts.READ, [_key(scope, "roll")], [_micros(HERE_S)])))

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
        """Calls what changes the board: at the end of a rest one such call finds out whether it answers."""
        scope = self._scope()
        return self._rest.ask(lambda: self._asked(call, scope))

    def _look(self, call: Callable[[Scope], Found]) -> Found:
        """Calls what only reads, which ends no rest: a board may be read that takes nothing, a replica, a full one."""
        scope = self._scope()
        if (away := self._rest.away()) is not None:
            raise BoardAway(f"the board rests: {away.reason}")
        try:
            return self._asked(call, scope)
        except BoardAway as exc:
            self._rest.failed(str(exc), probe=False)
            raise

    def _scope(self) -> Scope:
        scope = self._membership.scope
        if scope is None:
            raise BoardAway("the workspace isn't known yet")
        return scope

    def _asked(self, call: Callable[[Scope], Found], scope: Scope) -> Found:
        try:
            return call(scope)
        except (ValkeyError, OSError) as exc:
            raise BoardAway(self._words_of(exc)) from None
        except (ValueError, TypeError, LookupError) as exc:
            raise BoardAway(f"what it answers makes no sense ({type(exc).__name__})") from None

    def _began_anew(self, stream: str, after: str) -> bool:
        """Whether a stream ends before that number."""
        last: Any = self._client.xrevrange(stream, count=1)
        return bool(last) and _number_of(bytes(last[0][0]).decode()) < _number_of(after)

    def _client_for(self, wait_s: float) -> valkey.Valkey:
        """Returns one whose answers may take so long."""
        if wait_s <= 0:
            return self._client
        if wait_s not in self._patient:
            self._patient[wait_s] = self._client_of(wait_s + TIMEOUT_S)
        return self._patient[wait_s]

    def _words_of(self, exc: Exception) -> str:
        """One line, bounded: the system's words, if it was the connection. A server may repeat what it was sent."""
        below = exc.__context__
        words = (isinstance(below, OSError) and below.strerror) or str(exc) or type(exc).__name__
        return tame(words.replace(self._password or "\0", "[secret]").rstrip("."))

    def _run(self, text: str, keys: list[str], arguments: Sequence[Value]) -> Any:
        try:
            return self._scripts[text](keys, arguments)
        except ResponseError as exc:
            if str(exc).startswith("WRONGTYPE"):        # no member's: it would be in the way for ever
                self._client.delete(*keys)
            raise

    def _spent(self, spent: Sequence[Spent]) -> list[Value]:
        return [self._member, _micros(WINDOW_S), _micros(YOUNG_S), _micros(HERE_S), len(spent),
                *(value for each in spent for value in (each.number, _micros(each.age_s)))]


class _Dialed(Connection):
    """Comes about within TIMEOUT_S, and its answers within its socket_timeout."""

    def __init__(self, *, now_s: Callable[[], float], **rest: Any) -> None:
        super().__init__(**rest)        # type: ignore[no-untyped-call]
        self._now_s = now_s             # given

    def _connect(self) -> socket.socket:
        return dial(self.host, self.port, TIMEOUT_S, self._now_s)

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """See Connection."""
        if isinstance(self._sock, Timed):
            self._sock.begin()
        super().send_packed_command(command, check_health)      # type: ignore[no-untyped-call]

    def _timed(self, sock: socket.socket) -> socket.socket:
        return cast("socket.socket", Timed(sock, float(self.socket_timeout or TIMEOUT_S), self._now_s))


class _Plain(_Dialed):
    def _connect(self) -> socket.socket:
        return self._timed(super()._connect())


class _Secure(SSLConnection, _Dialed):
    def _connect(self) -> socket.socket:
        return self._timed(super()._connect())      # type: ignore[no-untyped-call]


# All names of an organization have one hash tag: a script's keys are in one place of a server that has several.

def _key(scope: Scope, name: str) -> str:
    return f"anthrofs:1:{{{scope.organization}}}/{scope.workspace}:{name}"


def _org(scope: Scope, name: str) -> str:
    return f"anthrofs:1:{{{scope.organization}}}:budget:{name}"


def _notes(flat: Any) -> dict[str, Note]:
    parts = iter(flat)
    return {bytes(field).decode(): Note(bytes(body), _seconds(age)) for field, age, body in zip(parts, parts, parts,
                                                                                              strict=True)}


def _number_of(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("-"))


def _micros(seconds: float) -> int:
    return round(seconds * 10**6)


def _millis(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _seconds(micros: Any) -> float:
    return max(0.0, int(micros) / 10**6)
