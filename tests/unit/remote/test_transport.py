"""The way to the service is the environment's: its proxy, and whom it trusts."""

import ssl
from pathlib import Path

import pytest

from anthrofs.errors import Offline
from tests.unit.remote.serving import PROXY_VARIABLES, http_files, nobody_listening, recorder


def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in PROXY_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
    with recorder() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with http_files("http://files.invalid") as files:
            assert files.list(1).files == ()

    assert proxy.targets == ["http://files.invalid/v1/files?beta=true&limit=1"]


def test_a_proxy_that_is_not_there_is_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with nobody_listening() as url:
        monkeypatch.setenv("http_proxy", url)
        with http_files("http://files.invalid") as files, pytest.raises(Offline):
            files.list(1)


def test_the_environments_ca_bundle_is_used(tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorder(tls) as said:
        with http_files(said.url) as files, pytest.raises(Offline, match=r"(?i)certificate.* SSL_CERT_FILE"):
            files.list(1)
        assert said.targets == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        with http_files(said.url) as files:
            files.list(1)

    assert said.targets == ["/v1/files?beta=true&limit=1"]
