"""The command `anthrofs mount`.

Owns    what it takes, and what of that becomes a Config.
Never   takes a key or a password as an argument: arguments are seen by everybody on the machine.
"""

import os
from pathlib import Path
from typing import Final

from anthrofs.cli import output
from anthrofs.cli.syntax import argument, command, flag, number, option
from anthrofs.fuse import mountpoint

LONGEST_S: Final = 10**9    # of any wait: threads take no longer one
DIRECTORY: Final = argument("directory", "The mount point.", Path)


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
    option("--glances", "glances", "SIZE", "What thumbnailers, indexers and a browser's look at a file's type may "
           "download in an hour; `all`, `none`.", default="64M"),
    option("--requests-per-minute", "requests_per_minute", "N", "At most, in any 61 seconds; an organization has about "
           "500.", number(1, 10**6, whole=True), default=450),
    option("--binding", "binding", "NAME", "`mfusepy`: libfuse 3; `fusepy`: libfuse 2. Default: libfuse 3, "
           "if it is there.", default=""),
    option("--store", "store", "URL", "A store of contents for all mounts of a fleet: s3://, gs://, "
           "az://, file://.", default=""),
    option("--board", "board", "URL", "Their board of notes: valkey(s):// or redis(s)://.", default=""),
    option("--fleet-key", "fleet_key", "FILE", "The fleet's key, the same file on each machine.", default=""),
    option("--share", "share", "WHAT", "What this mount puts into the store: `uploads`, `all` or `none`.",
           default="all"),
    option("-o", "options", "OPTIONS", "ro, allow_other, uid=N, gid=N, umask=OCTAL; comma-separated.", repeated=True))
def mount(
    directory: Path, foreground: bool, demo: bool, read_only: bool, upload: str, api: str, expires_in: str, layout: str,
    workspace: str, scope: str, profile: str, state_dir: Path | None, refresh_s: float, poll: bool,
    close_timeout_s: float, cache_size: str, keep_uploads: str, staging_size: str, glances: str,
    requests_per_minute: int, binding: str, store: str, board: str, fleet_key: str, share: str,
    options: list[str] | None,
) -> None:
    """Mount your workspace on DIRECTORY, and return when it is ready. Who you are, $ANTHROPIC_API_KEY or
    `ant auth login` says.
    """
    from anthrofs.cli import launch
    from anthrofs.cli.environment import select, service_of, state_dir_of
    from anthrofs.cli.fleet_options import check_place, fleet_of, warnings
    from anthrofs.cli.options import byte_count, expiry_s, most_glances, most_kept, one_of, with_options
    from anthrofs.client.detached import refuse_detached
    from anthrofs.client.known_states import note
    from anthrofs.config import DEFAULT_PROFILE, Config, Credentials, Service
    from anthrofs.state_place import states_root

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
    refuse_detached(state_dir)
    mountpoint.check_system()
    if mountpoint.clear_dead(directory):
        output.complain(f"The program of the mount on {directory} had ended without unmounting it. What was left of "
                        "that is cleared.")
    mountpoint.check(directory)
    binding = binding or os.environ.get("ANTHROFS_BINDING", "")
    # A demo is in no fleet of yours, unless you say so.
    environ = {} if demo and not (store or board) else os.environ
    config = with_options(Config(Path(os.path.realpath(directory)), state_dir.absolute(), service,
                                 read_only=read_only or bool(scope), upload=upload, expires_in_s=expires_in_s,
                                 layout="flat" if layout == "flat" else "tree", refresh_s=refresh_s, poll=poll,
                                 close_timeout_s=close_timeout_s, cache_bytes=byte_count("--cache-size", cache_size),
                                 keep_bytes=most_kept(keep_uploads),
                                 staging_bytes=byte_count("--staging-size", staging_size),
                                 glance_bytes=most_glances(glances),
                                 requests_per_minute=requests_per_minute, binding=binding,
                                 fleet=fleet_of(store, board, fleet_key, share, environ)), options or [])
    if config.fleet is not None and config.fleet.store_url is not None:
        check_place(config.fleet.store_url, [config.mountpoint, *mountpoint.mounts()])
    for warning in warnings(config.fleet):
        output.complain(warning)
    note(states_root(os.environ), config.state_dir)
    if foreground:
        launch.serve(config, None, demo=demo)
    else:
        launch.start_in_background(config, demo=demo)
