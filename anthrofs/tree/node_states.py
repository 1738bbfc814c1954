"""The states of a node, and what leads from one to another. Tables alone: the functions that they name change the rows.

1. Files whose name the server is to have. An fsync promises a stage, a close seals it, and what is sealed is sent.

     (nothing)                                                       (nothing)
         │ create                                                        │ show
         ▼              promise (a close)                                ▼
        NEW ───────────────────────────────┐          ┌── stored ────▶ STORED
         │                                 ▼          │                │    ▲
         │ promise (an fsync)            SEALED ──────┤      want,     │    │ stored, want,
         ▼       promise, seal           ▲    │       │     set_resend ▼    │ set_resend
       SYNCED ───────────────────────────┘    │       └── stored ────▶ RESEND
                                              │ keep_here            (renamed while it was sent)
                                              ▼
                                           WITHHELD

   Saved again, each of them goes on as SYNCED or SEALED (promise). When its user gives up what is unsent, it is
   STORED again, or nothing (give_back).

2. Files whose name stays on this machine. A rename to such a name leads here, and one to another name away (want).

       LOCAL ──── stored (renamed while it was sent) ────▶ BACKUP
       LOCAL ◀─── detach, vanished, unlink_id ──────────── BACKUP

3. Out of the tree. Hidden, a row keeps its other columns, so that it can come back as what it was.

       each of those eight ◀── hide, unhide ──▶ UNDECIDED ── settle ──▶ HIDDEN ── end ──▶ (nothing)

A state is read from the columns alone, between two transactions. It says nothing of open handles, which the open table
knows, nor of a running upload, whose attempt has states of its own: a file in any state may be open, and its newest
content in memory.
"""

import enum
from dataclasses import dataclass
from typing import Final

from anthrofs.model import Node


class State(enum.Enum):
    """The name of a state, with what holds in it and what may not be trusted."""

    # Created and open. Nothing is promised: a crash takes the row away. size_bytes is 0, whatever was written.
    NEW = enum.auto()
    # An fsync promised the stage, and its handles go on writing to it: it may be longer than size_bytes. Not sent.
    SYNCED = enum.auto()
    # A close handed the stage over, and nothing writes to it any more. It is sent as `wanted`, unless it lacks
    # something (lacks_code). What the server has of the node, if anything, is older.
    SEALED = enum.auto()
    # The stage has no name on the server: that takes no empty file; or others' file was written to while it was hidden,
    # and came back. The next save or rename gives it one.
    WITHHELD = enum.auto()
    # The server has the content, and nothing is to be sent. `wanted` may be another name than the server's: the file is
    # only called so here. Whether its content can be read, Node.readable says; whether the server has all of it,
    # Node.damaged.
    STORED = enum.auto()
    # The server has the content, and gets it again as `wanted`. The stage that is sent is the attempt's, a copy: there
    # is none until it was made.
    RESEND = enum.auto()
    # The stage is all there is, and is never sent. It may not be sealed yet.
    LOCAL = enum.auto()
    # The server has the content by the name that the file had before; that goes when another file has taken the name
    # there. A stage, if there is one, is newer.
    BACKUP = enum.auto()
    # libfuse has hidden the file: either it was unlinked, or it is being replaced and may come back to hidden_from.
    UNDECIDED = enum.auto()
    # Unlinked while it was open, and never sent. The last release ends it, or the next start.
    HIDDEN = enum.auto()
    # A directory, or one of the two roots.
    FOLDER = enum.auto()
    # A file by its id, or the directory of those: made for one look, and never a row.
    VIEW = enum.auto()


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of a file. True: it is set; False, and whatever isn't named: it is not; None: either."""

    stage: bool | None = False
    sealed: bool | None = False         # of the stage
    resend: bool | None = False
    wanted: bool | None = False
    local: bool | None = False
    remote: bool | None = False         # file_id, and what belongs to it

    def fit(self, node: Node) -> bool:
        """The node has what these say."""
        asked = (self.stage, self.sealed, self.resend, self.wanted, self.local, self.remote)
        return all(column is None or column is found for column, found in zip(asked, _has(node).values(), strict=True))


# Of a file that has a name in the tree. No two of these fit the same columns.
SHOWN: Final[dict[State, tuple[Columns, ...]]] = {
    State.NEW: (Columns(wanted=True), Columns(local=True)),
    State.SYNCED: (Columns(stage=True, wanted=True, remote=None),),
    State.SEALED: (Columns(stage=True, sealed=True, wanted=True, remote=None),),
    State.WITHHELD: (Columns(stage=True, sealed=None, remote=None),),
    State.STORED: (Columns(wanted=None, remote=True),),
    State.RESEND: (Columns(resend=True, wanted=True, remote=True),),
    State.LOCAL: (Columns(stage=True, sealed=None, local=True),),
    State.BACKUP: (Columns(local=True, remote=True), Columns(stage=True, sealed=None, local=True, remote=True)),
}


def _has(node: Node) -> dict[str, bool]:
    return {"stage": node.stage is not None, "sealed": node.sealed, "resend": node.resend,
            "wanted": node.wanted is not None, "local": node.local, "remote": node.remote is not None}


def set_columns(node: Node) -> list[str]:
    """The names of those that are set, for a person who is told that they don't go together."""
    return [name for name, has in {**_has(node), "hidden": node.is_hidden, "directory": node.directory}.items() if has]


def states_of(node: Node) -> frozenset[State]:
    """Every state that the node's columns say: exactly one, unless the row is damaged."""
    if node.is_view:
        return frozenset({State.VIEW})
    if node.directory:
        return frozenset({State.FOLDER} if Columns().fit(node) and not node.is_hidden else ())
    found = frozenset(state for state, forms in SHOWN.items() if any(form.fit(node) for form in forms))
    if node.is_hidden and found:
        return frozenset({State.UNDECIDED if node.is_undecided else State.HIDDEN})
    return found


@dataclass(frozen=True, slots=True)
class Transition:
    """A function of this room leads a row from one state to another. (A commit may hold two.)"""

    starts: tuple[State | None, ...]    # from each of them; None: there is no row
    by: str                             # the function
    end: State | None
    when: str                           # in the user's words


_UNSENT: Final = (State.SYNCED, State.SEALED, State.WITHHELD)
_GOES_ON: Final = (State.NEW, State.WITHHELD, State.STORED, State.RESEND)       # when it is saved again
_STAYS_HERE: Final = (State.WITHHELD, State.LOCAL, State.BACKUP)
_HIDDEN: Final = (State.UNDECIDED, State.HIDDEN)

TRANSITIONS: Final = (
    Transition((None,), "nodes.Nodes.create", State.NEW, "a program creates a file"),
    Transition((State.NEW,), "nodes.Nodes.forget_unpromised", None, "the mount ended before anything was promised"),
    Transition((None,), "mirror.Mirror.show", State.STORED, "a listing has it"),

    Transition((*_GOES_ON, State.SEALED), "nodes.Nodes.promise", State.SYNCED, "fsync"),
    Transition((*_GOES_ON, State.SYNCED), "nodes.Nodes.promise", State.SEALED, "close"),
    Transition((State.NEW,), "nodes.Nodes.promise", State.LOCAL, "fsync or close, by a name that stays here"),
    Transition((State.SYNCED,), "nodes.Nodes.seal", State.SEALED, "a start: its handles are gone"),

    Transition((State.SEALED, State.RESEND), "mirror.Mirror.stored", State.STORED, "the server has what was sent"),
    Transition((State.SEALED,), "mirror.Mirror.stored", State.RESEND, "renamed, or set otherwise, while it was sent"),
    Transition((State.LOCAL,), "mirror.Mirror.stored", State.BACKUP, "renamed to stay here while it was sent"),
    Transition((State.STORED,), "mirror.Mirror.stored", None, "a listing showed an upload before it was answered"),
    Transition((State.SEALED,), "nodes.Nodes.keep_here", State.WITHHELD, "the service takes no empty file"),
    Transition((State.RESEND,), "nodes.Nodes.keep_here", State.STORED, "the same"),
    Transition((State.STORED,), "nodes.Nodes.set_resend", State.RESEND, "push, retry"),
    Transition((State.RESEND,), "nodes.Nodes.set_resend", State.STORED, "there is no copy to be sent"),

    Transition(_UNSENT, "intents.want", State.LOCAL, "renamed to stay here"),
    Transition((*_UNSENT, State.STORED, State.RESEND), "intents.want", State.BACKUP, "the same; the server has it"),
    Transition(_STAYS_HERE, "intents.want", State.SYNCED, "renamed to be sent, while it is written"),
    Transition(_STAYS_HERE, "intents.want", State.SEALED, "renamed to be sent"),
    Transition((State.STORED, State.BACKUP), "intents.want", State.RESEND,
               "an upload that can be sent again, renamed or set otherwise"),
    Transition((State.RESEND, State.BACKUP), "intents.want", State.STORED, "renamed back"),

    Transition((State.BACKUP,), "mirror.Mirror.detach", State.LOCAL, "another file has taken its name on the server"),
    Transition((State.BACKUP,), "mirror.Mirror.vanished", State.LOCAL, "the server has lost it; the stage stays"),
    Transition((State.BACKUP,), "intents.unlink_id", State.LOCAL, "it was removed by its id; the stage stays"),
    Transition((State.STORED, State.BACKUP, *_HIDDEN), "mirror.Mirror.vanished", None, "the server has it no more"),
    Transition((*_UNSENT, State.RESEND), "mirror.Mirror.give_back", State.STORED, "discard"),
    Transition((*_UNSENT, State.RESEND), "mirror.Mirror.give_back", None, "discard; the server never had it"),

    Transition((*SHOWN,), "nodes.Nodes.hide", State.UNDECIDED, "libfuse renames an open file to .fuse_hidden…"),
    Transition((*SHOWN,), "nodes.Nodes.hide", State.HIDDEN, "unlinked or replaced while it is open"),
    Transition((State.UNDECIDED,), "nodes.Nodes.settle", State.HIDDEN, "nothing replaces it: it was unlinked"),
    *(Transition((State.UNDECIDED,), "nodes.Nodes.unhide", shown, "something replaces it") for shown in SHOWN),
    *(Transition(_HIDDEN, "nodes.Nodes.move", shown, "renamed by libfuse's name for it") for shown in SHOWN),
    Transition((*SHOWN, *_HIDDEN), "intents.unlink", None, "unlinked, and nobody has it open"),

    Transition((None,), "nodes.Nodes.make_directory", State.FOLDER, "mkdir"),
    Transition((None,), "mirror.Mirror.show", State.FOLDER, "a listed file is in it"),
    Transition((State.FOLDER,), "nodes.Nodes.remove", None, "rmdir"),
    Transition((State.FOLDER,), "mirror.Mirror.vanished", None, "the last file of others in it has gone"),
    Transition((State.NEW, State.STORED, State.BACKUP, *_HIDDEN, State.FOLDER), "mirror.Mirror.forget_server", None,
               "the key is another workspace's, and nothing is unsent"),
)
