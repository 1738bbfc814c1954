"""A key comes from where a person keeps it, and nothing that was read there shows in what is said."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from anthrofs.config import Credentials, KeySource
from anthrofs.errors import EXIT_FAILED, EXIT_MISSING, EXIT_USAGE, SetupError
from anthrofs.remote import key_sources
from anthrofs.remote.key_sources import credential_of, keyring_of, read_key
from anthrofs.settings.environment import service_of
from anthrofs.settings.values import words
from tests.mounting import ROOT, runs, wait_until

KEY: Final = "sk-ant-api03-secret"


def key_file(folder: Path, content: bytes = KEY.encode(), mode: int = 0o600) -> KeySource:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return KeySource("file", (str(path),))


def command(*words: str) -> KeySource:
    return KeySource("command", words)


def refused(source: KeySource, says: str, code: int = EXIT_USAGE, environ: dict[str, str] | None = None) -> str:
    """The sentence, which has nothing of the key in it."""
    with pytest.raises(SetupError, match=says) as caught:
        read_key(source, {"PATH": os.environ["PATH"], **(environ or {})})
    assert caught.value.exit_code == code
    assert "secret" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("content", [KEY.encode(), f"{KEY}\n".encode(), f"  {KEY} \r\n\n".encode(), b"\xef\xbb\xbf" + KEY.encode()],
                         ids=["plain", "with its line's end", "between blanks", "with a byte order mark"])
def test_a_key_file_holds_the_key_and_nothing_else(tmp_path: Path, content: bytes) -> None:
    assert read_key(key_file(tmp_path, content)) == Credentials("x-api-key", KEY)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620, 0o601])
def test_a_key_file_that_others_can_use_is_refused_and_the_command_that_mends_it_said(tmp_path: Path, mode: int) -> None:
    assert f"chmod 600 {tmp_path}/key" in refused(key_file(tmp_path, mode=mode), "by others than you")


@pytest.mark.parametrize(("content", "says"), [
    (b"", "is empty"), (b" \n", "is empty"), (b"ANTHROPIC_API_KEY=sk-secret", "NAME=VALUE"), (b"sk-secret\nsk-secret2", "line break"),
    (b"sk-secret \xc3\xa4", "outside ASCII"), (b"\xff\xfesecret", "no text"), (b"secret" * 20000, "more than a key"),
], ids=["empty", "blank", "variable", "two lines", "umlaut", "no text", "long"])
def test_what_is_no_key_is_said_without_quoting_it(tmp_path: Path, content: bytes, says: str) -> None:
    refused(key_file(tmp_path, content), says)


def test_a_key_file_that_isnt_there_or_is_no_file_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(KeySource("file", (str(tmp_path / "nowhere"),)), "nowhere does not exist")
    refused(KeySource("file", (str(tmp_path),)), "Is a directory")
    refused(KeySource("file", (str(tmp_path / "pipe"),)), "no plain file")


def test_a_changed_file_is_another_key_when_it_is_read_again(tmp_path: Path) -> None:
    source = read_key(key_file(tmp_path)).source
    assert source is not None
    key_file(tmp_path, b"sk-new")
    assert read_key(source).value == "sk-new"


def test_a_token_goes_into_the_other_header(tmp_path: Path) -> None:
    source = key_file(tmp_path)
    assert read_key(KeySource("file", source.what, token=True)) == Credentials("Authorization", f"Bearer {KEY}")


def test_a_command_prints_the_key() -> None:
    assert read_key(command("printf", "%s\\n", KEY)).value == KEY


def test_a_command_sees_no_key_of_ours_and_all_that_it_needs() -> None:
    environ = {"PATH": os.environ["PATH"], "ANTHROPIC_API_KEY": "sk-secret", "ANTHROFS_BOARD_PASSWORD": "secret", "VAULT_ADDR": "there"}
    assert read_key(command("sh", "-c", "echo $ANTHROPIC_API_KEY$ANTHROFS_BOARD_PASSWORD$VAULT_ADDR"), environ).value == "there"


def test_a_command_that_fails_is_said_without_its_words() -> None:
    said = refused(command("sh", "-c", "echo sk-secret; echo secret >&2; exit 7"), "exit code 7", EXIT_FAILED)
    assert "run it yourself" in said
    refused(command("sh", "-c", "kill -9 $$"), "signal 9", EXIT_FAILED)
    refused(command("/nowhere/secretly/told"[:8]), "can't be run: No such file")
    refused(command("printf", "\\377"), "no text")


def test_a_command_that_doesnt_end_is_ended_with_all_that_it_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sources, "COMMAND_S", 0.5)
    refused(command("sh", "-c", f"sleep 1000 & echo $! >{tmp_path}/pid; wait"), "gave no key within", EXIT_FAILED)
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not runs(pid), "the command's child has ended")


def test_a_command_that_goes_on_printing_is_not_read_for_ever() -> None:
    refused(command("sh", "-c", "while :; do echo secret; done"), "signal 13|more than a key|exit code", EXIT_FAILED)


def test_a_command_is_split_as_a_shell_does_and_nothing_in_it_is_run_by_one() -> None:
    assert words("pass show 'my key' $(date)") == ("pass", "show", "my key", "$(date)")
    for bad in ("", "  ", "pass 'show"):
        with pytest.raises(SetupError, match=r"it takes a command"):
            words(bad)


def test_a_credential_of_systemds_is_found_by_its_name_or_the_usual_one(tmp_path: Path) -> None:
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert credential_of("", environ) is None
    (tmp_path / "anthropic-api-key").write_text(KEY)
    (tmp_path / "anthropic-api-key").chmod(0o440)       # as systemd has it where it gives the user access by a list
    (tmp_path / "other").write_text("sk-other")

    assert chosen(environ) == KEY
    assert chosen({**environ, "ANTHROFS_CREDENTIAL": "other"}) == "sk-other"
    assert credential_of("", {}) is None
    with pytest.raises(SetupError, match="LoadCredential"):
        credential_of("other", {})
    with pytest.raises(SetupError, match="slash"):
        credential_of("../other", environ)


def test_variables_say_where_the_key_is_and_the_key_itself_comes_first(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "ANTHROFS_KEY_FILE": key_file(tmp_path).what[0], "ANTHROFS_KEY_COMMAND": "echo sk-command"}
    assert chosen(environ) == KEY
    assert chosen({**environ, "ANTHROPIC_API_KEY": "sk-own"}) == "sk-own"
    assert chosen({**environ, "ANTHROFS_KEY_FILE": ""}) == "sk-command"


def chosen(environ: dict[str, str]) -> str:
    found = service_of(environ).credentials
    assert isinstance(found, Credentials)
    return found.value


class Keyring:
    """A library of that name, which says what it was asked."""

    def __init__(self, folder: Path, script: str) -> None:
        (folder / "keyring").mkdir()
        (folder / "keyring" / "__init__.py").write_text("")
        (folder / "keyring" / "__main__.py").write_text(f"import sys\n{script}\n")
        self.environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)}


def test_the_keyring_is_asked_by_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Keyring(tmp_path, "print('-'.join(sys.argv[1:]))")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert read_key(keyring_of("work"), found.environ).value == "get-anthrofs-work"
    assert read_key(keyring_of("my/own"), found.environ).value == "get-my-own"


def test_a_locked_keyring_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Keyring(tmp_path, "import threading\nthreading.Event().wait()")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(key_sources, "COMMAND_S", 0.5)
    assert "keyring set anthrofs work" in refused(keyring_of("work"), "gave no key within", EXIT_FAILED, found.environ)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sources, "find_spec", lambda _name: None)
    assert "anthrofs[keyring]" in refused(keyring_of("work"), "needs keyring", EXIT_MISSING)


def test_the_source_is_shown_and_the_key_and_a_commands_arguments_arent(tmp_path: Path) -> None:
    found = read_key(command("echo", "sk-secret"))
    assert "secret" not in repr(found)
    assert found.source is not None
    assert found.source.said == "key command 'echo'"
    assert key_file(tmp_path).said == f"key file {tmp_path}/key"


RIGHTS = """
from anthrofs.config import KeySource
from anthrofs.remote.key_sources import read_key
print(read_key(KeySource("command", ("sh", "-c", "grep CapAmb /proc/self/status | cut -f2"))).value)
"""


@pytest.mark.root
def test_a_command_gets_no_right_that_systemd_has_given_the_mount() -> None:
    """A service of the machine's may mount; the command is named by its user, who isn't root."""
    done = subprocess.run(["setpriv", "--inh-caps", "+sys_admin", "--ambient-caps", "+sys_admin", sys.executable, "-c", RIGHTS], cwd=ROOT, capture_output=True,
                          text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("0" * 16, "")
