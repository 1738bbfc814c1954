"""Which listed file may be what an upload without an answer has made."""

import dataclasses

import pytest

from anthrofs.model import Attempt, FileId, NodeId, RemoteFile, StageId
from anthrofs.tree.lost import fits
from anthrofs.tree.upload_queue import UNKNOWN
from tests.fakes import EPOCH_NS


@pytest.mark.parametrize(("change", "expected"), [
    ({}, True), ({"name": "b.txt"}, False), ({"size_bytes": 4}, False), ({"mime_type": "text/csv"}, False),
    ({"downloadable": True}, False),            # the service has said of an upload that it can't be
    ({"created_ns": EPOCH_NS - 2 * 10**9}, False),  # it was there before
    ({"created_ns": EPOCH_NS - 1000}, True),    # clocks' bounds are rounded
    ({"created_ns": EPOCH_NS + 10**12}, True),
])
def test_a_listed_file_fits_an_attempt_that_may_have_made_it(change: dict[str, str | int | bool], expected: bool) -> None:
    attempt = Attempt(NodeId(7), StageId(1), UNKNOWN, 3, "a.txt", "text/plain", None, EPOCH_NS, 1, None, None)
    file = RemoteFile(FileId("f"), "a.txt", "text/plain", 3, EPOCH_NS, downloadable=False)

    changed = dataclasses.replace(file, **change)  # type: ignore[arg-type]
    assert fits(attempt, changed, downloadable=False) is expected
    assert fits(attempt, changed, downloadable=None) is (expected or "downloadable" in change)      # it has said nothing yet
    assert fits(attempt, changed, downloadable=True) is ("downloadable" in change)
    if "created_ns" in change:                  # without a server's clock any time fits
        assert fits(dataclasses.replace(attempt, sent_ns=None), changed, downloadable=False)
