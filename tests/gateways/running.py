"""A gateway as a process: its folder, its port, its certificate; started, restarted, stopped.

Owns    one child process and the folder that it writes to.
Trusts  a port that takes connections: then the gateway is ready.
Never   uses a system's own configuration, port or service of that program, and never leaves the child behind.
"""

import os
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pytest

from tests.gateways.gateways import Gateway
from tests.mounting import ROOT, wait_until

CONFIGS: Final = Path(__file__).with_name("configs")
STOP_S: Final = 20.0


def await_end(process: subprocess.Popen[Any], within_s: float) -> None:
    """A child that has been told to end has ended; one that doesn't is killed."""
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(within_s)


class Running:
    """`with Running(gateway, folder, upstream_url) as front: ...`; front.environment is what a client has to be told."""

    def __init__(self, gateway: Gateway, base: Path, upstream_url: str, certificates: Path) -> None:
        self.gateway = gateway
        self.base = base
        self._upstream_url = upstream_url
        self._certificates = certificates
        self._inner = None if gateway.behind is None else Running(gateway.behind, base / "behind", upstream_url, certificates)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of the gateway itself."""
        return f"https://localhost:{self._port}" if self.gateway.tls else f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """For a client that is to go through it."""
        ca = {"SSL_CERT_FILE": str(self._certificates / "ca.pem")}
        if self.gateway.role == "front":
            return {"ANTHROPIC_BASE_URL": self.url, **ca}
        service = self._upstream_url if self._inner is None else self._inner.url
        # A NO_PROXY of the machine that names loopback would lead past the proxy.
        return {"ANTHROPIC_BASE_URL": service, "HTTP_PROXY": self.url, "HTTPS_PROXY": self.url, "NO_PROXY": "", "no_proxy": "", **ca}

    def __enter__(self) -> Self:
        if self._inner is not None:
            self._inner.__enter__()
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        if self._inner is not None:
            self._inner.stop()

    def start(self, **extra: str) -> None:
        """With other words in its template than the gateway's own, if any are given."""
        self.base.mkdir(parents=True, exist_ok=True)
        words = {"PORT": str(self._port), "UPSTREAM": self._upstream_url.rpartition(":")[2], "DIR": str(self.base),
                 "CERTIFICATES": str(self._certificates), **self.gateway.extra, **extra}
        text = filled((CONFIGS / self.gateway.config).read_text(), words)
        target = "config.yaml" if self.gateway.program == "mitmdump" else self.gateway.config     # the name that it looks for
        (self.base / target).write_text(text)
        if self.gateway.program == "mitmdump":
            both = (self._certificates / "ca.key").read_text() + (self._certificates / "ca.pem").read_text()
            (self.base / "mitmproxy-ca.pem").write_text(both)
        arguments = [filled(argument, words) for argument in self.gateway.arguments]
        # A proxy of the machine isn't this gateway's; what it keeps for itself goes to its own folder.
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")} | {"HOME": str(self.base)}
        with (self.base / "output").open("ab") as output:
            # setpriv: a test that is killed takes its gateway along.
            self._process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", program(self.gateway.program), *arguments], env=environment,
                                             stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        wait_until(self._answers, f"{self.gateway.name} takes connections")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        await_end(self._process, STOP_S)
        self._process = None

    def restart(self, **extra: str) -> None:
        self.stop()
        self.start(**extra)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.gateway.name} ended:\n{(self.base / 'output').read_text()}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


def program(name: str) -> str:
    path = os.pathsep.join([str(ROOT / ".venv-gateways" / "bin"), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.fail(f"{name} isn't installed: run scripts/install {'test' if name == 'nginx' else 'gateways'}", pytrace=False)
    return found


def filled(template: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        template = template.replace(f"@{word}@", value)
    return template


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def make_certificates(folder: Path) -> None:
    """ca.pem, and localhost.pem that it has signed."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)

    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=gateways",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "localhost.key", "-out", "localhost.csr", "-subj", "/CN=localhost")
    openssl("x509", "-req", "-in", "localhost.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "localhost.pem")
