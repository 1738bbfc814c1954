"""Pieces of work, as the schedule hands them to the uploader's threads: of three kinds, or a pause."""

import enum
from dataclasses import dataclass

from anthrofs.model import Attempt, FileId, Node
from anthrofs.upload.plans import DeletePlan, SendPlan


class Task(enum.Enum):
    """The kinds of work, in the order of who goes first when it is equally long ago."""

    SEND = enum.auto()
    PREPARE = enum.auto()       # what was prepared is sent after what was promised before
    DELETE = enum.auto()


@dataclass(frozen=True, slots=True)
class Send:
    """An attempt takes its next step."""

    attempt: Attempt
    plan: SendPlan
    more: bool = True       # there was other work, too, as far as one could see


@dataclass(frozen=True, slots=True)
class Prepare:
    """A renamed file's content on the server becomes an attempt."""

    node: Node
    plan: SendPlan


@dataclass(frozen=True, slots=True)
class Delete:
    """An id is deleted on the server."""

    file_id: FileId
    plan: DeletePlan


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing can be done now."""

    seconds: float | None       # until there may be something; None: until the rows change


Item = Send | Prepare | Delete
