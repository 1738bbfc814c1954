"""Ceph on one machine, in memory: its S3 gateway is the strictest that can be had for a test.

Owns    four processes and the folder that they write to; nothing of it outlives the `with`.
Trusts  a port that takes connections: then a server is ready.
Never   uses a system's own cluster or configuration.

    with Ceph(folder) as ceph:
        ceph.make_bucket("team")
        ceph.environment        # for a client of it
"""

import os
import shutil
import socket
import subprocess
import uuid
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.fleet.s3 import asked
from tests.gateways.running import await_end, free_port
from tests.mounting import wait_until

PROGRAMS: Final = ("ceph", "ceph-authtool", "ceph-mgr", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
KEY: Final = "AKTEAM"
SECRET: Final = "c3ph-s3cret-Zq8"       # of this cluster only
STEP_S: Final = 60.0
STOP_S: Final = 20.0
# One node, one copy, in memory, with nobody to keep out. tcp_nodelay: without it a get takes 44 ms. crc: the gateway hangs while it
# starts, if it is to encrypt without keys.
CONFIG: Final = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor}
auth cluster required = none
auth service required = none
auth client required = none
ms bind ipv6 = false
ms mon client mode = crc
mon allow pool size one = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd objectstore = memstore
osd crush chooseleaf type = 0
memstore device bytes = 2147483648
public network = 127.0.0.0/8
run dir = {base}
admin socket =
log file = {base}/$name.log
pid file = {base}/$name.pid
keyring = {base}/keyring
mon data = {base}/mon
osd data = {base}/osd
mgr data = {base}/mgr
rgw data = {base}/rgw
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{gateway} tcp_nodelay=1
rgw lc debug interval = 86400
"""


class Ceph:
    """A cluster of one monitor, one manager, one disk and one gateway."""

    def __init__(self, base: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._base = base
        self._config = base / "ceph.conf"
        self._stack = ExitStack()

    @property
    def environment(self) -> dict[str, str]:
        """For a client."""
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": self.url, "AWS_REGION": "us-east-1"}

    def __enter__(self) -> Self:
        with self._stack:
            self._start()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self._stack.close()

    def make_bucket(self, name: str) -> None:
        status, body = asked(self.url, KEY, SECRET, "PUT", f"/{name}")
        assert status == 200, body

    def asked(self, method: str, path: str, *, query: str = "", body: bytes = b"") -> tuple[int, bytes]:
        """A request of the administrator's."""
        return asked(self.url, KEY, SECRET, method, path, query=query, body=body)

    def make_user(self, name: str) -> tuple[str, str]:
        """Another user, who has no rights to the first one's buckets; the key and the secret."""
        self._run("radosgw-admin", "user", "create", "--uid", name, "--display-name", name, "--access-key", f"AK{name}", "--secret-key", f"SK{name}")
        return f"AK{name}", f"SK{name}"

    def set_quota(self, size_bytes: int) -> None:
        """Of the first user; 0: none."""
        self._run("radosgw-admin", "quota", "set", "--quota-scope=user", "--uid", "team", f"--max-size={size_bytes or -1}")
        self._run("radosgw-admin", "quota", "enable" if size_bytes else "disable", "--quota-scope=user", "--uid", "team")

    def _start(self) -> None:
        for name in ("mon", "osd", "mgr", "rgw"):
            (self._base / name).mkdir(parents=True)
        monitor, fsid, disk = free_port(), str(uuid.uuid4()), str(uuid.uuid4())
        self._config.write_text(CONFIG.format(base=self._base, fsid=fsid, monitor=monitor, gateway=self.port))
        keyring, plan = self._base / "keyring", self._base / "monmap"
        self._run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        self._run("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{monitor}]", "--fsid", fsid, plan)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", plan, "--keyring", keyring)
        self._begin("ceph-mon", "-i", "a")
        self._begin("ceph-mgr", "-i", "x")
        self._run("ceph", "osd", "new", disk)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._begin("ceph-osd", "-i", "0")
        self._begin("radosgw", "-n", "client.rgw.a")
        wait_until(self._answers, "the S3 gateway answers")
        self._run("radosgw-admin", "user", "create", "--uid", "team", "--display-name", "team", "--access-key", KEY, "--secret-key", SECRET)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run([program, *self._with_config(program), *map(str, arguments)], cwd=self._base, env=self._environment(), capture_output=True, text=True,
                              timeout=STEP_S, check=False)
        assert done.returncode == 0, (program, arguments, done.stderr[-2000:])

    def _begin(self, program: str, *arguments: str) -> None:
        output = self._stack.enter_context((self._base / f"{program}.out").open("wb"))
        process = subprocess.Popen([program, *self._with_config(program), *arguments, "-f"], cwd=self._base, env=self._environment(), stdout=output,
                                   stderr=subprocess.STDOUT)
        self._stack.callback(await_end, process, STOP_S)
        self._stack.callback(process.kill)      # all is in memory: there is nothing to be brought in order

    def _with_config(self, program: str) -> list[str]:
        return [] if program in ("ceph-authtool", "monmaptool") else ["-c", str(self._config)]

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self._base), "CEPH_CONF": str(self._config)}


def is_installed() -> bool:
    return all(shutil.which(program) for program in PROGRAMS)
