"""Names: the server's file names and what a directory shows for them.

Owns    the convention (rclone's) by which a path becomes a server name, and the names that mean something in the mount
        itself
Trusts  no name from the server: whatever it sends, a directory entry that is safe comes out
Never   decides who gets a name when two want it: the index does, and must expect that a safe entry is taken, too

The API refuses nine characters and controls. Each has a stand-in: its full-width form, or its control picture. A
stand-in that a user typed gets U+201B, the quote, before it. Let q be the number of quotes just before such a
character:

    in the path     in the server's name            example
    raw             2q quotes, the stand-in         a:b  is  a：b
    stand-in        2q + 1 quotes, the stand-in     a：b  is  a‛：b
    anything else   q quotes, itself                ‛a  is  ‛a

A percent sign counts as such a character where it begins %22, %0D or %0A: that is how a form spells a quote and the
ends of a line, so a service may take a name's own %22 for one.

So every text without raw characters is the server name of exactly one path. (rclone doubles a quote before anything; a
name such as ‛a, made by somebody else, would then belong to no path.)
"""
# ruff: noqa: RUF002, RUF003     the characters that look like others are the subject

import hashlib
import posixpath
import re
from collections.abc import Mapping
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
# Behind a percent sign that a form's reader may take for the beginning of something else.
_SPELLED: Final = "(?=22|0[DdAa])"
# The look-behind and the possessive star keep a name of a million quotes linear.
_PATTERNS: Final[Mapping[Layout, re.Pattern[str]]] = {
    layout: re.compile(f"(?<!{_QUOTE})({_QUOTE}*+)"
                       f"([{re.escape(''.join([*code, *code.values()]))}]|[{_PERCENT}{_WIDE_PERCENT}]{_SPELLED})")
    for layout, code in _CODES.items()
}
# In no encoded name.
_IMPOSSIBLE: Final = re.compile(rf'[<>:"|?*\\/\x00-\x1f\x7f\ud800-\udfff]|{_PERCENT}{_SPELLED}')
# Names that say what they say, as nearly all do: a third of the time.
_SIMPLE: Final = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z_. -]{0,200}")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_VISIBLE: Final = {
    **{ord(raw): stand_in for raw, stand_in in _CODES["tree"].items()},
    0: "\u2400",
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}
_SUFFIX: Final = re.compile(rf"\.[^\s{SLASH}]+")
_MAX_SUFFIX_BYTES: Final = 16       # with its dot; anything longer is a sentence, not a type
_MAX_ID_CHARS: Final = 64           # real ids have 29

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

    Injective, and `server_name_of(path_of(s), "tree") == s` for every s of at most MAX_SERVER_CHARS that has a path.
    Raises BadName for one that has none: it holds characters the API refuses, or decodes to a part that is empty, `.`,
    `..`, too long, or a name of our own. Those are shown by `safe_entry`.
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
    """The relative path that a tree shows for a server name: as `path_of`, and where the server itself has `/` in it,
    as a tool's outputs may, these are folders, too. So two server names can have one path; a save under it has the ／.
    Raises BadName.
    """
    if _SIMPLE.fullmatch(server_name):
        return server_name
    return path_of(server_name.replace("/", SLASH))


def entry_name_of(server_name: str, file_id: str) -> str:
    """Returns what the flat layout shows for a server file: one safe path component, whatever the server sent.

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


def is_hidden(name: str) -> bool:
    """Whether that is libfuse's name of a file that is open and unlinked."""
    return name.startswith(HIDDEN_PREFIX)


def is_made_by_libfuse(name: str) -> bool:
    """Whether that is exactly what libfuse 2.9 renames to: two numbers of eight hexadecimal digits behind the
    prefix.
    """
    return re.fullmatch(re.escape(HIDDEN_PREFIX) + "[0-9a-f]{16}", name) is not None


def is_trash(name: str) -> bool:
    """Whether that is one of the directories that file browsers make to move deleted files into."""
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
    """Whether an entry means something else in the mount's root."""
    return entry in {".", "..", BY_ID} or is_hidden(entry)


def _safe_id(file_id: str) -> str:
    """The id itself if it is a word, as real ones are; else what is left of it, told apart by a hash."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", file_id) and len(file_id) <= _MAX_ID_CHARS:
        return file_id
    word = re.sub(r"[^A-Za-z0-9_-]", "_", file_id[:_MAX_ID_CHARS // 2])
    return f"{word}~{hashlib.sha256(file_id.encode(errors='surrogatepass')).hexdigest()[:16]}"
