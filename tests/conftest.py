"""What every test on a real mount begins and ends with."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest

from anthrofs.fuse import mountpoint
from anthrofs.settings.table import SETTINGS

pytest.register_assert_rewrite("tests.mounting", "tests.desk")

from tests.desk import Desk  # noqa: E402
from tests.emulator.process import EmulatorProcess  # noqa: E402
from tests.mounting import OURS, Mount  # noqa: E402

# No test reads the configuration of whoever runs it.
os.environ["ANTHROFS_CONFIG"] = os.devnull
for _setting in SETTINGS.values():
    if _setting.variable.startswith("ANTHROFS_") and _setting.variable not in OURS:
        os.environ.pop(_setting.variable, None)

# Timings are the benchmarks': a busy machine fails no law.
hypothesis.settings.register_profile("anthrofs", deadline=None)
hypothesis.settings.load_profile("anthrofs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.geteuid():
        privileged = [item for item in items if item.get_closest_marker("root")]
        if privileged:
            items[:] = [item for item in items if item not in privileged]
            config.hook.pytest_deselected(items=privileged)
            if (output := getattr(config, "workeroutput", None)) is not None:
                output["privileged"] = [item.nodeid for item in privileged]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """The last line counts what a worker has left out: each of them has left out the same."""
    reporter = node.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and (left := getattr(node, "workeroutput", {}).get("privileged")):
        reporter.stats["deselected"] = [SimpleNamespace(nodeid=each) for each in left]


@pytest.fixture(scope="session", autouse=True)
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The states of commands that name none: no developer's. No command may meet what it didn't expect."""
    root, before = tmp_path_factory.mktemp("states"), os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(root)
    yield root
    if before is None:
        del os.environ["XDG_STATE_HOME"]
    else:
        os.environ["XDG_STATE_HOME"] = before
    unexpected = root / "anthrofs" / "unexpected.log"
    assert not unexpected.exists(), unexpected.read_text()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("server") / "data") as emulator:
        emulator.switch()
        yield emulator


@pytest.fixture(scope="session")
def server_defaults(server: EmulatorProcess) -> dict[str, object]:
    return server.switch()


@pytest.fixture(autouse=True)
def umask_of_before() -> Iterator[None]:
    """Commands that a test runs in its own process set it."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture
def emulator(server: EmulatorProcess, server_defaults: dict[str, object]) -> EmulatorProcess:
    """An empty workspace, no faults, all switches as they come."""
    if not server.running:
        server.start()
    server.clear_faults()
    server.switch(**server_defaults)
    server.forget_files()
    server.forget_requests()
    return server


@pytest.fixture
def mount(emulator: EmulatorProcess, tmp_path: Path) -> Iterator[Mount]:
    """Not mounted yet: tests say how."""
    with _mount(emulator, tmp_path) as one:
        yield one


@pytest.fixture
def reachable(emulator: EmulatorProcess) -> Iterator[Mount]:
    """The same, where any user can go: into pytest's own directories only the one who runs it can."""
    with tempfile.TemporaryDirectory(prefix="anthrofs-test-") as base:
        Path(base).chmod(0o755)
        with _mount(emulator, Path(base)) as one:
            yield one


@contextmanager
def _mount(emulator: EmulatorProcess, base: Path) -> Iterator[Mount]:
    threads = set(threading.enumerate())
    one = Mount(base, emulator)
    try:
        yield one
    finally:
        if not emulator.running:
            emulator.start()
        emulator.clear_faults()
        one.finish()
    assert not mountpoint.is_mounted(one.path)
    assert set(threading.enumerate()) <= threads


@pytest.fixture(scope="module")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One mount for all tests of a module, on a server of its own: mounting is most of what a short test takes."""
    base = tmp_path_factory.mktemp("desk")
    with EmulatorProcess(base / "server" / "data") as emulator:
        one = Mount(base / "here", emulator)
        one.hurried = True
        one.mount("--refresh", "300")       # else a look may ask for the listing
        try:
            yield Desk(one, base / "out")
        finally:
            one.finish()
    assert not mountpoint.is_mounted(one.path)


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    """Tidied up."""
    shared_desk.clear()
    return shared_desk
