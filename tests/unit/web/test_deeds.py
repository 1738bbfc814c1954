"""A click asks a mount for one thing, and gives up nothing but what was seen."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from anthrofs.daemon.control import Control
from anthrofs.errors import SetupError
from anthrofs.web import deeds
from anthrofs.web.watcher import Seen

REASON = "too large\x07"


class FakeMount:
    """A mount's end of the socket."""

    def __init__(self, state_dir: Path) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.failed = [{"path": "a.txt", "bytes": 1, "reason": REASON}]
        self.answers: dict[str, list[dict[str, Any]]] = {"discard": [{"now": "gone"}], "held": [{"counted": 1}, {"folders": [], "more": 0}],
                                                         "retry": [{"paths": ["a.txt"]}]}
        self.control = Control(state_dir, {"status": lambda _: iter([{"failed": self.failed}]),
                                           **dict.fromkeys(self.answers, self._note)})
        self.seen = Seen(state_dir, None, {})

    def _note(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        self.asked.append(request)
        yield from self.answers[request["op"]]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[FakeMount]:
    one = FakeMount(tmp_path)
    one.control.start()
    yield one
    one.control.stop()


def test_what_was_seen_is_given_up(mount: FakeMount) -> None:
    assert deeds.discard(mount.seen, "a.txt", "too large\\x07") == "a.txt: gone."
    assert mount.asked == [{"op": "discard", "path": "a.txt"}]


@pytest.mark.parametrize(("path", "reason"), [("a.txt", "no quota"), ("b.txt", "too large\\x07"), ("a.txt", "")], ids=["other-reason", "other-file", "none"])
def test_what_is_another_by_now_is_left_alone(mount: FakeMount, path: str, reason: str) -> None:
    with pytest.raises(SetupError, match="has changed since"):
        deeds.discard(mount.seen, path, reason)
    assert mount.asked == []


@pytest.mark.parametrize(("answer", "words"), [
    ({"paths": ["a.txt"]}, "a.txt is sent again."), ({"paths": []}, "Nothing was refused there; what waits is tried now."),
    ({"paths": list("abcd"), "lacking": []}, "4 files: a, b, c, … are sent again.")], ids=["one", "none", "many"])
def test_a_retry_says_what_is_sent(mount: FakeMount, answer: dict[str, Any], words: str) -> None:
    mount.answers["retry"] = [answer]
    assert deeds.retry(mount.seen, "x", as_is=True) == words
    assert mount.asked == [{"op": "retry", "path": "x", "as_is": True}]


def test_what_is_not_whole_is_said(mount: FakeMount) -> None:
    mount.answers["retry"] = [{"paths": [], "lacking": ["a.txt"]}]
    with pytest.raises(SetupError, match=r"^a\.txt isn't whole"):
        deeds.retry(mount.seen, "a.txt", as_is=False)


def test_an_answer_without_words_is_an_answer_that_makes_no_sense(mount: FakeMount) -> None:
    mount.answers["retry"] = []
    with pytest.raises(SetupError, match="can't be understood"):
        deeds.retry(mount.seen, "", as_is=False)
    mount.answers["held"] = []
    assert deeds.held(mount.seen) == {"folders": [], "more": 0}
