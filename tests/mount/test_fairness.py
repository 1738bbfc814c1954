"""No kind of work starves another: deletions, renames and saves each have their share, whatever the load."""

import random

from tests.mounting import Mount, wait_until


def test_a_steady_stream_of_saves_leaves_no_more_than_it_may(mount: Mount) -> None:
    """The queue is never empty, and one of twenty requests fails."""
    names, chance = [f"{number}.txt" for number in range(25)], random.Random(1)
    mount.expects("could not be deleted", "may have been stored by an earlier try", "not be refreshed", "can't be sent under its new name",
                  "was removed or renamed here before it was known")
    files = mount.mount("--upload", "queue", "--requests-per-minute", "100000")
    mount.emulator.switch(latency_ms=100)
    for number in range(20):
        mount.emulator.fault("any", {"kind": "status", "status": 503}, skip=20 * number)
        mount.emulator.fault("any", {"kind": "cut", "when": "before_commit"}, skip=20 * number + 10)
        mount.emulator.fault("delete", {"kind": "cut", "when": "after_commit"}, skip=10 * number)
    most = 0
    for number in range(400):
        if number > 30:
            wait_until(lambda: len(mount.status()["waiting"]) < 18, "the queue is short enough")
        name, what = files / chance.choice(names), chance.random()
        if what < 0.7 or not name.exists():
            name.write_bytes(b"%d" % number)
        elif what < 0.9:
            name.rename(files / chance.choice(names))
        else:
            name.unlink()
        if number % 10 == 0:
            most = max(most, len(mount.emulator.files()))
    assert most <= 2 * len(names) + 100
    asked = [request["operation"] for request in mount.emulator.requests()]
    assert asked.count("upload") > 150              # else it was no stream
    mount.emulator.clear_faults()
    mount.sync()
    assert mount.status()["owed"] == {"deletions": 0, "since": None}
    assert sorted(file["filename"] for file in mount.emulator.files()) == sorted(path.name for path in files.iterdir())
    assert mount.status()["kept_copies"] == len(list(files.iterdir()))
