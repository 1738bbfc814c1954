"""The command `anthrofs init`: three questions, and a profile that can be mounted.

Never   shows a key, takes one as an argument, or writes it into the configuration; and never changes what is there.
"""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from anthrofs.cli import output
from anthrofs.cli.syntax import argument, command, flag, option
from anthrofs.errors import EXIT_AUTH, EXIT_USAGE, AccountRefused, FsError, SetupError
from anthrofs.text import printable

if TYPE_CHECKING:
    from anthrofs.settings.writing import Value

TRIES: Final = 3            # to paste a key
PLACES: Final = (
    ("paste", "paste it now: it goes into a file of its own that only you can read"),
    ("file", "in a file that has it already"),
    ("command", "a command prints it (pass, op, vault, …)"),
    ("keyring", "in the desktop's keyring"),
    ("login", "there is a login of `ant auth login`"),
    ("environment", "in ANTHROPIC_API_KEY, whenever it is mounted"),
)


class Answers(NamedTuple):
    """The answers, as far as they are known."""

    directory: str
    key: "dict[str, Value]"         # what the profile says of it; empty: nothing
    pasted: str | None              # the key itself, which goes elsewhere
    upload: str

    def values(self) -> "dict[str, Value]":
        """The profile."""
        key = {name: _absolute(value) if name == "key_file" and isinstance(value, str) else value
               for name, value in self.key.items()}
        upload = {"upload": self.upload} if self.upload != "wait" else {}
        return {"directory": _absolute(self.directory), **key, **upload, **_address()}


@command(
    "init", argument("profile", "The profile's name, by which it is mounted.", count="?", default="work"),
    option("--directory", "directory", "DIR", "Where it is mounted. Default: ~/anthrofs/PROFILE."),
    flag("--key-stdin", "key_stdin", "Read the key from standard input, into a file of its own."),
    option("--key-file", "key_file", "FILE", "The key is in that file."),
    option("--key-command", "key_command", "COMMAND", "That command prints the key."),
    option("--keyring", "keyring", "NAME", "The key is in the desktop's keyring."),
    option("--login", "login", "NAME", "A profile of `ant auth login` says who you are."),
    option("--upload", "upload", "WHEN", "When close returns: `wait` or `queue`."),
    flag("--yes", "yes", "Ask nothing: what isn't said here is as it is without being said."),
    flag("--no-check", "unchecked", "Don't ask the service whether it takes the key."))
def init(profile: str, directory: str | None, key_stdin: bool, key_file: str | None, key_command: str | None,
         keyring: str | None, login: str | None, upload: str | None, yes: bool, unchecked: bool) -> None:
    """Ask where your files shall be, where the key is, and when a save is done; then write that as a profile.

    The key is tried at the service, which costs one request. What is in the configuration stays as it is.
    """
    from anthrofs.settings.config_file import read_config
    from anthrofs.settings.table import SETTINGS
    from anthrofs.settings.writing import add_key, add_profile, check_new

    if upload is not None:
        try:
            SETTINGS["upload"].read(upload)
        except SetupError as exc:
            raise SetupError(f"--upload {upload!a}: {exc}", EXIT_USAGE) from None
    file = read_config(os.environ, made=True)
    check_new(file, profile)
    assert file.path is not None
    key_path = file.path.with_name(f"{profile}.key")
    said: dict[str, Value] = {name: value for name, value in (("key_file", key_file), ("keyring", keyring),
                                                              ("login", login)) if value is not None}
    if key_command is not None:
        said["key_command"] = _words(key_command)
    if len(said) + key_stdin > 1:
        raise SetupError("The key is in one place: name that only.", EXIT_USAGE)
    pasted = _read_key() if key_stdin else None
    answers = Answers(directory or f"~/anthrofs/{profile}", said, pasted, upload or "wait")
    if asks := not (yes or key_stdin or (directory and said)):
        answers = _asked(answers, profile, directory, upload, asked_key=not said)
    if not unchecked:
        answers = _tried(answers, TRIES if asks and answers.pasted is not None else 1)
    if answers.pasted is not None:
        answers = answers._replace(key={"key_file": str(key_path)})
    values = answers.values()
    where = _usable(str(values["directory"]))
    if answers.pasted is not None:
        add_key(key_path, answers.pasted)
    try:
        path = add_profile(os.environ, profile, values)
    except SetupError:
        if answers.pasted is not None:
            key_path.unlink(missing_ok=True)
        raise
    _make(where)
    output.show(f"{path} has the profile {profile} now.", f"Mount it:  anthrofs mount {shlex.quote(profile)}")


def _asked(answers: Answers, profile: str, directory: str | None, upload: str | None, *, asked_key: bool) -> Answers:
    """The rest, from a person. Raises SetupError where there is none."""
    if not sys.stdin.isatty():
        raise SetupError("There is nobody to ask (standard input is no terminal): say --yes, with --directory, one of "
                         "--key-stdin, --key-file, --key-command, --keyring, --login, and --upload.", EXIT_USAGE)
    while directory is None:
        directory = _line(f"1. Where shall your files be? [{answers.directory}] ") or answers.directory
        try:
            _usable(directory)
        except SetupError as exc:
            output.complain(str(exc))
            directory = None
            continue
        answers = answers._replace(directory=directory)
    if asked_key:
        usual = len(PLACES) if os.environ.get("ANTHROPIC_API_KEY", "").strip() else 1
        output.show("2. Where is the key?", *(f"   {number}  {words}" for number, (_, words) in enumerate(PLACES, 1)))
        answers = _key_asked(answers, profile, PLACES[_choice(len(PLACES), usual) - 1][0])
    if upload is None:
        output.show("3. When is a save done?", "   1  when the server has the file (a copy of many files takes longer)",
                    "   2  when it is safe on this disk; it is sent in the background")
        answers = answers._replace(upload=("wait", "queue")[_choice(2) - 1])
    return answers


def _key_asked(answers: Answers, profile: str, place: str) -> Answers:
    if place == "paste":
        return answers._replace(pasted=_read_key())
    if place == "file":
        return answers._replace(key={"key_file": _line("   Its path: ")})
    if place == "command":
        return answers._replace(key={"key_command": _words(_line("   The command: "))})
    if place == "keyring":
        return answers._replace(key={"keyring": _line(f"   Its name there [{profile}]: ") or profile})
    if place == "login":
        return answers._replace(key={"login": _line("   The login's profile [default]: ") or "default"})
    return answers


def _line(question: str) -> str:
    """Raises SetupError at the end of the input."""
    try:
        return input(question).strip()
    except (EOFError, UnicodeDecodeError):
        raise SetupError("Nothing was answered, so nothing was written.", EXIT_USAGE) from None


def _choice(most: int, usual: int = 1) -> int:
    while True:
        text = _line(f"   [{usual}] ") or str(usual)
        if text.isascii() and text.isdigit() and 1 <= int(text) <= most:
            return int(text)
        output.complain(f"It takes a number from 1 to {most}.")


def _words(text: str) -> tuple[str, ...]:
    """Raises SetupError."""
    from anthrofs.settings.values import words

    try:
        return words(text)
    except SetupError as exc:
        raise SetupError(f"The key's command: {exc}", EXIT_USAGE) from None


def _read_key() -> str:
    """Without showing it. Raises SetupError for what no key can be."""
    from getpass import getpass

    from anthrofs.config import KeySource
    from anthrofs.remote.key_sources import read_key

    try:
        text = getpass("   The key (it isn't shown): ") if sys.stdin.isatty() else sys.stdin.readline()
    except (EOFError, UnicodeDecodeError):
        text = ""
    if not text.strip():
        raise SetupError("No key was given, so nothing was written.", EXIT_USAGE)
    # The value alone, as each other source gives it.
    found = read_key(KeySource("environment", ("given here",)), {"given here": text})
    return found.value


def _absolute(text: str) -> str:
    """A path as the file may have it: with ~, or from the root."""
    return text if text.startswith("~") else os.path.abspath(text)      # noqa: PTH100 - a link stays as it is named


def _address() -> "dict[str, Value]":
    """The service's address, if this shell names one: a service of the system wouldn't have it. One with a password in
    it isn't written down.
    """
    url = os.environ.get("ANTHROPIC_BASE_URL", "").strip()
    return {"base_url": url.rstrip("/").removesuffix("/v1")} if url and "@" not in url else {}


def _usable(directory: str) -> Path:
    """Where the profile would be mounted. Raises SetupError for what is there and can't be mounted on."""
    from anthrofs.fuse import mountpoint
    from anthrofs.settings.values import path

    where = path(_absolute(directory))
    if os.path.lexists(where):
        mountpoint.check(where)
    return where


def _tried(answers: Answers, tries: int) -> Answers:
    """The same, with a key that the service takes; one that was mistyped is asked for again. Raises SetupError."""
    for left in reversed(range(tries)):
        try:
            _try(answers.values(), answers.pasted)
        except SetupError as exc:
            if exc.exit_code != EXIT_AUTH or not left:
                raise
            output.complain(str(exc))
            answers = answers._replace(pasted=_read_key())
        else:
            break
    return answers


def _try(values: "dict[str, Value]", pasted: str | None) -> None:
    """Whether the service takes the key. Raises SetupError if it says no; that it can't be asked is only said."""
    from anthrofs.remote import client_library

    client_library.load()               # before what imports httpx
    from anthrofs.clock import Clock
    from anthrofs.config import Timeouts
    from anthrofs.remote.holders import holder_of
    from anthrofs.remote.http import HttpFiles, connect
    from anthrofs.settings.choosing import service_for
    from anthrofs.settings.config_file import ConfigFile
    from anthrofs.settings.precedence import settings_of

    environ = dict(os.environ)
    flags = {name: value for name, value in values.items() if name in ("key_file", "keyring", "login")
             and pasted is None}
    if pasted is not None:
        environ |= {"ANTHROPIC_API_KEY": pasted}
    if "key_command" in values:
        flags["key_command"] = shlex.join(values["key_command"])
    try:
        service = service_for(settings_of(flags, environ, ConfigFile(None), None), environ)
    except SetupError as exc:
        if flags or pasted is not None:
            raise
        output.complain(f"The key can't be tried now. {exc}")
        return
    clock = Clock()
    with connect(service, Timeouts(), environ) as client:
        files = HttpFiles(client, clock, holder=holder_of(service, client, clock, environ))
        try:
            files.list(1)
        except AccountRefused as exc:
            raise SetupError(f"The service refuses that key: {printable(str(exc))}. Nothing was written.",
                             EXIT_AUTH) from exc
        except FsError as exc:
            output.complain(f"Whether the service takes the key can't be told now: {exc}")


def _make(where: Path) -> None:
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        output.complain(f"{where} can't be made: {exc.strerror}. Make it before the mount.")
