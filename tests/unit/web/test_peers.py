"""The kernel says whose connection it is."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from anthrofs.web import peers
from tests.mounting import USER


@pytest.fixture
def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_an_end_is_known_while_it_is_open_and_nobodys_afterwards(listening: socket.socket) -> None:
    with listening, socket.create_connection(listening.getsockname()) as theirs:
        ours, _ = listening.accept()
        with ours:
            assert peers.user_of(ours.getsockname(), ours.getpeername()) == os.geteuid()
            assert peers.is_own(ours.getsockname(), ours.getpeername())
            gone = ours.getpeername()
            theirs.close()
            assert not peers.is_own(ours.getsockname(), gone)


@pytest.mark.root
def test_another_users_program_is_not_ours_and_ours_is_not_taken_for_roots(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening:
        port = listening.getsockname()[1]
        child = subprocess.Popen(["/bin/bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}; read -r line"], user=USER, stdin=subprocess.PIPE, cwd="/")
        ours, theirs = listening.accept()
        with child, ours:
            assert peers.user_of(ours.getsockname(), theirs) == USER
            assert not peers.is_own(ours.getsockname(), theirs)
            monkeypatch.setattr(os, "geteuid", lambda: USER)
            assert peers.is_own(ours.getsockname(), theirs)


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   0: 0100007F:0400 0100007F:0800 {state} 00000000:00000000 00:00000000 00000000  {user}        0 5 1 0 20 4 30 10 -1\n"


@pytest.mark.parametrize("state", ["04", "05", "06", "07", "08"])
def test_an_end_that_is_closed_is_nobodys(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """The kernel shows such as root's."""
    monkeypatch.setattr(Path, "read_text", lambda _path: HEAD + LINE.format(state=state, user=0))
    monkeypatch.setattr(sys, "byteorder", "little")
    assert not peers.is_own(("127.0.0.1", 0x800), ("127.0.0.1", 0x400))


def test_a_table_that_skips_an_entry_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [HEAD, HEAD + LINE.format(state="01", user=1234), HEAD]
    monkeypatch.setattr(Path, "read_text", lambda _path: tables.pop(0))
    monkeypatch.setattr(sys, "byteorder", "little")
    assert peers.user_of(("127.0.0.1", 0x800), ("127.0.0.1", 0x400)) == 1234
