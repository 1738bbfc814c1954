"""Every option of a mount, once: its flag, its variable and its key in the file are made of its name here.

Never   reads anything. A mount's command imports this at its start, and so does every other.
"""

from typing import Final, NamedTuple

from anthrofs.settings.values import (
    Reader,
    bound,
    choice,
    expiry,
    kept,
    line,
    named,
    number,
    octal,
    owner,
    path,
    size,
    switch,
    words,
)

LONGEST_S: Final = 10**9    # of any wait: threads take no longer one


class Setting(NamedTuple):
    """One option."""

    name: str                   # in the file
    shows: str                  # for its value in the help; empty: a switch
    helps: str
    read: Reader
    default: str = ""           # as it would be typed; empty: the help says it, if there is one
    usual: str = ""             # its variable, where that isn't made of the name

    @property
    def flag(self) -> str:
        """On the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The variable of the same meaning."""
        return self.usual or f"ANTHROFS_{self.name.upper()}"

    @property
    def is_switch(self) -> bool:
        """There is only yes and no; --no-… says no."""
        return not self.shows


SETTINGS: Final = {each.name: each for each in (
    Setting("demo", "", "Mount a local imitation of the service; needs no key.", switch),
    Setting("read_only", "", "Change nothing, send nothing.", switch),
    Setting("upload", "WHEN", "When close returns: `wait`, the server has the file; `queue`, it is safe here.",
            choice("wait", "queue"), "wait"),
    Setting("api", "SHAPE", "Shape of the API: `beta` or `ga`.", choice("beta", "ga"), "beta"),
    Setting("base_url", "URL", "The service's address. Default: https://api.anthropic.com.", line,
            usual="ANTHROPIC_BASE_URL"),
    Setting("expires_in", "TIME", "When the service shall delete what is uploaded: 7d, 12h (1h to 90d).", expiry,
            "never"),
    Setting("layout", "LAYOUT", "`tree`: names with a full-width slash are in directories; `flat`: one directory.",
            choice("tree", "flat"), "tree"),
    Setting("workspace", "ID", "Its id, of a key or login that spans several.", named("wrkspc_…")),
    Setting("scope", "ID", "An agent session's id: its files, read-only, as it writes them.", named("sesn_…")),
    Setting("state_dir", "DIR", "Where state, queue and cache are kept, instead of the profile's.", path),
    Setting("refresh", "SECONDS", "Seconds after which a look asks for news.", number(0.1, LONGEST_S), "10"),
    Setting("poll", "", "Ask for news also while nobody looks.", switch),
    Setting("close_timeout", "SECONDS", "Seconds without progress until close gives up.", number(1, LONGEST_S), "300"),
    Setting("cache_size", "SIZE", "Disk space for what can be fetched again: 10G, 500M; 0: none.", size, "10G"),
    Setting("keep_uploads", "SIZE", "Copies of uploads, the only readable ones: `all`, `none`, or the newest, up to "
            "20G.", kept, "all"),
    Setting("staging_size", "SIZE", "Disk space for what isn't sent yet: 20G; a write beyond it fails. 0: what the "
            "disk has.", size, "0"),
    Setting("glances", "SIZE", "What thumbnailers, indexers and a browser's look at a file's type may download in an "
            "hour; `all`, `none`.", bound, "64M"),
    Setting("requests_per_minute", "N", "At most, in any 61 seconds; an organization has about 500.",
            number(1, 10**6, whole=True), "450"),
    Setting("notify", "WHEN", "Tell a desktop of uploads that were refused: `auto`, where there is one; `never`.",
            choice("auto", "never"), "auto"),
    Setting("binding", "NAME", "`mfusepy`: libfuse 3; `fusepy`: libfuse 2. Default: libfuse 3, if it is there.",
            choice("mfusepy", "fusepy")),
    Setting("uid", "N", "Whose the files are shown to be. Default: yours.", owner),
    Setting("gid", "N", "Their group. Default: yours.", owner),
    Setting("umask", "OCTAL", "Taken from the mode of every file.", octal, "0"),
    Setting("allow_other", "", "Other users of this machine may use the mount, as the files' modes say.", switch),
    Setting("noexec", "", "Nothing in the mount is run as a program.", switch),
    Setting("key_file", "FILE", "A file (mode 0600) that has the key, and nothing else.", path),
    Setting("key_command", "COMMAND", "A command that prints the key.", words),
    Setting("credential", "NAME", "The systemd credential that has the key. Default: anthropic-api-key, if it is "
            "there.", line),
    Setting("keyring", "NAME", "The key's name in the desktop's keyring; SERVICE/NAME if the service there isn't "
            "anthrofs.", line),
    Setting("login", "NAME", "The profile of `ant auth login` (or of the SDKs) to use. Default: the active one.", line,
            usual="ANTHROPIC_PROFILE"),
    Setting("key_type", "KIND", "What a key file, command, credential or keyring has: an API `key`, or a bearer "
            "`token`.", choice("key", "token"), "key"),
    Setting("store", "URL", "A store of contents for all mounts of a fleet: s3://, gs://, az://, file://.", line),
    Setting("board", "URL", "Their board of notes: valkey(s):// or redis(s)://.", line),
    Setting("fleet_key", "FILE", "The fleet's key, the same file on each machine.", path,
            usual="ANTHROFS_FLEET_KEY_FILE"),
    Setting("share", "WHAT", "What this mount puts into the store: `uploads`, `all` or `none`.",
            choice("uploads", "all", "none"), "all"),
)}

KEYS: Final = ("key_file", "key_command", "credential", "keyring", "login")     # where the key is: one of them
PATHS: Final = ("state_dir", "key_file", "fleet_key", "directory")      # relative ones mean nothing in a file
DIRECTORY: Final = Setting("directory", "DIR", "Where a profile is mounted.", path)     # the file's; else an argument
