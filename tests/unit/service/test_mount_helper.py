"""mount(8)'s words become those of a command, and nothing of them gets lost."""

from pathlib import Path

import pytest

from anthrofs.errors import EXIT_AUTH, EXIT_BUSY, EXIT_FAILED, EXIT_USAGE, SetupError
from anthrofs.service.mount_helper import FAILED, USAGE, Call, called, exit_code


@pytest.mark.parametrize(("source", "options"), [
    ("anthrofs:work", "profile=work"), ("work", "profile=work"), ("anthrofs", ""), ("none", ""), ("anthrofs:", ""),
    ("/etc/anthrofs/key", "key_file=/etc/anthrofs/key")], ids=["named", "bare", "kind", "none", "empty", "key"])
def test_a_source_is_a_profile_or_a_file_with_the_key(source: str, options: str) -> None:
    expected = ("mount", *(("-o", options) if options else ()), "--", "/mnt/work")
    assert called("mount.anthrofs", [source, "/mnt/work"]) == Call(expected)


def test_what_fstab_says_to_others_is_left_out_and_the_rest_goes_on() -> None:
    options = ("rw,_netdev,noauto,x-systemd.automount,x-systemd.idle-timeout=60,user,"
               "user=alice,nofail,nosuid,nodev,uid=1000,upload=queue,requests-per-minute=100,ro,allow_other,comment=x")
    call = called("mount.anthrofs", ["anthrofs:work", "/mnt/work", "-v", "-o", options])
    assert call == Call(("mount", "-o", "uid=1000,upload=queue,requests_per_minute=100,ro,allow_other,profile=work", "--", "/mnt/work"))


def test_another_user_and_another_file_of_settings_are_no_options_of_a_mount() -> None:
    call = called("mount.fuse.anthrofs", ["work", "/mnt", "-o", "setuid=alice,config=/etc/anthrofs/config.toml", "-t", "fuse.anthrofs"])
    assert call == Call(("mount", "-o", "profile=work", "--", "/mnt"), "alice", "/etc/anthrofs/config.toml")


def test_fuses_own_helper_calls_without_a_command() -> None:
    assert called("anthrofs", ["work", "/mnt", "-o", "rw,nosuid"]) == Call(("mount", "-o", "profile=work", "--", "/mnt"))
    # A profile may have the name of a command.
    assert called("anthrofs", ["status", "/mnt", "-o", "rw"]) == Call(("mount", "-o", "profile=status", "--", "/mnt"))


@pytest.mark.parametrize("words", [["mount", "/mnt", "-o", "ro"], ["status", "/mnt"], ["-h"], [], ["id", "a", "b", "c"]], ids=str)
def test_what_a_person_types_is_no_call(words: list[str]) -> None:
    assert called("anthrofs", words) is None


def test_a_look_only_is_one() -> None:
    call = called("mount.anthrofs", ["-f", "work", "/mnt"])
    assert call is not None
    assert call.fake


@pytest.mark.parametrize(("program", "words"), [("mount.anthrofs", []), ("mount.anthrofs", ["work"]), ("mount.anthrofs", ["a", "b", "c"])], ids=str)
def test_too_few_or_too_many_words_are_a_sentence(program: str, words: list[str]) -> None:
    with pytest.raises(SetupError) as raised:
        called(program, words)
    assert raised.value.exit_code == EXIT_USAGE


def test_a_name_that_mount_took_for_a_directory_says_how_to_write_it(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with pytest.raises(SetupError, match="A profile is named anthrofs:work"):
        called("mount.anthrofs", [str(tmp_path / "work"), "/mnt"])


def test_exit_codes_are_those_of_mount() -> None:
    assert [exit_code(code) for code in (0, EXIT_USAGE, EXIT_FAILED, EXIT_AUTH, EXIT_BUSY)] == [0, USAGE, FAILED, FAILED, FAILED]
