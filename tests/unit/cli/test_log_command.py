"""`anthrofs log` and a mount of an earlier version, which doesn't know of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anthrofs.cli import commands
from anthrofs.client import asking, control_client
from anthrofs.errors import SetupError


def test_a_mount_of_an_earlier_version_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object, **__: object) -> Iterator[dict[str, Any]]:
        raise SetupError("that is no request that this version knows")
        yield {}

    monkeypatch.setattr(asking, "mount_around", lambda _: (tmp_path, tmp_path))
    monkeypatch.setattr(control_client, "ask", refuses)
    with pytest.raises(SetupError, match=r"The mount on .* is of an earlier version, which keeps no ids of the past: unmount it"):
        commands.run(["log", str(tmp_path / "a.txt")])


def test_a_mount_of_an_earlier_version_tells_only_of_ids_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                        capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(asking, "ask_all", lambda *_, **__: ({tmp_path: {"paths": {"file_1": "a.txt"}}}, []))
    with pytest.raises(SetupError, match=r"In no mount: file_2\. If it is new: anthrofs refresh DIR\."):
        commands.run(["path", "file_1", "file_2"])
    assert capsys.readouterr().out == f"{tmp_path}/a.txt\n"
