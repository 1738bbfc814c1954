"""New before old is gone, also where a file is shown by another name than the server's: a duplicate, or one that is only named here."""

from pathlib import Path

import pytest

from tests.mounting import Mount, wait_until


def replaced(files: Path, name: str, content: str) -> None:
    """As editors save."""
    (files / "x.part").write_text(content)
    (files / "x.part").rename(files / name)


@pytest.mark.parametrize("way", ["duplicate", "named here", "slash"])
def test_what_a_refused_replacement_was_to_replace_stays_on_the_server(mount: Mount, way: str) -> None:
    old = mount.emulator.generate("charts/a.txt" if way == "slash" else "a.txt", b"old")
    if way == "duplicate":
        mount.emulator.generate("a.txt", b"newer")
    files = mount.mount()
    name = {"duplicate": f"a ({old['id']}).txt", "named here": "b.txt", "slash": "charts/a.txt"}[way]
    if way == "named here":
        (files / "a.txt").rename(files / name)
    mount.emulator.fault("upload", {"kind": "status", "status": 400, "error_type": "invalid_request_error"})
    mount.expects("was refused")

    replaced(files, name, "mine")

    wait_until(lambda: mount.status()["failed"], "it is refused")
    (files / "other.txt").write_text("and the uploader goes on")
    assert old["id"] in {file["id"] for file in mount.emulator.files()}
    mount.ok("discard", files / name)
    mount.sync()
    assert (files / name).read_bytes() == b"old"
    assert old["id"] in {file["id"] for file in mount.emulator.files()}

    replaced(files, name, "mine")
    mount.sync()
    assert old["id"] not in {file["id"] for file in mount.emulator.files()}
    assert (files / name).read_text() == "mine"
