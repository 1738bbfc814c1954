"""Whatever is done in whatever order, the mount shows what a dictionary would, and the server ends up with the same, once."""

import hashlib
import os
import shutil
from pathlib import Path

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
from tests.mounting import Mount, wait_until

DIRECTORIES = st.sampled_from(["d", "e", "d/f", "e/g ü", "d/f/h"])
FOLDERS = st.sampled_from(["", "", "", "d/", "e/", "d/f/"])
NAMES = st.sampled_from(["a.txt", "b.txt", "c.csv", "a.txt~", ".b.txt.swp", "d ü?.md"])
CONTENTS = st.binary(min_size=1, max_size=40)
EXAMPLES = int(os.environ.get("ANTHROFS_MODEL_EXAMPLES", "4"))
OPTIONS = ("--upload", "queue", "--refresh", "1")


def machine(mount: Mount) -> type[RuleBasedStateMachine]:
    files = mount.path

    class Both(RuleBasedStateMachine):
        """Each step is done to the model and to the mount."""

        def __init__(self) -> None:
            super().__init__()
            self.model = Model()

        @initialize()
        def empty(self) -> None:
            for entry in files.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            mount.sync()
            wait_until(lambda: mount.emulator.files() == [], "the server is empty")

        def choose(self, data: st.DataObject) -> str:
            return data.draw(st.sampled_from(sorted(self.model.files)))

        # ---- files

        @rule(folder=FOLDERS, name=NAMES, content=CONTENTS)
        def write(self, folder: str, name: str, content: bytes) -> None:
            if above(folder + name) in self.model.directories:
                (files / folder / name).write_bytes(content)
                self.model.write(folder + name, content)

        @rule(folder=FOLDERS, name=NAMES, content=CONTENTS)
        def append(self, folder: str, name: str, content: bytes) -> None:
            if above(path := folder + name) in self.model.directories:
                with (files / path).open("ab") as file:
                    file.write(content)
                self.model.write(path, (self.model.files[path].content if path in self.model.files else b"") + content)

        @rule(data=st.data(), content=CONTENTS, place=st.integers(0, 30))
        @precondition(lambda self: self.model.files)
        def edit(self, data: st.DataObject, content: bytes, place: int) -> None:
            path = self.choose(data)
            descriptor = os.open(files / path, os.O_RDWR)
            os.pwrite(descriptor, content, place)
            os.close(descriptor)
            before = self.model.files[path].content.ljust(place, b"\0")
            self.model.write(path, before[:place] + content + before[place + len(content):])

        @rule(data=st.data())
        @precondition(lambda self: self.model.files)
        def remove(self, data: st.DataObject) -> None:
            path = self.choose(data)
            (files / path).unlink()
            self.model.remove(path)

        @rule(data=st.data(), folder=FOLDERS, name=NAMES, reading=st.booleans())
        @precondition(lambda self: self.model.files)
        def rename(self, data: st.DataObject, folder: str, name: str, reading: bool) -> None:
            """Also over a file that somebody reads."""
            old, new = self.choose(data), folder + name
            if above(new) not in self.model.directories:
                return
            held = os.open(files / new, os.O_RDONLY) if reading and new in self.model.files else None
            expected = self.model.files[new].content if held is not None else b""
            if stays_local(new):
                mount.sync()                # what was never sent leaves nothing on the server
            os.replace(files / old, files / new)
            if held is not None:
                assert os.pread(held, 1000, 0) == expected
                os.close(held)
            self.model.rename(old, new)

        # ---- directories

        @rule(path=DIRECTORIES)
        def make_directory(self, path: str) -> None:
            if path not in self.model.directories and above(path) in self.model.directories:
                (files / path).mkdir()
                self.model.make_directory(path)

        @rule(path=DIRECTORIES)
        def remove_directory(self, path: str) -> None:
            if path not in self.model.directories:
                return
            if self.model.is_empty(path):
                (files / path).rmdir()
                self.model.remove_directory(path)
            else:
                with pytest.raises(OSError, match="not empty"):
                    (files / path).rmdir()

        @rule(old=DIRECTORIES, new=DIRECTORIES)
        def rename_directory(self, old: str, new: str) -> None:
            known = self.model.directories
            if old not in known or above(new) not in known or is_below(new, old) or old == new:
                return
            if new in known and not self.model.is_empty(new):
                with pytest.raises(OSError, match="not empty"):
                    os.rename(files / old, files / new)
                return
            os.rename(files / old, files / new)
            self.model.rename(old, new)

        # ---- others

        @rule(folder=FOLDERS, name=st.sampled_from(["a.txt", "b.txt", "c.csv"]), content=CONTENTS)
        def others_make(self, folder: str, name: str, content: bytes) -> None:
            mount.sync()
            path = folder + name
            if path not in self.model.files and path not in {there for there, _ in self.model.on_server()}:
                made = mount.emulator.generate(path.replace("/", "\uff0f"), content)
                wait_until(lambda: refreshed(mount, path) == made["id"], "it shows")
                self.model.generate(path, content)

        @rule(data=st.data())
        @precondition(lambda self: any(file.generated for file in self.model.files.values()))
        def others_remove(self, data: st.DataObject) -> None:
            mount.sync()
            path = data.draw(st.sampled_from(sorted(path for path, file in self.model.files.items() if file.generated and file.held is None)
                                             or [""]))
            if path:
                mount.emulator.vanish(os.getxattr(files / path, "user.anthropic.file_id").decode())
                wait_until(lambda: refreshed(mount, path) is None, "it is gone")
                self.model.vanish(path)

        @rule()
        def sync(self) -> None:
            """What is under way comes to rest: then the server has exactly what it should."""
            mount.sync()
            expected = sorted((path, hashlib.sha256(content).hexdigest()) for path, content in self.model.on_server())
            wait_until(lambda: on_server(mount) == expected, f"{on_server(mount)} becomes {expected}")

        @rule()
        def remount(self) -> None:
            mount.remount(*OPTIONS)

        @rule()
        def kill(self) -> None:
            """What was acknowledged is there: each step's close has returned."""
            mount.kill()
            mount.mount(*OPTIONS)

        @invariant()
        def the_same(self) -> None:
            found = [Path(root).relative_to(files) / name for root, directories, names in os.walk(files) for name in (*directories, *names)]
            assert sorted(map(str, found)) == sorted([*self.model.files, *(path for path in self.model.directories if path)])
            for path, file in self.model.files.items():
                assert (files / path).stat().st_size == len(file.content), path
                assert (files / path).read_bytes() == file.content, path

        def teardown(self) -> None:
            self.sync()

    return Both


def refreshed(mount: Mount, name: str) -> str | None:
    mount.refresh()
    try:
        return os.getxattr(mount.path / name, "user.anthropic.file_id").decode()
    except FileNotFoundError:
        return None


def on_server(mount: Mount) -> list[tuple[str, str]]:
    """(path, SHA-256 of the content) of everything it has now."""
    return sorted((decoded(file["filename"]), file["sha256"]) for file in mount.emulator.files())


def decoded(filename: str) -> str:
    return filename.replace("\uff1f", "?").replace("\uff0f", "/")


@pytest.fixture
def mounted(mount: Mount) -> Mount:
    mount.expects("was being replaced or removed when anthrofs was ended")
    mount.mount(*OPTIONS)
    return mount


@pytest.mark.timeout(3600)
def test_the_mount_behaves_as_a_dictionary_and_so_does_the_server(mounted: Mount) -> None:
    run_state_machine_as_test(machine(mounted), settings=settings(
        max_examples=EXAMPLES, stateful_step_count=25, deadline=None, print_blob=True,
        suppress_health_check=list(HealthCheck)))
