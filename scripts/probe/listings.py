"""Questions about listings: limits, order, cursors, what every answer carries.

Trusts  nothing: a listing may be in any order.
Never   hands on what is in the listing but counts, times and our own ids.
"""

from typing import Any, Final

from anthrofs.errors import EXIT_AUTH

from .run import Run
from .service import NoAnswer, NothingToAsk, Stop
from .words import UNSURE, Answer, Facts, order_of, outcome, said, tame

UNKNOWN_ID: Final = "file_011CAnthrofsProbeUnknown1"
UNKNOWN_PAGE: Final = "page_anthrofs_probe_unknown"
SIZES: Final = range(1, 20_000_001)     # bytes of a file that is downloaded


def limits(run: Run) -> Facts:
    """What do limit=1000 and limit=1001 get, and which shapes may be asked?"""
    answer = run.listing(limit=1000)
    if answer.status == 403:
        raise Stop(f"the key may not list files: {said(answer)}", EXIT_AUTH)
    if not answer.fine or not isinstance(answer.json().get("data"), list):
        raise Stop(f"that is no listing (is it the Files API?): {said(answer)}")
    files = answer.files()
    run.learned.order = order_of(files, ())
    run.learned.downloadable = min(
        ((str(file["id"]), int(file["size_bytes"]), str(file.get("mime_type"))) for file in files
         if file.get("downloadable") is True and isinstance(file.get("size_bytes"), int) and file["size_bytes"] in SIZES),
        key=lambda found: (found[1] < 16, found[1]), default=None)     # of fewer bytes, ranges say little
    facts: Facts = {"beta": {"1000": _seen(answer), "1001": outcome(run.listing(limit=1001))}}
    for shape in ("ga", "agents"):
        found = run.listing(shape, limit=1000)
        facts[shape] = {"1000": _seen(found)}
    facts["ga"]["1001"] = outcome(run.listing("ga", limit=1001))
    return {**facts, "order": run.learned.order, "downloadable_files": run.learned.downloadable is not None}


def order(run: Run) -> Facts:
    """Is the listing newest first, and is the order kept over pages?"""
    mine = run.three()
    shown: list[Answer] = []

    def listed() -> bool:
        shown.append(run.page(limit=100))
        return set(mine[:3]) <= set(shown[-1].ids())

    seen = run.until({"listed": listed}, run.learned.uploads[-1].came_s)
    run.learned.listed_soon = run.learned.listed_soon or seen["listed"]["seen"]
    pages = {"beta": _two_pages(run, "beta"), "ga": _two_pages(run, "ga")}
    run.learned.start = [str(file["id"]) for file in pages["beta"][:3]]
    found = {order_of(files, mine) for files in (*pages.values(), shown[-1].files())} | {run.learned.order}
    found.discard(UNSURE)
    run.learned.order = "neither" if len(found) > 1 else next(iter(found), UNSURE)
    return {"order": run.learned.order, "over_pages": {shape: order_of(files, mine) for shape, files in pages.items()},
            "own_uploads_come_first": {shape: [file["id"] for file in files[:3]] == mine[:3] for shape, files in pages.items()},
            "a_page_repeats_files": {shape: len({file["id"] for file in files}) < len(files) for shape, files in pages.items()}}


def _two_pages(run: Run, shape: str) -> list[dict[str, Any]]:
    first = run.page(shape, limit=2)
    files = first.files()
    cursor = first.json().get("next_page") if shape == "ga" else first.json().get("last_id")
    if not cursor:
        raise NoAnswer("a page of two files has no cursor though there are three")
    if shape == "ga" and files[-1]["id"] == run.learned.mine[1]:
        run.learned.page = str(cursor)
    return files + run.page(shape, limit=2, **{"page" if shape == "ga" else "after_id": str(cursor)}).files()


def ids(run: Run) -> Facts:
    """What does ids[] get, with an id that exists and one that doesn't?"""
    answer = run.listing("ga", ids=[run.three()[0], UNKNOWN_ID])
    return {"ga": {**outcome(answer), **({"files": len(answer.ids())} if answer.fine else {})}}


def unknown_cursors(run: Run) -> Facts:
    """What does a cursor get that nobody made?"""
    start = run.learned.start or run.page(limit=3).ids()
    asked = {"after_id": ("beta", UNKNOWN_ID), "before_id": ("beta", UNKNOWN_ID), "page": ("ga", UNKNOWN_PAGE)}
    facts: Facts = {}
    for cursor, (shape, value) in asked.items():
        answer = run.listing(shape, limit=3, **{cursor: value})
        shown = answer.ids()
        what = "refused" if not answer.fine else "nothing" if not shown else "from_the_start" if shown == start else "something_else"
        facts[cursor] = {**outcome(answer), "gets": what}
    return facts


def headers(run: Run) -> Facts:
    """Which headers does every answer carry?"""
    answers = run.service.headers
    if not answers:
        raise NothingToAsk("nothing was answered")
    everywhere = set.intersection(*(set(found) for _, found in answers))
    anywhere = set.union(*(set(found) for _, found in answers))
    rate = {name: tame(found[name]) for _, found in answers for name in sorted(found) if name.startswith("anthropic-ratelimit-")}
    return {"on_every_answer": sorted(everywhere), "on_some": sorted(anywhere - everywhere), "ratelimit": rate,
            "retry_after_with_status": sorted({status for status, found in answers if {"retry-after", "retry-after-ms"} & set(found)}),
            "identity": {name: name in everywhere for name in ("request-id", "date", "anthropic-organization-id", "anthropic-workspace-id")}}


def _seen(answer: Answer) -> Facts:
    if not answer.fine:
        return outcome(answer)
    body = answer.json()
    return {**outcome(answer), "keys": sorted(body), "files": len(answer.ids()), "seconds": round(answer.came_s - answer.sent_s, 3),
            "more": bool(body.get("has_more") or body.get("next_page"))}

