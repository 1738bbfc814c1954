"""Who asks: the official SDK, run in the same environment with the same files, is seen by the service as the same.

Manual, mount: 'Who you are is found as the official SDKs find it'
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.fuse import mountpoint
from tests.mounting import Mount, asks, wait_until

SDK: Final = """
import anthropic
anthropic.Anthropic(max_retries=0).beta.files.list(betas=["files-api-2025-04-14"], limit=1)
"""


class Home:
    """A user's home, with the profiles that `ant auth login` writes."""

    def __init__(self, mount: Mount, home: Path) -> None:
        self.folder = home / ".config" / "anthropic"
        self._mount = mount
        for name in ("configs", "credentials"):
            (self.folder / name).mkdir(parents=True)
        mount.environment |= {"HOME": str(home), "ANTHROPIC_API_KEY": ""}

    def profile(self, name: str = "default", login: dict[str, Any] | None = None, *, ends_in_s: float | None = 3600, **auth: str | None) -> Path:
        """Written, with a login's token or one that somebody else renews. Its credentials file."""
        kept: dict[str, Any] = {"type": "user_oauth", "client_id": "client"} | auth
        config = {"version": "1.0", "authentication": {key: value for key, value in kept.items() if value is not None}}
        (self.folder / "configs" / f"{name}.json").write_text(json.dumps(config))
        return self.log_in(name, login or self._mount.emulator.login(), ends_in_s=ends_in_s)

    def log_in(self, name: str, login: dict[str, Any], *, ends_in_s: float | None = 3600) -> Path:
        path = self.folder / "credentials" / f"{name}.json"
        new = path.with_suffix(".new")
        ends = {} if ends_in_s is None else {"expires_at": int(time.time() + ends_in_s)}
        new.write_text(json.dumps({"type": "oauth_token", "access_token": login["access_token"], "refresh_token": login["refresh_token"], **ends}))
        new.chmod(0o600)
        new.rename(path)
        return path


@pytest.fixture
def home(mount: Mount, tmp_path: Path) -> Home:
    return Home(mount, tmp_path / "home")


def seen(mount: Mount) -> set[tuple[Any, ...]]:
    """As whom the service was asked for files."""
    return {(entry["key_hash"], entry["authorization"], entry["betas"], entry["workspace_id"]) for entry in mount.emulator.requests()
            if entry["operation"] != "token"}


def sdk(mount: Mount) -> set[tuple[Any, ...]]:
    """As whom the SDK asks in this environment."""
    mount.emulator.forget_requests()
    subprocess.run([sys.executable, "-c", SDK], env=mount.environment, check=True, timeout=60, capture_output=True)
    found = seen(mount)
    mount.emulator.forget_requests()
    return found


def refused(mount: Mount, says: str, code: int = 2) -> str:
    done = mount.run("mount", "--state-dir", mount.state_dir, mount.path)
    assert (done.returncode, says in done.stderr) == (code, True), (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    assert not mountpoint.is_mounted(mount.path)
    return done.stderr


def secrets_are_nowhere(mount: Mount, *secrets: str) -> None:
    shown = mount.log() + mount.ok("status", "--json", mount.path) + Path(f"/proc/{mount.pid()}/cmdline").read_text()
    stored = b"".join(path.read_bytes() for path in mount.state_dir.rglob("*") if path.is_file())
    assert not [secret for secret in secrets if secret in shown or secret.encode() in stored]


# ---- the witness

@pytest.mark.parametrize("way", ["default", "active_config", "ANTHROPIC_PROFILE", "ANTHROPIC_CONFIG_DIR", "credentials_path", "custom workspace",
                                 "workspace of the environment", "token", "key", "key and token", "key and profile", "custom authorization",
                                 "custom key", "custom beta", "federation", "federation profile"])
def test_the_service_sees_the_same_as_from_the_sdk(mount: Mount, home: Home, tmp_path: Path, way: str) -> None:
    prepare(mount, home, tmp_path, way)
    expected = sdk(mount)
    mount.expects("isn't used", "are both set", "goes before")

    mount.mount()

    found = seen(mount)
    if way == "federation":             # each program gets a token of its own
        found, expected = {entry[1:] for entry in found}, {entry[1:] for entry in expected}
    elif way.startswith("key"):         # the newest SDK sends a key as a bearer's; the API's own pages show x-api-key. Both open
        found, expected = {(entry[0], *entry[2:]) for entry in found}, {(entry[0], *entry[2:]) for entry in expected}
    assert found == expected
    assert len(found) == 1


def prepare(mount: Mount, home: Home, tmp_path: Path, way: str) -> None:
    token, environment = mount.emulator.login()["access_token"], mount.environment
    name = "work" if way in ("active_config", "ANTHROPIC_PROFILE") else "default"
    if way not in ("key", "token", "key and token", "federation"):
        home.profile(name)
    match way:
        case "active_config":
            (home.folder / "active_config").write_text("work\n")
        case "ANTHROPIC_PROFILE":
            home.profile("default", mount.emulator.login())
            environment["ANTHROPIC_PROFILE"] = "work"
        case "ANTHROPIC_CONFIG_DIR":
            home.folder.rename(tmp_path / "elsewhere")
            environment["ANTHROPIC_CONFIG_DIR"] = str(tmp_path / "elsewhere")
        case "credentials_path":
            (home.folder / "credentials" / "default.json").rename(tmp_path / "token.json")
            config = {"authentication": {"type": "user_oauth", "credentials_path": str(tmp_path / "token.json")}, "workspace_id": "wrkspc_of_it"}
            (home.folder / "configs" / "default.json").write_text(json.dumps(config))
        case "custom workspace":
            environment["ANTHROPIC_CUSTOM_HEADERS"] = "anthropic-workspace-id: wrkspc_custom"
            environment["ANTHROPIC_WORKSPACE_ID"] = "wrkspc_environment"
        case "workspace of the environment":
            environment["ANTHROPIC_WORKSPACE_ID"] = "wrkspc_environment"
        case "token":
            environment |= {"ANTHROPIC_AUTH_TOKEN": mount.emulator.key, "ANTHROPIC_WORKSPACE_ID": "wrkspc_ignored"}
        case "key" | "key and token" | "key and profile":
            environment |= {"ANTHROPIC_API_KEY": mount.emulator.key, "ANTHROPIC_WORKSPACE_ID": "wrkspc_ignored"}
            if way == "key and token":
                environment["ANTHROPIC_AUTH_TOKEN"] = token
        case "custom authorization":
            environment |= {"ANTHROPIC_API_KEY": "sk-not-sent", "ANTHROPIC_CUSTOM_HEADERS": f"Authorization: Bearer {mount.emulator.key}"}
        case "custom key":
            environment["ANTHROPIC_CUSTOM_HEADERS"] = f"X-Api-Key: {mount.emulator.key}"
        case "custom beta":
            environment["ANTHROPIC_CUSTOM_HEADERS"] = "anthropic-beta: something-else"
        case "federation":
            environment |= {"ANTHROPIC_FEDERATION_RULE_ID": "fdrl_1", "ANTHROPIC_ORGANIZATION_ID": "org", "ANTHROPIC_WORKSPACE_ID": "wrkspc_x",
                            "ANTHROPIC_IDENTITY_TOKEN": "emulated-identity-token"}
        case "federation profile":
            (tmp_path / "identity").write_text("emulated-identity-token\n")
            config = {"organization_id": "org", "authentication": {
                "type": "oidc_federation", "federation_rule_id": "fdrl_1", "identity_token": {"source": "file", "path": str(tmp_path / "identity")}}}
            (home.folder / "configs" / "default.json").write_text(json.dumps(config))
            (home.folder / "credentials" / "default.json").unlink()


# ---- tokens that end

def test_a_token_that_ends_is_renewed_before_and_programs_notice_nothing(mount: Mount, home: Home) -> None:
    login = mount.emulator.login(lifetime_s=60)
    path = home.profile(login=login, ends_in_s=60)           # nearer to its end than the 120 s
    mount.emulator.generate("a.txt", b"content")
    files = mount.mount()
    assert (files / "a.txt").read_bytes() == b"content"
    renewed = json.loads(path.read_text())
    assert renewed["access_token"] not in (login["access_token"], "")
    assert renewed["refresh_token"] not in (login["refresh_token"], "")
    assert renewed["expires_at"] > time.time() + 3000
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(mount.emulator.requests("token")) == 1
    secrets_are_nowhere(mount, login["access_token"], login["refresh_token"], renewed["access_token"], renewed["refresh_token"])
    sdk_seen = sdk(mount)                                   # which goes on with what was written
    assert len(sdk_seen) == 1


@pytest.mark.parametrize("operation", ["list", "upload", "delete", "download"])
def test_a_token_that_the_service_ended_is_renewed_at_the_first_401_and_that_request_goes_again(mount: Mount, home: Home, operation: str) -> None:
    home.profile()
    mount.emulator.generate("a.txt", b"content")
    files = mount.mount()
    (files / "mine.txt").write_text("mine")
    mount.emulator.end_tokens()
    mount.emulator.forget_requests()
    match operation:
        case "list":
            mount.refresh()
        case "upload":
            (files / "new.txt").write_bytes(b"x" * 300_000)
        case "delete":
            (files / "mine.txt").unlink()
            mount.sync()
        case "download":
            assert (files / "a.txt").read_bytes() == b"content"
    assert [entry["status"] for entry in mount.emulator.requests(operation)] == [401, 200]
    assert len(mount.emulator.requests("token")) == 1
    expected = {"list": 2, "upload": 3, "delete": 1, "download": 2}[operation]
    assert len(mount.emulator.files()) == expected
    assert [file["size_bytes"] for file in mount.emulator.files() if file["filename"] == "new.txt"] in ([], [300_000])


def test_a_hundred_files_that_wait_when_a_token_ends_cost_one_renewal_and_each_is_stored_once(mount: Mount, home: Home) -> None:
    home.profile()
    files = mount.mount("--upload", "queue")
    mount.emulator.end_tokens()
    mount.emulator.forget_requests()
    for number in range(100):
        (files / f"{number}.txt").write_text(str(number))
    mount.sync()
    assert sorted(int(file["filename"][:-4]) for file in mount.emulator.files()) == list(range(100))
    assert len(mount.emulator.requests("token")) == 1
    statuses = [entry["status"] for entry in mount.emulator.requests("upload")]
    assert (statuses.count(200), statuses.count(401) <= 10) == (100, True)


def test_a_token_that_somebody_else_renews_is_read_again_when_its_file_changes(mount: Mount, home: Home) -> None:
    home.profile(client_id=None)
    files = mount.mount()
    (files / "one.txt").write_text("one")
    mount.emulator.end_tokens()
    home.log_in("default", mount.emulator.login())
    with asks(mount, upload=1, list=1):         # whose token it is is seen before anything is changed with it
        (files / "two.txt").write_text("two")
    with asks(mount, upload=1):
        (files / "three.txt").write_text("three")
    assert sorted(file["filename"] for file in mount.emulator.files()) == ["one.txt", "three.txt", "two.txt"]


def test_after_a_day_in_which_nobody_renewed_it_the_next_login_is_enough(mount: Mount, home: Home) -> None:
    home.profile(client_id=None)
    files = mount.mount("--upload", "queue")
    mount.emulator.end_tokens()
    mount.expects("expired")
    (files / "a.txt").write_text("kept")
    wait_until(lambda: any(entry["status"] == 401 for entry in mount.emulator.requests()), "the service refuses the token")
    home.log_in("default", mount.emulator.login())
    mount.ok("refresh", files)
    mount.ok("retry", "--all", files)
    mount.sync()
    assert [file["filename"] for file in mount.emulator.files()] == ["a.txt"]


def test_another_workspaces_login_is_never_written_to(mount: Mount, home: Home) -> None:
    home.profile()
    mount.emulator.generate("theirs.txt", b"theirs")
    files = mount.mount()
    home.log_in("default", mount.emulator.login(workspace_id="wrkspc_other"))
    mount.expects("another organization's or workspace's", "not on the server yet", "closed")
    mount.emulator.forget_requests()

    with pytest.raises(OSError, match=os.strerror(13)):
        (files / "secret.txt").write_text("for the first workspace only")

    assert mount.emulator.requests("upload") == []
    assert sorted(os.listdir(files)) == ["secret.txt", "theirs.txt"]          # and what is shown is still the first one's
    assert "another organization's or workspace's" in mount.ok("status", files)
    home.log_in("default", mount.emulator.login())
    mount.ok("refresh", files)
    mount.ok("retry", "--all", files)
    mount.sync()
    assert sorted(file["filename"] for file in mount.emulator.files()) == ["secret.txt", "theirs.txt"]


def test_several_mounts_of_one_login_renew_it_once(mount: Mount, home: Home, tmp_path: Path) -> None:
    home.profile(login=mount.emulator.login(lifetime_s=60), ends_in_s=60)
    running = []
    for number in range(3):
        (tmp_path / f"m{number}").mkdir()
        running.append(subprocess.Popen([sys.executable, "-m", "anthrofs", "mount", "--state-dir", str(tmp_path / f"s{number}"), str(tmp_path / f"m{number}")],
                                        env=mount.environment))
    try:
        assert [one.wait(60) for one in running] == [0, 0, 0]
        assert len(mount.emulator.requests("token")) == 1
    finally:
        for number in range(3):
            mount.run("umount", tmp_path / f"m{number}")


def test_a_login_that_cant_be_renewed_any_more_says_how_to_log_in(mount: Mount, home: Home) -> None:
    login = mount.emulator.login()
    home.profile(login={**login, "refresh_token": "sk-ant-ort-used-up"}, ends_in_s=-10)
    words = refused(mount, "log in again with `ant auth login`", code=3)
    assert "invalid_grant" in words
    assert "used-up" not in words
    mount.expects("log in again")


def test_an_unreachable_source_of_tokens_keeps_a_token_that_still_serves(mount: Mount, home: Home) -> None:
    home.profile(login=mount.emulator.login(lifetime_s=100), ends_in_s=100)
    mount.emulator.fault("token", {"kind": "status", "status": 503}, times=-1)
    mount.expects("got no new token")
    (mount.mount() / "a.txt").write_text("a")
    assert [file["filename"] for file in mount.emulator.files()] == ["a.txt"]


# ---- files that can't be used

@pytest.mark.parametrize(("spoil", "says"), [
    (lambda home: (home.folder / "credentials" / "default.json").chmod(0o644), "chmod 600"),
    (lambda home: (home.folder / "configs" / "default.json").chmod(0o666), "chmod go-w"),
    (lambda home: (home.folder / "credentials" / "default.json").unlink(), "There is no login"),
    (lambda home: (home.folder / "configs" / "default.json").unlink(), "There is no profile"),
    (lambda home: (home.folder / "credentials" / "default.json").write_text("sk-ant-oat-bare"), "is no JSON"),
    (lambda home: (home.folder / "credentials" / "default.json").write_text('"sk-ant-oat-bare"'), "is no JSON object"),
    (lambda home: (home.folder / "credentials" / "default.json").write_text('{"type": "oauth_token"}'), "holds no token"),
    (lambda home: (home.folder / "configs" / "default.json").write_text("{}"), "has no authentication"),
    (lambda home: (home.folder / "configs" / "default.json").write_text('{"authentication": {"type": "magic"}}'), "of a kind that"),
    (lambda home: (home.folder / "configs" / "default.json").write_text(
        '{"base_url": "http://evil.example", "authentication": {"type": "user_oauth"}}'), "must be an https URL"),
    (lambda home: ((home.folder / "credentials" / "default.json").rename(home.folder / "real.json"),
                   (home.folder / "credentials" / "default.json").symlink_to(home.folder / "real.json")), "it is a link"),
    (lambda home: (home.folder / "active_config").write_text("../../etc/passwd"), "can't be the name of a profile"),
])
def test_a_profile_that_cant_be_used_is_a_sentence(mount: Mount, home: Home, spoil: Any, says: str) -> None:
    path = home.profile()
    (home.folder / "active_config").write_text("default")
    secret = json.loads(path.read_text())["access_token"]
    spoil(home)
    words = refused(mount, says)
    assert secret not in words
    assert "sk-ant-oat-bare" not in words
    assert mount.emulator.requests() == []


def test_without_anything_the_sentence_names_all_ways(mount: Mount, home: Home) -> None:
    words = refused(mount, "set ANTHROPIC_API_KEY")
    assert "ant auth login" in words


# ---- static ones

def test_what_isnt_used_is_said(mount: Mount, home: Home) -> None:
    home.profile()
    (home.folder / "active_config").write_text("default")
    mount.environment |= {"ANTHROPIC_API_KEY": mount.emulator.key, "ANTHROPIC_AUTH_TOKEN": "tok-en", "ANTHROPIC_WORKSPACE_ID": "wrkspc_x",
                          "ANTHROPIC_CUSTOM_HEADERS": "no colon here"}
    mount.expects("isn't used", "are both set", "goes before", "no colon")
    done = mount.run("mount", "--state-dir", mount.state_dir, mount.path)
    assert done.returncode == 0
    for words in ("are both set: the key is used", "goes before the profile", "--workspace chooses one", "1 lines of ANTHROPIC_CUSTOM_HEADERS"):
        assert words in done.stderr
        assert words in mount.log()
    assert {entry["workspace_id"] for entry in mount.emulator.requests()} == {None}


@pytest.mark.parametrize(("lines", "says"), [
    ("bad name: x", "is no header's name"), (": x", "is no header's name"), ("x-team: caf\u00e9-secret", "gives x-team a value"),
    ("Range: bytes=0-1", "sets Range"), ("content-length: 3", "sets content-length"), ("Transfer-Encoding: chunked", "sets Transfer-Encoding"),
])
def test_a_custom_header_that_cant_be_sent_is_named_and_its_value_isnt(mount: Mount, lines: str, says: str) -> None:
    mount.environment["ANTHROPIC_CUSTOM_HEADERS"] = f"X-Good: fine\n{lines}"
    assert "secret" not in refused(mount, says)


def test_custom_headers_are_sent_with_every_request_and_shown_nowhere(mount: Mount) -> None:
    mount.environment["ANTHROPIC_CUSTOM_HEADERS"] = "X-Gateway-Secret: s3cret-value\r\nx-team: one\nX-Team: two\nContent-Type: text/html"
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    assert (files / "a.txt").read_bytes() == b"a"
    (files / "b.txt").write_text("b")
    (files / "b.txt").unlink()
    mount.sync()
    assert {entry["operation"] for entry in mount.emulator.requests()} == {"list", "download", "upload", "delete"}
    for entry in mount.emulator.requests():
        assert {"x-gateway-secret", "x-team", "x-api-key"} <= set(entry["header_names"])
        assert entry["header_names"].count("x-team") == 1
    secrets_are_nowhere(mount, "s3cret-value")


# ---- which workspace

def state_filled_under(mount: Mount, workspace_id: str) -> None:
    """As the version before did, which sent the variable with a key: what it wrote down is what --workspace leads to."""
    mount.mount("--workspace", workspace_id)
    mount.umount()
    mount.emulator.forget_requests()


@pytest.mark.parametrize("named", [True, False])
def test_a_state_that_was_filled_under_the_variable_is_refused_and_the_command_that_goes_on_is_said(mount: Mount, named: bool) -> None:
    mount.emulator.switch(identity_headers=named)
    if named:
        mount.emulator.switch(named_workspace="as_asked")
    mount.emulator.generate("a.txt", b"a")
    state_filled_under(mount, "wrkspc_mine")
    mount.environment["ANTHROPIC_WORKSPACE_ID"] = "wrkspc_mine"
    mount.expects("isn't used")

    words = refused(mount, "ANTHROPIC_WORKSPACE_ID names; with a key or token that variable isn't used")

    assert f"--workspace wrkspc_mine --state-dir {mount.state_dir}" in words
    assert {entry["operation"] for entry in mount.emulator.requests()} == {"list"}
    mount.mount("--workspace", "wrkspc_mine")
    assert os.listdir(mount.path) == ["a.txt"]


def test_where_the_variable_names_the_keys_own_workspace_the_state_goes_on(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    state_filled_under(mount, "wrkspc_mine")        # the service names the key's own, whatever was asked for
    mount.environment["ANTHROPIC_WORKSPACE_ID"] = "wrkspc_mine"
    mount.expects("isn't used")
    assert os.listdir(mount.mount()) == ["a.txt"]


def test_a_state_is_known_again_with_a_key_a_token_and_a_login(mount: Mount, home: Home) -> None:
    mount.emulator.generate("a.txt", b"a")
    home.profile()
    for changes in ({"ANTHROPIC_API_KEY": mount.emulator.key}, {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": mount.emulator.key},
                    {"ANTHROPIC_AUTH_TOKEN": ""}):
        mount.environment |= changes
        mount.expects("goes before")
        assert os.listdir(mount.mount()) == ["a.txt"]
        mount.umount()
    assert "begins anew" not in mount.log()


def test_a_login_starts_from_its_saved_index_while_the_service_is_down(mount: Mount, home: Home) -> None:
    mount.emulator.generate("a.txt", b"a")
    home.profile()
    mount.mount()
    mount.umount()
    home.log_in("default", mount.emulator.login())      # another token, as each hour
    mount.emulator.stop()
    mount.expects("could not be refreshed", "mounted from the saved index", "no connection to", "got no new token")
    assert os.listdir(mount.mount()) == ["a.txt"]
