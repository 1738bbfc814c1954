"""Manual, commands: 'anthrofs check [DIR]' looks for damage in a state: of the mount on DIR, while it goes on.

What is done meanwhile is no damage, and nobody waits for the check.
"""

import json
import os
import sqlite3
import threading
from pathlib import Path

from anthrofs.client import control_client
from tests.mounting import Mount


def found(mount: Mount) -> list[str]:
    """What the command would print, without its start."""
    *_, last = control_client.ask(mount.state_dir, "check", patience_s=60)
    return list(last["problems"])


def test_a_mount_that_goes_on_is_well(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    (files / "b.txt").write_text("b")
    assert mount.ok("check", files) == "All is well.\n"
    assert json.loads(mount.ok("check", "--json", files / "b.txt")) == []
    done = mount.run("check", "--state-dir", mount.state_dir, files)
    assert (done.returncode, "Name a mount, or a state; not both." in done.stderr) == (2, True)


def test_a_copy_that_has_gone_and_a_stage_of_a_mount_before_are_named(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("a")
    mount.umount()
    (mount.state_dir / "staging" / "7").write_bytes(b"left")
    mount.leaves("belongs to nothing", "the kept copy of")
    mount.mount()
    assert [line for line in found(mount) if "staging/7 belongs to nothing" in line]
    [kept] = [path for path in (mount.state_dir / "kept").iterdir() if not path.suffix]
    kept.unlink()
    done = mount.run("check", files)
    assert (done.returncode, "the kept copy of file_" in done.stdout) == (1, True)


def test_a_row_that_makes_no_sense_is_named(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    mount.mount()
    mount.umount()
    with sqlite3.connect(mount.state_dir / "state.db") as database:
        database.execute("UPDATE total SET files = files + 5")
    database.close()
    mount.leaves("are noted as")
    mount.mount()
    assert any("files, bytes and local names are noted as" in line for line in found(mount))


def test_what_is_done_meanwhile_is_no_damage(mount: Mount) -> None:
    """Saved, renamed, removed, open and half written, again and again, for as many looks as there are."""
    mount.hurried = True
    files, over, failures = mount.mount("--upload", "queue"), threading.Event(), list[BaseException]()

    def work(folder: Path) -> None:
        try:
            folder.mkdir()
            number = 0
            while not over.is_set():
                number += 1
                path = folder / f"{number % 7}.txt"
                with path.open("w") as file:
                    file.write("x" * 5000)
                    os.fsync(file.fileno())
                    file.truncate(10)
                    file.write("y" * (number % 3000))
                path.rename(folder / f"{number % 5}-renamed.txt")
                if number % 3 == 0:
                    (folder / f"{number % 5}-renamed.txt").unlink()
        except BaseException as exc:
            failures.append(exc)

    workers = [threading.Thread(target=work, args=(files / f"d{number}",)) for number in range(2)]
    for worker in workers:
        worker.start()
    try:
        looks = [found(mount) for _ in range(30)]
    finally:
        over.set()
        for worker in workers:
            worker.join()
    assert failures == []
    assert looks == [[]] * 30
