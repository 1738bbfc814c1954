"""A mistake in the file names its line and what was probably meant, and never a value."""

from pathlib import Path

import pytest

from anthrofs.settings.config_file import parsed
from anthrofs.settings.findings import everything, findings, of_section

SECRET = "sk-ant-secret"


def texts(content: str) -> list[str]:
    return [each.text.removeprefix("/c.toml:") for each in findings(parsed(Path("/c.toml"), content))]


@pytest.mark.parametrize(("content", "says"), [
    ("[defaults]\nuplaod = 'queue'", "2: uplaod: no option has that name: did you mean upload?"),
    ("[defaults]\ncache-size = '5G'", "2: cache-size: no option has that name: did you mean cache_size?"),
    ("[defaults]\nxyzzy = 1", "2: xyzzy: no option has that name. `anthrofs mount --help` has them all."),
    ("[profiles.work]\n", "1: profiles: nothing of that name is known here: did you mean profile?"),
    ("[default]\n", "1: default: nothing of that name is known here: did you mean defaults?"),
    ("upload = 'queue'", "1: upload: nothing of that name is known here: options stand below [defaults], or below [profile.NAME]."),
    ("profile = 1", "1: profile is to be a table: [profile]."), ("[profile]\nwork = 1", "2: work is to be a table: [profile.NAME]."),
    ("[defaults]\nupload = 'never'", "2: upload: it takes wait or queue."), ("[defaults]\nrefresh = 0", "2: refresh: it takes a number from 0.1 to 1000000000."),
    ("[defaults]\npoll = 'yes'", "2: poll: it takes true or false, without quotes."), ("[defaults]\npoll = 1", "2: poll: it takes true or false, without quotes."),
    ("[defaults]\nupload = true", "2: upload: it takes a text in quotes."), ("[defaults]\nupload = ['queue']", "2: upload: it takes a text in quotes."),
    ("[defaults]\numask = 27", '2: umask: it takes a text in quotes, like "027".'), ("[defaults]\numask = '9'", "2: umask: it takes an octal number, like 027."),
    ("[defaults]\nstate_dir = 'here'", "2: state_dir: it takes a path that begins with / or ~: a file of settings has no directory that it is in."),
    ("[defaults]\nstate_dir = ''", "2: state_dir: it takes a path."), ("[defaults]\nstate_dir = '/a\\u0000'", None), ('[defaults]\nstate_dir = "/a\\u0000"', "2: state_dir: it takes a text without NUL."),
    ("[defaults]\nkey_command = 'pass show'", '2: key_command: it takes a list of words, like ["pass", "show", "anthropic"].'),
    ("[defaults]\nkey_command = []", '2: key_command: it takes a list of words, like ["pass", "show", "anthropic"].'),
    ("[defaults]\nworkspace = 'a b'", "2: workspace: it takes an id, like wrkspc_…."), ("[defaults]\nkeep_uploads = '20'", "2: keep_uploads: it takes all, none, or a size with its unit, like 20G."),
    ("[defaults]\ndirectory = '/x'", "2: a directory is a profile's: two mounts can't be on one."),
    (f"[defaults]\nkey = '{SECRET}'", "2: a key or password isn't written into this file"), (f"[profile.x]\nANTHROPIC_API_KEY = '{SECRET}'", "2: a key or password isn't"),
    (f"[defaults]\n{SECRET} = 1", "2: a key or password isn't"), (f"[defaults]\nupload = '{SECRET}'", "2: upload: it takes wait or queue."),
    ("[defaults]\nkeyring = 'x'\nlogin = 'y'", "3: keyring and login both say where the key is: leave one."),
    ("[profile.'a/b']", "1: 'a/b' can't be a profile's name: it takes a plain name, which a directory can have."), ("[profile.-x]", "1: '-x' can't be a profile's name: it would"),
    ("[profile.'..']", "1: '..' can't be a profile's name"), ("[defaults]\nkey_file = '/nowhere/at/all'", "2: key_file: /nowhere/at/all can't be read: No such file or directory."),
])
def test_a_mistake_names_its_line_and_the_nearest_right_thing(content: str, says: str | None) -> None:
    found = texts(content)
    assert [text for text in found if SECRET in text] == []
    if says is not None:
        assert len(found) == 1
        assert found[0].startswith(says)


def test_what_is_right_is_found_right(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k")
    (tmp_path / "key").chmod(0o600)
    assert texts(f"""
[defaults]
upload = "queue"
refresh = 2.5
requests_per_minute = 100
cache_size = 0
expires_in = "never"
[profile.work]
directory = "~/work"
key_file = "{tmp_path}/key"
poll = true
umask = "027"
uid = 1000
[profile.status]
key_command = ["pass", "show", "a b"]
[profile."mein Büro"]
read_only = false
""") == []


def test_a_keys_file_that_others_can_use_is_found_before_a_mount(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k")
    (tmp_path / "key").chmod(0o644)
    assert texts(f"[profile.work]\nkey_file = '{tmp_path}/key'") == [f"2: key_file: {tmp_path}/key can be used by others than you: chmod 600 {tmp_path}/key."]
    assert "is a directory" in texts(f"[profile.work]\nkey_file = '{tmp_path}'")[0]


def test_all_mistakes_are_found_and_another_profiles_keep_nobody_from_mounting() -> None:
    found = findings(parsed(Path("/c"), "[defaults]\na1 = 1\n[profile.x]\nb1 = 1\n[profile.y]\nc1 = 1\n"))
    assert [each.line for each in found] == [2, 4, 6]
    assert [each.line for each in of_section(found, "defaults", "profile.y")] == [2, 6]


def test_a_check_finds_places_that_are_missing_or_used_twice_and_variables_that_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    file = parsed(Path("/c"), f"[profile.x]\ndirectory = '{tmp_path}/there'\n[profile.y]\ndirectory = '{tmp_path}/there'\n[profile.z]\ndirectory = '{tmp_path}/gone'\n")
    found = [each.text for each in everything(file, {"ANTHROFS_UPLAOD": SECRET, "ANTHROFS_CACHE_SIZE": SECRET, "ANTHROFS_CONFIG": "/c", "ANTHROFS_SEED": "1", "HOME": "/"})]
    assert found == [f"/c:4: directory: {tmp_path}/there is that of the profile x, too: one mount at a time can have it.",
                     f"/c:6: directory: {tmp_path}/gone does not exist: mkdir -p {tmp_path}/gone.", "The variable ANTHROFS_UPLAOD means nothing here: did you mean ANTHROFS_UPLOAD?",
                     "The variable ANTHROFS_CACHE_SIZE: it takes a size, like 10G, 500M or 0."]


def test_a_check_finds_a_command_that_isnt_there_and_runs_none(tmp_path: Path) -> None:
    file = parsed(Path("/c"), f"[defaults]\nkey_command = ['no-such-program', '{SECRET}']\n[profile.p]\nkey_command = ['touch', '{tmp_path}/ran']\n")
    assert [each.text for each in everything(file, {})] == ["/c:2: key_command: there is no program no-such-program to be run."]
    assert not (tmp_path / "ran").exists()
