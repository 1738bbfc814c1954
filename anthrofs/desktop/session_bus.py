"""A desktop session's bus: one call and its answer, within a bound.

Owns    one connection, which stays: some desktops take a notification away when its sender leaves the bus.
Trusts  nobody at the other end: a bus that accepts and then says nothing costs CALL_S, once for each call.
Never   imports its library (jeepney) before there is something to say.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import socket

    from jeepney import Message, Parser

CALL_S: Final = 3.0
PIECE_BYTES: Final = 4096


def address_of(environ: Mapping[str, str]) -> str | None:
    """The address of the session's bus, as desktops and systemd have it; None: there is no session."""
    address = environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    if address:
        return address if address.startswith("unix:") else None
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    path = Path(runtime, "bus")
    return f"unix:path={path}" if runtime and path.is_socket() else None


class SessionBus:
    """A client of one bus. Used by one thread at a time."""

    def __init__(self, address: str, call_s: float = CALL_S) -> None:
        self._address = address             # constant
        self._call_s = call_s               # constant: for the way there, and for each answer

        self._socket: socket.socket | None = None
        self._parser: Parser | None = None
        self._serial = 0                    # of the last message that was sent

    def call(self, name: str, path: str, method: str, signature: str = "", values: tuple[Any, ...] = ()) -> Any:
        """The answer's values. `method` has its interface before it. Raises OSError: nobody answered in time, or with
        an error.
        """
        try:
            until_s = time.monotonic() + self._call_s
            if self._socket is None:
                self._connect()
            return self._exchange(name, path, method, signature, values, until_s)
        except Exception as exc:            # its library raises whatever a wrong byte brings about
            self.close()
            raise exc if isinstance(exc, OSError) else OSError(f"{type(exc).__name__}: {exc}") from exc

    def close(self) -> None:
        """The next call connects anew."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _connect(self) -> None:
        from jeepney import Parser  # noqa: PLC0415 - see the head
        from jeepney.bus import get_bus  # noqa: PLC0415 - the same
        from jeepney.io.blocking import prep_socket  # noqa: PLC0415 - the same

        self._socket = prep_socket(get_bus(self._address), timeout=self._call_s)
        self._parser, self._serial = Parser(), 0
        bus = "org.freedesktop.DBus"
        self._exchange(bus, "/org/freedesktop/DBus", f"{bus}.Hello", "", (), time.monotonic() + self._call_s)

    def _exchange(self, name: str, path: str, method: str, signature: str, values: tuple[Any, ...],
                  until_s: float) -> Any:
        from jeepney import DBusAddress, MessageType, new_method_call  # noqa: PLC0415 - see the head

        assert self._socket is not None
        self._serial += 1
        interface, _, member = method.rpartition(".")
        call = new_method_call(DBusAddress(path, name, interface), member, signature or None, values)
        self._socket.settimeout(self._call_s)
        self._socket.sendall(call.serialise(self._serial))
        while True:
            for message in self._received(until_s):
                if _answers(message) == self._serial:
                    if message.header.message_type is MessageType.error:
                        raise OSError(f"{name} answers with an error")
                    return message.body

    def _received(self, until_s: float) -> "list[Message]":
        """The messages that the next piece completes. Signals of others are among them."""
        assert self._socket is not None
        assert self._parser is not None
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("no answer on the session's bus")
        self._socket.settimeout(left_s)
        data = self._socket.recv(PIECE_BYTES)
        if not data:
            raise ConnectionResetError("the session's bus has ended")
        return list(self._parser.feed(data))


def _answers(message: "Message") -> int:
    """The number of the call that the message answers; 0: it is no answer."""
    from jeepney import HeaderFields  # noqa: PLC0415 - see the head

    return int(message.header.fields.get(HeaderFields.reply_serial, 0))
