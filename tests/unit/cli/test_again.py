"""What is installed for root is root's all the way; if it isn't, that is said."""

import os
import sys
from pathlib import Path

import pytest

from anthrofs.cli import again

pytestmark = pytest.mark.root


@pytest.mark.parametrize(("mode", "owner"), [(0o777, 0), (0o755, 12345)], ids=["anybody's", "a user's"])
def test_a_program_in_a_folder_of_others_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, owner: int) -> None:
    folder = tmp_path / "env" / "bin"
    folder.mkdir(parents=True)
    (folder / "anthrofs").write_text("#!/bin/sh\n")
    (folder / "anthrofs").chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(folder / "anthrofs")])
    before = again.others_place()
    assert before is None or before not in tmp_path.parents
    folder.parent.chmod(mode)
    os.chown(folder.parent, owner, -1)
    assert again.others_place() == folder.parent
