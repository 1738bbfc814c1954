"""Names: the server's file names and what a directory shows for them.

Owns    the convention (rclone's) by which a path becomes a server name, and the names that never leave the machine
Trusts  no name from the server: whatever it sends, a directory entry that is safe comes out
Never   decides who gets a name when two want it: the index does, and must expect that a safe entry is taken, too

The API refuses nine characters and controls. Each has a stand-in: its full-width form, or its control picture. A
stand-in that a user typed gets U+201B, the quote, before it. Let q be the number of quotes just before such a character:

    in the path     in the server's name            example
    raw             2q quotes, the stand-in         a:b  is  a：b
    stand-in        2q + 1 quotes, the stand-in     a：b  is  a‛：b
    anything else   q quotes, itself                ‛a  is  ‛a

A percent sign counts as such a character where it begins %22, %0D or %0A: that is how a form spells a quote and the ends of a line, so
a service may take a name's own %22 for one.

So every text without raw characters is the server name of exactly one path. (rclone doubles a quote before anything; a
name such as ‛a, made by somebody else, would then belong to no path.)
"""
# ruff: noqa: RUF002, RUF003     the characters that look like others are the subject

import hashlib
import posixpath
import re
from collections.abc import Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import Final, Literal

from anthrofs.errors import BadName, NameTooLong

Layout = Literal["flat", "tree"]    # tree: ／ separates directories. flat: it is a character like any other

MAX_ENTRY_BYTES: Final = 255        # of one path component in UTF-8; Linux's NAME_MAX
MAX_SERVER_CHARS: Final = 255       # what an upload may have; generated files were seen to have more
BY_ID: Final = ".by-id"             # the directory in the mount's root that reaches files by id
HIDDEN_PREFIX: Final = ".fuse_hidden"       # libfuse renames a file to this when it is unlinked while open

_QUOTE: Final = "\u201b"
SLASH: Final = "\uff0f"               # of a path, in the names on the server
_FULL_WIDTH: Final = 0xFEE0         # U+0021…U+007E to their full-width forms
_DOT: Final = chr(ord(".") + _FULL_WIDTH)

# NUL has none: no path can hold it, so ␀ is an ordinary character.
_STAND_INS: Final = {
    **{raw: chr(ord(raw) + _FULL_WIDTH) for raw in '<>:"|?*\\'},
    **{chr(code): chr(0x2400 + code) for code in range(1, 0x20)},
    "\x7f": "\u2421",
}
_CODES: Final[Mapping[Layout, Mapping[str, str]]] = {"flat": _STAND_INS, "tree": {**_STAND_INS, "/": SLASH}}
_RAWS: Final[Mapping[Layout, Mapping[str, str]]] = {
    layout: {stand_in: raw for raw, stand_in in code.items()} for layout, code in _CODES.items()
}
_PERCENT: Final = "%"
_WIDE_PERCENT: Final = chr(ord(_PERCENT) + _FULL_WIDTH)
_SPELLED: Final = "(?=22|0[DdAa])"          # behind a percent sign that a form's reader may take for the beginning of something else
# The look-behind and the possessive star keep a name of a million quotes linear.
_PATTERNS: Final[Mapping[Layout, re.Pattern[str]]] = {
    layout: re.compile(f"(?<!{_QUOTE})({_QUOTE}*+)([{re.escape(''.join([*code, *code.values()]))}]|[{_PERCENT}{_WIDE_PERCENT}]{_SPELLED})")
    for layout, code in _CODES.items()
}
_IMPOSSIBLE: Final = re.compile(rf'[<>:"|?*\\/\x00-\x1f\x7f\ud800-\udfff]|{_PERCENT}{_SPELLED}')     # in no encoded name
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_VISIBLE: Final = {
    **{ord(raw): stand_in for raw, stand_in in _CODES["tree"].items()},
    0: "\u2400",
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}
_SUFFIX: Final = re.compile(rf"\.[^\s{SLASH}]+")
_MAX_SUFFIX_BYTES: Final = 16       # with its dot; anything longer is a sentence, not a type
_MAX_ID_CHARS: Final = 64           # real ids have 29

# A file with such a name is kept here and never sent. Globs, case matters; XXXXXX stands for what mkstemp(3) puts there.
# maker/glob: only if that maker creates it, see `maker_of`. /glob: only if nobody knows who does, or at a rename. glob/: a
# directory, with all that is in it.
LOCAL_PATTERNS: Final[tuple[str, ...]] = (
    f"{HIDDEN_PREFIX}*",                                # libfuse
    "*~", ".*.sw?", "4913", ".#*", "#*#",               # editors: backups, vim's swap and probe, emacs
    ".~lock.*#", "~$*",                                 # LibreOffice, Microsoft Office
    ".goutputstream-*",                                 # GLib
    "*.part", "*.partial", "*.crdownload",              # browsers, curl, wget
    ".DS_Store", "._*", "Thumbs.db", "desktop.ini", ".directory",       # file browsers
    ".nfs*",                                            # NFS's own hiding
    "*_exiftool_tmp", "*.~qpdf-*", "*.aria2", "*.aria2__temp", ".unison.*.unison.tmp",
    "rsync/?*.XXXXXX", "sed/sedXXXXXX", "zip/ziXXXXXX", "perl/[X][X]XXXXXX", "patch>/*.[or]XXXXXX", "soffice.bin/lu*.tmp",
    "dos2unix/d2utmpXXXXXX", "mac2unix/d2utmpXXXXXX", "unix2dos/d2utmpXXXXXX", "unix2mac/d2utmpXXXXXX",
    "jpegoptim/jpegoptim-*.XXXXXX.tmp", "optipng/*.bak",                    # its backup, which it removes
    "/.?*.XXXXXX", "/sedXXXXXX", "/ziXXXXXX", "/lu*.tmp", "/tmp_obj_*",      # noqa: S108 - no path
    ".~tmp~/",                                          # rsync --delay-updates
    # git's. What it checks out is for writing only, so Cargo.lock isn't among them. tXXXXXX: can this directory hold links?
    "tmp_objdir-*/", "git-receive-pac/*.lock", "git/*.lock", "git/packed-refs.new", "git/*_XXXXXX", "git/tXXXXXX", ".tmp-*-pack-*",
    "index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock",       # whoever makes them
)  # fmt: skip

_MKSTEMP: Final = "[A-Za-z0-9]{6}"
# A guess, where the maker isn't known: one of the six is a capital or a digit, so .config.backup and sedation are sent. What
# this costs: one temp name in 200 is not known as such (one upload and one delete more), and .log.202401 stays here.
_GUESSED: Final = "(?=[a-z]{0,5}[A-Z0-9])" + _MKSTEMP


def server_name_of(name: str, layout: Layout = "flat") -> str:
    """The file name that the server gets for an entry, or for a relative path with `/`.

    The layout must be the mount's: in a tree a ／ that the user typed is quoted, because the bare one is a separator.
    Raises BadName for what is no relative path in UTF-8, NameTooLong for what no directory or upload can hold.
    """
    for part in name.split("/"):
        if (problem := _problem_of_part(part)) is not None:
            raise BadName(f"{name!a}: {problem}")
        if len(part.encode()) > MAX_ENTRY_BYTES:
            raise NameTooLong(f"{part!a} has more than {MAX_ENTRY_BYTES} bytes")
    server_name = _encoded(name, layout).replace("/", SLASH)
    if len(server_name) > MAX_SERVER_CHARS:     # several parts, each short enough
        raise NameTooLong(f"{name!a} has more than {MAX_SERVER_CHARS} characters")
    return server_name


def path_of(server_name: str) -> str:
    """The relative path, with `/`, that a tree shows for a server name.

    Injective, and `server_name_of(path_of(s), "tree") == s` for every s of at most MAX_SERVER_CHARS that has a path. Raises
    BadName for one that has none: it holds characters the API refuses, or decodes to a part that is empty, `.`, `..`, too
    long, or a name of our own. Those are shown by `safe_entry`.
    """
    if _IMPOSSIBLE.search(server_name):
        raise BadName(f"{server_name!a} has characters that no upload can have")
    path = _decoded(server_name, "tree")
    for part in path.split("/"):
        if (problem := _problem_of_part(part)) is not None:
            raise BadName(f"{server_name!a}: {problem}")
        if len(part.encode()) > MAX_ENTRY_BYTES:
            raise BadName(f"{server_name!a}: a part has more than {MAX_ENTRY_BYTES} bytes")
    if _reserved(path) or path.startswith(f"{BY_ID}/") or any(is_hidden(part) for part in path.split("/")):
        raise BadName(f"{server_name!a} is a name of the mount's own")
    return path


def shown_path_of(server_name: str) -> str:
    """The relative path that a tree shows for a server name: as `path_of`, and where the server itself has `/` in it, as a tool's outputs may,
    these are folders, too. So two server names can have one path; a save under it has the ／. Raises BadName.
    """
    return path_of(server_name.replace("/", SLASH))


def entry_name_of(server_name: str, file_id: str) -> str:
    """What the flat layout shows for a server file: one safe path component, whatever the server sent.

    Stand-ins are decoded, so `server_name_of` gives the server name back, unless it is a name that has to be shown by
    `safe_entry`. A ／ stays one: it may be somebody's folder.
    """
    if _IMPOSSIBLE.search(server_name) or len(server_name) > MAX_SERVER_CHARS:
        return safe_entry(server_name, file_id)
    entry = _decoded(server_name, "flat")
    if _problem_of_part(entry) is not None or _reserved(entry) or len(entry.encode()) > MAX_ENTRY_BYTES:
        return safe_entry(server_name, file_id)
    return entry


def safe_entry(server_name: str, file_id: str) -> str:
    """An entry for a name that has no path: the name in printable stand-ins, shortened, and made unique by the id."""
    visible = server_name.translate(_VISIBLE) or "unnamed"
    if _reserved(visible):
        visible = _DOT + visible[1:]
    return id_name_of(visible, file_id)


def id_name_of(entry_name: str, file_id: str) -> str:
    """`stem (file id).ext`, for an older file of the same name; the stem is cut so that all fits in an entry.

    The extension is the last suffix if it looks like one. Different ids give different names of one entry.
    """
    stem, suffix = posixpath.splitext(entry_name)
    if len(suffix.encode()) > _MAX_SUFFIX_BYTES or not _SUFFIX.fullmatch(suffix):
        stem, suffix = entry_name, ""
    tail = f" ({_safe_id(file_id)}){suffix}"
    room = MAX_ENTRY_BYTES - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore") + tail      # ignore: the half character at the cut


def maker_of(program: str, *, reads: bool) -> str:
    """Who creates a file, in the words of the patterns: `sed` if it will also read it, as mkstemp(3) opens files, else `sed>`.

    `program` as /proc/<pid>/comm has it; empty if that isn't known, and then so is the maker.
    """
    return program if reads or not program else f"{program}>"


def stays_local(path: str, patterns: Sequence[str] = LOCAL_PATTERNS, maker: str = "") -> bool:
    """True for a helper file, by the given patterns."""
    *above, name = path.split("/")
    every = tuple(patterns)
    files, directories = _compiled(every, maker if maker in _makers(every) else None)
    return files.match(name) is not None or any(directories.match(part) is not None for part in above)


def is_hidden(name: str) -> bool:
    """True for libfuse's name of a file that is open and unlinked."""
    return name.startswith(HIDDEN_PREFIX)


def is_made_by_libfuse(name: str) -> bool:
    """True for exactly what libfuse 2.9 renames to: two numbers of eight hexadecimal digits behind the prefix."""
    return re.fullmatch(re.escape(HIDDEN_PREFIX) + "[0-9a-f]{16}", name) is not None


def is_trash(name: str) -> bool:
    """True for the directories that file browsers make to move deleted files into."""
    return name == ".Trash" or name.startswith(".Trash-")


def _encoded(text: str, layout: Layout) -> str:
    code = _CODES[layout]

    def quoted(match: re.Match[str]) -> str:
        quotes, character = match.groups()
        stand_in = _WIDE_PERCENT if character == _PERCENT else code.get(character)
        return 2 * quotes + (stand_in or _QUOTE + character)

    return _PATTERNS[layout].sub(quoted, text)


def _decoded(text: str, layout: Layout) -> str:
    """The inverse of `_encoded`, for a text without raw characters."""
    raws = _RAWS[layout]

    def unquoted(match: re.Match[str]) -> str:
        quotes, character = match.groups()
        half, odd = divmod(len(quotes), 2)
        return _QUOTE * half + (character if odd else _PERCENT if character == _WIDE_PERCENT else raws[character])

    return _PATTERNS[layout].sub(unquoted, text)


def _problem_of_part(part: str) -> str | None:
    if part in {"", ".", ".."}:
        return "a part is empty or dots"
    if "\0" in part:
        return "it has a NUL"
    if _SURROGATE.search(part):
        return "it isn't UTF-8"
    return None


def _reserved(entry: str) -> bool:
    """True for an entry that means something else in the mount's root."""
    return entry in {".", "..", BY_ID} or is_hidden(entry)


def _safe_id(file_id: str) -> str:
    """The id itself if it is a word, as real ones are; else what is left of it, told apart by a hash."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", file_id) and len(file_id) <= _MAX_ID_CHARS:
        return file_id
    word = re.sub(r"[^A-Za-z0-9_-]", "_", file_id[:_MAX_ID_CHARS // 2])
    return f"{word}~{hashlib.sha256(file_id.encode(errors='surrogatepass')).hexdigest()[:16]}"


def _parts(pattern: str) -> tuple[str | None, str]:
    """(the maker that it is for, None: whoever it is; the glob)."""
    by, slash, glob = pattern.removesuffix("/").rpartition("/")
    return by if slash else None, glob


@lru_cache(maxsize=16)
def _makers(patterns: tuple[str, ...]) -> frozenset[str]:
    return frozenset(by for by, _ in map(_parts, patterns) if by is not None)


@lru_cache(maxsize=256)
def _compiled(patterns: tuple[str, ...], maker: str | None) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(names of files, names of directories around them) that stay here. One expression each: the rename of a folder asks for all
    that is in it while the whole mount waits, and forty expressions took half of that.
    """
    def any_of(*, directories: bool) -> re.Pattern[str]:
        chosen = [_parts(pattern) for pattern in patterns if pattern.endswith("/") is directories]
        return re.compile("|".join(_expression(glob, exact=bool(by)) for by, glob in chosen if by in (None, maker)) or "(?!)")

    return any_of(directories=False), any_of(directories=True)


def _expression(glob: str, *, exact: bool) -> str:
    return translate(glob.replace("XXXXXX", "\0")).replace("\0", _MKSTEMP if exact else _GUESSED)
