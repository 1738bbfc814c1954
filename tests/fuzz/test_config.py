"""Whatever a person, a shell or another program sets: a configuration that can be used, or a sentence with an exit code. Never a secret in it."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.cli import commands, launch
from anthrofs.config import Config, Credentials, Profile, Service, Timeouts
from anthrofs.errors import RemoteError, SetupError
from anthrofs.fuse import mountpoint
from anthrofs.remote.budget import Moments
from anthrofs.remote.holders import holder_of
from anthrofs.remote.http import connect
from anthrofs.remote.login import Login
from anthrofs.settings.choosing import chosen, config_of
from anthrofs.settings.config_file import read_config
from anthrofs.settings.environment import service_of, state_dir_of
from anthrofs.settings.findings import everything
from anthrofs.settings.precedence import settings_of
from anthrofs.settings.table import SETTINGS
from anthrofs.settings.values import bound, expiry, kept, size
from anthrofs.store.state_dir import StateDir
from anthrofs.sync.scan import scan_of
from tests.fakes import FakeClock
from tests.fuzz.fuzzing import CANARY, bodies, deep, judge, numbers, objects, target, texts, values, written

EXIT_CODES: Final = frozenset({0, 1, 2, 3, 4, 5, 6})
LARGEST: Final = 2**63              # of what SQLite, the kernel and the disk take

# A program's environment and arguments are bytes without NUL; what isn't UTF-8 of them comes as surrogates.
words = st.one_of(texts.filter(lambda text: CANARY not in text).map(lambda text: text.encode(errors="replace")), st.binary(max_size=12)).map(
    lambda some: some.replace(b"\0", b"").decode(errors="surrogateescape"))
urls = st.one_of(words, st.builds(lambda scheme, host, path: scheme + host + path, st.sampled_from(["http://", "https://", "ftp://", "", "https:/", "HTTPS://"]),
                                  st.one_of(st.sampled_from(["host", "127.0.0.1:8", "host:0", "host:99999", "host:x", "[::1]:8", "[::1", "\u2603.test", "\u0660", "[v1.x]",
                                                             f"me:{CANARY}@host", f":{CANARY}@host:8", "@", "u:p%zz@host"]), words),
                                  st.one_of(st.sampled_from(["", "/", "/v1?x", "/#", "/ "]), words)))
headers = st.lists(st.builds(lambda name, colon, value: name + colon + value, st.one_of(st.sampled_from(["X-Team", "x-api-key", "authorization", "Range", "", " "]), words),
                             st.sampled_from([":", " : ", "", "::"]), st.one_of(st.just(CANARY), words)), max_size=3).map("\n".join)
secrets = st.one_of(st.just(CANARY), st.just(f" {CANARY} {CANARY}"), words.map(lambda text: CANARY + text), st.just(""), st.just("\u00fc" + CANARY))
environments = st.fixed_dictionaries({}, optional={
    "ANTHROPIC_API_KEY": secrets, "ANTHROPIC_AUTH_TOKEN": secrets, "ANTHROPIC_BASE_URL": urls, "ANTHROPIC_CUSTOM_HEADERS": headers, "ANTHROPIC_PROFILE": words,
    "ANTHROPIC_WORKSPACE_ID": words, "ANTHROPIC_ORGANIZATION_ID": words, "ANTHROPIC_FEDERATION_RULE_ID": words, "ANTHROPIC_IDENTITY_TOKEN": secrets,
    "ANTHROPIC_IDENTITY_TOKEN_FILE": words, "ANTHROPIC_CONFIG_DIR": st.one_of(words, st.just("{configured}")), "HTTPS_PROXY": urls, "http_proxy": urls, "ALL_PROXY": urls,
    "NO_PROXY": st.lists(urls, max_size=3).map(",".join), "SSL_CERT_FILE": words, "SSL_CERT_DIR": words, "XDG_STATE_HOME": words})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody's own settings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(mountpoint, "mounts", list)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@target(150)
@given(environ=environments)
def test_an_environment_leads_to_a_service_or_a_sentence(home: Path, environ: dict[str, str]) -> None:
    environ = {name: value.replace("{configured}", str(home)) for name, value in environ.items()}
    try:
        service = service_of(environ)
        connect(service, Timeouts(), environ).close()
        assert CANARY not in repr(service)
    except SetupError as exc:
        judge(exc, own=True)
    with suppress(SetupError):
        state_dir_of(environ, environ.get("ANTHROPIC_PROFILE", "x"))


# ---- the files of a login

paths = st.one_of(words, texts, st.sampled_from(["~nobody-at-all/x", "~", "/", "/dev/null", "\0", "\ud800", "x" * 5000]))
configs = st.one_of(bodies, objects(
    organization_id=texts, workspace_id=texts, base_url=st.one_of(urls, texts),
    authentication=objects(type=st.sampled_from(["user_oauth", "oidc_federation"]), client_id=texts, credentials_path=paths, federation_rule_id=texts,
                           service_account_id=texts, identity_token=objects(source=st.just("file"), path=paths))).map(written))
credentials = st.one_of(bodies, objects(type=st.just("oauth_token"), access_token=st.one_of(st.just(CANARY), secrets), refresh_token=st.just(CANARY),
                                        expires_at=st.one_of(numbers, st.just(10**10))).map(written))


@target(150)
@given(config=configs, kept=credentials, answer=st.tuples(st.sampled_from([200, 400, 401, 500]), st.one_of(bodies, objects(access_token=secrets).map(written))))
def test_a_login_is_a_token_or_a_sentence(home: Path, config: bytes, kept: bytes, answer: tuple[int, bytes]) -> None:
    for name, content in (("configs", config), ("credentials", kept)):
        folder = home / name
        folder.mkdir(exist_ok=True)
        (folder / "default.json").write_bytes(content)
        (folder / "default.json").chmod(0o600)
    environ = {"ANTHROPIC_CONFIG_DIR": str(home)}
    try:
        service = service_of(environ)
        assert isinstance(service.credentials, Profile)
        with connect(service, Timeouts(), environ) as client:
            login = holder_of(service, client, FakeClock())
            assert isinstance(login, Login)
            login._exchange = lambda *_: answer
            token = login.token()
            assert CANARY not in repr(token)
            login.rejected(token)
    except (SetupError, RemoteError) as exc:
        judge(exc)


@pytest.mark.parametrize("content", [
    b'{"authentication": {"type": %s}}' % deep(700), b'{"authentication": {"type": "user_oauth", "credentials_path": %s}}' % deep(700),
    b'{"authentication": {"type": "user_oauth", "credentials_path": "~nobody-at-all/x"}}',
    b'{"authentication": {"type": "user_oauth", "credentials_path": "a\\u0000b"}}',
    b'{"authentication": {"type": "user_oauth", "credentials_path": "\\ud800"}}',
    b'{"authentication": {"type": "oidc_federation", "federation_rule_id": "x", "identity_token": {"source": "file", "path": "a\\u0000b"}}, "organization_id": "o"}',
], ids=["deep type", "deep path", "nobody's home", "NUL", "half a character", "identity token"])  # fmt: skip
def test_a_profile_that_cant_be_used_is_a_sentence(home: Path, content: bytes) -> None:
    (home / "configs").mkdir()
    path = home / "configs" / "default.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SetupError) as raised:
        service_of({"ANTHROPIC_CONFIG_DIR": str(home)})
    judge(raised.value)


@pytest.mark.parametrize("host", ["\u2603.test", "\u0660", "[v1.x]"])
def test_a_host_that_no_name_has_is_a_sentence(host: str) -> None:
    environ = {"ANTHROPIC_API_KEY": CANARY, "ANTHROPIC_BASE_URL": f"https://{host}/"}
    with pytest.raises(SetupError) as raised:
        connect(service_of(environ), Timeouts(), environ)
    judge(raised.value)


def test_without_a_home_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a container's user has no entry in /etc/passwd."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    for find in (lambda: service_of({}), lambda: state_dir_of({}, "default")):
        with pytest.raises(SetupError) as raised:
            find()
        judge(raised.value)


# ---- a person's file

# As people write it: known and unknown names, values of each kind, and text that is none.
written_values = st.one_of(st.sampled_from(["true", "1", "0o27", "-1", "1e400", "nan", "1979-05-27", "[]", "{}", "[1]", '["a", "b"]', "''"]), texts.map(json.dumps), st.just(f'"{CANARY}"'))
written_names = st.one_of(st.sampled_from([*SETTINGS, "directory", "uplaod", "key", "profile.x", '"a b"', '""']), texts.map(json.dumps), st.just(f'"{CANARY}"'))
lines = st.one_of(st.builds("{} = {}".format, written_names, written_values), st.sampled_from(["[defaults]", "[profile.p]", '[profile."a/b"]', "[profile]", "[[profile.p]]", "", "# x"]),
                  texts)
configurations = st.one_of(bodies, st.lists(lines, max_size=8).map(lambda some: "\n".join(some).encode(errors="replace")))


@target(150)
@given(content=configurations, profile=st.sampled_from(["p", "x", None]))
def test_a_configuration_is_settings_or_sentences(home: Path, content: bytes, profile: str | None) -> None:
    path = home / "config.toml"
    path.write_bytes(content)
    path.chmod(0o600)
    environ = {"ANTHROFS_CONFIG": str(path)}
    try:
        file = read_config(environ)
        for each in everything(file, environ):
            judge(each.error(), own=True)
        settings = settings_of({}, environ, file, profile)
        assert CANARY not in repr(file)
        assert settings["refresh"] > 0
        config_of(home, settings, Service("http://h", Credentials("x-api-key", "key")), environ)
    except SetupError as exc:
        judge(exc, own=True)


# ---- the command line

amounts = st.one_of(words, st.builds(lambda number, unit: f"{number}{unit}", numbers, st.sampled_from(["", "G", "T", "kB", "d", "h", " M", "x"])),
                    st.sampled_from(["all", "none", "999999999999T", "0", "7d", "90d", "1h", "-1", "\u0663G", "nan", "inf", "1e400"]))
mount_options = st.builds(lambda name, value: name + value, st.sampled_from(["uid", "gid", "umask", "ro", "allow_other", "rw", "x"]),
                          st.one_of(st.just(""), amounts.map("=".__add__)))


@target(150)
@given(text=amounts, options=st.lists(mount_options, max_size=3))
def test_a_value_of_an_option_fits_or_is_a_sentence(text: str, options: list[str]) -> None:
    for read in (size, kept, bound, expiry):
        try:
            found = read(text)
            assert found is None or 0 <= found < LARGEST
        except SetupError as exc:
            judge(exc, own=True)
    try:
        environ = {"ANTHROPIC_API_KEY": "key", "ANTHROFS_CONFIG": "/dev/null"}
        where, settings = chosen("/x", None, [",".join(options)], {"state_dir": "/y"}, environ)
        config = config_of(where, settings, service_of(environ, settings), environ)
        assert 0 <= config.umask <= 0o777
        assert 0 <= config.uid < 2**32 - 1
        assert 0 <= config.gid < 2**32 - 1
    except SetupError as exc:
        judge(exc, own=True)


places = st.sampled_from(["empty", "missing", "file", "full", "empty/../empty", ".", "/", "/dev/null", "\udcff", "x" * 300, "-x", "", "state"])
known = st.one_of(st.sampled_from(["--upload", "--layout", "--expires-in", "--workspace", "--scope", "--profile", "--state-dir", "--refresh", "--close-timeout", "--cache-size",
                                   "--keep-uploads", "--staging-size", "--requests-per-minute", "-o", "--timeout", "--api", "--in"]), st.sampled_from(
                                       ["--foreground", "--read-only", "--poll", "--json", "--lazy", "--all", "--as-is", "--accept", "--"]))
arguments = st.lists(st.one_of(places, st.tuples(known, st.one_of(amounts, words, places))), max_size=5)
NAMES: Final = ("mount", "umount", "sync", "status", "ls", "id", "path", "retry", "discard", "push", "free", "fetch", "refresh", "check", "help", "nonsense")


@pytest.fixture
def started(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The configurations of mounts that would have been started."""
    found: list[Config] = []
    (home / "empty").mkdir()
    (home / "full" / "of").mkdir(parents=True)
    (home / "file").write_bytes(b"")
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
    monkeypatch.setattr(launch, "serve", lambda config, *_arguments, **_options: found.append(config))
    monkeypatch.setattr(launch, "start_in_background", lambda config, **_options: found.append(config))
    monkeypatch.setattr(mountpoint, "check_system", lambda: None)
    return found


@target(150)
@given(command=st.sampled_from(NAMES), given_arguments=arguments)
def test_a_command_line_is_obeyed_or_a_sentence(started: list[Config], capfd: pytest.CaptureFixture[str], command: str, given_arguments: list[Any]) -> None:
    started.clear()
    line = [command, *(word.replace("\0", "") for one in given_arguments for word in ((one,) if isinstance(one, str) else one))]
    if command == "mount" and not any(isinstance(one, str) for one in given_arguments):
        line.append("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["anthrofs", *line])
        code: object = 0
        try:
            commands.main()
        except SystemExit as exc:
            code = exc.code
    said = "".join(capfd.readouterr())
    assert code in (None, *EXIT_CODES)
    assert "Traceback" not in said
    assert CANARY not in said
    for config in started:
        assert 0.1 <= config.refresh_s < 10**9
        assert 1 <= config.close_timeout_s < 10**9
        assert 1 <= config.requests_per_minute <= 10**6
        assert max(config.cache_bytes, config.keep_bytes or 0, config.staging_bytes) < LARGEST


# ---- what lies in a state directory

@target(100)
@given(lock=bodies, requests=st.one_of(st.binary(max_size=200), st.binary(max_size=80).map(b"anthrofs requests 1\n".__add__)), scan=st.one_of(bodies, objects(
    number=numbers, began_ns=numbers, following=objects(parameter=texts, value=texts), pages=numbers, files=numbers, skipped=numbers, ordered=values, first_ns=numbers,
    last_ns=numbers, stale_pages=numbers, last_id=texts).map(written)))
def test_what_lies_in_a_state_directory_is_used_or_passed_over(tmp_path_factory: pytest.TempPathFactory, lock: bytes, requests: bytes, scan: bytes) -> None:
    state = tmp_path_factory.mktemp("state")
    (state / "lock").write_bytes(lock)
    (state / "requests").write_bytes(requests)
    one = StateDir(state, "/nowhere")
    try:
        with pytest.raises(SetupError, match="in use"):
            StateDir(state, "/nowhere else")
    finally:
        one.close()
    moments = Moments(state / "requests")
    assert all(0 < moment <= 1e9 for moment in moments.start(10, 1e9))
    moments.close()
    found = scan_of(scan.decode(errors="replace"))
    if found is not None:
        json.loads(found.as_text())
        assert isinstance(found.understood, bool)
        assert found.ended in (True, False)
