"""Whatever is done in whatever order, the mount shows what a dictionary would, and the server ends up with the same, once."""

import hashlib
import os

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

from anthrofs.names import stays_local
from tests.model import Model
from tests.mounting import Mount, wait_until

NAMES = st.sampled_from(["a.txt", "b.txt", "c.csv", "a.txt~", ".b.txt.swp", "d ü?.md"])
CONTENTS = st.binary(min_size=1, max_size=40)
EXAMPLES = int(os.environ.get("ANTHROFS_MODEL_EXAMPLES", "12"))


def machine(mount: Mount) -> type[RuleBasedStateMachine]:
    files = mount.path

    class Both(RuleBasedStateMachine):
        """Each step is done to the model and to the mount."""

        def __init__(self) -> None:
            super().__init__()
            self.model = Model()

        @initialize()
        def empty(self) -> None:
            for name in os.listdir(files):
                (files / name).unlink()
            mount.sync()
            wait_until(lambda: mount.emulator.files() == [], "the server is empty")

        @rule(name=NAMES, content=CONTENTS)
        def write(self, name: str, content: bytes) -> None:
            (files / name).write_bytes(content)
            self.model.write(name, content)

        @rule(name=NAMES, content=CONTENTS)
        def append(self, name: str, content: bytes) -> None:
            with (files / name).open("ab") as file:
                file.write(content)
            before = self.model.files[name].content if name in self.model.files else b""
            self.model.write(name, before + content)

        @rule(data=st.data(), content=CONTENTS, place=st.integers(0, 30))
        @precondition(lambda self: self.model.files)
        def edit(self, data: st.DataObject, content: bytes, place: int) -> None:
            name = data.draw(st.sampled_from(sorted(self.model.files)))
            descriptor = os.open(files / name, os.O_RDWR)
            os.pwrite(descriptor, content, place)
            os.close(descriptor)
            before = self.model.files[name].content.ljust(place, b"\0")
            self.model.write(name, before[:place] + content + before[place + len(content):])

        @rule(data=st.data())
        @precondition(lambda self: self.model.files)
        def remove(self, data: st.DataObject) -> None:
            name = data.draw(st.sampled_from(sorted(self.model.files)))
            (files / name).unlink()
            self.model.remove(name)

        @rule(data=st.data(), new=NAMES, reading=st.booleans())
        @precondition(lambda self: self.model.files)
        def rename(self, data: st.DataObject, new: str, reading: bool) -> None:
            """Also over a file that somebody reads."""
            old = data.draw(st.sampled_from(sorted(self.model.files)))
            held = os.open(files / new, os.O_RDONLY) if reading and new in self.model.files else None
            expected = self.model.files[new].content if held is not None else b""
            if stays_local(new):
                mount.sync()                # what was never sent leaves nothing on the server
            os.replace(files / old, files / new)
            if held is not None:
                assert os.pread(held, 1000, 0) == expected
                os.close(held)
            self.model.rename(old, new)

        @rule(name=st.sampled_from(["a.txt", "b.txt", "c.csv"]), content=CONTENTS)
        def others_make(self, name: str, content: bytes) -> None:
            mount.sync()
            if name not in self.model.files and name not in {there for there, _ in self.model.on_server()}:
                made = mount.emulator.generate(name, content)
                wait_until(lambda: refreshed(mount, name) == made["id"], "it shows")
                self.model.generate(name, content)

        @rule()
        def sync(self) -> None:
            """What is under way comes to rest: then the server has exactly what it should."""
            mount.sync()
            expected = sorted((name, hashlib.sha256(content).hexdigest()) for name, content in self.model.on_server())
            wait_until(lambda: on_server(mount) == expected, f"{on_server(mount)} becomes {expected}")

        @rule()
        def remount(self) -> None:
            mount.remount("--upload", "queue", "--refresh", "1")

        @invariant()
        def the_same(self) -> None:
            assert sorted(os.listdir(files)) == sorted(self.model.files)
            for name, file in self.model.files.items():
                assert (files / name).stat().st_size == len(file.content), name
                assert (files / name).read_bytes() == file.content, name

        def teardown(self) -> None:
            self.sync()

    return Both


def refreshed(mount: Mount, name: str) -> str | None:
    mount.refresh()
    path = mount.path / name
    return os.getxattr(path, "user.anthropic.file_id").decode() if path.exists() else None


def on_server(mount: Mount) -> list[tuple[str, str]]:
    """(name, SHA-256 of the content) of everything it has now."""
    return sorted((decoded(file["filename"]), file["sha256"]) for file in mount.emulator.files())


def decoded(filename: str) -> str:
    return filename.replace("\uff1f", "?")


@pytest.fixture
def mounted(mount: Mount) -> Mount:
    mount.mount("--upload", "queue", "--refresh", "1")
    return mount


@pytest.mark.timeout(600)
def test_the_mount_behaves_as_a_dictionary_and_so_does_the_server(mounted: Mount) -> None:
    run_state_machine_as_test(machine(mounted), settings=settings(
        max_examples=EXAMPLES, stateful_step_count=25, deadline=None, print_blob=True,
        suppress_health_check=list(HealthCheck)))
