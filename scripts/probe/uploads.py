"""Questions about uploads: what is taken, what becomes of it, what an upload without an answer leaves.

Trusts  nothing: that something is taken that should be refused is a fact, too.
Never   uploads anything that litter doesn't know.
"""

import time
import unicodedata
from typing import Final

from .forms import Form, filled_name
from .run import Run
from .service import NoAnswer, NothingToAsk
from .words import Answer, Facts, date_s, moment_s, outcome, resolution, said, tame

ODD_TYPE: Final = "Text/X-Probe; charset=utf-8"
KNOWN_KEYS: Final = {"type", "id", "size_bytes", "created_at", "filename", "mime_type", "downloadable", "expires_at", "scope"}


def new_upload(run: Run) -> Facts:
    """Is a new upload listed at once, and is its Content-Type kept as sent?"""
    form = run.form("first.txt", ODD_TYPE)
    answer = run.upload(form)
    if not answer.fine:
        raise NoAnswer(said(answer))
    file = answer.json()
    run.learned.mine.insert(0, str(file["id"]))
    shown = run.until({"listed": lambda: file["id"] in run.page(limit=100).ids()}, answer.came_s)
    run.learned.listed_soon = shown["listed"]["seen"]
    return {"seconds": round(answer.came_s - answer.sent_s, 3), "keys": sorted(file), "unknown_keys": sorted(set(file) - KNOWN_KEYS),
            "downloadable": file.get("downloadable"), "size_as_sent": file.get("size_bytes") == len(form.content),
            "name_as_sent": file.get("filename") == form.filename, **shown,
            "type": {"sent": ODD_TYPE, "stored": file.get("mime_type"), "as_sent": file.get("mime_type") == ODD_TYPE}}


def omitted_type(run: Run) -> Facts:
    """Which Content-Type gets a part that has none? (And what the shortest expiry gives.)"""
    answer = _stay(run, run.form("omitted.csv", None, expires_s=3600), shape="ga")
    beta = run.upload(run.form("omitted2.csv", None))
    return {"ga": {**outcome(answer), "stored": answer.json().get("mime_type")}, "expires_in_seconds_3600": _lifetime(answer),
            "beta": {**outcome(beta), "stored": beta.json().get("mime_type")}}


def composed_name(run: Run) -> Facts:
    """Are names normalised (NFC, NFD)? (And what the longest expiry gives.)"""
    form = run.form("composed-\u00e9-e\u0301.txt", expires_s=7776000)
    answer = _stay(run, form, shape="ga")
    kept = str(answer.json().get("filename"))
    forms = {"as_sent": form.filename, "nfc": unicodedata.normalize("NFC", form.filename), "nfd": unicodedata.normalize("NFD", form.filename)}
    way = next((name for name, text in forms.items() if text == kept), ascii(kept))
    return {**outcome(answer), "stored": way if answer.fine else None, "expires_in_seconds_7776000": _lifetime(answer)}


def expiry_limits(run: Run) -> Facts:
    """What does an expiry beyond its limits get?"""
    return {str(seconds): outcome(run.upload(run.form(f"expiry{seconds}.txt", expires_s=seconds))) for seconds in (3599, 7776001)}


def long_names(run: Run) -> Facts:
    """How long may a name be: 255 code points, UTF-16 units or bytes? What does a longer one get?"""
    facts: Facts = {}
    for what, character in (("code points", "\U0001f600"), ("UTF-16 units", "\u65e5"), ("bytes", "x")):
        answer = run.upload(_named(run, filled_name(run.litter.tag, f"long{len(what)}-", 255, character)))
        stored = str(answer.json().get("filename"))
        facts[f"255 times U+{ord(character):04X}"] = {**outcome(answer), **({"length_stored": len(stored)} if answer.fine else {})}
        if answer.fine:
            facts["counted_in"] = what
            break
    facts["256"] = outcome(run.upload(_named(run, filled_name(run.litter.tag, "longer-", 256, "x"))))
    return facts


def forbidden_names(run: Run) -> Facts:
    """What do names with forbidden characters get?"""
    facts: Facts = {}
    tries = {"<>:|?*": "several<>:|?*.txt", '"': 'quote".txt', "\\": "backslash\\.txt", "U+0001": "control\x01.txt"}
    for what, suffix in tries.items():
        facts[what] = _fate(run, run.form(suffix))
    facts["/"] = _fate(run, _named(run, "folder/" + run.form("slash.txt").filename))
    return facts


def empty_upload(run: Run) -> Facts:
    """Is a file of 0 bytes taken?"""
    answer = run.upload(Form(run.form("empty.txt").filename, b""))
    return {"taken": answer.fine, **outcome(answer)}


def cut_uploads(run: Run) -> Facts:
    """Is a file stored whose connection is cut after its last byte? One byte before it?"""
    if not run.learned.listed_soon:     # such a file is found by the listing only, so it could stay
        raise NothingToAsk(f"a new upload is not listed within {run.bound_s:.0f} s, so nobody could tell")
    forms = {"one_byte_missing": run.form("cut1.txt"), "after_the_last_byte": run.form("cut0.txt")}
    for missing, form in zip((1, 0), forms.values(), strict=True):
        run.litter.cut(run.service, form, missing=missing)
    began_s = time.time()
    whole = forms["after_the_last_byte"].filename
    seen = run.until({"listed": lambda: whole in run.litter.recognise(run.page(limit=100))}, began_s)
    shown = set(run.litter.owned.values())
    run.litter.lost -= {form.filename for form in forms.values()}       # what isn't listed by now was not stored
    return {"stored": {what: form.filename in shown for what, form in forms.items()}, **seen}


def times(run: Run) -> Facts:
    """How does created_at compare with the Date header?"""
    found = [(answer, str(answer.json().get("created_at"))) for answer in run.learned.uploads]
    if not found:
        raise NoAnswer("nothing was uploaded")
    dates = [(date_s(answer.headers.get("date", "")), moment_s(created), answer.came_s) for answer, created in found]
    complete = [(date, created, came) for date, created, came in dates if date is not None and created is not None]
    behind = [round(date - created, 3) for date, created, _ in complete]
    return {"created_at": resolution([created for _, created in found]), "example": found[0][1],
            "date_minus_created_at_s": {"least": min(behind, default=None), "most": max(behind, default=None)},
            "date_minus_own_clock_s": {"least": min((round(date - came, 3) for date, _, came in complete), default=None),
                                       "most": max((round(date - came, 3) for date, _, came in complete), default=None)}}


def _stay(run: Run, form: Form, *, shape: str) -> Answer:
    """An upload that later questions use, if it is taken."""
    answer = run.upload(form, shape=shape)
    if answer.fine:
        run.learned.mine.insert(0, str(answer.json()["id"]))
    return answer


def _named(run: Run, filename: str) -> Form:
    return run.form("content", filename=filename)


def _fate(run: Run, form: Form) -> Facts:
    """What becomes of a name; of one that is taken, how it is shown (`…` for the part that all of ours have)."""
    answer = run.upload(form)
    if not answer.fine:
        return outcome(answer)
    start = run.form("").filename
    return {**outcome(answer), "stored": tame(str(answer.json().get("filename")).replace(start, "…"))}


def _lifetime(answer: Answer) -> float | None:
    """Seconds between creation and expiry."""
    expires_s, created_s = (moment_s(answer.json().get(name)) for name in ("expires_at", "created_at"))
    return None if expires_s is None or created_s is None else round(expires_s - created_s, 3)
