"""Credentials for S3 come from the environment, else from the files that AWS's own tools keep."""

from pathlib import Path

import pytest

from anthrofs.fleet.aws_profile import Profile

CREDENTIALS = """
[default]
aws_access_key_id = AKDEFAULT
aws_secret_access_key = s3cret%default

[team]
aws_access_key_id=AKTEAM
aws_secret_access_key=s3cret-team
aws_session_token=token

[half]
aws_access_key_id=AKHALF
"""
CONFIG = """
[default]
region = eu-west-1

[profile team]
region = eu-central-1

[profile sso]
sso_session = x

[profile inline]
aws_access_key_id = AKINLINE
aws_secret_access_key = s3cret-inline
"""


def settings(environ: dict[str, str], home: Path) -> dict[str, str]:
    """What a client would be told."""
    profile = Profile(environ, home)
    keys = {name: str(value) for name, value in profile().items() if name != "expires_at" and value} if profile.has_keys() else {}
    return {**keys, **({} if profile.region is None else {"region": profile.region})}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(CREDENTIALS)
    (tmp_path / ".aws/config").write_text(CONFIG)
    return tmp_path


def test_the_default_profile_is_read(home: Path) -> None:
    assert settings({}, home) == {"access_key_id": "AKDEFAULT", "secret_access_key": "s3cret%default", "region": "eu-west-1"}


def test_the_profile_that_is_named_is_read(home: Path) -> None:
    assert settings({"AWS_PROFILE": "team"}, home) == {"access_key_id": "AKTEAM", "secret_access_key": "s3cret-team", "token": "token",
                                                       "region": "eu-central-1"}
    assert settings({"AWS_PROFILE": "inline"}, home)["access_key_id"] == "AKINLINE"


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"])
def test_what_the_environment_names_goes_before(home: Path, name: str) -> None:
    assert settings({name: "x"}, home) == {"region": "eu-west-1"}
    assert settings({name: "x", "AWS_DEFAULT_REGION": "us-east-2"}, home) == {}


@pytest.mark.parametrize("profile", ["half", "sso", "nobody"])
def test_half_of_a_key_or_none_is_none(home: Path, profile: str) -> None:
    assert settings({"AWS_PROFILE": profile}, home) == {}


def test_files_elsewhere_are_read_where_the_environment_says(home: Path, tmp_path: Path) -> None:
    (tmp_path / "c").write_text("[default]\naws_access_key_id=AKC\naws_secret_access_key=s\n")
    assert settings({"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "c"), "AWS_CONFIG_FILE": "/nothere"}, home) == {
        "access_key_id": "AKC", "secret_access_key": "s"}


@pytest.mark.parametrize("damaged", [b"no section\n", b"\xff\xfe", b"[default\n"])
def test_damaged_files_and_none_are_no_credentials(tmp_path: Path, damaged: bytes) -> None:
    assert settings({}, tmp_path) == {}
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_bytes(damaged)
    assert settings({}, tmp_path) == {}


def test_keys_that_a_tool_writes_anew_are_taken_and_keys_that_are_gone_are_said(home: Path) -> None:
    profile = Profile({}, home)
    assert profile()["access_key_id"] == "AKDEFAULT"
    (home / ".aws/credentials").write_text("[default]\naws_access_key_id=AKNEW\naws_secret_access_key=s\n")
    assert profile()["access_key_id"] == "AKNEW"
    (home / ".aws/credentials").unlink()
    with pytest.raises(LookupError):
        profile()
