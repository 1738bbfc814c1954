"""Bells: who rings needn't know who hears it."""

import pytest

from anthrofs.daemon.bell import Bell


def test_all_hear_it_in_the_order_in_which_they_began_to_listen() -> None:
    heard: list[str] = []
    bell = Bell[[str]]()
    bell.ring("nobody")
    bell.listen(lambda word: heard.append(f"first {word}"))
    bell.listen(lambda word: heard.append(f"second {word}"))
    bell.ring("word")
    assert heard == ["first word", "second word"]


def test_who_rings_is_told_what_a_listener_raises() -> None:
    bell = Bell[[]]()

    def fails() -> None:
        raise KeyError(1)

    bell.listen(fails)
    with pytest.raises(KeyError):
        bell.ring()
