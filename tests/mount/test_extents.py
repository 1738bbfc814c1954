"""What a download asks for lies in the file, and holds what is wanted, whatever was asked before."""

import os

import pytest

from tests.mounting import Mount

MIB = 2**20


@pytest.mark.parametrize("size", [300_000, 9 * MIB])
def test_after_a_first_download_that_failed_the_next_read_in_the_same_open_has_the_bytes(mount: Mount, size: int) -> None:
    mount.emulator.switch(senseless_ranges="error400")
    mount.emulator.generate("data.bin", content := os.urandom(size))
    files = mount.mount()
    mount.expects("read: ")
    mount.emulator.fault("download", {"kind": "status", "status": 400}, times=-1)
    with (files / "data.bin").open("rb", buffering=0) as data:
        with pytest.raises(OSError, match="Input/output error"):
            os.pread(data.fileno(), 1000, 0)
        mount.emulator.clear_faults()
        mount.emulator.forget_requests()
        assert os.pread(data.fileno(), 1000, 0) == content[:1000]
    assert [(request["status"], request["range"]) for request in mount.emulator.requests("download")] == [(200, None)]
