"""The fleet's keys: what is sealed opens in its own place only, and a key file that others could read is refused."""

import os
from pathlib import Path

import pytest

from anthrofs.errors import EXIT_USAGE, Forged, SetupError
from anthrofs.fleet import keys
from anthrofs.fleet.keys import FleetKeys, encoded, id_of, new_line, read

ONE, TWO = bytes(range(32)), bytes(range(1, 33))
ABOUT = ("org/workspace", "file_1", 0)


def written(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


# ---- seals

def test_what_is_sealed_opens_in_its_own_place_only() -> None:
    fleet = FleetKeys([ONE])
    sealed = fleet.seal("page", ABOUT, b"plain")
    assert b"plain" not in sealed
    assert fleet.open("page", ABOUT, sealed) == b"plain"
    assert fleet.open("page", ABOUT, memoryview(sealed), fleet.ids[0]) == b"plain"
    for purpose, about in (("intent", ABOUT), ("page", ("org/other", "file_1", 0)), ("page", ("org/workspace", "file_1", 1)),
                           ("page", ("org/workspacefile_1", "", 0)), ("page", ABOUT[:2])):
        with pytest.raises(Forged):
            fleet.open(purpose, about, sealed)


def test_what_was_changed_or_cut_anywhere_is_forged() -> None:
    fleet = FleetKeys([ONE])
    sealed = fleet.seal("page", ABOUT, b"plain")
    for place in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[place] ^= 1
        for wrong in (bytes(flipped), sealed[:place], sealed + b"x"):
            with pytest.raises(Forged):
                fleet.open("page", ABOUT, wrong)


def test_two_seals_of_one_thing_differ() -> None:
    fleet = FleetKeys([ONE])
    assert fleet.seal("page", ABOUT, b"") != fleet.seal("page", ABOUT, b"")


def test_an_older_key_opens_and_never_seals() -> None:
    old, both, new = FleetKeys([ONE]), FleetKeys([TWO, ONE]), FleetKeys([TWO])
    assert both.open("page", ABOUT, old.seal("page", ABOUT, b"plain")) == b"plain"
    assert new.open("page", ABOUT, both.seal("page", ABOUT, b"plain")) == b"plain"
    with pytest.raises(Forged):
        old.open("page", ABOUT, both.seal("page", ABOUT, b"plain"))
    with pytest.raises(Forged):
        both.open("page", ABOUT, old.seal("page", ABOUT, b"plain"), id_of(b"another"))
    assert both.name("a", key_id=id_of(ONE)) == old.name("a") != both.name("a")


def test_parts_are_told_apart() -> None:
    tried = [("ab",), ("a", "b"), ("a", ""), ("", "a"), (b"ab",), (1,), ("1",), (b"1",), (11,), (1, 1), ("a", "b", "")]
    assert len({encoded(*parts) for parts in tried}) == len(tried)
    assert len({FleetKeys([ONE]).name(*parts) for parts in tried}) == len(tried)
    assert encoded("\udc80")            # a name as a disk may have it


def test_nothing_shows_a_secret() -> None:
    fleet = FleetKeys([ONE, TWO])
    assert repr(fleet) == f"FleetKeys({id_of(ONE)}, {id_of(TWO)})"
    assert ONE.hex()[:16] not in f"{fleet!r}{vars(fleet)['ids']}"


# ---- key files

def test_a_new_line_is_a_key_file(tmp_path: Path) -> None:
    lines = [new_line(), new_line()]
    assert lines[0] != lines[1]
    assert read(written(tmp_path / "key", lines[0] + "\n")).ids == (id_of(bytes.fromhex(lines[0])),)


@pytest.mark.parametrize("text", [f"{ONE.hex()}\n{TWO.hex()}\n", f"\n  {ONE.hex()}  \r\n{TWO.hex()}", f"{ONE.hex()}\n{TWO.hex()}\n{ONE.hex()}\n"])
def test_further_lines_are_older_keys(tmp_path: Path, text: str) -> None:
    assert read(written(tmp_path / "key", text)).ids == (id_of(ONE), id_of(TWO))


@pytest.mark.parametrize(("text", "mode", "says"), [
    ("", 0o600, "is empty"), ("\n \n", 0o600, "is empty"), (f"{ONE.hex()}\n", 0o640, "its mode is 0640): chmod 600"), (f"{ONE.hex()}\n", 0o604, "0604"),
    (f"{ONE.hex()}\n", 0o620, "0620"), (ONE.hex()[:-1], 0o600, "no key on line 1"), (ONE.hex() + "0", 0o600, "no key on line 1"), (ONE.hex().upper(), 0o600, "line 1"),
    (f"{ONE.hex()}\n\nsecret\n", 0o600, "no key on line 3"), (f"{ONE.hex()} {TWO.hex()}", 0o600, "no key on line 1"), (ONE, 0o600, "no key on line 1"),
    ("-----BEGIN PRIVATE KEY-----\n", 0o600, "no key on line 1"),
])
def test_a_key_file_that_cant_be_used_is_a_sentence_that_quotes_nothing_of_it(tmp_path: Path, text: str | bytes, mode: int, says: str) -> None:
    path = written(tmp_path / "key", text, mode)
    with pytest.raises(SetupError) as caught:
        read(path)
    assert caught.value.exit_code == EXIT_USAGE
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ONE.hex()[:16] not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name, says in (("pipe", "no plain file"), ("folder", "Is a directory"), ("nothing", "No such file")):
        with pytest.raises(SetupError, match=says) as caught:
            read(tmp_path / name)
        assert caught.value.exit_code == EXIT_USAGE


@pytest.mark.root
def test_another_users_key_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "key", new_line())
    os.chown(path, 12345, 12345)
    with pytest.raises(SetupError, match="belongs to another user"):
        read(path)


def test_a_file_without_an_end_is_read_to_a_bound(tmp_path: Path) -> None:
    path = written(tmp_path / "key", f"{ONE.hex()}\n")
    os.truncate(path, 2**40)            # sparse
    with pytest.raises(SetupError, match="no key on line"):
        read(path)
    assert keys.LONGEST_FILE_BYTES < 2**20
