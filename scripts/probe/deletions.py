"""Questions about deletions, asked of one file of ours in the middle of three.

Trusts  listings.order to have been asked: what a cursor gets is told by the neighbours in that order.
Never   deletes anything that litter doesn't own.
"""

from .run import Run
from .service import NoAnswer
from .words import Answer, Facts, outcome, said


def deletion(run: Run) -> Facts:
    """How long is a deleted file still seen, and what do a second delete and a cursor that names it get?"""
    newest, middle, oldest = run.three()[:3]
    answer = run.litter.delete(run.service, middle)
    if not answer.fine:
        raise NoAnswer(said(answer))
    run.learned.mine.remove(middle)
    known: list[Answer] = []

    def forgotten() -> bool:
        known.append(run.service.ask("GET", f"/v1/files/{middle}"))
        return not known[-1].fine

    gone = run.until({"metadata": forgotten, "listing": lambda: middle not in run.page(limit=100).ids()}, answer.came_s)
    facts: Facts = {
        "seconds": round(answer.came_s - answer.sent_s, 3), "answer": answer.json().get("type"),
        "gone": gone, "metadata_after": outcome(known[-1]),
        "second_delete": outcome(run.litter.delete(run.service, middle)),
    }
    if run.learned.order == "oldest_first":
        newest, oldest = oldest, newest
    cursors = {"after_id": ("beta", middle), "before_id": ("beta", middle), "page": ("ga", run.learned.page)}
    for cursor, (shape, value) in cursors.items():
        if value is None:
            facts[f"deleted_{cursor}"] = {"gets": "not asked: no cursor pointed behind that file"}
            continue
        got = run.listing(shape, limit=3, **{cursor: value})
        facts[f"deleted_{cursor}"] = {**outcome(got), "gets": _place(got, newest, oldest, forwards=cursor != "before_id")}
    return facts


def _place(answer: Answer, before: str, after: str, *, forwards: bool) -> str:
    """Where a page lies, by the deleted file's neighbours in the listing's order."""
    if not answer.fine:
        return "refused"
    shown = answer.ids()
    if not shown:
        return "nothing"
    if before in shown and (forwards or after in shown):
        return "from_the_start"
    return "in_place" if (after if forwards else before) in shown else "something_else"
