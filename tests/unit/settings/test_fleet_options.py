"""A fleet as it is named: what is understood, and what is refused in one sentence that quotes nothing secret."""

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from anthrofs.config import Fleet
from anthrofs.errors import EXIT_MISSING, EXIT_USAGE, SetupError
from anthrofs.settings import fleet_options
from anthrofs.settings.config_file import ConfigFile
from anthrofs.settings.fleet_options import warnings
from anthrofs.settings.precedence import settings_of

SECRET = "s3cret-Zq8"


def fleet_of(store: str, board: str, key: str, share: str, environ: dict[str, str]) -> Fleet | None:
    """Of flags, as far as they aren't empty."""
    flags = {"store": store or None, "board": board or None, "fleet_key": key or None, "share": None if share == "all" else share}
    return fleet_options.fleet_of(settings_of(flags, environ, ConfigFile(None), None), environ)


def test_nothing_named_is_no_fleet() -> None:
    assert fleet_of("", "", "", "all", {}) is None
    assert fleet_of("", "", "", "all", {"ANTHROFS_FLEET_KEY_FILE": "/k", "ANTHROFS_BOARD_PASSWORD": SECRET}) is None


@pytest.mark.parametrize(("store", "shown"), [
    ("s3://bucket/a/b", "s3://bucket/a/b"), ("s3://bucket", "s3://bucket"), ("gs://bucket/a/", "gs://bucket/a"), ("az://container/a", "az://container/a"),
    ("file:///mnt/team", "file:///mnt/team"), ("file:///", "file:///"),
])
def test_a_store_is_understood(store: str, shown: str) -> None:
    expected = Fleet(Path("/k"), store_url=shown)
    assert fleet_of(store, "", "/k", "all", {}) == expected
    assert fleet_of("", "", "", "all", {"ANTHROFS_STORE": store, "ANTHROFS_FLEET_KEY_FILE": "/k"}) == expected


@pytest.mark.parametrize(("board", "shown", "user"), [
    ("valkeys://cache.internal:6379/0", "valkeys://cache.internal:6379/0", None), ("redis://h", "redis://h", None), ("rediss://me@h:1/2", "rediss://h:1/2", "me"),
    ("valkey://[::1]:7/", "valkey://[::1]:7/", None),
])
def test_a_board_is_understood(board: str, shown: str, user: str | None) -> None:
    assert fleet_of("", board, "/k", "all", {"ANTHROFS_BOARD_PASSWORD": SECRET}) == Fleet(Path("/k"), None, shown, user, SECRET)


def test_a_boards_password_in_the_environment_is_taken_out_of_its_address() -> None:
    found = fleet_of("", "", "/k", "all", {"ANTHROFS_BOARD": f"valkeys://m%65:{SECRET}%40%2F@h:1/2"})
    assert found == Fleet(Path("/k"), None, "valkeys://h:1/2", "me", f"{SECRET}@/")
    assert SECRET not in repr(found)


@pytest.mark.parametrize(("store", "board", "key", "share", "environ", "says"), [
    ("s3://b", "", "", "all", {}, "need --fleet-key"), ("", "redis://h", "", "all", {}, "need --fleet-key"),
    ("", "", "/k", "all", {}, "--fleet-key is of no use without --store or --board"),
    ("", "", "", "none", {}, "--share is of no use without --store"), ("", "redis://h", "/k", "uploads", {}, "--share is of no use without --store"),
    ("s3://b", "", "/k", "some", {}, "--share 'some': it takes uploads, all or none"),
    ("http://b/c", "", "/k", "all", {}, "--store takes s3://"), ("b", "", "/k", "all", {}, "--store takes s3://"), ("s3://", "", "/k", "all", {}, "--store takes"),
    ("s3:/b", "", "/k", "all", {}, "--store takes"), ("file://mnt", "", "/k", "all", {}, "--store takes"),
    ("file://mnt/team", "", "/k", "all", {}, "--store takes"), ("s3://b?x=" + SECRET, "", "/k", "all", {}, "--store takes"),
    ("s3://b#x", "", "/k", "all", {}, "--store takes"), ("s3://[b", "", "/k", "all", {}, "--store takes an address"),
    ("", "http://h", "/k", "all", {}, "--board takes valkey://"), ("", "redis://", "/k", "all", {}, "--board takes"), ("", "redis://h:x", "/k", "all", {}, "--board takes"),
    ("", "redis://h/zero", "/k", "all", {}, "--board takes"), ("", "redis://h:99999", "/k", "all", {}, "--board takes"),
    ("", f"redis://h?password={SECRET}", "/k", "all", {}, "--board takes"),
    (f"s3://id:{SECRET}@b", "", "/k", "all", {}, "--store has a name or a password"), (f"s3://{SECRET}@b", "", "/k", "all", {}, "--store has a name or a password"),
    ("", f"redis://:{SECRET}@h", "/k", "all", {}, "ANTHROFS_BOARD_PASSWORD"), ("", f"redis://me:{SECRET}@h", "/k", "all", {}, "--board has a password"),
    ("", "", "", "all", {"ANTHROFS_STORE": f"s3://id:{SECRET}@b", "ANTHROFS_FLEET_KEY_FILE": "/k"}, "--store has a name or a password"),
    ("", "", "", "all", {"ANTHROFS_STORE": f"sftp://{SECRET}", "ANTHROFS_FLEET_KEY_FILE": "/k"}, "--store takes"),
    ("", "", "", "all", {"ANTHROFS_BOARD": f"http://id:{SECRET}@b", "ANTHROFS_FLEET_KEY_FILE": "/k"}, "--board takes"),
])
def test_what_makes_no_sense_is_a_sentence_without_secrets(store: str, board: str, key: str, share: str, environ: dict[str, str], says: str) -> None:
    with pytest.raises(SetupError) as caught:
        fleet_of(store, board, key, share, environ)
    assert caught.value.exit_code == EXIT_USAGE
    assert says in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("board", "password", "said"), [
    ("redis://cache.internal", SECRET, True), ("valkey://10.0.0.1:6379/0", SECRET, True), ("redis://cache.internal", "", False),
    ("valkeys://cache.internal", SECRET, False), ("rediss://cache.internal", SECRET, False), ("redis://localhost", SECRET, False),
    ("redis://127.0.0.1:1", SECRET, False), ("redis://[::1]:1", SECRET, False),
])
def test_a_password_that_everybody_on_the_way_can_read_is_said(board: str, password: str, said: bool) -> None:
    found = warnings(fleet_of("", board, "/k", "all", {"ANTHROFS_BOARD_PASSWORD": password}))
    assert [("without TLS" in line, SECRET in line) for line in found] == [(True, False)] * said
    assert warnings(None) == warnings(Fleet(Path("/k"), "s3://b")) == []


@pytest.mark.parametrize(("store", "board", "needs"), [("s3://b", "", {"cryptography", "obstore"}), ("", "redis://h", {"cryptography", "valkey"}),
                                                       ("s3://b", "redis://h", {"cryptography", "obstore", "valkey"})])
def test_a_library_that_is_not_installed_is_named_with_what_to_do(store: str, board: str, needs: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for library in needs:
        monkeypatch.setattr(fleet_options, "find_spec", lambda name, lacks=library: None if name == lacks else ModuleSpec(name, None))
        with pytest.raises(SetupError, match=f"A fleet needs {library}: pip install 'anthrofs\\[fleet\\]'") as caught:
            fleet_of(store, board, "/k", "all", {})
        assert caught.value.exit_code == EXIT_MISSING
    others = {"cryptography", "obstore", "valkey"} - needs
    monkeypatch.setattr(fleet_options, "find_spec", lambda name: None if name in others else ModuleSpec(name, None))
    assert fleet_of(store, board, "/k", "all", {}) is not None
