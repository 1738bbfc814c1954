"""What a person types after `mount` is a directory or a profile, and all that was set becomes one Config."""

from pathlib import Path
from typing import Any

import pytest

from anthrofs.config import Config
from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.settings.choosing import chosen, config_of, doubt, hides_profile, service_for

FILE = """
[defaults]
cache_size = "1G"
[profile.work]
directory = "{home}/on"
upload = "queue"
key_file = "{home}/key"
[profile.loose]
poll = true
"""


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A home with two profiles, and a directory that the person is in."""
    (tmp_path / "key").write_text("sk-of-the-file")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "config.toml").write_text(FILE.format(home=tmp_path))
    (tmp_path / "config.toml").chmod(0o600)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return {"ANTHROFS_CONFIG": str(tmp_path / "config.toml"), "XDG_STATE_HOME": str(tmp_path / "state")}


def config(environ: dict[str, str], word: str | None, profile: str | None = None, options: str = "", **flags: Any) -> Config:
    where, settings = chosen(word, profile, [options], flags, environ)
    return config_of(where, settings, service_for(settings, environ), environ)


def test_a_profiles_name_mounts_its_directory_with_its_options(environ: dict[str, str], tmp_path: Path) -> None:
    found = config(environ, "work")
    assert (found.mountpoint, found.state_dir, found.label) == (tmp_path / "on", tmp_path / "state" / "anthrofs" / "work", "work")
    assert (found.upload, found.cache_bytes, found.poll) == ("queue", 10**9, False)
    assert getattr(found.service.credentials, "value", None) == "sk-of-the-file"


def test_a_directory_that_is_there_goes_before_a_profile_and_the_option_before_both(environ: dict[str, str], tmp_path: Path) -> None:
    Path("work").mkdir()
    environ["ANTHROPIC_API_KEY"] = "sk-mine"
    assert config(environ, "work").mountpoint == tmp_path / "here" / "work"
    assert config(environ, "work").upload == "wait"
    assert config(environ, None, "work").mountpoint == tmp_path / "on"
    assert config(environ, "work", "work").mountpoint == tmp_path / "here" / "work"
    assert config(environ, "work", "work").upload == "queue"
    assert config(environ, "./elsewhere", None, "profile=work").upload == "queue"
    assert config({**environ, "ANTHROFS_PROFILE": "work"}, None).mountpoint == tmp_path / "on"


def test_a_profiles_own_directory_is_the_profile_by_whatever_path(environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `anthrofs init`, which makes it: the profile has the name of its directory."""
    path = tmp_path / "config.toml"
    path.write_text(path.read_text() + f'[profile.zz]\ndirectory = "{tmp_path}/zz"\nupload = "queue"\n[profile.bad]\ndirectory = 3\n')
    (tmp_path / "zz").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "zz")
    monkeypatch.chdir(tmp_path)
    environ["ANTHROPIC_API_KEY"] = "sk-mine"
    for word in ("zz", "./zz", "here/../zz", f"{tmp_path}/zz", f"{tmp_path}/zz/", "link"):
        found = config(environ, word)
        assert (found.upload, found.label, found.state_dir.name) == ("queue", "zz", "zz"), word
        assert found.mountpoint == tmp_path / "zz"
    assert config(environ, "./here").label == ""
    assert config(environ, "zz", "work").label == "work"
    for own in ({"demo": True}, {"scope": "sesn_1"}, {"workspace": "wrkspc_1"}):     # whose files are others, in a state that is another
        assert config(environ, "zz", **own).label in ("demo", "sesn_1", "wrkspc_1")
    assert config({**environ, "ANTHROFS_WORKSPACE": "wrkspc_1"}, "zz").label == "wrkspc_1"
    path.write_text(path.read_text() + f'[profile.other]\ndirectory = "{tmp_path}/link"\n')
    assert config(environ, "./zz").label == "zz", "of two profiles there, the one that is called so"
    assert config(environ, "link").label == ""


def test_a_directory_that_is_called_like_another_profile_is_said_to_go_before_it(environ: dict[str, str]) -> None:
    Path("work").mkdir()
    for word, profile, hides in (("work", None, True), ("work", "work", False), ("./work", None, False), (None, "work", False)):
        _, settings = chosen(word, profile, [], {}, environ)
        assert hides_profile(word, settings) == hides


def test_without_a_key_a_typo_in_a_profiles_name_is_what_is_said(environ: dict[str, str]) -> None:
    _, settings = chosen("./x", None, ["profile=wrok"], {}, environ)
    with pytest.raises(SetupError, match=r"^No credentials by the profile wrok: there is no profile of that name: did you mean work\?$"):
        service_for(settings, environ)


def test_a_path_is_never_a_profile(environ: dict[str, str], tmp_path: Path) -> None:
    environ["ANTHROPIC_API_KEY"] = "sk-mine"
    assert config(environ, "./work").mountpoint == tmp_path / "here" / "work"       # what is missing there, the mount says


@pytest.mark.parametrize(("word", "profile", "says"), [
    ("wrok", None, "no profile of that name: did you mean work?"), ("nothing", None, "mkdir nothing"), ("nothing", None, "only loose, work."),
    (None, None, "Name a directory, or a profile of yours: loose, work."), ("loose", None, "The profile loose has no directory"),
    (None, "loose", "config.toml:8"), (None, "wrok", "did you mean work?"), (None, "a/b", "--profile takes a plain name"), (None, "..", "--profile takes a plain name"),
    (None, "-x", "--profile takes a plain name"),
])
def test_what_names_no_place_is_a_sentence_with_what_there_is(environ: dict[str, str], word: str | None, profile: str | None, says: str) -> None:
    with pytest.raises(SetupError) as caught:
        chosen(word, profile, [], {}, environ)
    assert says in str(caught.value)
    assert caught.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize(("text", "says"), [
    ('[profile.two]\ndirectroy = "~/two"\n', ":2: directroy: no option has that name: did you mean directory?"),
    ('[profiles.two]\ndirectory = "~/two"\n', ":1: profiles: nothing of that name is known here: did you mean profile?"),
])
def test_a_typo_that_leaves_a_profile_without_a_place_is_said(environ: dict[str, str], tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(SetupError) as caught:
        chosen("two", None, [], {}, environ)
    assert str(caught.value) == f"{tmp_path}/config.toml{says}"


def test_without_a_configuration_a_mount_says_how_to_begin() -> None:
    with pytest.raises(SetupError, match="anthrofs mount ~/files"):
        chosen(None, None, [], {}, {"ANTHROFS_CONFIG": "/dev/null"})


def test_a_state_is_named_by_profile_session_workspace_or_the_demo(environ: dict[str, str], tmp_path: Path) -> None:
    environ["ANTHROPIC_API_KEY"] = "sk-mine"
    found = [config(environ, "./x", "own"), config(environ, "./x", "own", scope="sesn_1"), config(environ, "./x", scope="sesn_1"),
             config(environ, "./x", workspace="wrkspc_1"), config(environ, "./x", demo=True), config(environ, "./x")]
    assert {each.state_dir.relative_to(tmp_path / "state" / "anthrofs").as_posix(): each.label for each in found} == {"own": "own", "sesn_1": "sesn_1", "wrkspc_1": "wrkspc_1", "demo": "demo", "default": ""}


def test_the_shells_key_goes_before_a_profiles_and_that_is_said(environ: dict[str, str]) -> None:
    _, settings = chosen(None, "work", [], {}, {**environ, "ANTHROPIC_API_KEY": "sk-mine"})
    service = service_for(settings, {**environ, "ANTHROPIC_API_KEY": "sk-mine"})
    assert getattr(service.credentials, "value", None) == "sk-mine"
    assert "ANTHROPIC_API_KEY is set and goes before key_file" in "".join(service.warnings())
    _, settings = chosen(None, "work", [f"key_file={settings['key_file']}"], {}, {**environ, "ANTHROPIC_API_KEY": "sk-mine"})
    assert getattr(service_for(settings, {**environ, "ANTHROPIC_API_KEY": "sk-mine"}).credentials, "value", None) == "sk-of-the-file"


def test_a_base_url_that_ends_in_v1_is_understood(environ: dict[str, str]) -> None:
    environ |= {"ANTHROPIC_API_KEY": "sk-mine", "ANTHROPIC_BASE_URL": "https://gateway.example/anthropic/v1/"}
    _, settings = chosen("x/y", None, [], {}, environ)
    service = service_for(settings, environ)
    assert service.base_url == "https://gateway.example/anthropic"
    assert "ends in /v1" in "".join(service.warnings())


def test_a_typo_in_a_profiles_name_is_asked_about_before_it_becomes_a_state(environ: dict[str, str], tmp_path: Path) -> None:
    for profile, says in (("wrok", "did you mean work? A new state of that name is made."), ("work", None), ("other", None)):
        _, settings = chosen("./x", profile, [], {}, environ)
        assert (doubt(settings, environ) or "").endswith(says or "")
        assert (doubt(settings, environ) is None) == (says is None)
    (tmp_path / "state" / "anthrofs" / "wrok").mkdir(parents=True)
    _, settings = chosen("./x", "wrok", [], {}, environ)
    assert doubt(settings, environ) is None


def test_a_bad_line_of_another_profile_keeps_nobody_from_mounting(environ: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(path.read_text() + "[profile.bad]\nuplaod = 'queue'\n")
    assert config(environ, "work").upload == "queue"
    with pytest.raises(SetupError, match="did you mean upload"):
        chosen(None, "bad", [], {}, environ)
