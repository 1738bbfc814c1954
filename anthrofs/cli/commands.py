"""The command: `anthrofs mount`, `umount`, `sync`, `status`, `ls`, `id`, `path`, `retry`, `discard`, `push`, `free`,
`fetch`, `refresh`, `check`, `emulator`, `help`.

Owns    the options, and the exit codes (errors.EXIT_…).
Never   takes a key as an argument: arguments are seen by everybody on the machine.
"""

import json
import math
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from anthrofs.cli import asking, control_client, launch, manual, output
from anthrofs.cli.environment import select, service_of, state_dir_of
from anthrofs.cli.options import byte_count, expiry_s, most_kept, one_of, with_options
from anthrofs.config import DEFAULT_PROFILE, Config, Credentials, Service
from anthrofs.errors import EXIT_FAILED, EXIT_USAGE, SetupError
from anthrofs.fuse import mountpoint
from anthrofs.store.state_dir import StateDir
from anthrofs.text import printable
from anthrofs.tree.fsck import problems

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                  help="The Anthropic Files API mounted as a directory.")

LAZY_S: Final = 3.0         # after a lazy unmount: for a process that nobody keeps
END_S: Final = 400.0        # after an unmount: above the daemon's own bound

LONGEST_S: Final = 10**9    # of any wait: threads take no longer one


def a_number(value: float) -> float:
    """No comparison finds NaN too small or too large."""
    if math.isnan(value):
        raise typer.BadParameter("it is no number")
    return value


Directory = Annotated[Path, typer.Argument(help="The mount point.", show_default=False)]
# The mount says better why one can't be read than a look at its mode does.
File = Annotated[Path, typer.Argument(help="A file in a mount.", show_default=False, readable=False)]
Files = Annotated[list[Path], typer.Argument(help="Files in a mount, or directories with all in them.",
                                             show_default=False, readable=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")]
Seconds = Annotated[float, typer.Option("--timeout", min=0, max=LONGEST_S, callback=a_number,
                                        help="Seconds to wait at most.")]


def main() -> None:
    """Errors that a person can mend are one sentence and an exit code; the rest are bugs, with a traceback."""
    try:
        app()
    except SetupError as exc:
        output.complain(str(exc))
        sys.exit(exc.exit_code)
    except BrokenPipeError:
        sys.exit(EXIT_FAILED)       # `anthrofs status | head`
    except KeyboardInterrupt:
        sys.exit(130)


@app.command()
def mount(
    directory: Directory,
    foreground: Annotated[bool, typer.Option("--foreground", "-f",
                                             help="Stay in the foreground; log to standard error.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Mount a local imitation of the service; needs no key.")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="Change nothing, send nothing.")] = False,
    upload: Annotated[str, typer.Option(help="When close returns: `wait`, the server has the file; `queue`, it is safe "
                                        "here.")] = "wait",
    api: Annotated[str, typer.Option(help="Shape of the API: `beta` or `ga`.")] = "beta",
    expires_in: Annotated[str, typer.Option(help="When the service shall delete what is uploaded: 7d, 12h (1h to 90d). "
                                            "Default: never.")] = "",
    layout: Annotated[str, typer.Option(help="`tree`: names with a full-width slash are in directories; `flat`: one "
                                        "directory.")] = "tree",
    workspace: Annotated[str, typer.Option(help="Its id, of a key or login that spans several.")] = "",
    scope: Annotated[str, typer.Option(help="An agent session's id: its files, read-only, as it writes them.")] = "",
    profile: Annotated[str, typer.Option(help="Name of the state to use; one mount at a time has it.")] = "",
    state_dir: Annotated[Path | None, typer.Option(help="Where state, queue and cache are kept, instead of the "
                                                   "profile's.")] = None,
    refresh_s: Annotated[float, typer.Option("--refresh", min=0.1, max=LONGEST_S, callback=a_number,
                                             help="Seconds after which a look asks for news.")] = 10.0,
    poll: Annotated[bool, typer.Option("--poll", help="Ask for news also while nobody looks.")] = False,
    close_timeout_s: Annotated[float, typer.Option("--close-timeout", min=1, max=LONGEST_S, callback=a_number,
                                                   help="Seconds without progress until close gives up.")] = 300.0,
    cache_size: Annotated[str,
                          typer.Option(help="Disk space for what can be fetched again: 10G, 500M; 0: none.")] = "10G",
    keep_uploads: Annotated[str, typer.Option(help="Copies of uploads, the only readable ones: `all`, `none`, or the "
                                              "newest, up to 20G.")] = "all",
    staging_size: Annotated[str, typer.Option(help="Disk space for what isn't sent yet: 20G; a write beyond it fails. "
                                              "0: what the disk has.")] = "0",
    requests_per_minute: Annotated[int, typer.Option(min=1, max=10**6, help="At most, in any 61 seconds; an "
                                                     "organization has about 500.")] = 450,
    options: Annotated[list[str] | None, typer.Option("-o", help="ro, allow_other, uid=N, gid=N, umask=OCTAL; "
                                                      "comma-separated.")] = None,
) -> None:
    """Mount your workspace on DIRECTORY, and return when it is ready. Who you are, $ANTHROPIC_API_KEY or
    `ant auth login` says.
    """
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
    config = with_options(Config(Path(os.path.realpath(directory)), state_dir.absolute(), service,
                                 read_only=read_only or bool(scope), upload=upload, expires_in_s=expires_in_s,
                                 layout="flat" if layout == "flat" else "tree", refresh_s=refresh_s, poll=poll,
                                 close_timeout_s=close_timeout_s, cache_bytes=byte_count("--cache-size", cache_size),
                                 keep_bytes=most_kept(keep_uploads),
                                 staging_bytes=byte_count("--staging-size", staging_size),
                                 requests_per_minute=requests_per_minute), options or [])
    if foreground:
        launch.serve(config, None, demo=demo)
    else:
        launch.start_in_background(config, demo=demo)


@app.command()
def umount(
    directory: Directory,
    timeout: Seconds = 300.0,
    lazy: Annotated[bool, typer.Option("--lazy", help="Detach now, also while files are open.")] = False,
) -> None:
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


@app.command()
def sync(directory: Directory, timeout: Seconds = 300.0) -> None:
    """Wait until everything is on the server, and name what isn't."""
    output.say_left(output.drained(asking.state_dir(directory), timeout))


@app.command()
def status(directory: Annotated[Path | None, typer.Argument(help="The mount point; all, without.")] = None,
           as_json: AsJson = False) -> None:
    """Show what a mount holds, what is still to be sent, and what was refused."""
    answers, silent = asking.ask_all(directory, "status")
    found = list(answers.values())
    if as_json:
        print(json.dumps(found[0] if directory else found))
    elif not (found or silent):
        print("No mounts.")
    else:
        for one in found:
            output.show(*output.status_lines(one))
    if silent:
        raise SetupError("\n".join(silent))


@app.command("ls")
def show_entries(
    path: Annotated[Path, typer.Argument(help="A folder or a file in a mount.", readable=False)] = Path(),
    as_json: AsJson = False,
) -> None:
    """State, id, size and name of each file in a folder: which are on the server, waiting, refused, or can't be read,
    and why.
    """
    root, state_dir = asking.mount_of(path)
    found = [entry for answer in control_client.ask(state_dir, "ls", path=asking.below(root, path))
             for entry in answer["entries"]]
    if as_json:
        print(json.dumps(found))
    elif found:
        output.show(*output.entry_lines(found))


@app.command("id")
def show_id(
    paths: Annotated[list[Path], typer.Argument(help="Files in a mount.", readable=False)],
    timeout: Seconds = 300.0,
    as_json: AsJson = False,
) -> None:
    """The file id of each path, one a line; waits for an upload that is under way."""
    ids = {str(path): asking.wait_for_id(path, timeout) for path in paths}
    if as_json:
        print(json.dumps(ids))
    else:
        output.show_to_programs(*ids.values())


@app.command("path")
def show_path(
    ids: Annotated[list[str], typer.Argument(help="File ids.")],
    directory: Annotated[Path | None, typer.Option("--in", help="The mount point; all mounts, without.")] = None,
    as_json: AsJson = False,
) -> None:
    """Where the file of each id is, one path a line."""
    answers, silent = asking.ask_all(directory, "paths", file_ids=ids)
    found: dict[str, str] = {}
    for root, answer in answers.items():
        found |= {file_id: str(root / path) for file_id, path in answer["paths"].items() if file_id not in found}
    if as_json:
        print(json.dumps(found))
    elif found:
        output.show_to_programs(*(found[file_id] for file_id in ids if file_id in found))
    if missing := [file_id for file_id in ids if file_id not in found]:
        where = f"In no mount{' on ' + str(directory) if directory else ''}"
        raise SetupError("\n".join([f"{where}: {', '.join(missing)}. If it is new: anthrofs refresh DIR.", *silent]))


@app.command()
def retry(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files, or directories with all that was refused in them.",
                                                       show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that was refused in the mount, of the path or "
                                             "of this directory.")] = False,
    as_is: Annotated[bool, typer.Option("--as-is", help="Also what isn't whole, because a write was refused.")] = False,
) -> None:
    """Send again what was refused, and try at once what waits."""
    if not (paths or everything):
        raise SetupError("Which? Name files or directories, or say --all.", EXIT_USAGE)
    chosen = [asking.mount_of(path)[0] for path in paths or [Path()]] if everything else paths or []
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


@app.command()
def discard(path: File) -> None:
    """Give up what a file has unsent: its name shows what the server has, also one that it had replaced; or it goes."""
    output.show(printable(f"{path}: {asking.decide('discard', path)['now']}"))


@app.command()
def push(path: File) -> None:
    """Send a file (or all in a directory) that is only named here, so that the server has it under this name.

    What a tool made becomes an upload by that: the service gives it out to nobody any more.
    """
    found = asking.decide("push", path)["paths"]
    nothing = "Nothing in it is only named here." if path.is_dir() else "The server has it under this name already."
    output.show("\n".join(f"{printable(shown)} is sent under this name" for shown in found) or nothing)


@app.command()
def free(paths: Files) -> None:
    """Give up what is here of files (or of all in a directory): the copies that make your uploads readable, and what
    was downloaded.

    What is still to be sent, stays here, or is open is never given up.
    """
    for line in output.freed_lines(asking.each("free", paths)):
        output.show(line)


@app.command()
def fetch(paths: Files) -> None:
    """Download files (or all in a directory) that can be downloaded, so that they can be read without the network."""
    for line in output.fetched_lines(asking.each("fetch", paths)):
        output.show(line)


@app.command()
def refresh(
    directory: Directory,
    accept: Annotated[bool,
                      typer.Option("--accept", help="Believe a listing that lacks most of the known files.")] = False,
    timeout: Seconds = 60.0,
) -> None:
    """Ask the service for its listing now."""
    answer = next(control_client.ask(asking.state_dir(directory), "refresh", accept=accept, timeout_s=timeout,
                              patience_s=timeout + 10))
    print(f"{answer['files']} files")


@app.command()
def check(
    profile: Annotated[str, typer.Option(help="Name of the state.")] = DEFAULT_PROFILE,
    state_dir: Annotated[Path | None, typer.Option(help="The state, by its directory.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look for damage in the state of a workspace that isn't mounted. Mends nothing."""
    path = state_dir or state_dir_of(os.environ, profile)
    if not (path / "state.db").exists():
        raise SetupError(f"There is no state in {path}.", EXIT_USAGE)
    os.umask(0o077)             # what SQLite makes beside its file is as private as that
    lock = StateDir(path, "(a check)")
    try:
        found = problems(path)
    finally:
        lock.close()
    if as_json:
        print(json.dumps(found))
    else:
        output.show("\n".join(map(printable, found)) or "All is well.")
    if found:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def emulator(
    data: Annotated[Path, typer.Option(help="Where its files are kept.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one; it is printed.")] = 0,
    key: Annotated[list[str] | None, typer.Option(help="An accepted key, for tests. Default: demo-key.")] = None,
) -> None:
    """Run the imitation of the service on this machine's loopback, until interrupted."""
    try:
        from anthrofs.emulator.server import run  # noqa: PLC0415 - its packages are an extra
    except ModuleNotFoundError as exc:
        raise SetupError(f"The emulator needs {exc.name}: pip install 'anthrofs[demo]'") from exc
    run("127.0.0.1", port, data, key or ["demo-key"])


@app.command("help")
def show_help(
    page: Annotated[str | None, typer.Argument(help="A page; all are listed, without.", show_default=False)] = None,
) -> None:
    """Show a page of the manual; without a page, list them."""
    if page is None:
        print("\n".join(manual.list_lines()))
    else:
        manual.show(manual.page(page), Console())
