"""One emulator for all tests of this directory, put back to its defaults before each, silent after each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from .process import EmulatorProcess
from .raw import GA, Api

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def one_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "data") as emulator:
        yield emulator


@pytest.fixture(scope="session")
def defaults(one_emulator: EmulatorProcess) -> dict[str, object]:
    return one_emulator.switch()


@pytest.fixture
def emulator(one_emulator: EmulatorProcess, defaults: dict[str, object]) -> Iterator[EmulatorProcess]:
    one_emulator.clear_faults()
    one_emulator.switch(**defaults)
    one_emulator.forget_files()
    one_emulator.forget_requests()
    logged = one_emulator.stderr()
    yield one_emulator
    assert one_emulator.stderr() == logged


@pytest.fixture
def api(emulator: EmulatorProcess) -> Iterator[Api]:
    """The Files API over plain HTTP, in the ga shape unless a call says otherwise."""
    headers = {"x-api-key": emulator.key, **GA}
    with httpx.Client(base_url=emulator.url, headers=headers, timeout=30, trust_env=False, verify=False) as client:
        yield Api(client)
