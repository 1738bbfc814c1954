"""Mount options become settings, and one that makes no sense is named."""

import dataclasses
from pathlib import Path
from typing import Final

import pytest

from anthrofs.cli.options import with_options
from anthrofs.config import Config, Credentials, Service
from anthrofs.errors import EXIT_USAGE, SetupError

CONFIG: Final = Config(Path("/mnt"), Path("/state"), Service("http://h", Credentials("x-api-key", "key")), uid=1, gid=1)


@pytest.mark.parametrize(("given_options", "changes"), [
    ([], {}), ([""], {}), ([","], {}), (["rw"], {}), (["rw,nosuid,nodev,noatime,_netdev,nofail"], {}),
    (["ro"], {"read_only": True}), (["rw,ro"], {"read_only": True}), (["allow_other"], {"allow_other": True}),
    (["uid=1000"], {"uid": 1000}), (["gid=100"], {"gid": 100}), (["umask=027"], {"umask": 0o27}), (["umask=0"], {"umask": 0}),
    (["umask=7777"], {"umask": 0o777}), (["uid=5,gid=6", "umask=77"], {"uid": 5, "gid": 6, "umask": 0o77}), (["uid=5", "uid=6"], {"uid": 6}),
    ([",ro,,uid=0,"], {"read_only": True, "uid": 0}),
])
def test_mount_options_become_settings(given_options: list[str], changes: dict[str, int | bool]) -> None:
    assert with_options(CONFIG, given_options) == dataclasses.replace(CONFIG, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [
    "nonsense", "ro=1", "allow_other=yes", "uid", "uid=", "uid=me", "uid=-1", "gid=1.5", "umask=8", "umask=-1", "umask=", "UID=1", " ro"])
def test_an_option_that_is_not_known_or_makes_no_sense_is_named(bad: str) -> None:
    with pytest.raises(SetupError) as caught:
        with_options(CONFIG, ["rw", bad])

    assert f"-o {bad}:" in str(caught.value)
    assert caught.value.exit_code == EXIT_USAGE
