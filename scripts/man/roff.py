"""Markdown as man(1) reads it: the part of it that the manual uses, in the macros of man(7)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

READER: Final = MarkdownIt("commonmark").enable("table")
FONTS: Final = {"strong_open": r"\fB", "strong_close": r"\fR", "em_open": r"\fI", "em_close": r"\fR"}
QUIET: Final = frozenset({"thead", "tbody", "tr", "bullet_list", "ordered_list"})


def of_markdown(text: str) -> str:
    """The page's text below its first heading."""
    tokens = READER.parse(text)
    return "\n".join(_blocks(tokens[3:] if tokens and tokens[0].tag == "h1" else tokens)) + "\n"


def escaped(text: str) -> str:
    r"""Words as they are: a backslash is none of roff's, a hyphen can be copied, a line doesn't begin with a request."""
    return _lines(_words(text))


def _words(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-")


def _lines(text: str) -> str:
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def spoken(text: str) -> str:
    """The same, of a docstring or a help: what stands between backquotes is to be typed."""
    return "".join(bold(part) if number % 2 else _words(part) for number, part in enumerate(text.split("`")))


def head(name: str, section: int, version: str) -> str:
    """The first lines of a page. Words are not divided, nor lines stretched: commands and paths are to be copied."""
    return f'.TH {name.upper()} {section} "" "anthrofs {version}" "Manual of anthrofs"\n.nh\n.ad l\n'


def tagged(tag: str, text: str) -> str:
    """An option, or a row of a table, and what it does."""
    return f".TP\n{tag}\n{text}\n"


def bold(text: str) -> str:
    return rf"\fB{escaped(text)}\fR"


def slanted(text: str) -> str:
    return rf"\fI{escaped(text)}\fR"


def _blocks(tokens: Sequence[Token]) -> Iterator[str]:
    number = 0
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if token.type == "heading_open":
            yield f"{'.SH' if token.tag == 'h2' else '.SS'} {_inline(tokens[place + 1])}"
            place += 2
        elif token.type == "table_open":
            end = _end(tokens, place, "table_close")
            yield from _rows(tokens[place:end])
            place = end
        elif token.type == "ordered_list_open":
            number = 0
        elif token.type == "list_item_open":
            number += 1
            end = _end(tokens, place, "list_item_close")
            mark = f"{number}." if token.markup in ".)" and token.markup else r"\(bu"
            yield f".IP {mark} 3"
            yield from _item(tokens[place + 1:end])
            place = end
        elif token.type == "paragraph_open":
            yield f".PP\n{_inline(tokens[place + 1])}"
            place += 2
        elif token.type in ("code_block", "fence"):
            yield f".PP\n.RS 4\n.nf\n{escaped(token.content.rstrip())}\n.fi\n.RE"
        elif token.type.rpartition("_")[0] not in QUIET:
            raise ValueError(f"no way is known to show {token.type} on a man page")
        place += 1


def _item(tokens: Sequence[Token]) -> Iterator[str]:
    """An item of a list: its first paragraph stands beside the mark."""
    first = tokens[0].type == "paragraph_open"
    if first:
        yield _inline(tokens[1])
    yield from _blocks(tokens[3:] if first else tokens)


def _rows(tokens: Iterable[Token]) -> Iterator[str]:
    """A table: each row's first cell is a tag, for a terminal is too narrow for columns of prose."""
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_inline(token))
    titles = rows[0]
    for row in rows[1:]:
        others = [row[1]] if len(row) == 2 else [f"{title}: {cell}" for title, cell in zip(titles[1:], row[1:], strict=True)]
        tag = row[0] if r"\f" in row[0] else rf"\fB{row[0]}\fR"
        yield tagged(tag, "\n.br\n".join(others)).rstrip()


def _end(tokens: Sequence[Token], start: int, kind: str) -> int:
    """Where what begins there ends."""
    return next(place for place in range(start, len(tokens)) if tokens[place].type == kind and tokens[place].level == tokens[start].level)


def _inline(token: Token) -> str:
    parts = []
    for child in token.children or ():
        if child.type == "text":
            parts.append(_words(child.content))
        elif child.type == "code_inline":
            parts.append(bold(child.content))
        elif child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        else:
            parts.append(FONTS.get(child.type, ""))
    return _lines("".join(parts))
