"""Mount options become settings, and one that makes no sense is named."""

from pathlib import Path

import pytest

from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.settings.config_file import ConfigFile
from anthrofs.settings.mount_options import flags_of
from anthrofs.settings.precedence import settings_of


@pytest.mark.parametrize(("given_options", "changes"), [
    ([], {}), ([""], {}), ([","], {}), (["rw"], {}), (["rw,nosuid,nodev,noatime,_netdev,nofail"], {}),
    (["ro"], {"read_only": True}), (["rw,ro"], {"read_only": True}), (["allow_other"], {"allow_other": True}),
    (["uid=1000"], {"uid": 1000}), (["gid=100"], {"gid": 100}), (["umask=027"], {"umask": 0o27}), (["umask=0"], {"umask": 0}),
    (["umask=7777"], {"umask": 0o777}), (["uid=5,gid=6", "umask=77"], {"uid": 5, "gid": 6, "umask": 0o77}), (["uid=5", "uid=6"], {"uid": 6}),
    ([",ro,,uid=0,"], {"read_only": True, "uid": 0}), (["upload=queue,cache_size=5G"], {"upload": "queue", "cache_size": 5 * 10**9}),
    (["poll,x-systemd.automount,noauto,x-gvfs-name=Work"], {"poll": True}), (["poll=no"], {}), (["key_file=/k"], {"key_file": Path("/k")}),
])
def test_mount_options_become_settings(given_options: list[str], changes: dict[str, object]) -> None:
    found = settings_of(flags_of(given_options), {}, ConfigFile(None), None)
    usual = settings_of({}, {}, ConfigFile(None), None)
    assert {name: found[name] for name in found.found if found[name] != usual[name]} == {
        name: value for name, value in changes.items() if value != usual[name]}


@pytest.mark.parametrize("bad", [
    "nonsense", "ro=1", "allow_other=maybe", "uid", "uid=", "uid=me", "uid=-1", "gid=1.5", "umask=8", "umask=-1", "umask=", "UID=1", " ro", "upload=never", "poll=maybe",
    "upload"])
def test_an_option_that_is_not_known_or_makes_no_sense_is_named(bad: str) -> None:
    with pytest.raises(SetupError) as caught:
        flags_of(["rw", bad])

    assert f"-o {bad}:" in str(caught.value)
    assert caught.value.exit_code == EXIT_USAGE


def test_a_profile_is_named_by_an_option_too_as_in_fstab() -> None:
    assert flags_of(["rw,_netdev,profile=work"]) == {"profile": "work"}


def test_the_nearest_option_is_asked_about() -> None:
    with pytest.raises(SetupError, match=r"did you mean cache_size\?"):
        flags_of(["cache-sise=5G"])


def test_a_mount_that_is_there_takes_no_other_options() -> None:
    with pytest.raises(SetupError, match="-o remount: a mount stays as it is: unmount it"):
        flags_of(["remount", "ro"])
