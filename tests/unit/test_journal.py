"""Lines for the journal have their level in front, and nothing else does."""

import os

from anthrofs.journal import for_journal, is_journal, number_of


def test_each_level_has_the_journals_number() -> None:
    assert [number_of(level) for level in (50, 40, 30, 20, 10, 0, 45)] == [2, 3, 4, 6, 7, 7, 3]


def test_every_line_of_a_text_has_its_level() -> None:
    assert for_journal("one\n  two", 3) == "<3>one\n<3>  two"


def test_only_the_very_stream_that_the_variable_names_is_the_journal() -> None:
    ours, theirs = os.pipe()
    try:
        found = os.fstat(theirs)
        named = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert is_journal(theirs, named)
        with open(os.devnull) as other:
            assert not is_journal(other.fileno(), named)
        assert not is_journal(theirs, {})
        assert not is_journal(theirs, {"JOURNAL_STREAM": "nonsense"})
    finally:
        os.close(ours)
        os.close(theirs)
    assert not is_journal(theirs, named)
