"""What Markdown becomes for man(1): what is typed can be copied, and no word of a text is taken for a request to roff."""

import pytest

from scripts.man import roff


@pytest.mark.parametrize(("markdown", "lines"), [
    ("# Title\n\nA `-x` and a\n**word**.", [".PP", r"A \fB\-x\fR and a", r"\fBword\fR."]),
    ("a\n\n## B\n\nc", [".PP", "a", ".SH B", ".PP", "c"]),
    ("- one\n  two\n- three", [r".IP \(bu 3", "one", "two", r".IP \(bu 3", "three"]),
    ("1. one\n2. two", [".IP 1. 3", "one", ".IP 2. 3", "two"]),
    ("    anthrofs mount ~/files\n    .hidden", [".PP", ".RS 4", ".nf", "anthrofs mount ~/files", r"\&.hidden", ".fi", ".RE"]),
    ("| a | b |\n|---|---|\n| `-o` | it |", [".TP", r"\fB\-o\fR", "it"]),
    ("| a | b | c |\n|---|---|---|\n| x | y | z |", [".TP", r"\fBx\fR", "b: y", ".br", "c: z"]),
    ("see\n.by-id and\n'quoted'", [".PP", "see", r"\&.by\-id and", r"\&'quoted'"]),
    (r"a\\b", [".PP", r"a\eb"]),
    ("[here](https://example.org)", [".PP", "here"]),
], ids=["marks", "heading", "list", "numbers", "code", "two-columns", "three-columns", "requests", "backslash", "link"])
def test_a_page_is_what_man_reads(markdown: str, lines: list[str]) -> None:
    assert roff.of_markdown(markdown).splitlines() == lines


def test_what_no_page_has_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(ValueError, match="blockquote"):
        roff.of_markdown("> somebody said")
