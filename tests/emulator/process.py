"""The emulator as a process of its own, for tests.

Owns    one child process, its data directory's life between starts, and an HTTP client for the admin routes.
Trusts  the ready line: once it is printed, the port accepts connections.
Never   waits without a bound, and never leaves the child behind (it ends with our stdin pipe, too).
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import httpx

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).parents[2]
READY_S = 20.0
STOP_S = 5.0


class EmulatorProcess:
    """`with EmulatorProcess(tmp_path / "emulator") as emulator: ...`; a restart keeps data and port."""

    def __init__(self, data: Path, *, key: str = "demo-key", port: int = 0) -> None:
        self.data = data
        self.key = key
        self.log_path = data.with_name(data.name + ".stderr")

        self.url = ""
        self._port = port                                   # 0 until the first start
        self._process: subprocess.Popen[str] | None = None
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def client(self) -> httpx.Client:
        """For the admin routes; keeps its connections open."""
        assert self._client is not None, "not started"
        return self._client

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        assert self._process is None, "already started"
        command = [sys.executable, "-m", "anthrofs.emulator", "--port", str(self._port),
                   "--data", str(self.data), "--api-key", self.key, "--exit-with-stdin"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("a") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True,
                                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        stdout = self._process.stdout
        assert stdout is not None
        readable, _, _ = select.select([stdout], [], [], READY_S)
        line = stdout.readline() if readable else ""
        if not line:
            self.kill()
            raise RuntimeError(f"the emulator did not start:\n{self.stderr()}")
        self.url = str(json.loads(line)["url"])
        self._port = httpx.URL(self.url).port or 0
        self._client = httpx.Client(base_url=self.url, timeout=60, trust_env=False, verify=False)

    def stop(self) -> None:
        """SIGTERM; a process that outlives the bound is killed and reported."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"the emulator ignored SIGTERM for {STOP_S} s:\n{self.stderr()}") from None
        self._forget()

    def kill(self) -> None:
        """SIGKILL: what a power cut looks like to clients, but for their own state."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(STOP_S)
        self._forget()

    def restart(self) -> None:
        self.stop()
        self.start()

    def stderr(self) -> str:
        """Everything it has logged so far, over all its starts."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    def switch(self, **changes: object) -> dict[str, Any]:
        """Change some switches; answers all of them. Names: anthrofs/emulator/switches.py."""
        return cast("dict[str, Any]", self._ask("PATCH", "/_emulator/switches", json=changes))

    def fault(self, match: dict[str, str] | str, action: dict[str, Any], times: int = 1, skip: int = 0) -> None:
        """Script one fault. `match` is an operation's name or {operation, filename?, file_id?}; times=-1: for ever."""
        matched = {"operation": match} if isinstance(match, str) else match
        self._ask("POST", "/_emulator/faults", json=[{"match": matched, "action": action, "times": times, "skip": skip}])

    def faults(self) -> list[dict[str, Any]]:
        """What is left of the script."""
        return cast("list[dict[str, Any]]", self._ask("GET", "/_emulator/faults"))

    def clear_faults(self) -> None:
        self._ask("DELETE", "/_emulator/faults")

    def generate(self, filename: str, content: bytes, mime_type: str = "application/octet-stream",
                 **params: str | int | bool) -> dict[str, Any]:
        """A file as tools make it, downloadable unless said otherwise: scope_id, downloadable, expires_in_seconds,
        created_at. The name is not checked."""
        query = {"filename": filename, "mime_type": mime_type, **params}
        return cast("dict[str, Any]", self._ask("POST", "/_emulator/files", params=query, content=content))

    def bulk(self, count: int, prefix: str = "bulk-", size_bytes: int = 10, suffix: str = ".txt") -> None:
        """Many downloadable files `<prefix>000000<suffix>`, the last one newest, sharing one content."""
        self._ask("POST", "/_emulator/bulk", json={"count": count, "prefix": prefix, "size_bytes": size_bytes, "suffix": suffix})

    def files(self) -> list[dict[str, Any]]:
        """Every file that exists, newest first, whatever its scope, each with the sha256 of its content."""
        return cast("list[dict[str, Any]]", self._ask("GET", "/_emulator/files"))

    def content(self, file_id: str) -> bytes:
        """The bytes, whether downloadable or not."""
        answer = self.client.get(f"/_emulator/files/{file_id}/content")
        answer.raise_for_status()
        return answer.content

    def vanish(self, file_id: str) -> None:
        """Somebody else deletes it."""
        self._ask("DELETE", f"/_emulator/files/{file_id}")

    def forget_files(self) -> None:
        """As if no file had ever been there; unlike vanish, without the lag of deletions."""
        self._ask("DELETE", "/_emulator/files")

    def requests(self, operation: str | None = None) -> list[dict[str, Any]]:
        """What was asked so far, oldest first; `finished` is null for what is under way."""
        entries = cast("list[dict[str, Any]]", self._ask("GET", "/_emulator/requests"))
        return [entry for entry in entries if operation in (None, entry["operation"])]

    def wait_for_requests(self, count: int, operation: str | None = None, timeout_s: float = 10, *,
                          look_s: float = 0.01) -> list[dict[str, Any]]:
        """Until `count` such requests are finished."""
        deadline = time.monotonic() + timeout_s
        while True:
            done = [entry for entry in self.requests(operation) if entry["finished"] is not None]
            if len(done) >= count:
                return done
            assert time.monotonic() < deadline, f"{len(done)} of {count} requests after {timeout_s} s: {done}"
            time.sleep(look_s)

    def forget_requests(self) -> None:
        self._ask("DELETE", "/_emulator/requests")

    def login(self, lifetime_s: float = 3600, client_id: str = "client", workspace_id: str | None = None) -> dict[str, Any]:
        """Somebody logs in: access_token, refresh_token, expires_in."""
        return cast("dict[str, Any]", self._ask("POST", "/_emulator/logins", json={"lifetime_s": lifetime_s, "client_id": client_id,
                                                                                  "workspace_id": workspace_id}))

    def session(self, session_id: str) -> None:
        """An agent session, which has no files yet."""
        self._ask("POST", "/_emulator/sessions", json={"id": session_id})

    def end_tokens(self) -> None:
        """Every login's token ends now."""
        self._ask("POST", "/_emulator/logins/end")

    def abort_connections(self) -> None:
        """Cut every open connection, as a network that went away."""
        self._ask("POST", "/_emulator/connections/abort")

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self.client.request(method, path, **arguments)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def _forget(self) -> None:
        assert self._process is not None
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None
        if self._client is not None:
            self._client.close()
            self._client = None
