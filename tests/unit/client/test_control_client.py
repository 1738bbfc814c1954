"""The words between a mount and a command, without a mount."""

import select
import socket
import threading
from pathlib import Path

import pytest

from anthrofs.client import control_client
from anthrofs.daemon import control_address
from anthrofs.errors import SetupError


def test_a_mount_that_ends_before_it_has_read_the_question_is_said_to_have_ended(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / control_address.NAME))
        listening.listen()

        def end() -> None:
            connection, _ = listening.accept()
            select.select([connection], [], [])
            connection.close()          # with the question unread: ECONNRESET on the other side

        ending = threading.Thread(target=end)
        ending.start()
        with pytest.raises(SetupError, match="ended before it had answered"):
            next(control_client.ask(tmp_path, "status"))
        ending.join()
