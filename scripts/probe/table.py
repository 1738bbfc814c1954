"""All questions, in the order in which they are asked: what is most useful first, in case the run ends early.

Never   knows how a question is answered; the first line of each function's docstring says what it asks.
"""

from collections.abc import Callable, Mapping
from typing import Final

from . import deletions, downloads, listings, uploads
from .run import Run
from .words import Facts

QUESTIONS: Final[Mapping[str, Callable[[Run], Facts]]] = {
    "limits": listings.limits,
    "new_upload": uploads.new_upload,
    "omitted_type": uploads.omitted_type,
    "composed_name": uploads.composed_name,
    "order": listings.order,
    "ids": listings.ids,
    "unknown_cursors": listings.unknown_cursors,
    "deletion": deletions.deletion,
    "own_upload": downloads.own_upload,
    "download": downloads.whole,
    "empty_upload": uploads.empty_upload,
    "cut_uploads": uploads.cut_uploads,
    "expiry_limits": uploads.expiry_limits,
    "long_names": uploads.long_names,
    "forbidden_names": uploads.forbidden_names,
    "times": uploads.times,             # these two ask nothing new: they compare all answers
    "headers": listings.headers,
}
