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

    def about(self, said: str) -> tuple[str, ...]:
        """The texts that somebody has pasted, whole or in part, or that have the words in them."""
        words = plain(said)
        return tuple(text for text in self.texts if fits(text, words) or words in plain(text))


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


def nearest(entries: Iterable[Entry], said: str) -> list[Entry]:
    """The entries about what was said, each with those of its texts that are; what fits more of it comes first, and
    what fits only a few of its words doesn't come.
    """
    found = [Entry(texts, entry.advice) for entry in entries if (texts := entry.about(said))]
    found.sort(key=_fixed, reverse=True)
    pasted = found and fits(found[0].texts[0], plain(said))
    return [entry for entry in found if not pasted or _fixed(entry) * 3 > _fixed(found[0]) * 2]


def _fixed(entry: Entry) -> int:
    """How much of it is the same in each case."""
    return max(len(text.replace("…", "")) for text in entry.texts)


def lines_of(found: Iterable[Entry]) -> Iterator[str]:
    """As they are shown: the texts, then what to do."""
    for entry in found:
        yield from entry.texts
        yield f"    {entry.advice}"
