"""A finding of the doctor's: what was found, why it matters, and the command that mends it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from anthrofs.config import Service
from anthrofs.errors import SetupError

GOOD: Final = "good"
HINT: Final = "hint"        # it works so; a person may want to know
BAD: Final = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One of them."""

    about: str                          # the part that it is of, in a word
    grade: str                          # GOOD, HINT or BAD
    what: str                           # a sentence
    why: str = ""                       # a sentence; empty: the first one says it
    mend: str = ""                      # a command, or what to do
    fix: Callable[[], None] | None = field(default=None, compare=False)    # does it, where nothing can be lost by that

    def as_json(self) -> dict[str, Any]:
        """Returns it with names for programs."""
        return {"about": self.about, "grade": self.grade, "what": self.what, "why": self.why or None,
                "mend": self.mend or None, "fixable": self.fix is not None}


@dataclass(frozen=True, slots=True)
class Patient:
    """The machine that is looked at, and as whom."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    root: Path = Path("/")              # a test's: the machine's own files are below it
    profile: str | None = None          # of the file of settings; None: a mount without one
    asks: bool = True                   # one request to the service is made
    # By profile; its checks fill them in.
    services: dict[str | None, Service | SetupError] = field(default_factory=dict, repr=False, compare=False)

    def at(self, path: str) -> Path:
        """A file of the machine's own."""
        return self.root / path.lstrip("/")

    def which(self, *names: str) -> Path | None:
        """The first of these programs that is there."""
        for name in names:
            for directory in self.environ.get("PATH", os.defpath).split(os.pathsep):
                found = (self.at(directory) if directory.startswith("/") else Path(directory)) / name
                if found.is_file() and os.access(found, os.X_OK):
                    return found
        return None
