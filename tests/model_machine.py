"""The model test's steps, done to the model and to something that has files: a mount, or the parts of one without a kernel.

Hypothesis chooses them, and finds the shortest sequence that goes wrong; or a seed does, for very many of them.
"""

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from anthrofs.local_names import stays_local
from tests.model import Model, above, is_below

DIRECTORIES: Final = ["d", "e", "d/f", "e/g ü", "d/f/h"]
FOLDERS: Final = ["", "", "", "d/", "e/", "d/f/"]
OTHERS_NAMES: Final = ["a.txt", "b.txt", "c.csv"]
NAMES: Final = [*OTHERS_NAMES, "a.txt~", ".b.txt.swp", "d ü?.md"]
MOST_BYTES: Final = 40
MOST_PLACE: Final = 30


class Hands(ABC):
    """What does the steps. Paths are relative; the server's names are as paths."""

    @abstractmethod
    def clear(self) -> None:
        """No files here, none on the server."""

    # ---- files

    @abstractmethod
    def write(self, path: str, content: bytes) -> None: ...

    @abstractmethod
    def append(self, path: str, content: bytes) -> None: ...

    @abstractmethod
    def edit(self, path: str, content: bytes, place: int) -> None:
        """In place."""

    @abstractmethod
    def unlink(self, path: str) -> None: ...

    @abstractmethod
    def rename(self, old: str, new: str) -> None:
        """Of a file or a directory, also over another one."""

    @abstractmethod
    def open(self, path: str) -> int:
        """For reading."""

    @abstractmethod
    def read_and_close(self, descriptor: int) -> bytes: ...

    @abstractmethod
    def mkdir(self, path: str) -> None: ...

    @abstractmethod
    def rmdir(self, path: str) -> None: ...

    @abstractmethod
    def walk(self) -> list[str]:
        """Every path, of files and directories."""

    @abstractmethod
    def look(self, path: str) -> tuple[int, bytes]:
        """(size, content) of a file."""

    # ---- the mount, and others

    @abstractmethod
    def sync(self) -> None:
        """Everything is on the server."""

    @abstractmethod
    def remount(self) -> None: ...

    @abstractmethod
    def kill(self) -> None:
        """And mount again."""

    @abstractmethod
    def others_make(self, path: str, content: bytes) -> None:
        """Returns when it shows."""

    @abstractmethod
    def others_remove(self, path: str) -> None:
        """Returns when it doesn't show any more."""

    @abstractmethod
    def server_becomes(self, expected: list[tuple[str, str]]) -> None:
        """It has exactly these: (path, SHA-256 of the content), sorted."""


class Deeds:
    """Each is done to the model and by the hands; what can't be done now is left out."""

    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        self.model = Model()

    @contextmanager
    def _replacing(self) -> Iterator[None]:
        """A backup whose name on the server is taken is replaced there when the new content is sent: not by what is gone before that."""
        before = self._backups()
        yield
        if before - self._backups():
            self.hands.sync()

    def _backups(self) -> set[str | None]:
        return {file.server_name for file in self.model.files.values() if file.held is not None}

    def write(self, path: str, content: bytes) -> None:
        if above(path) in self.model.directories:
            with self._replacing():
                self.hands.write(path, content)
                self.model.write(path, content)

    def append(self, path: str, content: bytes) -> None:
        if above(path) in self.model.directories:
            with self._replacing():
                self.hands.append(path, content)
                self.model.write(path, (self.model.files[path].content if path in self.model.files else b"") + content)

    def edit(self, path: str, content: bytes, place: int) -> None:
        before = self.model.files[path].content.ljust(place, b"\0")
        with self._replacing():
            self.hands.edit(path, content, place)
            self.model.write(path, before[:place] + content + before[place + len(content):])

    def remove(self, path: str) -> None:
        self.hands.unlink(path)
        self.model.remove(path)

    def rename(self, old: str, new: str, *, reading: bool) -> None:
        """Also over a file that somebody reads."""
        if above(new) not in self.model.directories:
            return
        held = self.hands.open(new) if reading and new in self.model.files else None
        expected = self.model.files[new].content if held is not None else b""
        if stays_local(new):
            self.hands.sync()               # what was never sent leaves nothing on the server
        with self._replacing():
            self.hands.rename(old, new)
            if held is not None:
                assert self.hands.read_and_close(held) == expected
            self.model.rename(old, new)

    def make_directory(self, path: str) -> None:
        if path not in self.model.directories and above(path) in self.model.directories:
            self.hands.mkdir(path)
            self.model.make_directory(path)

    def remove_directory(self, path: str) -> None:
        if path not in self.model.directories:
            return
        if self.model.is_empty(path):
            self.hands.rmdir(path)
            self.model.remove_directory(path)
        else:
            with pytest.raises(OSError, match="not empty"):
                self.hands.rmdir(path)

    def rename_directory(self, old: str, new: str) -> None:
        known = self.model.directories
        if old not in known or above(new) not in known or is_below(new, old) or old == new:
            return
        if new in known and not self.model.is_empty(new):
            with pytest.raises(OSError, match="not empty"):
                self.hands.rename(old, new)
            return
        with self._replacing():
            self.hands.rename(old, new)
            self.model.rename(old, new)

    # ---- others

    def others_make(self, path: str, content: bytes) -> None:
        self.hands.sync()
        if path not in self.model.files and path not in {there for there, _ in self.model.on_server()}:
            self.hands.others_make(path, content)
            self.model.generate(path, content)

    def removable(self) -> list[str]:
        """By others."""
        return sorted(path for path, file in self.model.files.items() if file.generated and file.held is None)

    def others_remove(self, path: str) -> None:
        self.hands.others_remove(path)
        self.model.vanish(path)

    # ---- what must be true

    def sync(self) -> None:
        """What is under way comes to rest: then the server has exactly what it should."""
        self.hands.sync()
        self.hands.server_becomes(sorted((path, hashlib.sha256(content).hexdigest()) for path, content in self.model.on_server()))

    def compare(self, path: str) -> None:
        file = self.model.files[path]
        assert self.hands.look(path) == (len(file.content), file.content), path

    def compare_all(self) -> None:
        assert sorted(self.hands.walk()) == sorted([*self.model.files, *(path for path in self.model.directories if path)])
        for path in self.model.files:
            self.compare(path)


# ---- chosen by hypothesis

def machine(hands: Hands) -> type[RuleBasedStateMachine]:
    directories, contents = st.sampled_from(DIRECTORIES), st.binary(min_size=1, max_size=MOST_BYTES)
    paths = st.builds(str.__add__, st.sampled_from(FOLDERS), st.sampled_from(NAMES))
    others_paths = st.builds(str.__add__, st.sampled_from(FOLDERS), st.sampled_from(OTHERS_NAMES))

    class Both(RuleBasedStateMachine):

        def __init__(self) -> None:
            super().__init__()
            self.deeds = Deeds(hands)

        @initialize()
        def empty(self) -> None:
            hands.clear()

        def choose(self, data: st.DataObject) -> str:
            return data.draw(st.sampled_from(sorted(self.deeds.model.files)))

        def has_files(self) -> bool:
            return bool(self.deeds.model.files)

        @rule(path=paths, content=contents)
        def write(self, path: str, content: bytes) -> None:
            self.deeds.write(path, content)

        @rule(path=paths, content=contents)
        def append(self, path: str, content: bytes) -> None:
            self.deeds.append(path, content)

        @rule(data=st.data(), content=contents, place=st.integers(0, MOST_PLACE))
        @precondition(has_files)
        def edit(self, data: st.DataObject, content: bytes, place: int) -> None:
            self.deeds.edit(self.choose(data), content, place)

        @rule(data=st.data())
        @precondition(has_files)
        def remove(self, data: st.DataObject) -> None:
            self.deeds.remove(self.choose(data))

        @rule(data=st.data(), new=paths, reading=st.booleans())
        @precondition(has_files)
        def rename(self, data: st.DataObject, new: str, reading: bool) -> None:
            self.deeds.rename(self.choose(data), new, reading=reading)

        @rule(path=directories)
        def make_directory(self, path: str) -> None:
            self.deeds.make_directory(path)

        @rule(path=directories)
        def remove_directory(self, path: str) -> None:
            self.deeds.remove_directory(path)

        @rule(old=directories, new=directories)
        def rename_directory(self, old: str, new: str) -> None:
            self.deeds.rename_directory(old, new)

        @rule(path=others_paths, content=contents)
        def others_make(self, path: str, content: bytes) -> None:
            self.deeds.others_make(path, content)

        @rule(data=st.data())
        @precondition(lambda self: any(file.generated for file in self.deeds.model.files.values()))
        def others_remove(self, data: st.DataObject) -> None:
            hands.sync()
            if (paths := self.deeds.removable()):
                self.deeds.others_remove(data.draw(st.sampled_from(paths)))

        @rule()
        def sync(self) -> None:
            self.deeds.sync()

        @rule()
        def remount(self) -> None:
            hands.remount()

        @rule()
        def kill(self) -> None:
            """What was acknowledged is there: each step's close has returned."""
            hands.kill()

        @invariant()
        def the_same(self) -> None:
            self.deeds.compare_all()

        def teardown(self) -> None:
            self.deeds.sync()

    return Both


def behaves_as_the_model(hands: Hands, *, examples: int, steps: int) -> None:
    run_state_machine_as_test(machine(hands), settings=settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck)))


# ---- chosen by a seed

LOOK_EVERY: Final = 50          # steps between two looks at everything; after each step at one file


def walk_at_random(hands: Hands, *, seed: int, steps: int) -> None:
    """Nearly all of them by the user; now and then others, the end of the mount, and a kill."""
    chance, deeds = random.Random(seed), Deeds(hands)
    hands.clear()
    try:
        for number in range(steps):
            path = step_at_random(chance, deeds)
            if path in deeds.model.files:
                deeds.compare(path)
            if number % LOOK_EVERY == LOOK_EVERY - 1:
                deeds.compare_all()
    except BaseException as exc:
        exc.add_note(f"seed {seed}, step {number}")
        raise
    deeds.sync()


def step_at_random(chance: random.Random, deeds: Deeds, *, ends: bool = True) -> str:
    """Returns a path that it may have been about. `ends`: also ends of the mount, and kills."""
    path = chance.choice(FOLDERS) + chance.choice(NAMES)
    content, files = chance.randbytes(chance.randint(1, MOST_BYTES)), sorted(deeds.model.files)
    which = chance.random()
    if which < 0.3 or not files:
        deeds.write(path, content)
    elif which < 0.4:
        deeds.append(path, content)
    elif which < 0.5:
        deeds.edit(chance.choice(files), content, chance.randint(0, MOST_PLACE))
    elif which < 0.6:
        deeds.remove(chance.choice(files))
    elif which < 0.85:
        deeds.rename(chance.choice(files), path, reading=chance.random() < 0.3)
    elif which < 0.9:
        deeds.make_directory(chance.choice(DIRECTORIES))
    elif which < 0.92:
        deeds.remove_directory(chance.choice(DIRECTORIES))
    elif which < 0.97:
        deeds.rename_directory(chance.choice(DIRECTORIES), chance.choice(DIRECTORIES))
    elif which < 0.98:
        deeds.others_make(chance.choice(FOLDERS) + chance.choice(OTHERS_NAMES), content)
    elif which < 0.985:
        deeds.hands.sync()
        if (paths := deeds.removable()):
            deeds.others_remove(chance.choice(paths))
    elif which < 0.995 or not ends:
        deeds.sync()
    elif which < 0.9975:
        deeds.hands.remount()
    else:
        deeds.hands.kill()
    return path
