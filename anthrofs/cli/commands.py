"""The command: `anthrofs mount`, `umount`, `sync`, `status`, `ls`, `id`, `path`, `retry`, `discard`, `push`, `free`,
`fetch`, `refresh`, `check`, `emulator`, `help`.

Owns    what each takes, and the exit codes (errors.EXIT_…).
Never   takes a key as an argument: arguments are seen by everybody on the machine. Imports at its head what only one
        command needs: `status` and `id` are typed all day, and most of their time is that of imports.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from anthrofs.cli import asking, control_client, output
from anthrofs.cli.syntax import argument, command, flag, number, option, outline, typed
from anthrofs.errors import EXIT_FAILED, EXIT_USAGE, SetupError
from anthrofs.fuse import mountpoint
from anthrofs.text import printable

LAZY_S: Final = 3.0         # after a lazy unmount: for a process that nobody keeps
END_S: Final = 400.0        # after an unmount: above the daemon's own bound

LONGEST_S: Final = 10**9    # of any wait: threads take no longer one

DIRECTORY: Final = argument("directory", "The mount point.", Path)
FILE: Final = argument("path", "A file in a mount.", Path)
FILES: Final = argument("paths", "Files in a mount, or directories with all in them.", Path, count="+")
JSON: Final = flag("--json", "as_json", "One JSON value on standard output.")
WAIT_S: Final = number(0, LONGEST_S)
TIMEOUT: Final = option("--timeout", "timeout", "SECONDS", "Seconds to wait at most.", WAIT_S, default=300.0)


def main() -> None:
    """Errors that a person can mend are one sentence and an exit code; the rest are bugs, with a traceback."""
    try:
        run(sys.argv[1:])
    except SetupError as exc:
        output.complain(str(exc))
        sys.exit(exc.exit_code)
    except BrokenPipeError:
        output.let_go()                 # `anthrofs status | head`
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


def run(words: Sequence[str]) -> None:
    """The command that the words name. Raises SetupError, and SystemExit for an exit code without words."""
    if not words:
        outline().print_help()
        sys.exit(EXIT_USAGE)
    known, values = typed(words)
    known.run(**values)


@command(
    "mount", DIRECTORY,
    flag("-f --foreground", "foreground", "Stay in the foreground; log to standard error."),
    flag("--demo", "demo", "Mount a local imitation of the service; needs no key."),
    flag("--read-only", "read_only", "Change nothing, send nothing."),
    option("--upload", "upload", "WHEN", "When close returns: `wait`, the server has the file; `queue`, it is safe "
           "here.", default="wait"),
    option("--api", "api", "SHAPE", "Shape of the API: `beta` or `ga`.", default="beta"),
    option("--expires-in", "expires_in", "TIME", "When the service shall delete what is uploaded: 7d, 12h (1h to 90d). "
           "Default: never.", default=""),
    option("--layout", "layout", "LAYOUT", "`tree`: names with a full-width slash are in directories; `flat`: one "
           "directory.", default="tree"),
    option("--workspace", "workspace", "ID", "Its id, of a key or login that spans several.", default=""),
    option("--scope", "scope", "ID", "An agent session's id: its files, read-only, as it writes them.", default=""),
    option("--profile", "profile", "NAME", "Name of the state to use; one mount at a time has it.", default=""),
    option("--state-dir", "state_dir", "DIR", "Where state, queue and cache are kept, instead of the profile's.", Path),
    option("--refresh", "refresh_s", "SECONDS", "Seconds after which a look asks for news.", number(0.1, LONGEST_S),
           default=10.0),
    flag("--poll", "poll", "Ask for news also while nobody looks."),
    option("--close-timeout", "close_timeout_s", "SECONDS", "Seconds without progress until close gives up.",
           number(1, LONGEST_S), default=300.0),
    option("--cache-size", "cache_size", "SIZE", "Disk space for what can be fetched again: 10G, 500M; 0: none.",
           default="10G"),
    option("--keep-uploads", "keep_uploads", "SIZE", "Copies of uploads, the only readable ones: `all`, `none`, or the "
           "newest, up to 20G.", default="all"),
    option("--staging-size", "staging_size", "SIZE", "Disk space for what isn't sent yet: 20G; a write beyond it "
           "fails. 0: what the disk has.", default="0"),
    option("--requests-per-minute", "requests_per_minute", "N", "At most, in any 61 seconds; an organization has about "
           "500.", number(1, 10**6, whole=True), default=450),
    option("--binding", "binding", "NAME", "`mfusepy`: libfuse 3; `fusepy`: libfuse 2. Default: libfuse 3, "
           "if it is there.", default=""),
    option("-o", "options", "OPTIONS", "ro, allow_other, uid=N, gid=N, umask=OCTAL; comma-separated.", repeated=True))
def mount(
    directory: Path, foreground: bool, demo: bool, read_only: bool, upload: str, api: str, expires_in: str, layout: str,
    workspace: str, scope: str, profile: str, state_dir: Path | None, refresh_s: float, poll: bool,
    close_timeout_s: float, cache_size: str, keep_uploads: str, staging_size: str, requests_per_minute: int,
    binding: str, options: list[str] | None,
) -> None:
    """Mount your workspace on DIRECTORY, and return when it is ready. Who you are, $ANTHROPIC_API_KEY or
    `ant auth login` says.
    """
    from anthrofs.cli import launch
    from anthrofs.cli.environment import select, service_of, state_dir_of
    from anthrofs.cli.options import byte_count, expiry_s, most_kept, one_of, with_options
    from anthrofs.config import DEFAULT_PROFILE, Config, Credentials, Service

    one_of("--upload", upload, "wait", "queue")
    one_of("--layout", layout, "tree", "flat")
    expires_in_s = expiry_s(expires_in)
    service = Service("http://demo", Credentials("", "")) if demo else service_of(os.environ)
    service = select(service, shape=api, workspace_id=workspace, scope_id=scope)
    for warning in service.warnings():
        output.complain(warning)
    if state_dir is None:
        # Whoever mounts several of them side by side needs no names for that.
        state_dir = state_dir_of(os.environ, profile or scope or workspace or ("demo" if demo else DEFAULT_PROFILE))
    mountpoint.check_system()
    mountpoint.check(directory)
    binding = binding or os.environ.get("ANTHROFS_BINDING", "")
    config = with_options(Config(Path(os.path.realpath(directory)), state_dir.absolute(), service,
                                 read_only=read_only or bool(scope), upload=upload, expires_in_s=expires_in_s,
                                 layout="flat" if layout == "flat" else "tree", refresh_s=refresh_s, poll=poll,
                                 close_timeout_s=close_timeout_s, cache_bytes=byte_count("--cache-size", cache_size),
                                 keep_bytes=most_kept(keep_uploads),
                                 staging_bytes=byte_count("--staging-size", staging_size),
                                 requests_per_minute=requests_per_minute, binding=binding), options or [])
    if foreground:
        launch.serve(config, None, demo=demo)
    else:
        launch.start_in_background(config, demo=demo)


@command("umount", DIRECTORY, TIMEOUT, flag("--lazy", "lazy", "Detach now, also while files are open."))
def umount(directory: Path, timeout: float, lazy: bool) -> None:
    """Send what is queued, then unmount. What is left after the timeout is named, kept, and sent after the next mount.
    """
    root, state_dir = asking.mount_of(directory)
    if root != Path(os.path.realpath(directory)):
        raise SetupError(f"{directory} is in the mount on {root}: anthrofs umount {root}", EXIT_USAGE)
    left = output.drained(state_dir, timeout, last=True)
    ending = control_client.ask(state_dir, "wait", patience_s=LAZY_S if lazy else END_S)
    next(ending)            # connected: from now on its end can't be missed
    mountpoint.unmount(root, lazy=lazy)
    try:
        for _ in ending:
            pass
    except SetupError as exc:
        if "not answered" in str(exc):      # else the connection's end is the process's: that is what we wait for
            output.complain(f"{root} is detached; its process ends when the last program has left it.")
    output.say_left(left)


@command("sync", DIRECTORY, TIMEOUT)
def sync(directory: Path, timeout: float) -> None:
    """Wait until everything is on the server, and name what isn't."""
    output.say_left(output.drained(asking.state_dir(directory), timeout))


@command("status", argument("directory", "The mount point; all, without.", Path, count="?"), JSON)
def status(directory: Path | None, as_json: bool) -> None:
    """Show what a mount holds, what is still to be sent, and what was refused."""
    answers, silent = asking.ask_all(directory, "status")
    found = list(answers.values())
    if as_json:
        output.put(json.dumps(found[0] if directory else found))
    elif not (found or silent):
        output.put("No mounts.")
    else:
        for one in found:
            output.show(*output.status_lines(one))
    if silent:
        raise SetupError("\n".join(silent))


@command("ls", argument("path", "A folder or a file in a mount.", Path, count="?", default=Path()), JSON)
def show_entries(path: Path, as_json: bool) -> None:
    """State, id, size and name of each file in a folder: which are on the server, waiting, refused, or can't be read,
    and why.
    """
    root, state_dir = asking.mount_of(path)
    found = [entry for answer in control_client.ask(state_dir, "ls", path=asking.below(root, path))
             for entry in answer["entries"]]
    if as_json:
        output.put(json.dumps(found))
    elif found:
        output.show(*output.entry_lines(found))


@command("id", argument("paths", "Files in a mount.", Path, count="+"), TIMEOUT, JSON)
def show_id(paths: list[Path], timeout: float, as_json: bool) -> None:
    """The file id of each path, one a line; waits for an upload that is under way."""
    ids = {str(path): asking.wait_for_id(path, timeout) for path in paths}
    if as_json:
        output.put(json.dumps(ids))
    else:
        output.show_to_programs(*ids.values())


@command("path", argument("ids", "File ids.", count="+"),
         option("--in", "directory", "DIR", "The mount point; all mounts, without.", Path), JSON)
def show_path(ids: list[str], directory: Path | None, as_json: bool) -> None:
    """Where the file of each id is, one path a line."""
    answers, silent = asking.ask_all(directory, "paths", file_ids=ids)
    found: dict[str, str] = {}
    for root, answer in answers.items():
        found |= {file_id: str(root / path) for file_id, path in answer["paths"].items() if file_id not in found}
    if as_json:
        output.put(json.dumps(found))
    elif found:
        output.show_to_programs(*(found[file_id] for file_id in ids if file_id in found))
    if missing := [file_id for file_id in ids if file_id not in found]:
        where = f"In no mount{' on ' + str(directory) if directory else ''}"
        raise SetupError("\n".join([f"{where}: {', '.join(missing)}. If it is new: anthrofs refresh DIR.", *silent]))


@command("retry", argument("paths", "Files, or directories with all that was refused in them.", Path, count="*"),
         flag("--all", "everything", "Everything that was refused in the mount, of the path or of this directory."),
         flag("--as-is", "as_is", "Also what isn't whole, because a write was refused."))
def retry(paths: list[Path], everything: bool, as_is: bool) -> None:
    """Send again what was refused, and try at once what waits."""
    if not (paths or everything):
        raise SetupError("Which? Name files or directories, or say --all.", EXIT_USAGE)
    chosen = [asking.mount_of(path)[0] for path in paths or [Path()]] if everything else paths
    found = [asking.decide("retry", path, as_is=as_is) for path in chosen]
    # a mount of an earlier version doesn't tell
    lacking = [shown for answer in found for shown in answer.get("lacking", ())]
    lines = [f"{shown} is sent again" for answer in found for shown in answer["paths"]]
    output.show("\n".join(map(printable, lines))
                or ("Nothing was refused there; what waits is tried now." if not lacking
                    else "Nothing is sent again."))
    if lacking:
        raise SetupError("Not sent, for a write was refused and so it isn't the whole file: "
                         + ", ".join(map(printable, lacking)) +
                         ". Write it anew, give it up (anthrofs discard), or send it as it is (--as-is).")


@command("discard", FILE)
def discard(path: Path) -> None:
    """Give up what a file has unsent: its name shows what the server has, also one that it had replaced; or it goes."""
    output.show(printable(f"{path}: {asking.decide('discard', path)['now']}"))


@command("push", FILE)
def push(path: Path) -> None:
    """Send a file (or all in a directory) that is only named here, so that the server has it under this name.

    What a tool made becomes an upload by that: the service gives it out to nobody any more.
    """
    found = asking.decide("push", path)["paths"]
    nothing = "Nothing in it is only named here." if path.is_dir() else "The server has it under this name already."
    output.show("\n".join(f"{printable(shown)} is sent under this name" for shown in found) or nothing)


@command("free", FILES)
def free(paths: list[Path]) -> None:
    """Give up what is here of files (or of all in a directory): the copies that make your uploads readable, and what
    was downloaded.

    What is still to be sent, stays here, or is open is never given up.
    """
    for line in output.freed_lines(asking.each("free", paths)):
        output.show(line)


@command("fetch", FILES)
def fetch(paths: list[Path]) -> None:
    """Download files (or all in a directory) that can be downloaded, so that they can be read without the network."""
    for line in output.fetched_lines(asking.each("fetch", paths)):
        output.show(line)


@command("refresh", DIRECTORY, flag("--accept", "accept", "Believe a listing that lacks most of the known files."),
         option("--timeout", "timeout", "SECONDS", "Seconds to wait at most.", WAIT_S, default=60.0))
def refresh(directory: Path, accept: bool, timeout: float) -> None:
    """Ask the service for its listing now."""
    answer = next(control_client.ask(asking.state_dir(directory), "refresh", accept=accept, timeout_s=timeout,
                              patience_s=timeout + 10))
    output.put(f"{answer['files']} files")


@command("check", option("--profile", "profile", "NAME", "Name of the state. Without: `default`."),
         option("--state-dir", "state_dir", "DIR", "The state, by its directory.", Path), JSON)
def check(profile: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Look for damage in the state of a workspace that isn't mounted. Mends nothing."""
    from anthrofs.cli.environment import state_dir_of
    from anthrofs.config import DEFAULT_PROFILE
    from anthrofs.store.state_dir import StateDir
    from anthrofs.tree.fsck import problems

    path = state_dir or state_dir_of(os.environ, DEFAULT_PROFILE if profile is None else profile)
    if not (path / "state.db").exists():
        raise SetupError(f"There is no state in {path}.", EXIT_USAGE)
    os.umask(0o077)             # what SQLite makes beside its file is as private as that
    lock = StateDir(path, "(a check)")
    try:
        found = problems(path)
    finally:
        lock.close()
    if as_json:
        output.put(json.dumps(found))
    else:
        output.show("\n".join(map(printable, found)) or "All is well.")
    if found:
        sys.exit(EXIT_FAILED)


@command("emulator", option("--data", "data", "DIR", "Where its files are kept.", Path),
         option("--port", "port", "N", "0: any free one; it is printed.", number(0, 65535, whole=True), default=0),
         option("--key", "key", "KEY", "An accepted key, for tests. Default: demo-key.", repeated=True))
def emulator(data: Path | None, port: int, key: list[str] | None) -> None:
    """Run the imitation of the service on this machine's loopback, until interrupted."""
    if data is None:
        raise SetupError("Where? Say --data DIR.", EXIT_USAGE)
    try:
        from anthrofs.emulator.server import run as serve
    except ModuleNotFoundError as exc:
        raise SetupError(f"The emulator needs {exc.name}: pip install 'anthrofs[demo]'") from exc
    serve("127.0.0.1", port, data, key or ["demo-key"])


@command("help", argument("page", "A page; all are listed, without.", count="?"))
def show_help(page: str | None) -> None:
    """Show a page of the manual; without a page, list them."""
    from anthrofs.cli import manual

    if page is None:
        output.put("\n".join(manual.list_lines()))
    else:
        manual.show(manual.page(page))
