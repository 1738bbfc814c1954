"""How far an upload is: what this machine has handed on, what has arrived, and the wait for the answer are three things."""

from pathlib import Path

from anthrofs.model import NodeId, StageId
from anthrofs.upload.progress import Progress, Sent
from tests.fakes import FakeCarrier, body_of

NODE = NodeId(1)


def test_what_was_handed_on_has_not_arrived_for_that(tmp_path: Path) -> None:
    progress = Progress()
    with body_of(tmp_path, bytes(1000)) as body:
        carrier = FakeCarrier(body)
        progress.begin(NODE, StageId(1), body)
        carrier.left = 400
        now = progress.now()[NODE]
        assert (now.size_bytes, now.handed, now.acknowledged, now.awaits_answer) == (1000, 1000, 600, False)
        carrier.left = 0
        assert progress.now()[NODE].awaits_answer


def test_a_body_that_goes_out_again_begins_anew(tmp_path: Path) -> None:
    """What had all of it has sent us on: it said 100 %, and since when the answer was waited for, while the body went out again."""
    progress = Progress()
    with body_of(tmp_path, bytes(1000)) as body:
        carrier = FakeCarrier(body)
        carrier.left = 0
        progress.begin(NODE, StageId(1), body)
        assert progress.now()[NODE].awaits_answer
        body.goes(carrier)
        body.begin(0)
        now = progress.now()[NODE]
        assert (now.handed, now.acknowledged, now.over_ns, now.awaits_answer) == (0, 0, 0, False)
        assert progress.of(NODE, StageId(1))[0] == 1000         # ever


def test_a_percentage_is_never_all_before_the_end() -> None:
    assert [Sent(1000, arrived, 1000, 0).percent for arrived in (0, 5, 999, 1000)] == [0, 0, 99, 99]
    assert Sent(0, 0, 0, 0).percent == 0
