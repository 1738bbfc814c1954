"""Others' words on a terminal and in a log: names, ids and answers may hold what a terminal obeys.

Never   changes what a person can see as it is: letters of any script stay.
"""


def printable(text: str) -> str:
    """On one line, and nothing that a terminal would obey, or that hides or turns what stands beside it."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def printable_lines(text: str) -> str:
    """The same, of a text that has lines."""
    return "\n".join(map(printable, text.split("\n")))
