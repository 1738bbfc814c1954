"""Manual, promises: nothing acknowledged is lost and nothing is there twice, whatever a real gateway makes of a
request.
"""

import errno
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.gateways.battery import MB, bytes_of, write
from tests.gateways.gateways import (
    ANY_SIZE,
    HAPROXY_RETRY,
    MITMPROXY,
    NGINX_ANY_SIZE,
    NGINX_DEFAULT,
    NGINX_STREAMING,
    Gateway,
    nginx,
)
from tests.gateways.running import Running
from tests.gateways.upstream import asked, meanwhile
from tests.mounting import Mount, content_of, stored_counted, wait_until

pytestmark = pytest.mark.gateways

Through = Callable[[Gateway], Running]
PAGE: Final = "return 403 '<html>sign in</html>';"


@pytest.mark.parametrize("gateway", [NGINX_ANY_SIZE, NGINX_STREAMING], ids=lambda gateway: gateway.name)
def test_a_restart_of_the_gateway_in_mid_upload_costs_a_resend(mount: Mount, through: Through, gateway: Gateway) -> None:
    mount.expects("uploading big.bin")
    running = through(gateway)
    files = mount.mount("--refresh", "300")
    content = bytes_of("big", 30 * MB)
    mount.emulator.switch(bandwidth_bytes_per_s=10 * MB)
    with meanwhile(lambda: write(files / "big.bin", content)):
        wait_until(lambda: any(request["bytes_in"] > MB for request in mount.emulator.requests("upload")), "the upload is under way")
        running.restart()
        mount.emulator.switch(bandwidth_bytes_per_s=0)
    assert stored_counted(mount) == Counter([("big.bin", content)])
    assert asked(mount, "upload") == 2


def test_a_late_answer_that_the_gateway_gave_up_is_found(mount: Mount, through: Through) -> None:
    """504 from nginx for a body that went out whole; the service has it."""
    mount.expects("uploading")
    through(nginx("nginx, impatient", ANY_SIZE + " proxy_read_timeout 1s;"))
    files = mount.mount("--refresh", "300")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 3})
    write(files / "a.txt", b"late")
    assert stored_counted(mount) == Counter([("a.txt", b"late")])
    assert asked(mount, "upload") == 1


def test_what_a_gateway_sends_twice_by_itself_is_shown(mount: Mount, through: Through) -> None:
    """haproxy keeps up to 16 kB and sends a POST again when its answer is lost: two copies, and one 200 for us."""
    through(HAPROXY_RETRY)
    files = mount.mount("--refresh", "300")
    mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit"})
    write(files / "a.txt", b"small")
    assert stored_counted(mount) == Counter({("a.txt", b"small"): 2})
    mount.refresh()
    mine = mount.ok("id", files / "a.txt").strip()
    twin = next(file["id"] for file in mount.emulator.files() if file["id"] != mine)
    assert sorted(os.listdir(files)) == ["a.txt", f"a ({twin}).txt"] or sorted(os.listdir(files)) == [f"a ({twin}).txt", "a.txt"]
    assert (files / "a.txt").read_bytes() == b"small"


def test_what_a_gateway_can_not_send_twice_is_found(mount: Mount, through: Through) -> None:
    """The same haproxy, 100 kB: its 502 says nothing, and the listing has the file."""
    mount.expects("uploading")
    through(HAPROXY_RETRY)
    files = mount.mount("--refresh", "300")
    content = bytes_of("bigger", 100_000)
    mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit"})
    write(files / "a.bin", content)
    assert stored_counted(mount) == Counter([("a.bin", content)])
    assert asked(mount, "upload") == 1


def test_a_gateways_404_does_not_delete(mount: Mount, through: Through) -> None:
    # The second one where a listing meets nginx while it restarts.
    mount.expects("an id could not be deleted", "What is to be sent stays queued")
    running = through(NGINX_DEFAULT)
    files = mount.mount("--refresh", "300")
    write(files / "a.txt", b"a")
    running.restart(LOCATION="if ($request_method = DELETE) { return 404; }")
    (files / "a.txt").unlink()
    wait_until(lambda: "DELETE" in (running.base / "access.log").read_text(), "nginx refuses the deletion")
    running.restart()
    mount.refresh()
    mount.sync()
    assert stored_counted(mount) == Counter()
    assert os.listdir(files) == []


def test_a_service_that_is_down_behind_its_gateway_is_offline(mount: Mount, through: Through) -> None:
    """502 from nginx: closes fail soon, nothing is marked, and all is sent by itself afterwards."""
    mount.expects("What is to be sent stays queued")
    through(NGINX_DEFAULT)
    files = mount.mount("--refresh", "300")
    mount.emulator.stop()
    for name in ("a.txt", "b.txt", "c.txt"):
        with pytest.raises(OSError, match="Network is unreachable"):
            write(files / name, name.encode())
    assert mount.status()["failed"] == []
    mount.emulator.start()
    wait_until(lambda: stored_counted(mount) == Counter((name, name.encode()) for name in ("a.txt", "b.txt", "c.txt")), "all is sent")
    mount.sync()


def test_a_page_in_the_way_marks_nothing(mount: Mount, through: Through) -> None:
    """Single sign-on is over: 403 with a page to everything. What is saved meanwhile is kept, and sent once the way is free."""
    mount.expects("What is to be sent stays queued")
    running = through(NGINX_DEFAULT)
    files = mount.mount("--refresh", "300")
    running.restart(LOCATION=PAGE)
    for name in ("a.txt", "b.txt", "c.txt"):
        with pytest.raises(OSError, match="Network is unreachable"):
            write(files / name, name.encode())
    assert mount.status()["failed"] == []
    running.restart()
    wait_until(lambda: stored_counted(mount) == Counter((name, name.encode()) for name in ("a.txt", "b.txt", "c.txt")), "all is sent")
    mount.sync()


@pytest.mark.parametrize("status", [503, 429])
def test_a_limiter_costs_waits_and_nothing_else(mount: Mount, through: Through, status: int) -> None:
    """Its page is nobody's refusal: no close fails. 429 says that nothing was done; a page with 503 costs a probe and one look."""
    running = through(nginx("nginx, limiting", f"{ANY_SIZE} limit_req zone=files burst=2 nodelay; limit_req_status {status};",
                  "limit_req_zone $binary_remote_addr zone=files:1m rate=120r/m;"))
    mount.expects("uploading")
    files = mount.mount("--refresh", "300")
    contents = {f"{number}.txt": str(number).encode() for number in range(10)}
    for name, content in contents.items():
        write(files / name, content)
    assert stored_counted(mount) == Counter(contents.items())
    assert asked(mount, "upload") == len(contents)
    refused = len(re.findall(rf'"POST [^"]*" {status} ', (running.base / "access.log").read_text()))
    assert refused
    assert asked(mount, "list") <= 1 + (2 * refused if status == 503 else 0)


@pytest.mark.timeout(300)
def test_a_gateway_that_takes_90_s_to_pass_an_upload_on_is_waited_for(mount: Mount, through: Through) -> None:
    """It has the whole body at once; then nothing is heard of it until the service has it, too."""
    through(NGINX_ANY_SIZE)
    files = mount.mount("--refresh", "300")
    content = bytes_of("big", 45 * MB)
    mount.emulator.switch(bandwidth_bytes_per_s=MB // 2)
    write(files / "big.bin", content)
    assert stored_counted(mount) == Counter([("big.bin", content)])
    assert asked(mount, "upload") == 1
    assert asked(mount, "list") == 1


def test_a_body_that_the_gateway_ends_early_and_cleanly_is_never_the_file(mount: Mount, through: Through) -> None:
    """nginx speaks HTTP/1.0 to the service: without a Content-Length the end of the connection is the end of the body."""
    mount.expects("read: ", "open|write: |a.csv")
    content = b"1,2,3,4\n" * 50_000
    mount.emulator.switch(content_length=False, ranges=False)
    mount.emulator.generate("a.csv", content, "text/csv")
    through(NGINX_DEFAULT)
    files = mount.mount("--refresh", "300")
    mount.emulator.fault("download", {"kind": "cut_body", "after_bytes": len(content) // 2}, times=-1)
    with pytest.raises(OSError, match="Input/output") as refusal:
        (files / "a.csv").read_bytes()
    assert refusal.value.errno == errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        append(files / "a.csv", b"x\n")
    mount.sync()
    assert stored_counted(mount) == Counter([("a.csv", content)])
    assert (files / "a.csv").stat().st_size == len(content)

    mount.emulator.clear_faults()
    mount.emulator.fault("download", {"kind": "cut_body", "after_bytes": len(content) // 2})
    wait_until(lambda: content_of(files / "a.csv") == content, "it can be read again")
    append(files / "a.csv", b"x\n")
    mount.sync()
    assert stored_counted(mount) == Counter([("a.csv", content + b"x\n")])


def append(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, content)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)


def test_a_proxy_that_collects_a_download_first_is_waited_for(mount: Mount, through: Through) -> None:
    """30 MB at 8 Mbit/s on its other side: the first byte comes after half a minute, then all at once."""
    content = bytes_of("big", 30 * MB)
    mount.emulator.generate("big.bin", content)
    through(MITMPROXY)
    files = mount.mount("--refresh", "300")
    mount.emulator.switch(bandwidth_bytes_per_s=MB)
    assert (files / "big.bin").read_bytes() == content
    assert asked(mount, "download") == 1
