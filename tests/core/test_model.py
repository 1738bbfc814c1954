"""Whatever is done in whatever order, what is shown is what a dictionary would, and the server ends up with the same, once.

The same steps as on a real mount (tests/mount/test_model.py), many more of them.
"""

import hashlib
import os
import time

import pytest

from tests.core.core import Core
from tests.model_machine import Hands, behaves_as_the_model, walk_at_random

EXAMPLES = int(os.environ.get("ANTHROFS_MODEL_EXAMPLES", "10"))
SEEDS = int(os.environ.get("ANTHROFS_MODEL_SEEDS", "4"))
STEPS = 2000
REPLACED = "was being replaced or removed when anthrofs was ended"


class Called(Hands):
    """By calls of the operations."""

    def __init__(self, core: Core) -> None:
        self.core = core

    def clear(self) -> None:
        user = self.core.user
        for path, content in sorted(user.walk().items(), reverse=True):     # what is in a directory before itself
            user.rmdir(path) if content is None else user.unlink(path)
        self.sync()
        assert self.core.on_server() == []

    def write(self, path: str, content: bytes) -> None:
        self.core.user.write(path, content)

    def append(self, path: str, content: bytes) -> None:
        self.core.user.write(path, content, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def edit(self, path: str, content: bytes, place: int) -> None:
        with self.core.user.opened(path, os.O_RDWR) as number:
            self.core.user.pwrite(number, content, place)

    def unlink(self, path: str) -> None:
        self.core.user.unlink(path)

    def rename(self, old: str, new: str) -> None:
        self.core.user.rename(old, new)

    def open(self, path: str) -> int:
        return self.core.user.open(path)

    def read_and_close(self, descriptor: int) -> bytes:
        content = self.core.user.pread(descriptor, 1000, 0)
        self.core.user.close(descriptor)
        return content

    def mkdir(self, path: str) -> None:
        self.core.user.mkdir(path)

    def rmdir(self, path: str) -> None:
        self.core.user.rmdir(path)

    def walk(self) -> list[str]:
        return list(self.core.user.paths())

    def look(self, path: str) -> tuple[int, bytes]:
        return self.core.user.stat(path)["st_size"], self.core.user.read(path)

    def sync(self) -> None:
        self.core.sync()

    def remount(self) -> None:
        self.core.remount()

    def kill(self) -> None:
        self.core.crash()

    def others_make(self, path: str, content: bytes) -> None:
        made = self.core.others_make(path, content)
        assert self.core.user.getxattr(path, "user.anthropic.file_id") == made

    def others_remove(self, path: str) -> None:
        self.core.others_remove(path)
        assert not self.core.user.exists(path)

    def server_becomes(self, expected: list[tuple[str, str]]) -> None:
        assert sorted((path, hashlib.sha256(content).hexdigest()) for path, content in self.core.on_server()) == expected


@pytest.fixture
def hands(core: Core) -> Called:
    core.expects(REPLACED)
    return Called(core)


def test_the_parts_behave_as_a_dictionary_and_so_does_the_server(hands: Called) -> None:
    behaves_as_the_model(hands, examples=EXAMPLES, steps=50)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_thousands_of_steps_at_random_go_as_those_of_a_dictionary(hands: Called, seed: int) -> None:
    began_s, calls = time.process_time(), hands.core.calls
    walk_at_random(hands, seed=seed, steps=STEPS)
    spent_s = time.process_time() - began_s
    print(f"{STEPS} steps in {spent_s:.1f} s of a processor: {STEPS / spent_s:.0f} a second, {(hands.core.calls - calls) / spent_s:.0f} operations a second")
