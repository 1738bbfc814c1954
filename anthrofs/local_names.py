"""Names that never leave the machine: of files that programs make for themselves, beside the user's own.

Most are known by their name and their maker: LOCAL_PATTERNS. The names of others alone could be a user's own,
`notes.wal`, `old.tmp`: such a one counts only where the file is that it belongs to, and by how its maker opens it:
COMPANIONS.

Trusts  what real programs were seen to do (tests/programs/): who copies such a file opens it otherwise.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import Final

# A file with such a name is kept here and never sent. Globs, case matters; XXXXXX stands for what mkstemp(3) puts
# there. maker/glob: only if that maker creates it, see `maker_of`. /glob: only if nobody knows who does, or at a
# rename. glob/: a directory, with all that is in it.
LOCAL_PATTERNS: Final[tuple[str, ...]] = (
    ".fuse_hidden*",                                    # libfuse: see names.HIDDEN_PREFIX
    "*~", ".*.sw?", "4913", ".#*", "#*#",               # editors: backups, vim's swap and probe, emacs
    ".~lock.*#", "~$*",                                 # LibreOffice, Microsoft Office
    ".goutputstream-*",                                 # GLib
    "*.part", "*.partial", "*.crdownload",              # browsers, curl, wget
    ".DS_Store", "._*", "Thumbs.db", "desktop.ini", ".directory",       # file browsers
    ".nfs*",                                            # NFS's own hiding
    "*_exiftool_tmp", "*.~qpdf-*", "*.aria2", "*.aria2__temp", ".unison.*.unison.tmp",
    "rsync/?*.XXXXXX", "sed/sedXXXXXX", "zip/ziXXXXXX", "perl/[X][X]XXXXXX", "patch>/*.[or]XXXXXX",
    "soffice.bin/lu*.tmp",
    "dos2unix/d2utmpXXXXXX", "mac2unix/d2utmpXXXXXX", "unix2dos/d2utmpXXXXXX", "unix2mac/d2utmpXXXXXX",
    "jpegoptim/jpegoptim-*.XXXXXX.tmp", "optipng/*.bak",                    # its backup, which it removes
    "/.?*.XXXXXX", "/sedXXXXXX", "/ziXXXXXX", "/lu*.tmp", "/tmp_obj_*",      # noqa: S108 - no path
    ".~tmp~/",                                          # rsync --delay-updates
    # git's. What it checks out is for writing only, so Cargo.lock isn't among them. tXXXXXX: has this directory links?
    "tmp_objdir-*/", "git-receive-pac/*.lock", "git/*.lock", "git/packed-refs.new", "git/*_XXXXXX", "git/tXXXXXX",
    ".tmp-*-pack-*",
    "index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock",       # whoever makes them
)  # fmt: skip

_MKSTEMP: Final = "[A-Za-z0-9]{6}"
# A guess, where the maker isn't known: one of the six is a capital or a digit, so .config.backup and sedation are sent.
# What this costs: one temp name in 200 is not known as such (one upload and one delete more), and .log.202401 stays
# here.
_GUESSED: Final = "(?=[a-z]{0,5}[A-Z0-9])" + _MKSTEMP


@dataclass(frozen=True, slots=True)
class Companion:
    """One kind of helper files: a shape of names, and what else has to be so."""

    shape: re.Pattern[str]              # its one group: the name of the file that it belongs to
    flags: int = 0                      # of its open(2): these are set
    makers: frozenset[str] = frozenset()        # /proc/<pid>/comm; empty: whoever it is
    held: bool = False                  # its maker has that file open for writing


COMPANIONS: Final = (
    Companion(re.compile(r"(.+)-(?:journal|wal|shm)"), os.O_RDWR),          # SQLite's, beside a database
    Companion(re.compile(r"(.+)\.wal"), os.O_APPEND, held=True),            # DuckDB's
    Companion(re.compile(r"(.+)\.tmp"), os.O_EXCL, frozenset({"7z", "7za", "7zr", "7zz"})),     # an archive made anew
    Companion(re.compile(r"(.+)\.tmp"), makers=frozenset({"pngquant"})),
    Companion(re.compile(r"(.+)\.[0-9a-f]{32}\.tmp", re.ASCII)),            # MCP's file system server
    Companion(re.compile(r"\.~(.+)")),                                      # Jupyter's, of a notebook or a text
)


def maker_of(program: str, *, reads: bool) -> str:
    """Returns who creates a file, in the words of the patterns: `sed` if it will also read it, as mkstemp(3) opens
    files, else `sed>`.

    `program` as /proc/<pid>/comm has it; empty if that isn't known, and then so is the maker.
    """
    return program if reads or not program else f"{program}>"


def stays_local(path: str, patterns: Sequence[str] = LOCAL_PATTERNS, maker: str = "") -> bool:
    """Whether that is a helper file, by the given patterns."""
    *above, name = path.split("/")
    every = tuple(patterns)
    files, directories = _compiled(every, maker if maker in _makers(every) else None)
    return files.match(name) is not None or any(directories.match(part) is not None for part in above)


def candidates(name: str, program: str, flags: int) -> list[tuple[str, bool]]:
    """Returns pairs of a file beside which this would be its helper file, and whether the maker must have that one
    open for writing. `flags`: of the creation.
    """
    possible = (each for each in COMPANIONS
                if flags & each.flags == each.flags and (not each.makers or program in each.makers))
    return [(match[1], each.held) for each in possible if (match := each.shape.fullmatch(name))]


def _parts(pattern: str) -> tuple[str | None, str]:
    """(the maker that it is for, None: whoever it is; the glob)."""
    by, slash, glob = pattern.removesuffix("/").rpartition("/")
    return by if slash else None, glob


@lru_cache(maxsize=16)
def _makers(patterns: tuple[str, ...]) -> frozenset[str]:
    return frozenset(by for by, _ in map(_parts, patterns) if by is not None)


@lru_cache(maxsize=256)
def _compiled(patterns: tuple[str, ...], maker: str | None) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(names of files, names of directories around them) that stay here. One expression each: the rename of a folder
    asks for all that is in it while the whole mount waits, and forty expressions took half of that.
    """
    def any_of(*, directories: bool) -> re.Pattern[str]:
        chosen = [_parts(pattern) for pattern in patterns if pattern.endswith("/") is directories]
        expressions = [_expression(glob, exact=bool(by)) for by, glob in chosen if by in (None, maker)]
        return re.compile("|".join(expressions) or "(?!)")

    return any_of(directories=False), any_of(directories=True)


def _expression(glob: str, *, exact: bool) -> str:
    return translate(glob.replace("XXXXXX", "\0")).replace("\0", _MKSTEMP if exact else _GUESSED)
