"""The client's words are true whatever happens on the way: an upload that it calls surely not stored never is, one that it calls stored is
there with its bytes, a listing that ends has all that was there all the time, a deletion that is done is done.

Mishaps are drawn, others act meanwhile, and processes are killed. None of the mishaps is a lie of the service itself: an answer of its
own which means that nothing was stored comes only when nothing was.
"""

import random
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.config import Timeouts
from anthrofs.errors import RemoteError, UploadCut
from anthrofs.model import FileId, RemoteFile
from anthrofs.remote.api import Body
from tests.simulation.faults import ACTIONS, Fault
from tests.simulation.rig import Rig
from tests.simulation.rules import ACCOUNT, PAGES

CAMPAIGNS: Final = 60
CALLS: Final = 12               # of each
PATIENCE: Final = Timeouts(connect_s=5, read_s=20, write_s=20, first_s=30, answer_s=60)
STATUSES: Final = [302, 400, 401, 403, 404, 408, 409, 413, 416, 429, 500, 502, 503, 504, 529]
DOUBTFUL: Final = frozenset({408, 409, 500, 502, 504})         # the service's own: it may have been stored
NEVER: Final = frozenset({413, 429})        # whoever says so
BENT: Final = frozenset({"stored_short", "wrong_size"})        # another upload than was sent


def drawn(chance: random.Random, operation: str) -> Fault:
    """A mishap that services and what lies before them can bring about."""
    action = chance.choice(sorted(ACTIONS))
    numbers: dict[str, Any] = {"seconds": chance.choice([0.0, 1.0, 15.0, 25.0, 45.0, 100.0]), "after_bytes": chance.choice([0, 1, 3, 100, 10**6]),
                               "bytes_per_s": chance.choice([1.0, 300.0, 10**6]), "honest": chance.random() < 0.5, "stored": chance.random() < 0.5}
    match action:
        case "status":
            numbers["status"] = chance.choice(STATUSES[1:])
            numbers["should_retry"] = chance.choice(["", "", "true", "false"])
            numbers["stored"] &= numbers["status"] in DOUBTFUL
        case "page":
            numbers["status"], numbers["form"] = chance.choice([200, *STATUSES]), chance.choice(sorted(PAGES))
            numbers["stored"] &= numbers["status"] not in NEVER and (numbers["form"] in ("html", "text", "empty") or numbers["status"] in DOUBTFUL)
        case "account":
            numbers["account"], numbers["stored"] = chance.choice(sorted(ACCOUNT)), False
        case "redirect":
            numbers["status"], numbers["stored"] = chance.choice([301, 302, 303, 307, 308]), False
            numbers["location"] = chance.choice(["{target}", "http://elsewhere.test{target}", "https://login.example.com/", "/nowhere"])
        case "later":
            numbers["status"] = chance.choice([0, 0, 502, 504])
    return Fault(operation, action, chance.choice([1, 1, 1, 2, 5]), chance.choice([0, 0, 1]), **numbers)


class Campaign:
    """One client, and all that may happen to it."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self._rig = rig                         # given
        self._chance = random.Random(f"{seed} contract")
        self._all_the_time = set[FileId]()      # what a listing must show
        self._meanwhile = set[FileId]()         # what it may show besides

    def run(self) -> None:
        for _ in range(CALLS):
            fault = drawn(self._chance, self._chance.choice(["upload", "list", "delete", "metadata", "any"]))
            self._rig.faults.clear()
            self._rig.faults.add(fault)
            self._rig.others.clear()
            self._rig.others.extend(self._chance.choice([lambda: None, lambda: None, self._other]) for _ in range(20))
            self._all_the_time = {FileId(file.file_id) for file in self._rig.service.files()}
            self._meanwhile = set(self._all_the_time)
            try:
                self._chance.choice([self._upload, self._upload, self._upload, self._list, self._delete, self._stat])(fault)
            except BaseException as exc:
                exc.add_note(str(fault))
                raise

    def _other(self) -> None:
        """Somebody else changes something."""
        files = [file for file in self._rig.service.files() if file.by == "tool"]
        if files and self._chance.random() < 0.4:
            gone = self._chance.choice(files)
            self._rig.service.vanish(gone.file_id)
            self._all_the_time.discard(FileId(gone.file_id))
        else:
            self._meanwhile.add(self._rig.generate())

    def _stored(self) -> dict[str, bytes]:
        """What this client has sent, or has deleted since."""
        self._rig.service.settle()
        return {file.file_id: file.content for file in self._rig.service.known.values() if file.by == "client"}

    def _upload(self, fault: Fault) -> None:
        rig, chance = self._rig, self._chance
        content = chance.randbytes(chance.choice([0, 1, 100, 70_000, 200_000]))
        before, over = self._stored(), list[bool]()
        if chance.random() < 0.1:
            rig.others.extend([lambda: over.append(True)] if chance.random() < 0.5 else [lambda: None, lambda: over.append(True)])
        body = rig.body(content, lambda: bool(over))
        ended = self._ended(body)
        rig.clock.advance(1000)
        new = {file_id: sent for file_id, sent in self._stored().items() if file_id not in before}
        assert all(each == content for each in new.values()) or fault.action in BENT
        if isinstance(ended, RemoteError):
            assert over or not isinstance(ended, UploadCut)
            assert len(new) <= ended.maybe_stored * 2, f"{len(new)} stored, and {ended!r} says that none is"
            return
        assert ended.file_id in new
        assert ended.size_bytes == len(content) or fault.action in BENT
        assert len(new) == (2 if fault.action == "twice" and fault.meets("upload", "a.txt") and not fault.skip else 1)
        assert body.acknowledged() == len(content)

    def _ended(self, body: Body) -> RemoteFile | RemoteError:
        try:
            return self._rig.files.upload("a.txt", "text/plain", body)
        except RemoteError as exc:
            return exc

    def _list(self, fault: Fault) -> None:
        """All pages. A cursor whose file has gone is refused: whoever reads begins anew."""
        found, limit, following, more = set[FileId](), self._chance.choice([1, 2, 1000]), None, True
        try:
            while more:
                page = self._rig.files.list(limit, following)
                found |= {file.file_id for file in page.files}
                following, more = page.following, page.following is not None
        except RemoteError:
            return
        assert self._all_the_time <= found or fault.action == "cached"
        assert found <= self._meanwhile or fault.action == "cached"

    def _delete(self, fault: Fault) -> None:
        known = sorted(self._all_the_time)
        file_id = self._chance.choice(known) if known else FileId("file_nobody")
        try:
            self._rig.files.delete(file_id)
        except RemoteError:
            return
        known_file = self._rig.service.known.get(file_id)
        gone = known_file is None or known_file.deleted_us is not None
        assert gone or (fault.action, fault.status) in (("nonsense", 0), ("page", 200)), "a deletion that is done isn't"

    def _stat(self, _fault: Fault) -> None:
        known = sorted(self._all_the_time)
        file_id = self._chance.choice(known) if known else FileId("file_nobody")
        try:
            file = self._rig.files.stat(file_id)
        except RemoteError:
            return
        assert file.file_id == file_id


@pytest.mark.parametrize("seed", range(CAMPAIGNS))
def test_what_the_client_says_is_true(tmp_path: Path, seed: int) -> None:
    with Rig(tmp_path, shape=["beta", "ga", "agents"][seed % 3], timeouts=PATIENCE, seed=seed) as rig:
        Campaign(rig, seed).run()


def test_a_seed_is_the_same_run_each_time(tmp_path: Path) -> None:
    """Nothing on the way draws or waits by itself: the same requests, at the same nanoseconds, with the same ends and files."""
    told = []
    for _ in range(2):
        with Rig(tmp_path, timeouts=PATIENCE, seed=7) as rig:
            Campaign(rig, 7).run()
            told.append((rig.clock.time_ns(), list(rig.service.requests), list(rig.service.known.values())))
    assert told[0] == told[1]
    assert len(told[0][1]) > CALLS
