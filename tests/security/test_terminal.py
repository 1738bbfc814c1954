"""Names and answers that a terminal would obey, or that look like lines of ours: shown as what they are.

Manual, security: 'Names and words with escape sequences or line ends'
"""

import logging
import os
import re
import subprocess
from typing import Final

import pytest

from anthrofs.cli import output
from anthrofs.daemon.process import Lines
from anthrofs.text import printable, printable_lines
from tests.mounting import COMMAND, Mount, wait_until

# Clears the screen; turns what follows round (U+202E); a C1 sequence; the end of a line, and one that looks like ours.
EVIL: Final = "\x1b[2J\x1b]0;owned\x07\u202e\x9b31m\r\n2026-01-01 00:00:00,000 ERROR anthrofs: all is lost"
OBEYED: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def tame(text: str) -> bool:
    return not OBEYED.search(text)


def test_what_a_terminal_obeys_is_spelled_and_letters_of_all_scripts_stay() -> None:
    assert tame(printable(EVIL))
    assert "\n" not in printable(EVIL)
    assert printable_lines("a\n\x1b[1mb\n") == "a\n\\x1b[1mb\n"
    assert printable("résumé, 履歴書, סיכום, 🎈 and a\\b") == "résumé, 履歴書, סיכום, 🎈 and a\\b"


def test_a_record_is_one_line_and_a_traceback_can_not_look_like_one() -> None:
    try:
        raise ValueError(EVIL)
    except ValueError as exc:
        record = logging.makeLogRecord({"levelname": "ERROR", "name": "anthrofs.x", "msg": "not sent: %s", "args": (EVIL,),
                                        "exc_info": (type(exc), exc, exc.__traceback__)})
    first, *rest = Lines("%(asctime)s %(levelname)s %(name)s: %(message)s").format(record).split("\n")
    assert tame(first)
    assert "not sent: \\x1b[2J" in first
    assert rest
    assert all(tame(line) for line in rest)
    assert not any(re.match(r"\d{4}-", line) for line in rest)


def test_a_name_in_an_error_stays_that_name(capsys: pytest.CaptureFixture[str]) -> None:
    output.complain("[bold]not[/bold] :warning: \x1b[2J\nand more")
    assert capsys.readouterr().err == "anthrofs: [bold]not[/bold] :warning: \\x1b[2J\nand more\n"


@pytest.fixture
def infested(mount: Mount) -> Mount:
    """A mount with such a name of its own that waits, one that was refused, and one of the server's."""
    mount.emulator.fault("list", {"kind": "raw_json", "status": 200, "body": {"has_more": False, "data": [
        {"type": "file", "id": "file_e", "filename": EVIL, "size_bytes": 1, "mime_type": "text/plain", "downloadable": True}]}}, times=-1)
    files = mount.mount("--upload", "queue", "--refresh", "300")
    mount.emulator.fault("upload", {"kind": "status", "status": 400, "message": f"no {EVIL}"})
    mount.emulator.fault("upload", {"kind": "status", "status": 503}, times=-1)
    mount.expects("refused", "not on the server", "503")
    (files / f"refused {EVIL}").write_text("1")
    wait_until(lambda: mount.status()["failed"], "it was refused")
    (files / f"waits {EVIL}").write_text("2")
    return mount


def test_no_command_and_no_line_of_the_log_hands_such_a_name_to_a_terminal(infested: Mount) -> None:
    files = infested.path
    said = ""
    for arguments in (("status", files), ("ls", files), ("sync", "--timeout", "0", files), ("retry", "--all", "--timeout", "0", files), ("fetch", files), ("free", files),
                      ("id", "--timeout", "0", files / f"waits {EVIL}"), ("discard", files / f"refused {EVIL}"), ("id", files / EVIL), ("path", "file_n\x1b[2J")):
        done = infested.run(*arguments)
        assert "Traceback" not in done.stderr
        said += done.stdout + done.stderr
    assert said.count("owned") >= 6
    assert tame(said), OBEYED.findall(said)
    assert "\n2026-01-01" not in said
    infested.end_now()
    log = infested.log()
    assert "owned" in log
    assert tame(log), OBEYED.findall(log)
    assert "ERROR anthrofs: all is lost" not in [line[24:] for line in log.splitlines()]


def test_a_path_is_spelled_on_a_terminal_and_is_itself_for_a_program(mount: Mount) -> None:
    files = mount.mount()
    name = "a\x1b[2Jb"
    (files / name).write_text("1")
    file_id = mount.ok("id", files / name).strip()
    assert mount.ok("path", file_id) == f"{files / name}\n"
    ours, theirs = os.openpty()
    try:
        done = subprocess.run([*COMMAND, "path", file_id], stdout=theirs, env=mount.environment, timeout=60, check=True, stderr=subprocess.PIPE)
        assert done.stderr == b""
        assert os.read(ours, 10_000).decode() == f"{files}/a\\x1b[2Jb\r\n"
    finally:
        os.close(ours)
        os.close(theirs)
