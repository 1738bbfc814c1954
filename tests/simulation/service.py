"""The Files API in memory: what there is, who may ask, and what is answered, at the time that it is told.

A request is answered at once and whole; wire.py makes time pass around it, and loses, cuts and delays. What is asked of it
at another time, `later` does when that time has come, before anything else is asked.

Owns    the files, and the log of requests.
Trusts  nothing of a request.
Never   waits, or looks at a clock by itself.
"""

import heapq
import random
import unicodedata
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from tests.simulation.asked import PLAIN, Asked, Logged, Twist, operation_of
from tests.simulation.delivery import delivery
from tests.simulation.form import BadForm, Form, TooLarge, form_of, name_of, type_of
from tests.simulation.listing import Listing
from tests.simulation.rules import EXPIRY_S, KEPT_EXPIRED_S, VERSIONS, Answer, Refusal, Rules, json_answer
from tests.simulation.shapes import BETA, Stored, file_json, list_json, question_of, shape_of

KEY: Final = "sk-ant-simulated"
FORM_BYTES: Final = 1 << 17     # that a form has beside the file, at most
LOGGED: Final = 100_000         # requests that are remembered
BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Service:
    """One workspace."""

    def __init__(self, time_ns: Callable[[], int], *, rules: Rules | None = None, key: str = KEY, seed: int = 0) -> None:
        self._time_ns = time_ns         # given
        self._chance = random.Random(seed)      # of ids only
        self.rules = rules or Rules()   # whoever owns the service may give it others at any time
        self.keys = {key}               # the same
        self.sessions: set[str] = set()         # those without files
        self.organization_id = "5f0a1b2c-0000-4000-8000-000000000001"      # constant
        self.workspace_id = "wrkspc_simulated"  # constant

        self.requests: deque[Logged] = deque(maxlen=LOGGED)
        self.known: dict[str, Stored] = {}      # every file that there ever was, by id
        self.listing = Listing()
        self._used_bytes = 0
        self._asked = 0
        self._later: list[tuple[int, int, Callable[[], object]]] = []
        self._as_of_us: int | None = None       # the time of what happens late
        self._minute: deque[int] = deque()

    # ---- for whoever owns it

    def files(self) -> list[Stored]:
        """All that there are, newest first, whatever their scope."""
        self.settle()
        oldest_us = self.now_us() - KEPT_EXPIRED_S * 10**6
        return [file for file in self.listing.alive() if file.expires_us is None or file.expires_us > oldest_us]

    def generate(self, name: str, content: bytes, mime_type: str = "text/plain", downloadable: bool = True,
                 *, by: str = "tool", scope_id: str | None = None, created_us: int | None = None, lifetime_s: int | None = None) -> str:
        """A file as tools make it. Returns its id."""
        self.settle()
        return self._store(name, content, mime_type, by, downloadable=downloadable, scope_id=scope_id, created_us=created_us,
                           lifetime_s=lifetime_s).file_id

    def vanish(self, file_id: str, by: str = "somebody") -> None:
        """Somebody else deletes it."""
        self.settle()
        self._remove(self.known[file_id], by)

    def later(self, seconds: float, effect: Callable[[], object]) -> None:
        """Happens at that time, whoever is still there."""
        self._asked += 1
        heapq.heappush(self._later, (self.now_us() + round(seconds * 10**6), self._asked, effect))

    def settle(self) -> None:
        """Whatever was to happen by now has happened."""
        if self._as_of_us is not None:
            return
        while self._later and self._later[0][0] <= self.now_us():
            due_us, _, effect = heapq.heappop(self._later)
            self._as_of_us = due_us
            effect()
            self._as_of_us = None

    def is_settled(self) -> bool:
        """Nothing is to happen by itself any more."""
        return not self._later

    def now_us(self) -> int:
        return self._time_ns() // 1000 if self._as_of_us is None else self._as_of_us

    # ---- for the wire

    def begin(self, who: str, operation: str, subject: str) -> Logged:
        """A request is on its way."""
        entry = Logged(self._time_ns(), who, operation, subject)
        self.requests.append(entry)
        return entry

    def turned_away(self, asked: Asked) -> Answer | None:
        """Whether its headers are enough for an answer; None: the whole of it is wanted."""
        self.settle()
        try:
            self._judge(asked)
            if int(asked.header("content-length") or 0) > self.rules.max_file_bytes + FORM_BYTES:
                raise self._too_large()
        except Refusal as refusal:
            return self.sealed(self._refused(refusal, judged=False), asked)
        return None

    def answer(self, asked: Asked, twist: Twist = PLAIN) -> Answer:
        """Does it."""
        self.settle()
        operation, subject = operation_of(asked.method, asked.target)
        judged = False
        try:
            self._judge(asked)
            judged = True
            answer = self._done(operation, subject, asked, twist)
        except Refusal as refusal:
            answer = self._refused(refusal, judged=judged)
        return self.sealed(answer, asked, twist.view_us)

    def answer_elsewhere(self, asked: Asked) -> Answer:
        """As another host does, that has the contents and gives them to whoever knows where. No key must come here."""
        assert not {"x-api-key", "authorization", "anthropic-workspace-id"}.intersection(name for name, _ in asked.headers), "the key went to another host"
        self.settle()
        operation, subject = operation_of(asked.method, asked.target)
        try:
            answer = self._download(subject, asked) if operation == "download" else self._done("other", "", asked, PLAIN)
        except Refusal as refusal:
            answer = self._refused(refusal, judged=True)
        answer.signed = False
        return self.sealed(answer, asked)

    def sealed(self, answer: Answer, asked: Asked, made_us: int | None = None) -> Answer:
        """With what each answer has in its headers. `made_us`: when it was made; None: now."""
        self._asked += 1
        headers = [*answer.headers, ("date", _date((self.now_us() if made_us is None else made_us) // 10**6))]
        if answer.signed:
            headers.append(("request-id", f"req_{self._asked:020}"))
            if self.rules.identity_headers:
                headers += [("anthropic-organization-id", self.organization_id), ("anthropic-workspace-id", self._named(asked) if answer.judged else self.workspace_id)]
            if self.rules.ratelimit_headers:
                headers += [("anthropic-ratelimit-requests-limit", "500"), ("anthropic-ratelimit-requests-remaining", "499")]
        dropped = {name.strip().lower() for name in self.rules.dropped_headers.split(",")}
        answer.headers = [(name, value) for name, value in headers if name not in dropped]
        return answer

    # ----

    def _named(self, asked: Asked) -> str:
        wanted = asked.header("anthropic-workspace-id")
        return wanted if wanted and self.rules.named_workspace == "as_asked" else self.workspace_id

    def _refused(self, refusal: Refusal, *, judged: bool) -> Answer:
        answer = refusal.answer(f"req_{self._asked + 1:020}", details=self.rules.error_details)
        answer.judged = judged
        return answer

    def _judge(self, asked: Asked) -> None:
        scheme, _, token = (asked.header("authorization") or "").partition(" ")
        key = asked.header("x-api-key") or (token.strip() if scheme.lower() == "bearer" else None)
        if key not in self.keys:
            raise Refusal(401, "no such key")
        if asked.header("anthropic-version") not in VERSIONS:
            raise Refusal(400, "anthropic-version: none that there is")
        if self.rules.foreign_workspace == "error403" and asked.header("anthropic-workspace-id") not in (None, self.workspace_id):
            raise Refusal(403, "the key is another workspace's")

    def _done(self, operation: str, subject: str, asked: Asked, twist: Twist) -> Answer:
        self._count()
        match operation:
            case "list":
                return self._list(asked, twist.view_us)
            case "upload":
                return self._upload(asked, twist)
            case "metadata":
                noticed_us = self.now_us() - self.rules.metadata_lag_ms * 1000
                return json_answer(file_json(self._found(subject, noticed_us), asked.shape(), self.rules))
            case "delete":
                return self._delete(subject, asked.who)
            case "download":
                return self._download(subject, asked)
            case "session":
                if not self._is_session(subject):
                    raise Refusal(404, "no such session")
                return json_answer({"type": "session", "id": subject, "status": "idle"})
            case _:
                raise Refusal(404, "nothing is here")

    def _count(self) -> None:
        if not self.rules.requests_per_minute:
            return
        now_us = self.now_us()
        while self._minute and self._minute[0] <= now_us - 60 * 10**6:
            self._minute.popleft()
        if len(self._minute) >= self.rules.requests_per_minute:
            wait_s = (self._minute[0] + 60 * 10**6 - now_us) // 10**6 + 1
            raise Refusal(429, "too many requests in a minute", headers=[("retry-after", str(wait_s))])
        self._minute.append(now_us)

    def _list(self, asked: Asked, view_us: int | None) -> Answer:
        betas, rules = asked.betas(), self.rules
        question = question_of(parse_qsl(asked.target.partition("?")[2], keep_blank_values=True), betas)
        if question.scope_id is not None and rules.unknown_scope != "empty" and not self._is_session(question.scope_id):
            raise Refusal(404 if rules.unknown_scope == "error404" else 400, "no such session")
        now_us = self.now_us() if view_us is None else view_us
        view = self.listing.view(now_us, rules, scope_id=question.scope_id)
        if question.ids:
            files = [file for file in view.sorted([self.known[each] for each in question.ids if each in self.known])
                     if self._is_here(file) and question.scope_id in (None, file.scope_id)]
            more = beyond = False
        else:
            files, more, beyond = view.page(question, self.known)
        return json_answer(list_json(files, shape_of(betas), rules, more=more, beyond=beyond))

    def _upload(self, asked: Asked, twist: Twist) -> Answer:
        rules = self.rules
        form = self._form(asked)
        sent = form.content
        assert sent is not None
        mime_type = type_of(form, required=asked.shape() == BETA)
        name = name_of(form, mime_type)
        if rules.stored_names != "as_sent":
            name = unicodedata.normalize("NFC" if rules.stored_names == "nfc" else "NFD", name)
        expires = form.fields.get("expires_in_seconds")
        if expires is not None and not (expires.isascii() and expires.isdecimal() and EXPIRY_S[0] <= int(expires[:11]) <= EXPIRY_S[1]):
            raise Refusal(400, "expires_in_seconds: not from 3600 to 7776000")
        if not sent and rules.empty_uploads == "refuse":
            raise Refusal(400, "file: is empty")
        content = sent if twist.stored_bytes is None else sent[:twist.stored_bytes]
        if self._used_bytes + len(content) > rules.quota_bytes:
            raise Refusal(rules.quota_status, "the storage is full", code="storage_quota_exceeded")
        file = self._store(name, content, mime_type, asked.who, downloadable=rules.uploads_downloadable,
                           lifetime_s=None if expires is None else int(expires))
        described = file if twist.honest else replace(file, content=sent)
        return json_answer(file_json(described, asked.shape(), rules))

    def _form(self, asked: Asked) -> Form:
        try:
            form = form_of(asked.header("content-type") or "", asked.body, self.rules.max_file_bytes, decoded=self.rules.decoded_names)
        except TooLarge:
            raise self._too_large() from None
        except BadForm as bad:
            raise Refusal(400, str(bad)) from None
        if form.content is None:
            raise Refusal(400, "file: Field required")
        return form

    def _too_large(self) -> Refusal:
        return Refusal(413, f"more than {self.rules.max_file_bytes} bytes", headers=[("connection", "close")])

    def _delete(self, file_id: str, who: str) -> Answer:
        file = self.known.get(file_id)
        if file is not None and self._is_here(file):
            self._remove(file, who)
        elif self.rules.second_delete == "error404":
            raise Refusal(404, f"File '{file_id}' not found")
        match self.rules.delete_answer:
            case "no_content":
                return Answer(204, [], b"")
            case "other_json":
                return json_answer({"id": file_id, "object": "file", "deleted": True})
            case "page":
                return Answer(200, [("content-type", "text/html")], b"<html><body>Done.</body></html>")
            case _:
                return json_answer({"id": file_id, "type": "file_deleted"})

    def _download(self, file_id: str, asked: Asked) -> Answer:
        file = self._found(file_id)
        if file.expires_us is not None and file.expires_us <= self.now_us():
            raise Refusal(404, f"File '{file_id}' has expired", code="file_expired")
        if not file.downloadable:
            raise Refusal(400, f"File '{file_id}' is not downloadable", code="file_not_downloadable",
                          headers=[("x-should-retry", "false")])
        return delivery(file, self.rules, asked.header("range"), asked.header("if-range"))

    # ----

    def _found(self, file_id: str, noticed_us: int | None = None) -> Stored:
        """`noticed_us`: deletions after that aren't noticed yet. Raises Refusal."""
        file = self.known.get(file_id)
        if file is None or not (self._is_here(file)
                                or (noticed_us is not None and file.deleted_us is not None and file.deleted_us > noticed_us)):
            raise Refusal(404, f"File '{file_id}' not found")
        return file

    def _is_here(self, file: Stored) -> bool:
        return file.deleted_us is None and (file.expires_us is None or file.expires_us + KEPT_EXPIRED_S * 10**6 > self.now_us())

    def _is_session(self, session_id: str) -> bool:
        return session_id in self.sessions or bool(self.listing.view(self.now_us(), self.rules, session_id).ascending)

    def _store(self, name: str, content: bytes, mime_type: str, by: str, *, downloadable: bool, scope_id: str | None = None,
               created_us: int | None = None, lifetime_s: int | None = None) -> Stored:
        now_us = self.now_us()
        created_us = self.listing.free_us(created_us or now_us, wished=created_us is not None)
        expires_us = None if lifetime_s is None else created_us + lifetime_s * 10**6
        file = Stored(self._new_id(), name, mime_type, content, created_us, now_us, downloadable, by, scope_id, expires_us)
        self.known[file.file_id] = file
        self.listing.add(file)
        self._used_bytes += len(content)
        return file

    def _remove(self, file: Stored, by: str) -> None:
        self.listing.remove(file, self.now_us())
        file.deleted_by = by
        self._used_bytes -= len(file.content)

    def _new_id(self) -> str:
        number = self._chance.getrandbits(116)
        digits = []
        for _ in range(20):
            number, digit = divmod(number, 58)
            digits.append(BASE58[digit])
        return f"file_011C{''.join(digits)}"


@lru_cache(maxsize=1000)
def _date(time_s: int) -> str:
    return formatdate(time_s, usegmt=True)
