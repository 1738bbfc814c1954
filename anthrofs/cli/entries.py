"""The manual's entries for what anthrofs says when something is wrong: the pages `says-…`, a text, then what to do.

Owns    their form:  - `fixed words … more of them`, `another text`: what happened, and what to do.
Never   quotes a whole error: the part of it that is always the same, with … for what isn't.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

PREFIX: Final = "says-"
HEAD: Final = re.compile(r"- ((?:`[^`]+`(?:, | and )?)+): ")
SPAN: Final = re.compile(r"`([^`]+)`")


class Entry(NamedTuple):
    """One error, or several of a kind, and what to do about it."""

    texts: tuple[str, ...]      # … stands for what differs
    advice: str

    def is_about(self, said: str) -> bool:
        """Somebody has pasted one of the texts, whole or in part, or words that stand in it."""
        words = plain(said)
        return any(fits(text, words) or words in plain(text) for text in self.texts)


def entries_in(page: str) -> Iterator[Entry]:
    """The entries of a page, in their order."""
    for item in re.split(r"\n(?=- |\n)", page):
        line = " ".join(item.split())
        if found := HEAD.match(line):
            yield Entry(tuple(SPAN.findall(found[1])), line[found.end():])


def fits(text: str, said: str) -> bool:
    """All fixed parts of an entry's text are in what was said, in their order."""
    return re.search(".*".join(map(re.escape, map(plain, text.split("…")))), said, re.DOTALL) is not None


def plain(text: str) -> str:
    """One line without marks."""
    return " ".join(text.replace("`", "").split())


def lines_of(found: Iterable[Entry]) -> Iterator[str]:
    """As they are shown: the texts, then what to do."""
    for entry in found:
        yield from entry.texts
        yield f"    {entry.advice}"
