"""A page of a listing comes while something else is done."""

import threading

import pytest

from anthrofs.errors import Stopping
from anthrofs.model import Page
from anthrofs.sync.coming import Coming

PAGE = Page((), None)


def test_it_is_asked_for_at_once_and_waited_for_when_it_is_wanted() -> None:
    asked, answer = threading.Event(), threading.Event()

    def ask() -> Page:
        asked.set()
        assert answer.wait(10)
        return PAGE

    coming = Coming(ask)
    assert asked.wait(10)
    answer.set()
    assert coming.page() is PAGE


def test_what_asking_has_raised_reaches_who_wants_it() -> None:
    def ask() -> Page:
        raise Stopping("the mount ends")

    with pytest.raises(Stopping, match="the mount ends"):
        Coming(ask).page()
