"""A key or token, read from where a person keeps it; and read again there, when the service refuses it.

Trusts  no source: a file that others can read is refused, a command has a bound, and what no key can be is said.
Never   quotes what it has read, nor what a command prints: neither in an error nor in a log. A command gets no key by
        its environment, and no right that systemd has given a mount for itself.
"""

import os
import re
import select
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from anthrofs.clock import Clock
from anthrofs.config import Credentials, KeySource
from anthrofs.errors import EXIT_FAILED, EXIT_MISSING, EXIT_USAGE, SetupError

COMMAND_S: Final = 30.0         # the longest that a command, or the keyring, may take
END_S: Final = 5.0              # for the end of one that was killed
LIMIT_BYTES: Final = 2**16      # no key is as long
CREDENTIAL: Final = "anthropic-api-key"         # of systemd's: taken without being named
KEYRING: Final = "anthrofs"     # the service's name there, where none is said
# Of a service of the machine's its programs would inherit the right to mount: whoever names the command isn't root.
RIGHTS: Final = Path("/proc/self/status")
WITHOUT: Final = ("import ctypes, os, sys; ctypes.CDLL(None).prctl(47, 4, 0, 0, 0); "
                  "os.execvp(sys.argv[1], sys.argv[1:])")
OURS: Final = re.compile(r"ANTHROPIC_.*|ANTHROFS_BOARD_PASSWORD")       # variables that no other program needs to see


def read_key(source: KeySource, environ: Mapping[str, str] = os.environ, clock: Clock | None = None) -> Credentials:
    """The key as it is there now. `environ`: for a variable, and what a command is given (as it was when the process
    began: a mount forgets what is secret of its own). Waits for COMMAND_S at most, where a command is asked.

    Raises SetupError, without a word of what was read.
    """
    if source.kind == "environment":
        found = environ.get(source.what[0], "")
    elif source.kind == "command":
        found = _output(source.what, f"The {source.said}", environ, clock or Clock())
    elif source.kind == "keyring":
        found = _in_keyring(source, environ, clock or Clock())
    else:
        # What systemd puts into its directory for a service is the service's, whatever the mode says of groups.
        found = _content(Path(source.what[0]), source.said, private=source.kind == "file")
    value = found.removeprefix("\ufeff").strip()
    if len(found) >= LIMIT_BYTES:
        raise SetupError(f"The {source.said} holds more than a key.", EXIT_USAGE)
    if not value:
        raise SetupError(f"The {source.said} is empty: there is no key in it.", EXIT_USAGE)
    if value.startswith("ANTHROPIC_") and "=" in value:
        raise SetupError(f"The {source.said} has a line like NAME=VALUE: it takes the key alone.", EXIT_USAGE)
    if not all("!" <= character <= "~" for character in value):
        raise SetupError(f"The {source.said} holds a space, a line break or a character outside ASCII within the key: "
                         "no key has those.", EXIT_USAGE)
    return (Credentials("Authorization", f"Bearer {value}", source) if source.token
            else Credentials("x-api-key", value, source))


def credential_of(name: str, environ: Mapping[str, str], *, token: bool = False) -> KeySource | None:
    """The systemd credential of that name; without a name, that of the usual one if it is there. Raises SetupError."""
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    if name and (not folder or "/" in name):
        raise SetupError(f"The credential {name!a} is asked for, but " + (
            "that can't be a name: it has a slash." if folder else "systemd gives this process none "
            "(CREDENTIALS_DIRECTORY isn't set): the unit needs LoadCredential= or SetCredential=."), EXIT_USAGE)
    path = Path(folder) / (name or CREDENTIAL)
    return KeySource("credential", (str(path),), token) if name or (folder and path.is_file()) else None


def keyring_of(text: str, *, token: bool = False) -> KeySource:
    """SERVICE/USER, or a user of the service `anthrofs`."""
    service, slash, user = text.partition("/")
    return KeySource("keyring", (service, user) if slash else (KEYRING, text), token)


def _content(path: Path, said: str, *, private: bool) -> str:
    """Raises SetupError."""
    try:
        # The file that is looked at is the one that is read. A pipe without a writer isn't waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise SetupError(f"The {said} is no plain file.", EXIT_USAGE)
            if private and mode & 0o077:
                raise SetupError(f"The {said} can be used by others than you: chmod 600 {path}", EXIT_USAGE)
            return file.read(LIMIT_BYTES).decode()
    except FileNotFoundError:
        raise SetupError(f"The {said} does not exist.", EXIT_USAGE) from None
    except OSError as exc:
        raise SetupError(f"The {said} can't be read: {exc.strerror}.", EXIT_USAGE) from exc
    except ValueError:
        raise SetupError(f"The {said} is no text.", EXIT_USAGE) from None       # a frame of it has the bytes


def _in_keyring(source: KeySource, environ: Mapping[str, str], clock: Clock) -> str:
    """Asked by a process of its own: a keyring may ask a person for its password, for ever. Raises SetupError."""
    if find_spec("keyring") is None:
        raise SetupError("A key in the desktop's keyring needs keyring: pip install 'anthrofs[keyring]'", EXIT_MISSING)
    service, user = source.what
    # -P: no file of the directory that we happen to be in is taken for the library.
    return _output([sys.executable, "-P", "-m", "keyring", "get", service, user], f"The {source.said}", environ, clock,
                   f" It is put there by: keyring set {service} {user}")


def _output(words: Sequence[str], said: str, environ: Mapping[str, str], clock: Clock, hint: str = "") -> str:
    """Raises SetupError."""
    import signal  # noqa: PLC0415 - few mounts ask a command
    import subprocess  # noqa: PLC0415 - the same

    until_s = clock.now_s() + COMMAND_S
    try:
        child = subprocess.Popen(
            _without_rights(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True, env={name: value for name, value in environ.items() if not OURS.fullmatch(name)})
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it has a character that no command has"
        raise SetupError(f"{said} can't be run: {why}.{hint}", EXIT_USAGE) from None
    assert child.stdout is not None
    try:
        with child.stdout:
            found = _read(child.stdout, until_s, clock)
        code = child.wait(max(0.0, until_s - clock.now_s()))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise SetupError(f"{said} gave no key within {COMMAND_S:.0f} s: it can't ask anybody anything here.{hint}",
                         EXIT_FAILED) from None
    finally:
        if child.returncode is None:
            with suppress(OSError):                     # it runs as somebody else
                os.killpg(child.pid, signal.SIGKILL)    # with all that it has started
            with suppress(subprocess.TimeoutExpired):
                child.wait(END_S)
    if code:
        raise SetupError(f"{said} ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}: run it yourself "
                         f"to see why.{hint}", EXIT_FAILED)
    try:
        return found.decode()
    except ValueError:
        raise SetupError(f"{said} printed what is no text.{hint}", EXIT_USAGE) from None


def _without_rights(words: Sequence[str]) -> Sequence[str]:
    """Returns the command, begun by a program that gives up what it would inherit (PR_CAP_AMBIENT_CLEAR_ALL)."""
    found = re.search(r"(?m)^CapAmb:\s*0*([1-9a-f])", RIGHTS.read_text())
    return [sys.executable, "-I", "-S", "-c", WITHOUT, *words] if found else words


def _read(pipe: IO[bytes], until_s: float, clock: Clock) -> bytes:
    """All that comes, as far as a key may be long. Raises TimeoutError."""
    found, poll = b"", select.poll()
    poll.register(pipe, select.POLLIN)
    while len(found) < LIMIT_BYTES:
        if not poll.poll(max(0.0, until_s - clock.now_s()) * 1000):
            raise TimeoutError
        some = os.read(pipe.fileno(), LIMIT_BYTES - len(found))
        if not some:
            break
        found += some
    return found
