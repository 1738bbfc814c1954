"""`python -m tests.soak.reader FOLDER SEED`: a program that only reads what others make, replace and remove meanwhile.

Owns    nothing. A number on standard input is so many reads; a line of JSON goes back, as a worker's.
Never   accepts a content that isn't one version of the file, from end to end. That a file goes meanwhile is no fault: an error is.
"""

import errno
import json
import os
import random
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.soak.others import wrong_in
from tests.soak.worker import Done

# Gone, or gone while it was read; or the service is having a bad day.
ALLOWED: Final = frozenset({errno.ENOENT, errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.ENETUNREACH})


def read(folder: Path, chance: random.Random, done: Done) -> None:
    done.operations += 1
    try:
        name = chance.choice(sorted(os.listdir(folder)) or [""])
        if not name.endswith(".txt") or " (" in name:
            return                          # nothing there, or the older of two with one name
        content = (folder / name).read_bytes()
    except OSError as exc:
        if exc.errno not in ALLOWED:
            done.wrong.append(f"reading: {exc}")
        return
    done.bytes_verified += len(content)
    if (wrong := wrong_in(name, content)) is not None:
        done.wrong.append(wrong)


def main() -> None:
    folder, chance = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    for line in sys.stdin:
        done = Done()
        for _ in range(int(line)):
            read(folder, chance, done)
        print(json.dumps(asdict(done)), flush=True)


if __name__ == "__main__":
    main()
