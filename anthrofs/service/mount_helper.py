"""The words of mount(8), turned into those of `anthrofs mount`.

For its type anthrofs mount(8) calls a link of helper_links.py with SOURCE DIR [-sfnvN] [-o OPTIONS] [-t TYPE]. Without
those, FUSE's own helper calls `anthrofs SOURCE DIR -o OPTIONS`, where it is a subtype of fuse. A source is
anthrofs:PROFILE, a bare PROFILE, `anthrofs` or `none` for no profile, or the path of a file with the key.

umount(8) calls nobody: of a subtype of fuse it asks no helper but that of all of fuse. The mount's process sends what
is queued behind its end.

Trusts  fstab, which is root's.
Never   takes a key: the words are seen by everybody on the machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.text import printable

KIND: Final = "anthrofs"
MOUNTS: Final = ("mount.anthrofs", "mount.fuse.anthrofs")
# Exit codes of mount(8): 1, it was called in a wrong way; 32, the mount failed.
USAGE, FAILED = 1, 32
# What is for mount(8), systemd or whoever reads fstab, and what is always so here (nosuid and nodev).
OTHERS: Final = frozenset({
    "defaults", "rw", "auto", "noauto", "nofail", "_netdev", "user", "nouser", "users", "nousers", "owner", "noowner",
    "group", "nogroup", "nosuid", "nodev", "exec", "async", "atime", "noatime", "diratime", "nodiratime", "relatime",
    "norelatime", "strictatime", "nostrictatime", "lazytime", "nolazytime", "noiversion", "loud", "silent",
    "default_permissions", "dev", "suid"})     # the last two FUSE's helper says to root's
THEIRS: Final = ("x-", "X-", "comment=", "user=", "uhelper=", "helper=")


@dataclass(frozen=True, slots=True)
class Call:
    """The command that is meant, as whom, and with which file of settings."""

    words: tuple[str, ...]
    run_as: str = ""            # setuid=NAME: whose mount it is, when root calls
    settings: str = ""          # config=FILE
    fake: bool = False          # -f: only look whether it could be

    @property
    def profile(self) -> str:
        """The one that the source names; nothing, if it names none."""
        options = self.words[self.words.index("-o") + 1].split(",") if "-o" in self.words else []
        return next((each.removeprefix("profile=") for each in reversed(options) if each.startswith("profile=")), "")


def called(program: str, words: Sequence[str]) -> Call | None:
    """The call that mount(8) makes by these words, with this name for us; None: a person has typed a command. Raises
    SetupError.
    """
    by_fuse = len(words) >= 4 and words[2] == "-o" and words[0] != "mount" and not words[0].startswith("-")
    return _mounting(words) if program in MOUNTS or by_fuse else None


def exit_code(code: int) -> int:
    """mount(8)'s, of one of ours."""
    return {0: 0, EXIT_USAGE: USAGE}.get(code, FAILED)


def _mounting(words: Sequence[str]) -> Call:
    flags, options, plain = _split(words)
    if len(plain) != 2:
        raise SetupError(f"mount.anthrofs takes SOURCE and DIRECTORY, then -o OPTIONS; not {' '.join(plain)!a}.",
                         EXIT_USAGE)
    source, directory = plain
    given, found = list[str](), {"setuid": "", "config": ""}
    for option in [part for text in options for part in text.split(",") if part]:
        name, equals, value = option.partition("=")
        if name in found and equals:
            found[name] = value
        elif name not in OTHERS and not option.startswith(THEIRS):
            given.append(name.replace("-", "_") + equals + value)
    profile, key_file = _source(source)
    if profile:
        given.append(f"profile={profile}")
    if key_file:
        given.append(f"key_file={key_file}")
    return Call(("mount", *(("-o", ",".join(given)) if given else ()), "--", directory), found["setuid"],
                found["config"], "f" in flags)


def _source(source: str) -> tuple[str, str]:
    """(the profile, the file with the key); both may be empty. Raises SetupError."""
    name = source.removeprefix(f"{KIND}:")
    if source == name and source.startswith("/"):
        if Path(source).is_dir():       # mount(8) makes a path of a name that is one in its directory
            raise SetupError(f"{printable(source)} is a directory, and no source of files. A profile is named "
                             f"{KIND}:{printable(Path(source).name)}.", EXIT_USAGE)
        return "", source
    return ("", "") if source in (KIND, "none", "", f"{KIND}:") else (name, "")


def _split(words: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """(the letters of flags, the options, the rest)."""
    flags, options, plain = "", list[str](), list[str]()
    rest = iter(words)
    for word in rest:
        if word in ("-o", "-t", "-N"):          # -N: another namespace, which mount(8) has entered for us
            value = next(rest, "")
            if word == "-o":
                options.append(value)
        elif word.startswith("-") and len(word) > 1:
            flags += word[1:]
        else:
            plain.append(word)
    return flags, options, plain
