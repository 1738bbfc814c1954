"""The mount point: what somebody may have put there.

Manual, security: 'A planted link in place of the mount point'
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from anthrofs.errors import SetupError
from anthrofs.fuse import mountpoint
from tests.mounting import Mount


@pytest.mark.parametrize("plant", ["a link to documents", "a link to nothing", "a pipe", "a link to itself"])
def test_a_plant_in_place_of_the_mount_point_is_refused_and_what_it_leads_to_is_left_alone(mount: Mount, tmp_path: Path, plant: str) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "thesis").write_text("mine")
    mount.path.rmdir()
    if plant == "a pipe":
        os.mkfifo(mount.path)
    else:
        mount.path.symlink_to({"a link to documents": tmp_path / "documents", "a link to nothing": tmp_path / "nothing", "a link to itself": mount.path}[plant])
    done = mount.run("mount", "--state-dir", mount.state_dir, mount.path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path / "documents") == ["thesis"]
    assert not mountpoint.is_mounted(tmp_path / "documents")
    assert not mount.state_dir.exists()
    mount.path.unlink()


def test_a_link_is_resolved_once_and_the_mount_is_where_it_led_to_then(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "one")
    mount.ok("mount", "--state-dir", mount.state_dir, tmp_path / "link")
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to(tmp_path / "other")
    assert mountpoint.is_mounted(tmp_path / "one")
    assert mount.run("umount", tmp_path / "link").returncode == 2           # that one isn't mounted
    mount.ok("umount", tmp_path / "one")


@pytest.mark.root
@pytest.mark.parametrize("mode", [0o755, 0o1777], ids=["of root's", "anybody's, like /tmp"])
def test_a_user_mounts_on_no_directory_of_another_also_with_the_right_to_mount(mode: int) -> None:
    """A service of the machine's has that right, and its user says where: on /usr/local/bin root would run what is there."""
    with TemporaryDirectory(prefix="anthrofs-test-") as found:
        path = Path(found)
        path.chmod(mode)
        os.seteuid(12345)
        try:
            with pytest.raises(SetupError, match="isn't yours to mount on"):
                mountpoint.check(path)
        finally:
            os.seteuid(0)
        os.chown(path, 12345, -1)
        os.seteuid(12345)
        try:
            mountpoint.check(path)
        finally:
            os.seteuid(0)
