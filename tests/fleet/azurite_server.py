"""Azurite, a server of Azure's blob storage, in memory, on one port of 127.0.0.1.

Owns    one child process; nothing of it outlives the `with`.
"""

import base64
import hashlib
import hmac
import socket
import subprocess
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.gateways.running import await_end, free_port
from tests.mounting import wait_until

PROGRAM: Final = Path(__file__).with_name("azurite") / "node_modules" / ".bin" / "azurite-blob"
ACCOUNT: Final = "devstoreaccount1"
# Azurite's own, which its manual prints.
KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
STOP_S: Final = 20.0


class Azurite:
    """`with Azurite(folder) as azurite: azurite.make_container("team")`; azurite.environment is for a client of it."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY, "AZURE_STORAGE_ENDPOINT": f"{self.url}/{ACCOUNT}"}

    def __enter__(self) -> Self:
        self._base.mkdir(parents=True, exist_ok=True)
        with (self._base / "azurite.out").open("wb") as output:
            self._process = subprocess.Popen([PROGRAM, "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--inMemoryPersistence", "--disableTelemetry",
                                              "--skipApiVersionCheck"], cwd=self._base, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until(self._answers, "Azurite answers")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        assert self._process is not None
        self._process.terminate()
        await_end(self._process, STOP_S)

    def make_container(self, name: str) -> None:
        """As its administrator would: signed with the account's key."""
        moment = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        text = f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{moment}\nx-ms-version:2021-08-06\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), text.encode(), hashlib.sha256)).decode()
        request = urllib.request.Request(f"{self.url}/{ACCOUNT}/{name}?restype=container", None, {
            "x-ms-date": moment, "x-ms-version": "2021-08-06", "Authorization": f"SharedKey {ACCOUNT}:{signature}"}, method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.status == 201
        except urllib.error.HTTPError as exc:
            raise AssertionError(exc.read()) from exc

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True
