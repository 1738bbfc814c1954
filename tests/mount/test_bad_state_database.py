"""A database that can't be used is said in a sentence, and nothing of it is changed, whatever is wrong with it."""

from anthrofs.tree.fsck import problems
from tests.mounting import Mount, damaged_page


def test_a_damaged_database_is_said_at_the_mount_and_by_check_before_anything_is_served(mount: Mount) -> None:
    mount.emulator.bulk(300)
    mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "status", "status": 503}, times=-1)
    (mount.path / "mine.txt").write_text("not sent yet")
    mount.end_now()
    mount.expects("not on the server yet")
    good = (mount.state_dir / "state.db").read_bytes()
    damaged_page(mount.state_dir / "state.db")

    for command in (("mount", "--foreground", "--state-dir", mount.state_dir, mount.path), ("check", "--state-dir", mount.state_dir)):
        done = mount.run(*command)
        assert done.returncode == 1
        assert "can't be used" in done.stderr
        assert f"content that was not sent yet is in {mount.state_dir / 'staging'}" in done.stderr
        assert "Traceback" not in done.stderr

    assert [one.read_text() for one in (mount.state_dir / "staging").iterdir()] == ["not sent yet"]
    (mount.state_dir / "state.db").write_bytes(good)
    mount.emulator.clear_faults()
    mount.mount()
    mount.sync()
    assert "mine.txt" in [file["filename"] for file in mount.emulator.files()]


def test_without_the_changes_of_the_last_minutes_nothing_in_staging_is_lost(mount: Mount) -> None:
    """A state whose state.db-wal was lost, by a copy that left it out."""
    files = mount.mount("--upload", "queue")
    mount.umount()
    mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "status", "status": 503}, times=-1)
    (files / "mine.txt").write_text("not sent yet")
    mount.kill()
    (mount.state_dir / "state.db-wal").unlink()

    mount.mount()

    assert list(files.iterdir()) == []
    assert [one.read_text() for one in (mount.state_dir / "staging").iterdir()] == ["not sent yet"]
    mount.umount()
    assert len(problems(mount.state_dir)) == 1
    mount.leaves("belongs to nothing")
