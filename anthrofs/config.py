"""Settings of a mount: frozen values with their defaults. settings/ finds what people have set of them.

Never   prints or quotes a key: `repr` of a Credentials says only which kind it is.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from anthrofs.local_names import LOCAL_PATTERNS
from anthrofs.names import Layout
from anthrofs.text import printable

DEFAULT_PROFILE: Final = "default"
DEFAULT_BASE_URL: Final = "https://api.anthropic.com"


@dataclass(frozen=True, slots=True)
class KeySource:
    """A place that has a key or token: remote/key_sources.py reads it, also again."""

    kind: str                   # "environment" (which doesn't change in a process), "file", "command", "credential"
                                # (systemd's) or "keyring"
    what: tuple[str, ...] = field(repr=False)   # the variable; the path; the command's words; the path; the service's
                                                # and user's names
    token: bool = False         # a bearer token, else an API key

    @property
    def said(self) -> str:
        """The place in a sentence, after `the`."""
        if self.kind == "command":
            return f"key command {self.what[0]!a}"      # its arguments are its own affair
        kind = {"environment": "variable", "file": "key file", "credential": "credential", "keyring": "keyring entry"}
        return f"{kind[self.kind]} {'/'.join(self.what) if self.kind == 'keyring' else printable(self.what[0])}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """One header's name and value. The value is left out of repr, so that no log or traceback shows it."""

    header: str
    value: str = field(repr=False)
    source: KeySource | None = field(default=None, compare=False)       # None: nobody can read it again


@dataclass(frozen=True, slots=True)
class Federation:
    """Somebody else's word, a token of theirs, which is taken for a token of the service's."""

    rule_id: str
    organization_id: str
    service_account_id: str | None
    workspace_id: str | None
    token_path: Path | None                             # read at each need: its owner renews it
    token: str | None = field(default=None, repr=False)     # if there is no such file


@dataclass(frozen=True, slots=True)
class Profile:
    """How tokens are come by."""

    name: str                           # empty: of the environment's federation
    token_url: str
    config_path: Path | None = None
    credentials_path: Path | None = None
    base_url: str | None = None         # of the profile's own; the environment's goes before it
    organization_id: str | None = None
    workspace_id: str | None = None     # to be named in each request
    client_id: str | None = None        # None, and no federation: somebody else renews the credentials file
    federation: Federation | None = None

    @property
    def renewable(self) -> bool:
        """Here, that is."""
        return self.client_id is not None or self.federation is not None

    @property
    def said(self) -> str:
        """The profile's name in a sentence."""
        return f"profile {self.name!a}" if self.name else "federation of the environment"


@dataclass(frozen=True, slots=True)
class Service:
    """A service, its shape, and as whom it is asked."""

    base_url: str                       # without a user's name or password: it is shown, logged and remembered
    credentials: Credentials | Profile
    workspace_id: str | None = None     # sent as anthropic-workspace-id when a credential spans several
    shape: str = "beta"                 # "beta", "ga" or, with a scope, "agents": chooses headers and how listings are
                                        # paged
    scope_id: str | None = None         # an agent session: its files only
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)    # sent besides; names in lower case
    direct: bool = False                # never through a proxy: it is on this machine
    ignored_workspace_id: str | None = None     # of ANTHROPIC_WORKSPACE_ID, which a key or token doesn't use
    shadows: tuple[str, ...] = ()       # what of the environment isn't used, in sentences

    def warnings(self) -> tuple[str, ...]:
        """Sentences about what a person may not expect of what was found."""
        if self.ignored_workspace_id is None or self.workspace_id is not None:
            return self.shadows
        return (*self.shadows, ("ANTHROPIC_WORKSPACE_ID isn't used with a key or token, as by the official SDKs: "
                                "--workspace chooses one."))


@dataclass(frozen=True)
class Timeouts:
    """The limits of one HTTP exchange, in seconds. read is also the longest silence in the middle of a body."""

    connect_s: float = 10.0
    read_s: float = 60.0
    write_s: float = 60.0
    pool_s: float = 30.0
    answer_s: float = 600.0     # of an upload, for its answer, as long as the connection lives: what official clients
                                # wait
    first_s: float = 60.0       # until a download's first byte: a proxy may collect all of it before it passes anything
                                # on
    stall_s: float = 20.0       # without a further one, while somebody waits: it is cut and resumed


@dataclass(frozen=True, slots=True)
class Fleet:
    """The fleet that a mount is in: mounts of the same workspace, with the same key. Store or board may be missing."""

    key_path: Path                      # a file of keys, see fleet/keys.py
    store_url: str | None = None        # s3://, gs://, az:// or file://
    board_url: str | None = None        # valkey(s):// or redis(s)://; without a user's name or password
    board_user: str | None = None
    board_password: str | None = field(default=None, repr=False)
    share: str = "all"                  # what this mount puts into the store: "uploads", "all" (what was downloaded, as
                                        # well) or "none"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a mount is built from."""

    mountpoint: Path
    state_dir: Path
    service: Service
    label: str = ""                     # what it is called beside others: its profile, session or workspace
    timeouts: Timeouts = Timeouts()

    layout: Layout = "tree"             # "tree": names with a full-width slash are in directories; "flat": they are not
    read_only: bool = False
    upload: str = "wait"                # "wait": close returns when the server has it; "queue": when it is safe here
    close_timeout_s: float = 300.0      # without progress
    expires_in_s: int | None = None     # of uploads for which the user hasn't set another one, see tree/xattrs; None:
                                        # never
    drain_s: float = 300.0              # the longest an unmount waits for what is queued

    refresh_s: float = 10.0             # kernel's entry and attr timeouts, and the age that a look may see
    stale_s: float = 60.0               # an index older than that makes opendir wait, 1 s at most
    idle_s: float = 120.0               # refreshing goes on that long after the last look
    poll: bool = False                  # and without anybody looking
    sweep_s: float = 300.0              # between full listings of a workspace of several pages

    fleet: Fleet | None = None          # None: this mount is for itself

    @property
    def has_store(self) -> bool:
        """The mount is in a fleet that has a store."""
        return self.fleet is not None and self.fleet.store_url is not None

    @property
    def shares_uploads(self) -> bool:
        """Uploads from here are put into that."""
        return self.fleet is not None and self.fleet.store_url is not None and self.fleet.share != "none"

    requests_per_minute: int = 450      # at most, in any 61 s: of the about 500 that an organization has
    max_file_bytes: int = 500 * 2**20   # nothing above that is tried; between 500 MB and this the service says whether
                                        # it takes it
    cache_bytes: int = 10 * 10**9       # of blocks that can be fetched again, on the state's disk; 0: none
    keep_bytes: int | None = None       # of copies of our own uploads, on the state's disk; None: all stay, 0: none
                                        # does
    staging_bytes: int = 0              # of content that isn't sent yet, on the state's disk; 0: no bound but its free
                                        # space
    glance_bytes: int | None = 64 * 10**6       # downloaded within an hour for thumbnails, types and indexes, see
                                                # fs/glances; None: no bound
    quota_bytes: int = 10**12           # shown by df
    spare_bytes: int = 512 * 2**20      # free space on the state's disk that writes don't use up
    local_patterns: tuple[str, ...] = LOCAL_PATTERNS

    notify: bool = True         # the desktop, where there is one, is told of uploads that were refused

    uid: int = field(default_factory=os.getuid)
    gid: int = field(default_factory=os.getgid)
    umask: int = 0                      # taken from every mode that is shown
    allow_other: bool = False
    noexec: bool = False                # nothing in the mount is run as a program
    binding: str = ""                   # "mfusepy" or "fusepy", see fuse/binding.py; empty: the better one that is
                                        # there


def without_user(url: str) -> str:
    """The URL without what stands before an @ in its host's place: a name and a password, which go into a header."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
