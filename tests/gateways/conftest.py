"""The certificates, a gateway before the mount's service, and the table at the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.gateways.battery import OK, Battery
from tests.gateways.gateways import Gateway
from tests.gateways.running import Running, make_certificates
from tests.mounting import Mount


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture
def through(mount: Mount, tmp_path: Path, certificates: Path) -> Iterator[Callable[[Gateway], Running]]:
    """Starts a gateway; from then on all commands of `mount` go through it. It outlives the mount's end in the test, not the test."""
    with ExitStack() as stack:
        def start(gateway: Gateway) -> Running:
            running = stack.enter_context(Running(gateway, tmp_path / "gateway", mount.emulator.url, certificates))
            mount.environment |= running.environment
            return running

        yield start
        mount.finish()          # what is queued has to get through, too; once more at the mount's own end is harmless


@pytest.fixture
def battery(mount: Mount, record_property: Callable[[str, object], None]) -> Iterator[Battery]:
    """Its outcomes become a row of the table, whatever comes of the test."""
    one = Battery(mount)
    yield one
    record_property("gateway", one.name)
    record_property("steps", "  ".join(step if outcome == OK else f"{step}: {outcome}" for step, outcome in one.outcomes.items()))
    record_property("requests", ", ".join(f"{operation} {count}" for operation, count in sorted(one.requests.items())))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The battery's table: gateway | each step | requests."""
    rows = [dict(report.user_properties) for reports in terminalreporter.stats.values() for report in reports
            if isinstance(report, pytest.TestReport) and report.when == "teardown"]
    rows = [row for row in rows if "gateway" in row]
    if rows:
        terminalreporter.section("gateways")
    for row in sorted(rows, key=lambda row: str(row["gateway"])):
        terminalreporter.write_line(f"{row['gateway']:26} | {row['steps']} | {row['requests']}")
