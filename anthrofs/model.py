"""The values that travel between the parts: frozen, typed, with units in their names.

Never   does I/O, holds a lock, or changes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, NewType

FileId = NewType("FileId", str)         # given by the server, opaque; its content never changes
NodeId = NewType("NodeId", int)         # ours: a name's inode, st_ino; never used again for another file
StageId = NewType("StageId", int)       # ours: the number of a file in staging, content the server has not seen

ROOT: Final = NodeId(1)                 # the mount point
HIDDEN: Final = NodeId(2)               # unlinked while open: reachable by libfuse's hidden name only, never listed
BY_ID: Final = NodeId(2**62)            # the directory of ids. From here on up numbers are of views, which have no rows


def is_view(node_id: NodeId) -> bool:
    """The number is a view's."""
    return node_id >= BY_ID


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the server describes it."""

    file_id: FileId
    name: str                           # as the server spells it, see names.py
    mime_type: str
    size_bytes: int
    created_ns: int                     # since the epoch, the server's clock
    downloadable: bool
    expires_ns: int | None = None       # None: never
    shared: bool = field(default=False, compare=False)  # the store of this mount's fleet has it, as far as is known

    @property
    def fetchable(self) -> bool:
        """Somebody gives its content out: the service, or the fleet's store."""
        return self.downloadable or self.shared

    @property
    def may_grow(self) -> bool:
        """The content that is delivered may be longer than size_bytes: the service adds provenance data to images,
        audio and video at download. Of all else size_bytes is the length, to the byte.
        """
        return is_media(self.mime_type)


def is_media(mime_type: str) -> bool:
    """Image, audio or video."""
    return mime_type.lower().startswith(("image/", "audio/", "video/"))


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a listing goes on: the query parameter's name and its value, as the last page gave them."""

    parameter: str                      # "page" or "after_id"
    value: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, newest first if the server keeps its word."""

    files: tuple[RemoteFile, ...]
    following: Cursor | None            # None: this was the last page
    skipped: int = 0                    # entries that could not be understood: such a listing proves no absence

    # Our monotonic clock; it shows what was there at some moment between those. None: in this call.
    asked_s: float | None = field(default=None, compare=False)
    answered_s: float | None = field(default=None, compare=False)
    others: bool = field(default=False, compare=False)      # another mount of the fleet has asked for it

    def between(self, asked_s: float, answered_s: float) -> "Page":
        """Returns the page with its moments."""
        return replace(self, asked_s=asked_s, answered_s=answered_s)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace, whose files a listing shows. Ids are None where the server sends none."""

    organization_id: str | None
    workspace_id: str | None


@dataclass(frozen=True, slots=True)
class ServerClock:
    """Bounds of (server's clock - our clock), from the Date headers of answers; None before the first answer."""

    earliest_ns: int
    latest_ns: int


@dataclass(frozen=True, slots=True)
class Node:
    """One row of the tree: what the user wants of a name, and what the server has for it. Its states:
    tree/node_states.py.
    """

    node_id: NodeId
    parent: NodeId                      # its directory, or HIDDEN; 0 for the two roots themselves
    name: str                           # the entry's name in its directory
    directory: bool
    mode: int                           # permission bits only
    mtime_ns: int
    size_bytes: int                     # of the promised content: the stage's if there is one, else the server's
    wanted: str | None                  # server name that the user asked for; None: only display named it, or it is
                                        # local
    local: bool                         # a program's helper file: it stays on this machine
    mime_type: str | None               # what the user set; None: guessed when it is sent
    expires_s: int | None               # seconds after its upload at which the service shall delete it; None: never
    stage: StageId | None               # promised content that the server doesn't have; None: it has all of it
    sealed: bool                        # a close handed the stage over; else only fsync promised it
    resend: bool                        # the content that the server has is to be sent again, as wanted
    confirmed: bool                     # a download has shown size_bytes to be what is delivered; see
                                        # RemoteFile.may_grow
    remote: RemoteFile | None           # what the server has under this node's id
    kept: bool                          # the cache holds a full copy that must not be dropped
    ours: bool = False                  # what the server has was uploaded from here; if it isn't kept, its copy was
                                        # given up
    listed_bytes: int | None = None     # what a listing says of the server's size, where that isn't what the upload's
                                        # answer said
    hidden_from: str | None = None      # while it is hidden, and may come back: its name before
    ctime_ns: int = 0                   # when anything of it was changed last

    @property
    def is_view(self) -> bool:
        """A look at what the server has by some id, or the directory of those; no row."""
        return is_view(self.node_id)

    @property
    def is_hidden(self) -> bool:
        """Unlinked, or about to be, and in no directory."""
        return self.parent == HIDDEN

    @property
    def is_undecided(self) -> bool:
        """Hidden by libfuse: an unlink, or half of a replacement."""
        return self.is_hidden and self.hidden_from is not None

    @property
    def unsent(self) -> bool:
        """The server lacks its content, or has it otherwise than the user wants it."""
        return self.stage is not None or self.resend

    @property
    def sendable(self) -> StageId | None:
        """The stage, if a close handed it over and there is a name to send it by."""
        return self.stage if self.sealed and self.wanted is not None else None

    @property
    def is_withheld(self) -> bool:
        """The stage isn't sent for want of a name, although the file doesn't stay on this machine."""
        return self.stage is not None and self.wanted is None and not self.local

    @property
    def stored(self) -> RemoteFile | None:
        """The server's file, if that is the content and nothing is to be sent."""
        return None if self.unsent or self.local else self.remote

    @property
    def named_here(self) -> bool:
        """The user has given it another name than the server knows it by."""
        return self.remote is not None and self.wanted not in (None, self.remote.name)

    @property
    def only_there(self) -> bool:
        """The server alone is sure to have its content."""
        return self.stage is None and self.remote is not None and not self.kept

    @property
    def fetchable(self) -> RemoteFile | None:
        """The server's file, if that is given out and isn't kept here; here it is at most in the cache."""
        return self.remote if self.only_there and self.remote is not None and self.remote.fetchable else None

    @property
    def resendable(self) -> bool:
        """The server's content can be sent again under another name without being less readable for anybody then: it is
        an upload, and there is a copy of it here, or in the store of this mount's fleet.
        """
        return self.kept or (self.remote is not None and self.remote.shared and not self.remote.downloadable)

    @property
    def exact(self) -> bool:
        """The size is that of what is delivered, to the byte."""
        return (self.stage is not None or self.remote is None or not self.remote.downloadable or self.confirmed
                or not self.remote.may_grow)

    @property
    def damaged(self) -> bool:
        """An own upload that the server doesn't have whole, by its listing; what was sent is, if a copy is kept here.
        """
        return self.listed_bytes is not None and self.ours and not self.unsent

    @property
    def readable(self) -> bool:
        """Whether its content can be had from anywhere."""
        return self.stage is not None or self.kept or (self.remote is not None and self.remote.fetchable)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to bring a node's content to the server; its life cycle is upload_queue.NEXT."""

    node_id: NodeId
    stage: StageId
    state: str
    size_bytes: int
    name: str | None                    # server name and type as last sent: how, with the size, a lost answer is found
    mime_type: str | None               # again; None: never sent
    expires_s: int | None
    sent_ns: int | None                 # earliest moment of the last try, server's clock; None: never tried
    tries: int
    code: int | None                    # errno of FAILED
    reason: str | None                  # of FAILED: the server's words and request id


@dataclass(frozen=True, slots=True)
class Caller:
    """The maker of a kernel request, and what can be asked about them while it is served."""

    process: int                        # thread group id; 0: unknown (another pid namespace)
    parent: int                         # of that one; 0: unknown
    program: Callable[[], str]          # its name, as the kernel has it (15 bytes); empty: unknown
    interrupted: Callable[[], bool]     # a signal came that ends the program: so should the request
    writes_to: Callable[[int, NodeId], bool]    # whether a process has a node open for writing; False: or nobody can
                                                # say


class Attr(NamedTuple):
    """The attributes that stat shows. (A listing makes one of each entry: of this kind in a third of a dataclass's
    time.)
    """

    node_id: NodeId
    mode: int               # type and permission bits
    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    links: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A handle, and how the kernel should treat it."""

    number: int
    direct_io: bool         # not through the page cache: nobody knows the length yet
    keep_cache: bool        # what the page cache holds of this path is this very content
