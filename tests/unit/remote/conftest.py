"""The fixtures of the tests of the way to the service."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.remote.http import HttpFiles
from anthrofs.remote.pace import Pacer
from tests.emulator.process import EmulatorProcess
from tests.fakes import FakeClock
from tests.unit.remote.paced import PER_MINUTE
from tests.unit.remote.serving import PROXY_VARIABLES, http_files


@pytest.fixture
def emulator(emulator: EmulatorProcess) -> Iterator[EmulatorProcess]:
    """The one for all tests; whoever is stalled there is let go at once, not in the test after."""
    yield emulator
    emulator.clear_faults()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pacer(clock: FakeClock) -> Pacer:
    return Pacer(PER_MINUTE, clock)


@pytest.fixture
def files(emulator: EmulatorProcess) -> Iterator[HttpFiles]:
    with http_files(emulator.url) as files:
        yield files


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's; its certificate is in tmp_path, and nothing of the environment's speaks for or against it."""
    for variable in (*PROXY_VARIABLES, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate),
                           "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"],
                          check=False, capture_output=True) if shutil.which("openssl") else None
    if made is None or made.returncode:
        pytest.skip("no openssl command to make a certificate with")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    return tls
