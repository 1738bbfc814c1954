"""A desktop's notification server that keeps what it is told, for tests.

Owns    the name of one on a session's bus, and the thread that answers.
Never   shows anything.
"""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from jeepney import HeaderFields, Message, MessageType, message_bus, new_method_return

from tests.session_bus import CALL_S, SessionBus

LOOK_S: Final = 0.1         # until it sees that it is to end
JOIN_S: Final = 30.0


class NotificationServer:
    """`with NotificationServer(bus) as desktop: ... desktop.told`, the values of each Notify."""

    def __init__(self, bus: SessionBus, capabilities: Sequence[str] = ("body",)) -> None:
        self._connection = bus.connects()               # given
        self._capabilities = list(capabilities)         # constant
        self.told: list[tuple[Any, ...]] = []           # appended to by the thread
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notification server")
        self._connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.Notifications"), timeout=CALL_S)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ending.set()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                message = self._connection.receive(timeout=LOOK_S)
            except TimeoutError:
                continue
            if message.header.message_type is MessageType.method_call:
                self._connection.send(self._answer(message))

    def _answer(self, call: Message) -> Message:
        if call.header.fields[HeaderFields.member] == "GetCapabilities":
            return new_method_return(call, "as", (self._capabilities,))
        self.told.append(call.body)
        return new_method_return(call, "u", (len(self.told),))
