"""The command: `anthrofs sync`, `path`, `discard`, `push`, `free`, `fetch`, `refresh`, `check`,
`emulator`; those with a module of their own are imported below.

Owns    what each takes, and the exit codes (errors.EXIT_…).
Never   takes a key as an argument: arguments are seen by everybody on the machine. Imports at its head what only one
        command needs: `status` and `id` are typed all day, and most of their time is that of imports.
"""

import json
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import anthrofs.cli.completion_command
import anthrofs.cli.config_command
import anthrofs.cli.desktop_command
import anthrofs.cli.doctor_command
import anthrofs.cli.fleet_command
import anthrofs.cli.help_command
import anthrofs.cli.id_command
import anthrofs.cli.init_command
import anthrofs.cli.log_command
import anthrofs.cli.ls_command
import anthrofs.cli.retry_command
import anthrofs.cli.service_command
import anthrofs.cli.states_command
import anthrofs.cli.status_command
import anthrofs.cli.umount_command
import anthrofs.cli.version_command
import anthrofs.cli.web_command
from anthrofs.cli import draining, fleet_output, output, past_words
from anthrofs.cli.amounts import shown_bytes
from anthrofs.cli.common_options import FILE, FILES, JSON, TIMEOUT, WAIT_S
from anthrofs.cli.mount_command import DIRECTORY
from anthrofs.cli.places import mount_point
from anthrofs.cli.syntax import PROGRAM, argument, command, flag, number, option, outline, typed
from anthrofs.cli.teller import Teller
from anthrofs.client import asking, control_client, detached
from anthrofs.errors import EXIT_BUSY, EXIT_FAILED, EXIT_USAGE, SetupError
from anthrofs.text import printable


def main() -> None:
    """Errors that a person can mend are one sentence and an exit code; so are the rest, whose details a file has."""
    _speak_plainly()
    try:
        program = Path(sys.argv[0]).name
        if program != PROGRAM or sys.argv[3:4] == ["-o"]:       # it may be mount(8) that calls
            from anthrofs.cli import mount_call

            mount_call.answer(program, sys.argv[1:])
        run(sys.argv[1:])
    except SetupError as exc:
        output.complain(str(exc))
        if address := os.environ.get("NOTIFY_SOCKET"):      # systemd has started us, and shows it
            from anthrofs.daemon.notify import Notify

            Notify(address).failed(str(exc))
        sys.exit(exc.exit_code)
    except BrokenPipeError:
        output.let_go()                 # `anthrofs status | head`
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as exc:
        from anthrofs.cli.last_gate import sentence_of

        error = sentence_of(exc)
        output.complain(str(error))
        sys.exit(error.exit_code)


def _speak_plainly() -> None:
    """A character that the terminal's encoding lacks is spelled by its number, and a path stays the path."""
    for stream, otherwise in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, TextIOWrapper):       # it may be closed
            plain = stream.encoding.lower() not in ("utf-8", "utf8")
            stream.reconfigure(errors="backslashreplace" if plain else otherwise)


def run(words: Sequence[str]) -> None:
    """The command that the words name. Raises SetupError, and SystemExit for an exit code without words."""
    if not words:
        outline().print_help()
        sys.exit(EXIT_USAGE)
    known, values = typed(["version", *words[1:]] if words[0] in ("--version", "-V") else words)
    known.run(**values)


@command("sync", DIRECTORY, TIMEOUT, JSON)
def sync(directory: Path, timeout: float, as_json: bool) -> None:
    """Wait until everything is on the server, and name what isn't."""
    left = draining.drained(asking.state_dir(directory), timeout)
    if as_json:
        output.put(json.dumps(left))
    draining.say_left(left)


@command("path", argument("ids", "File ids.", count="+"),
         option("--in", "directory", "DIR", "The mount point; all mounts, without.", Path),
         flag("--follow", "follow", "Of an id that was replaced, the path of what has taken its place by now."), JSON)
def show_path(ids: list[str], directory: Path | None, follow: bool, as_json: bool) -> None:
    """Where the file of each id is, one path a line; or what became of it."""
    answers, silent = asking.ask_all(directory, "paths", file_ids=ids)
    found, fates = dict[str, str](), dict[str, str]()
    for root, answer in answers.items():
        found |= {file_id: str(root / path) for file_id, path in answer["paths"].items() if file_id not in found}
        for file_id, told in answer.get("past", {}).items():        # a mount of an earlier version doesn't tell
            fates.setdefault(file_id, past_words.fate(root, file_id, told))
            if follow and told["last"]["path"] is not None:
                found.setdefault(file_id, str(root / told["last"]["path"]))
    if as_json:
        output.put(json.dumps(found))
    elif found:
        output.show_to_programs(*(found[file_id] for file_id in ids if file_id in found))
    if missing := [file_id for file_id in ids if file_id not in found]:
        where = f"In no mount{' on ' + str(directory) if directory else ''}"
        strange = ", ".join(file_id for file_id in missing if file_id not in fates)
        raise SetupError("\n".join([*(fates[file_id] for file_id in missing if file_id in fates),
                                    *([f"{where}: {strange}. If it is new: anthrofs refresh DIR."] if strange else []),
                                    *silent]))


@command("discard", FILE, JSON)
def discard(path: Path, as_json: bool) -> None:
    """Give up what a file has unsent: its name shows what the server has, also one that it had replaced; or it goes."""
    now = asking.decide("discard", path)["now"]
    if as_json:
        output.put(json.dumps({str(path): now}))
    else:
        output.show(printable(f"{path}: {now}"))


@command("push", FILE, JSON)
def push(path: Path, as_json: bool) -> None:
    """Send a file (or all in a directory) that is only named here, so that the server has it under this name.

    What a tool made becomes an upload by that: the service gives it out to nobody any more.
    """
    found = asking.decide("push", path)["paths"]
    if as_json:
        output.put(json.dumps(found))
        return
    nothing = "Nothing in it is only named here." if path.is_dir() else "The server has it under this name already."
    output.show("\n".join(f"{printable(shown)} is sent under this name" for shown in found) or nothing)


@command("free", FILES, JSON)
def free(paths: list[Path], as_json: bool) -> None:
    """Give up what is here of files (or of all in a directory): the copies that make your uploads readable, and what
    was downloaded.

    What is still to be sent, stays here, or is open is never given up.
    """
    found = dict[str, dict[str, Any]]()
    try:
        for path, answer in asking.each("free", paths):
            found[str(path)] = answer
            if not as_json:
                output.show(*output.freed_lines([(path, answer)]))
    finally:                # what was freed is told, whatever comes behind it
        if as_json:
            output.put(json.dumps(found))


@command("fetch", FILES, JSON)
def fetch(paths: list[Path], as_json: bool) -> None:
    """Download files (or all in a directory) that can be downloaded, so that they can be read without the network."""
    found, lacking = dict[str, dict[str, Any]](), list[str]()
    try:
        with Teller("fetching") as teller:
            for path, answer in asking.each("fetch", paths):
                if "fetching" in answer:
                    teller.tell(f"fetching {answer['fetching']}", answer["fetched"], answer.get("of"))
                    continue
                found[str(path)] = answer
                lacking += map(printable, answer["refused"].values())
                if not as_json:
                    here = "" if answer["fetched"] or answer["refused"] else ", it was here"
                    with teller.aside():
                        output.show(f"{path}: {shown_bytes(answer['fetched'])} fetched{here}")
    finally:                # what was fetched is told, whatever comes behind it
        if as_json:
            output.put(json.dumps(found))
    if lacking:
        raise SetupError("Not fetched:\n" + "\n".join(f"  {reason}" for reason in lacking))


@command("refresh", DIRECTORY, flag("--accept", "accept", "Believe a listing that lacks most of the known files."),
         option("--timeout", "timeout", "SECONDS", "Seconds to wait at most.", WAIT_S, default=60.0), JSON)
def refresh(directory: Path, accept: bool, timeout: float, as_json: bool) -> None:
    """Ask the service for its listing now."""
    with Teller("asking for the listing"):
        answer = next(control_client.ask(asking.state_dir(directory), "refresh", accept=accept, timeout_s=timeout,
                                         patience_s=timeout + 10))
    output.put(json.dumps(answer) if as_json else f"{answer['files']} files")


@command("check", argument("directory", "A mount, whose state is looked at while it goes on.", count="?"),
         option("--profile", "profile", "NAME", "Name of the state. Without: `default`."),
         option("--state-dir", "state_dir", "DIR", "The state, by its directory.", Path), JSON)
def check(directory: str | None, profile: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Look for damage in a state: of a mount, or of a workspace that isn't mounted. Mends nothing."""
    if directory is not None and (profile is not None or state_dir is not None):
        raise SetupError("Name a mount, or a state; not both.", EXIT_USAGE)
    found = (_damage_of_mount(mount_point(directory)) if directory is not None
             else _damage_of_state(profile, state_dir))
    if as_json:
        output.put(json.dumps(found))
    else:
        output.show("\n".join(map(printable, found)) or "All is well.")
    if found:
        sys.exit(EXIT_FAILED)


def _damage_of_mount(directory: Path) -> list[str]:
    """As its program finds it."""
    root, state_dir = asking.mount_of(directory)
    found = list[str]()
    with Teller(f"looking at the state of {root}"):
        for answer in control_client.ask(state_dir, "check", patience_s=asking.ANSWER_S):
            found += answer.get("problems", ())
    return found


def _damage_of_state(profile: str | None, state_dir: Path | None) -> list[str]:
    """As it is found in one that nobody mounts. Raises SetupError."""
    from anthrofs.settings.choosing import state_named
    from anthrofs.store.state_dir import StateDir
    from anthrofs.tree.fsck import problems

    path = state_dir or state_named(profile, os.environ)
    if not os.path.exists(path / "state.db"):     # noqa: PTH110 - false, whatever the system says of it
        raise SetupError(f"There is no state in {path}.", EXIT_USAGE)
    os.umask(0o077)             # what SQLite makes beside its file is as private as that
    lock = StateDir(path, "(a check)")
    try:
        with Teller(f"looking at the state in {path}"):
            return problems(path)
    finally:
        lock.close()


@command("emulator", option("--data", "data", "DIR", "Where its files are kept.", Path),
         option("--port", "port", "N", "0: any free one; it is printed.", number(0, 65535, whole=True), default=0),
         option("--key", "key", "KEY", "An accepted key, for tests. Default: demo-key.", repeated=True))
def emulator(data: Path | None, port: int, key: list[str] | None) -> None:
    """Run the imitation of the service on this machine's loopback, until interrupted."""
    if data is None:
        raise SetupError("Where? Say --data DIR.", EXIT_USAGE)
    from anthrofs.emulator.server import CannotServe
    from anthrofs.emulator.server import run as serve

    try:
        serve("127.0.0.1", port, data, key or ["demo-key"])
    except CannotServe as exc:
        raise SetupError(f"The emulator can't start: {exc}.", EXIT_BUSY if exc.in_use else EXIT_USAGE) from exc
    except OSError as exc:          # its data directory
        raise SetupError(f"The emulator can't keep its files in {data}: {exc.strerror}.", EXIT_USAGE) from exc
