"""What this run has uploaded, and its end.

Owns    the ids that answers gave, and the names of uploads whose answer is missing.
Trusts  an id for ours only if the answer to an upload of this run named it, or a listing shows it under a name with the run's tag.
Never   deletes any other. Never forgets an upload before it is known to be gone or refused.
"""

import re
import time
from typing import Final

from .forms import BOUNDARY, PREFIX, Form
from .service import Exhausted, NoAnswer, Service, Stop
from .words import Answer, said, tame

HEADERS: Final = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
LOOKS_S: Final = (0.0, 1.0, 4.0, 15.0)      # pauses between looks for uploads whose answer is missing, within the bound
TRIES: Final = 3                            # to delete a file
PAGES: Final = 20                           # of a listing that is looked through


class Litter:
    def __init__(self, tag: str) -> None:
        self.tag = tag                          # constant

        self.owned: dict[str, str] = {}         # id → name: surely ours, and perhaps still there
        self.lost: set[str] = set()             # names that were sent, and of which no answer says what became
        self.uploaded = 0                       # ids that were ever owned
        self.deleted: set[str] = set()
        self.unseen: set[str] = set()           # of the deleted ones: those whose first delete was a 404
        self.problems: dict[str, str] = {}      # id, or "listing": what went wrong with it last, while cleaning up

    def __len__(self) -> int:
        """Requests that cleaning up takes, if nothing goes wrong."""
        return len(self.owned) + 1

    def upload(self, service: Service, form: Form, *, shape: str = "beta") -> Answer:
        """Raises NoAnswer and Stop."""
        self.lost.add(form.filename)            # first: a signal may come at any moment from here on
        try:
            answer = service.ask("POST", "/v1/files", shape=shape, content=form.body(), headers=HEADERS)
        except (Exhausted, Stop):       # not sent, no connection, 401 or 429: surely not stored
            self.lost.discard(form.filename)
            raise
        file_id = answer.json().get("id")
        if answer.fine:
            if not isinstance(file_id, str) or not file_id:
                raise NoAnswer("the answer to an upload has no id")
            self.own(file_id, form.filename)
        self.lost.discard(form.filename)
        return answer

    def cut(self, service: Service, form: Form, *, missing: int) -> None:
        """An upload that gets no answer: the connection ends after its last byte, or `missing` bytes before."""
        self.lost.add(form.filename)            # stays so until a listing shows it, or the question is sure that none will
        try:
            service.cut(form.body(), HEADERS, missing=missing)
        except (Exhausted, Stop):
            self.lost.discard(form.filename)
            raise

    def own(self, file_id: str, name: str) -> None:
        if file_id not in self.owned and file_id not in self.deleted:
            self.owned[file_id] = name
            self.uploaded += file_id not in self.unseen

    def recognise(self, answer: Answer) -> set[str]:
        """Own what a listing shows of this run; returns its names."""
        names = set()
        for file in answer.files():
            name, mark = str(file.get("filename")), f"{PREFIX}-{self.tag}-"
            self.deleted -= {str(file["id"])} & self.unseen     # a server that didn't see it yet
            if mark in name and file["id"] not in self.deleted:
                self.own(str(file["id"]), name)
                self.lost = {each for each in self.lost if self._key(each) != self._key(name)}
                names.add(name)
        return names

    def _key(self, name: str) -> str:
        """What a server keeps of a name that it changes: each upload of a run has its own first word."""
        found = re.search(rf"{PREFIX}-{self.tag}-[a-z0-9]+", name)
        return name if found is None else found[0]

    def delete(self, service: Service, file_id: str, *, beyond: bool = False) -> Answer:
        """Raises NoAnswer and Stop; a second one is allowed."""
        assert file_id in self.owned or file_id in self.deleted, "not ours"
        answer = service.ask("DELETE", f"/v1/files/{file_id}", beyond=beyond)
        if answer.status == 404 and file_id not in self.deleted:
            self.unseen.add(file_id)
        if answer.fine or answer.status == 404:
            self.deleted.add(file_id)
            self.owned.pop(file_id, None)
        return answer

    def left(self) -> list[str]:
        """What may still be there, as lines for a person."""
        lines = [f"{file_id} ({tame(name)}): {self.problems.get(file_id, 'not tried')}" for file_id, name in self.owned.items()]
        why = self.problems.get("listing", "no listing shows it so far")
        return lines + [f"perhaps a file named {tame(name)}: the answer to its upload was lost ({why})" for name in sorted(self.lost)]

    def clean_up(self, service: Service, bound_s: float) -> None:
        """Delete everything of this run; `left` says what could not be. May be left at any moment by an exception."""
        if not (self.owned or self.lost or self.uploaded):
            return
        self._delete_all(service)
        began_s = time.monotonic()
        for pause_s in LOOKS_S:
            if time.monotonic() - began_s + pause_s > bound_s:
                return
            time.sleep(pause_s)
            try:
                self._look(service)
            except (NoAnswer, Stop) as exc:
                self.problems["listing"] = str(exc)
            self._delete_all(service)
            if not self.lost:
                return

    def _delete_all(self, service: Service) -> None:
        for attempt in range(TRIES):
            if not self.owned:
                return
            time.sleep(attempt)
            for file_id in list(self.owned):
                try:
                    self.problems[file_id] = said(self.delete(service, file_id, beyond=True))
                except NoAnswer as exc:
                    self.problems[file_id] = str(exc)
                except Stop as exc:     # no connection, no credentials, a long wait: the others would meet the same
                    self.problems.update(dict.fromkeys(self.owned, str(exc)))
                    return

    def _look(self, service: Service) -> None:
        """Whatever the order of the listing: all of it if an upload is missing, else its first page."""
        after: str | None = None
        for _ in range(PAGES):
            cursor = {} if after is None else {"after_id": after}
            answer = service.ask("GET", "/v1/files", params={"limit": 1000, **cursor}, beyond=True)
            if not answer.fine:
                raise NoAnswer(said(answer))
            self.recognise(answer)
            after = answer.json().get("last_id")
            if not self.lost or not answer.json().get("has_more") or after is None:
                return
