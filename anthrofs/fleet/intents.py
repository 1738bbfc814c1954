"""Intents: what the mounts of a fleet are about to upload stands on the board before it is sent, and what it has become
follows. So the file that a listing shows after a lost answer is known to be ours, or another mount's.

An intent is of one try to send, and about a name, a size and a type: what tells no file from its twin. It stands until
the try is answered, then the file's id does; that of a try which was given up stands for as long as the board keeps it.

Owns    the fact intents_owner in the table meta: this state's name among intents, the same after a remount.
Trusts  the board for what it shows, never for its silence: only while our own intent stands there, nothing was lost
        since it was put, so that others' would stand there too. Each is sealed for the workspace and what it is about.
Never   fails or keeps an upload waiting: without the board the listing alone is asked, as without a fleet.
"""

import json
import logging
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from anthrofs.errors import BoardAway, Forged
from anthrofs.fleet.board import Board
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Membership
from anthrofs.model import Attempt, FileId, RemoteFile
from anthrofs.tree.claims import Whose
from anthrofs.tree.database import Database
from anthrofs.tree.upload_queue import SLACK_NS

log = logging.getLogger(__name__)

PURPOSE: Final = "intent"
OWNER: Final = "intents_owner"
FILES: Final = 1000         # of whose claims it is remembered how many there are
CLAIMS: Final = 100         # of one name, size and type: of a file that is saved again and again, older ones go
KINDS: Final = {"owner": str, "stage": int, "sent_ns": int | None, "file_id": str | None}


@dataclass(frozen=True, slots=True)
class Intent:
    """One try's, as it stands on the board."""

    owner: str                  # the state that sends
    stage: int                  # its number of the content
    sent_ns: int | None         # server's clock, earliest moment; None: unknown
    file_id: str | None = None  # what was stored; None: it isn't known whether it was

    def says_of(self, file: RemoteFile) -> Whose | None:
        """Returns whose the file is by this intent, which is another's; None: it says nothing of it."""
        if self.file_id is not None:
            return Whose.OTHERS if self.file_id == file.file_id else None
        return Whose.DISPUTED if self.sent_ns is None or file.created_ns >= self.sent_ns - SLACK_NS else None


def intent_of(text: bytes) -> Intent:
    """Reads what was sealed. Raises ValueError for what no mount writes."""
    try:
        found = Intent(**json.loads(text))
    except TypeError:
        raise ValueError("it has other facts") from None
    if all(isinstance(getattr(found, name), kind) for name, kind in KINDS.items()):
        return found
    raise ValueError("its facts are of other kinds")


class Intents:
    """One mount's, and what it reads of the others'. See tree/claims.py."""

    def __init__(self, board: Board, keys: FleetKeys, membership: Membership, db: Database) -> None:
        self._board = board             # given
        self._keys = keys               # given
        self._membership = membership   # given
        self._db = db                   # given

        self._lock = threading.Lock()   # guards the following; a leaf
        self._known_owner: str | None = None
        self._claims = OrderedDict[str, deque[str]]()       # names of those that stand, by what they are about

    def intend(self, attempt: Attempt) -> None:
        """The attempt is about to be sent, as it says."""
        self._put(attempt, None)

    def claim(self, attempt: Attempt, file: RemoteFile) -> None:
        """The server has it, as this file."""
        self._put(attempt, file.file_id)
        about = self._about(attempt)
        with self._lock:
            names = self._claims.setdefault(about, deque())
            self._claims.move_to_end(about)
            names.append(_name(attempt))
            old = names.popleft() if len(names) > CLAIMS else None
            if len(self._claims) > FILES:
                self._claims.popitem(last=False)
        if old is not None:
            self._settle(about, old)

    def withdraw(self, attempt: Attempt) -> None:
        """This try has surely not been stored."""
        self._settle(self._about(attempt), _name(attempt))

    def whose(self, attempt: Attempt, files: Sequence[RemoteFile]) -> Mapping[FileId, Whose]:
        """Returns whose these files are, each of which the attempt can have stored."""
        about, owner, others, stands = self._about(attempt), self._owner(), list[Intent](), False
        try:
            notes = self._board.intents(about)
        except BoardAway:
            return {file.file_id: Whose.UNTOLD for file in files}
        for name, note in notes.items():
            try:
                intent = intent_of(self._keys.open(PURPOSE, [about], note.body))
            except (Forged, ValueError) as exc:
                log.warning("the intent %a on the board makes no sense: %s", name, exc)
                continue
            if intent.owner != owner:
                others.append(intent)
            elif (intent.stage, intent.sent_ns) == (attempt.stage, attempt.sent_ns):
                stands = True
        return {file.file_id: _decide(file, others, Whose.OURS if stands else Whose.UNTOLD) for file in files}

    def _put(self, attempt: Attempt, file_id: FileId | None) -> None:
        about = self._about(attempt)
        text = json.dumps(asdict(Intent(self._owner(), attempt.stage, attempt.sent_ns, file_id)))
        try:
            self._board.intend(about, _name(attempt), self._keys.seal(PURPOSE, [about], text.encode()))
        except BoardAway as exc:
            log.debug("an intent isn't on the board: %s", exc)

    def _settle(self, about: str, name: str) -> None:
        try:
            self._board.settle(about, name)
        except BoardAway as exc:
            log.debug("an intent stays on the board: %s", exc)

    def _about(self, attempt: Attempt) -> str:
        assert attempt.name is not None, "it was sent"
        scope = self._membership.scope
        return self._keys.name(PURPOSE, "" if scope is None else scope.text, attempt.name, attempt.size_bytes,
                               attempt.mime_type or "")

    def _owner(self) -> str:
        with self._lock:
            known = self._known_owner
        if known is None:
            with self._db.transaction() as tx:
                known = tx.get_meta(OWNER) or secrets.token_hex(8)
                tx.set_meta(OWNER, known)
            with self._lock:
                self._known_owner = known
        return known


def _name(attempt: Attempt) -> str:
    return f"{attempt.stage}:{attempt.sent_ns}"


def _decide(file: RemoteFile, others: list[Intent], else_: Whose) -> Whose:
    said = {intent.says_of(file) for intent in others}
    return next((each for each in (Whose.OTHERS, Whose.DISPUTED) if each in said), else_)
