"""Asks a running mount, through the socket in its state directory; daemon/control.py says what goes over it.

Never   prints: no answer, and a refusal, is a SetupError with the words.
"""

import contextlib
import json
import os
import socket
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from anthrofs.daemon.control_address import address, user_of
from anthrofs.errors import SetupError
from anthrofs.text import printable

ENDED: Final = "The mount ended before it had answered."
STRANGE: Final = "The mount's answer can't be understood: it may be of another version."
LINE_BYTES: Final = 2**28       # of an answer: a queue of a million files has less


class Silent(SetupError):
    """Somebody is there, and has said nothing for too long."""


def ask(state_dir: Path, op: str, *, patience_s: float = 30.0, **values: Any) -> Generator[dict[str, Any]]:
    """Yields the answers to a request. `patience_s`: the longest silence between two of them.

    Raises SetupError when nobody answers, Silent when it takes longer; FsError's words come as SetupError, too.
    """
    try:
        directory = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        raise SetupError(f"No state in {state_dir}: {exc.strerror}. If its mount is stuck: fusermount3 -u -z and the "
                         "mount point.") from exc
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(patience_s)
            try:
                connection.connect(address(directory))
            except OSError as exc:
                raise SetupError(f"No mount answers for the state in {state_dir}: {exc.strerror}.") from exc
            if os.geteuid() not in (0, user_of(connection)):
                raise SetupError(f"Another user's program answers for the state in {state_dir}: it isn't asked.")
            with connection.makefile("rb") as lines:
                for line in _said(connection, json.dumps({"op": op, **values}).encode() + b"\n", lines, patience_s):
                    answer = _answer_of(line)
                    if "error" in answer:
                        raise SetupError(printable(str(answer["error"])))       # names are in it
                    if answer.get("end"):
                        return
                    yield answer
            raise SetupError(ENDED)
    finally:
        os.close(directory)


def only(state_dir: Path, op: str, *, patience_s: float = 30.0, **values: Any) -> dict[str, Any]:
    """The first answer to a request. Raises SetupError as `ask` does."""
    # Closed here: what is raised while an iterator that was left halfway is collected, as by Ctrl-C, would be lost.
    with contextlib.closing(ask(state_dir, op, patience_s=patience_s, **values)) as answers:
        for answer in answers:
            return answer
    raise SetupError(STRANGE)


class Answer(dict[str, Any]):
    """A mount's answer. Raises SetupError for what another version's lacks."""

    def __missing__(self, key: str) -> Any:
        raise SetupError(f"{STRANGE} It lacks {key}.")


def _answer_of(line: bytes) -> Answer:
    try:
        found = json.loads(line, object_hook=Answer)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, Answer):
        raise SetupError(STRANGE)
    return found


def _said(connection: socket.socket, request: bytes, lines: BinaryIO, patience_s: float) -> Iterator[bytes]:
    try:
        connection.sendall(request)
        while line := lines.readline(LINE_BYTES):
            yield line
    except TimeoutError as exc:
        raise Silent(f"The mount has not answered for {patience_s:.0f} s.") from exc
    except OSError as exc:
        raise SetupError(ENDED) from exc
