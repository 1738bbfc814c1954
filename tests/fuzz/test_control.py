"""Whatever is written to a mount's control socket, and whatever a mount answers: an answer or a sentence, within bounds, and the mount goes on."""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.cli import draining, ls_command, output
from anthrofs.client import control_client
from anthrofs.daemon import control
from anthrofs.daemon.control import Control
from anthrofs.daemon.control_address import NAME, address
from anthrofs.errors import FsError, SetupError
from tests.core.core import Core
from tests.fuzz.fuzzing import bodies, deep, judge, numbers, objects, target, texts, values, written

BOUND_S: Final = 20.0
OPS: Final = ("status", "drain", "retry", "discard", "push", "free", "fetch", "paths", "ls", "refresh", "hurry", "traffic", "held")

paths = st.one_of(texts, st.sampled_from(["", "a.txt", "folder", "folder/b.txt", "/", "a.txt/x", "..", ".by-id", ".by-id/file_000001", "new.txt"]))
requests = objects(path=paths, file_ids=st.lists(st.one_of(texts, st.just("file_000001")), max_size=3), timeout_s=st.one_of(st.sampled_from([0, 1.5]), numbers),
                   accept=values, as_is=values, last=values)


@target(60)
@given(asked=st.lists(st.tuples(st.sampled_from(OPS), requests), min_size=1, max_size=6))
def test_a_request_for_anything_is_answered_or_refused(tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[str, dict[str, Any]]]) -> None:
    core = Core(tmp_path_factory.mktemp("core"))
    core.files.generate("a.txt", b"a")
    core.others_make("folder/b.txt", b"b")
    core.user.write("new.txt", b"new")
    for op, request in asked:
        handler: Callable[[dict[str, Any]], Iterator[dict[str, Any]]] = {**core.parts.requests.table, **core.parts.watched.table}[op]
        try:
            for answer in handler(json.loads(written(request))):
                json.dumps(answer)
        except FsError as exc:
            judge(exc, own=True)
    core.sync()
    assert ("folder/b.txt", b"b") in core.on_server()
    core.finish()


# ---- the socket

@contextlib.contextmanager
def served(folder: Path) -> Iterator[Control]:
    """A mount's end, with two handlers."""
    def echo(request: Any) -> Iterator[dict[str, Any]]:
        yield {"of": request.get("value")}

    def long(_request: Any) -> Iterator[dict[str, Any]]:
        for number in range(100):
            yield {"number": number}

    one = Control(folder, {"echo": echo, "long": long})
    one.start()
    try:
        yield one
    finally:
        one.stop()


@pytest.fixture
def unhandled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What a thread ended with."""
    found: list[object] = []
    monkeypatch.setattr(threading, "excepthook", found.append)
    return found


def reached(folder: Path) -> socket.socket:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(BOUND_S)
        connection.connect(address(directory))
        return connection
    finally:
        os.close(directory)


said = st.one_of(bodies, bodies.map(lambda some: some + b"\n"), st.sampled_from([b"{}\n", b'{"op":"echo"}', b'{"op":"echo","value":1}\n', b'{"op":"nonsense"}\n', b"[]\n",
                                                                                b'{"op":["echo"]}\n', b'{"op":"long"}\n', b"x" * 100_000, deep(5000) + b"\n", b"\n", b""]))


@target(100)
@given(wild=st.lists(st.tuples(said, st.booleans(), st.booleans()), min_size=1, max_size=6))
def test_whatever_is_written_the_next_one_is_answered(tmp_path_factory: pytest.TempPathFactory, unhandled: list[object],
                                                      wild: list[tuple[bytes, bool, bool]]) -> None:
    """`wild`: what is written, whether more may come, and whether the answer is read."""
    folder = tmp_path_factory.mktemp("s")
    with served(folder), contextlib.ExitStack() as stack:
        for content, ends, reads in wild:
            connection = stack.enter_context(reached(folder))
            with suppress(OSError):
                connection.sendall(content)
                if ends:
                    connection.shutdown(socket.SHUT_WR)
                while reads and ends and connection.recv(65536):
                    continue
        assert list(control_client.ask(folder, "echo", value="x", patience_s=BOUND_S)) == [{"of": "x"}]
    assert unhandled == []


def test_what_isnt_a_request_is_told_so(tmp_path: Path, unhandled: list[object]) -> None:
    for content in (b"x\n", b"[]\n", b'{"op":1}\n', deep(5000) + b"\n", b"\xff\n", b"y" * control.LINE_BYTES + b"\n"):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        with served(folder), reached(folder) as connection, connection.makefile("rb") as lines:
            with suppress(OSError):
                connection.sendall(content)
            answer = json.loads(lines.readline())
            assert answer["end"]
            assert "no request" in answer["error"]
    assert unhandled == []


def test_a_connection_that_says_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "REQUEST_S", 0.05)
    with served(tmp_path), reached(tmp_path) as silent:
        assert silent.recv(1) == b""


# ---- the other side

@contextlib.contextmanager
def answering(folder: Path, content: bytes) -> Iterator[None]:
    """A mount that answers so, whatever it is asked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(folder / NAME))
        listening.listen()

        def answer() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(content)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield
        finally:
            thread.join(BOUND_S)
            assert not thread.is_alive()


lines = st.lists(st.one_of(bodies, objects(end=st.just(True), error=texts.map("refused: ".__add__)).map(written), st.just(b'{"waiting": [], "failed": [], "deletions": []}')), max_size=4).map(b"\n".join)


@target(100)
@given(content=lines)
def test_whatever_a_mount_answers_is_an_answer_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("s")
    with answering(folder, content):
        try:
            for answer in control_client.ask(folder, "status", patience_s=BOUND_S):
                assert isinstance(answer, dict)
        except SetupError as exc:
            judge(exc, own=True)


@pytest.mark.parametrize("show", [lambda answer: list(output.status_lines(answer)), draining.say_left, lambda answer: answer["paths"],
                                  lambda answer: list(ls_command.entry_lines([answer])), lambda answer: list(output.freed_lines([(Path(), answer)]))])
def test_what_another_version_doesnt_answer_is_a_sentence(tmp_path: Path, show: Callable[[Any], object]) -> None:
    with answering(tmp_path, b'{"some": {"thing": 1}}\n'), pytest.raises(SetupError, match="another version"):
        show(next(control_client.ask(tmp_path, "status", patience_s=BOUND_S)))
