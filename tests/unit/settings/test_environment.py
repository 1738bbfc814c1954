"""What an environment may say: the key, the service, where the state is. A key shows nowhere."""

from pathlib import Path
from typing import Final

import pytest

from anthrofs.config import DEFAULT_BASE_URL, Config, Credentials, Service
from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.settings.config_file import ConfigFile, parsed
from anthrofs.settings.environment import credentials_of, select, service_of, state_dir_of, who_says
from anthrofs.settings.precedence import settings_of

KEY: Final = "sk-ant-api03-abc_DEF-123"
ENVIRONMENT: Final = {"ANTHROPIC_API_KEY": KEY}

# ---- credentials

@pytest.mark.parametrize(("environ", "header", "value"), [
    ({"ANTHROPIC_API_KEY": KEY}, "x-api-key", KEY),
    ({"ANTHROPIC_API_KEY": f"  {KEY}\n"}, "x-api-key", KEY),
    ({"ANTHROPIC_AUTH_TOKEN": "token"}, "Authorization", "Bearer token"),
    ({"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_AUTH_TOKEN": "token"}, "x-api-key", KEY),
    ({"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "token"}, "Authorization", "Bearer token"),
    ({"ANTHROPIC_API_KEY": " ", "ANTHROPIC_AUTH_TOKEN": "token"}, "Authorization", "Bearer token"),
])
def test_the_key_comes_from_where_the_sdks_look(environ: dict[str, str], header: str, value: str) -> None:
    assert credentials_of(environ) == Credentials(header, value)


@pytest.mark.parametrize("environ", [{}, {"ANTHROPIC_API_KEY": ""}, {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": " \t"}])
def test_without_credentials_the_words_say_which_to_set(environ: dict[str, str], tmp_path: Path) -> None:
    assert credentials_of(environ) is None
    with pytest.raises(SetupError, match="ANTHROPIC_API_KEY") as caught:
        service_of({**environ, "ANTHROPIC_CONFIG_DIR": ""} | {"HOME": str(tmp_path)})

    assert caught.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize("odd", [" ", "\n", "\r\nx-evil: 1", "\x00", "ä", "“", "\x7f", "\u200b"])
@pytest.mark.parametrize("variable", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
def test_a_key_with_odd_characters_is_refused_without_quoting_it(variable: str, odd: str) -> None:
    with pytest.raises(SetupError, match=variable) as caught:
        credentials_of({variable: f"sk-secret{odd}part"})

    assert "secret" not in str(caught.value)
    assert "part" not in str(caught.value)
    assert caught.value.exit_code == EXIT_USAGE


def test_no_repr_shows_the_key() -> None:
    service = service_of(ENVIRONMENT)
    config = Config(Path("/mnt"), Path("/state"), service)

    for value in (service.credentials, service, config, (config,), {"config": config}):
        assert KEY not in repr(value)
        assert KEY not in str(value)
    assert "x-api-key" in repr(service)         # which kind it is may be said


def file_of(*lines: str) -> ConfigFile:
    return parsed(Path("/c"), "\n".join(lines))


FEDERATION: Final = {"ANTHROPIC_FEDERATION_RULE_ID": "r", "ANTHROPIC_ORGANIZATION_ID": "o", "ANTHROPIC_IDENTITY_TOKEN": "t"}
OF_A_PROFILE: Final = ("[defaults]", "keyring = 'mine'", "[profile.p]", "key_command = ['echo', 'sk']")
# From the strongest to the weakest: each of these, with all that come behind it.
SAYING: Final = ["key_file", "ANTHROPIC_CUSTOM_HEADERS", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "credential", "ANTHROPIC_FEDERATION_RULE_ID", "key_command", "keyring",
                 "the usual credential", None]


@pytest.mark.parametrize("first", range(len(SAYING)), ids=map(str, SAYING))
def test_one_order_says_who_asks(first: int, tmp_path: Path) -> None:
    (tmp_path / "anthropic-api-key").write_text("sk")
    left = SAYING[first:]
    variables = {"ANTHROPIC_CUSTOM_HEADERS": "x-api-key: sk", "ANTHROPIC_API_KEY": "sk", "ANTHROPIC_AUTH_TOKEN": "sk"}
    environ = {name: value for name, value in variables.items() if name in left}
    environ |= {"ANTHROFS_CREDENTIAL": "own"} if "credential" in left else {}
    environ |= FEDERATION if "ANTHROPIC_FEDERATION_RULE_ID" in left else {}
    environ |= {"CREDENTIALS_DIRECTORY": str(tmp_path)} if "the usual credential" in left else {}
    file = file_of(*(OF_A_PROFILE if "key_command" in left else OF_A_PROFILE[:2] if "keyring" in left else ()))
    flags = {"key_file": "/k"} if "key_file" in left else {}

    said = who_says(environ, settings_of(flags, environ, file, "p"))

    assert said == {"the usual credential": "credential"}.get(left[0] or "", left[0])


def test_a_flag_for_the_key_leaves_the_custom_headers_key_out(tmp_path: Path) -> None:
    (tmp_path / "k").write_text(KEY)
    (tmp_path / "k").chmod(0o600)
    environ = {"ANTHROPIC_CUSTOM_HEADERS": "x-api-key: sk-other\nx-team: mine"}
    service = service_of(environ, settings_of({"key_file": str(tmp_path / "k")}, environ, ConfigFile(None), None))
    assert (service.credentials, service.headers) == (Credentials("x-api-key", KEY), (("x-team", "mine"),))


def test_the_kind_says_into_which_header_it_goes(tmp_path: Path) -> None:
    (tmp_path / "k").write_text(KEY)
    (tmp_path / "k").chmod(0o600)
    environ = {"ANTHROFS_KEY_FILE": str(tmp_path / "k"), "ANTHROFS_KEY_TYPE": "token"}
    assert service_of(environ).credentials == Credentials("Authorization", f"Bearer {KEY}")


# ---- the service

@pytest.mark.parametrize(("given_url", "expected"), [
    (None, DEFAULT_BASE_URL), ("", DEFAULT_BASE_URL), ("  ", DEFAULT_BASE_URL), ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ("https://gateway.example/anthropic/", "https://gateway.example/anthropic"), ("http://[::1]:80/", "http://[::1]:80"),
    (" https://api.anthropic.com/ ", "https://api.anthropic.com"),
])
def test_the_base_url_is_the_environments_else_the_services(given_url: str | None, expected: str) -> None:
    environ = ENVIRONMENT if given_url is None else {**ENVIRONMENT, "ANTHROPIC_BASE_URL": given_url}

    assert service_of(environ) == Service(expected, Credentials("x-api-key", KEY), None, "beta")


@pytest.mark.parametrize(("url", "open_to_all"), [
    ("http://gateway.example", True), ("http://10.0.0.7:8080/anthropic", True), ("http://localhost.example", True), ("http://[2001:db8::1]", True),
    ("https://gateway.example", False), ("http://127.0.0.1:8080", False), ("http://localhost:8080", False), ("http://[::1]:8080", False),
])
def test_a_base_url_by_which_everybody_sees_the_key_is_said(url: str, open_to_all: bool) -> None:
    warnings = service_of({"ANTHROPIC_API_KEY": "sk-ant-secret", "ANTHROPIC_BASE_URL": url}).warnings()
    assert any("everybody on the way can read your key" in words for words in warnings) == open_to_all
    assert not any("secret" in words for words in warnings)


@pytest.mark.parametrize("bad", [
    "api.anthropic.com", "ftp://host", "file:///etc/passwd", "http://", "https://:443", "http://host:port", "http://host:99999", "http://host:0",
    "http://[::1", "//host", "http:host", "/path", "http://host?key=1", "http://host#part", "http://my host", "http://host/\n.com", "http://h\tost",
])
def test_what_is_no_base_url_is_refused_before_anything_is_asked(bad: str) -> None:
    with pytest.raises(SetupError, match="ANTHROPIC_BASE_URL") as caught:
        service_of({**ENVIRONMENT, "ANTHROPIC_BASE_URL": bad})

    assert caught.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize("shape", ["beta", "ga"])
def test_the_shape_is_one_that_is_known(shape: str) -> None:
    assert select(service_of(ENVIRONMENT), shape=shape).shape == shape
    with pytest.raises(SetupError, match="alpha"):
        select(service_of(ENVIRONMENT), shape="alpha")


def test_a_session_is_asked_for_in_the_shape_that_knows_it() -> None:
    service = select(service_of(ENVIRONMENT), shape="ga", scope_id="sesn_1")
    assert (service.shape, service.scope_id) == ("agents", "sesn_1")


def test_the_command_lines_workspace_comes_first() -> None:
    service = service_of({**ENVIRONMENT, "ANTHROPIC_WORKSPACE_ID": "wrkspc_1"})
    assert select(service, shape="ga", workspace_id="wrkspc_2").workspace_id == "wrkspc_2"
    assert select(service, shape="ga", workspace_id="wrkspc_2").warnings() == ()


@pytest.mark.parametrize("bad", ["a/b", "..", ".", "a b", "a\nb", "\u00fc"])
@pytest.mark.parametrize("option", ["workspace_id", "scope_id"])
def test_what_is_no_id_is_refused(option: str, bad: str) -> None:
    with pytest.raises(SetupError, match="takes an id") as caught:
        select(service_of(ENVIRONMENT), shape="beta", **{option: bad})
    assert caught.value.exit_code == EXIT_USAGE


def test_the_environments_workspace_is_not_a_keys_and_that_is_said() -> None:
    service = service_of({**ENVIRONMENT, "ANTHROPIC_WORKSPACE_ID": "wrkspc_1"})
    assert (service.workspace_id, service.ignored_workspace_id) == (None, "wrkspc_1")
    assert "--workspace" in service.warnings()[0]
    assert service_of({**ENVIRONMENT, "ANTHROPIC_WORKSPACE_ID": " "}).warnings() == ()


# ---- where the state is

@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "/", "../up", "a\0b"])
def test_a_profile_is_a_plain_name(bad: str) -> None:
    with pytest.raises(SetupError, match="--profile"):
        state_dir_of({}, bad)


def test_the_state_is_where_xdg_says() -> None:
    assert state_dir_of({"XDG_STATE_HOME": "/var/state"}, "work") == Path("/var/state/anthrofs/work")
    at_home = Path.home() / ".local" / "state" / "anthrofs" / "work"
    for unusable in ({}, {"XDG_STATE_HOME": ""}, {"XDG_STATE_HOME": "relative/path"}):
        assert state_dir_of(unusable, "work") == at_home
