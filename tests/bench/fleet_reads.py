"""Rows of what one machine reads from the fleet's store, beside the store's own client, and with a store that is silent."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import obstore
from obstore import store as stores

from anthrofs.fleet.seal import CHUNK_BYTES
from tests.bench.builds import BuiltMount
from tests.bench.fleet_requests import counted
from tests.bench.fleet_stage import ANY_NUMBER, FleetStage
from tests.bench.stage import in_turn
from tests.bench.table import Cost, Report, Row, Work, median_s, seconds, verdict
from tests.fleet.s3_server import BUCKET, S3Server
from tests.fleet.wires import Wire
from tests.mounting import wait_until

MOST: Final = 2.0
SILENT_MOST_S: Final = 0.7
PIECE_BYTES: Final = 2**20


def rows(stage: FleetStage, report: Report) -> None:
    with ExitStack() as ends:
        server = ends.enter_context(S3Server(stage.base / "s3"))
        wire = ends.enter_context(Wire("127.0.0.1", server.port))
        with stage.team(2, store=False, board=False) as [one, other]:
            for mount, port in ((one, server.port), (other, server.port)):
                _joins(mount, server, port)
            _through_the_store(stage, report, server, one, other)
        _silent(stage, report, server, wire)


def _joins(mount: BuiltMount, server: S3Server, port: int) -> None:
    mount.environment |= {**server.environment(port), "ANTHROFS_STORE": server.url}


def _through_the_store(stage: FleetStage, report: Report, server: S3Server, one: BuiltMount, other: BuiltMount) -> None:
    """One uploads, the other reads each of these once: nothing of it is on its machine."""
    sizes = stage.sizes
    chunks = -(-sizes.big_bytes // CHUNK_BYTES)
    one.mount("--refresh", "300", *ANY_NUMBER)
    objects: list[list[Path]] = []
    for number in range(sizes.repetitions + 1):
        known = set(server.chunks())
        (one.path / f"big-{number}.bin").write_bytes(os.urandom(sizes.big_bytes))
        one.sync()
        objects.append(sorted(set(server.chunks()) - known))
    other.mount("--refresh", "300", *ANY_NUMBER)
    wait_until(lambda: other.status()["fleet"]["store"]["readable"] == len(objects), "the other knows all of them")
    stage.emulator.forget_requests()
    client = stores.S3Store(BUCKET, endpoint=f"http://127.0.0.1:{server.port}", access_key_id="test", secret_access_key="secret", region="us-east-1",
                            client_options={"allow_http": True})
    costs: dict[str, list[Cost]] = {"mount": [], "client": []}

    def timed(name: str, work: Callable[[], object]) -> None:
        begun_s = time.perf_counter()
        work()
        costs[name].append(Cost(time.perf_counter() - begun_s))

    def gets(number: int) -> None:
        timed("client", lambda: [obstore.get(client, str(path.relative_to(server.root / BUCKET))).bytes() for path in objects[number]])

    def reads(number: int) -> None:
        server.forget_asked()
        timed("mount", lambda: _read(other.path / f"big-{number}.bin"))
        counted(report, f"{sizes.big_bytes / 1e6:g} MB through the store, read {number + 1}", server.asked()["GET"], "gets", chunks)
        _read(other.path / f"big-{number}.bin")
        report.claim("a second read asks the store for nothing", server.asked()["GET"] == chunks, server.asked())

    in_turn(sizes.repetitions, reads, gets)
    report.compare(Work(f"{sizes.big_bytes / 1e6:g} MB through the store, cold", sizes.big_bytes), [costs["mount"]], "obstore's gets", costs["client"],
                   most=MOST)
    server.forget_asked()
    with (other.path / f"big-{sizes.repetitions}.bin").open("rb", buffering=0) as file:
        os.pread(file.fileno(), 1024, sizes.big_bytes // 2)
    counted(report, f"1 KB in the middle of {sizes.big_bytes / 1e6:g} MB through the store", server.asked()["GET"], "gets", 1)
    report.claim("what comes through the store costs the service nothing", not stage.asked(), stage.asked())


def _silent(stage: FleetStage, report: Report, server: S3Server, wire: Wire) -> None:
    """A generated file, of which the store says nothing; each by a mount that has asked the store for nothing yet."""
    costs: dict[str, list[Cost]] = {"silent": [], "alone": []}

    def read(number: int, name: str) -> None:
        with stage.team(1, store=False, board=False) as [mount]:
            if name == "silent":
                _joins(mount, server, wire.port)
            else:
                del mount.environment["ANTHROFS_FLEET_KEY_FILE"]
            stage.emulator.generate("made.bin", os.urandom(stage.sizes.made_bytes))
            mount.mount("--refresh", "300", *ANY_NUMBER)
            if name == "silent":
                wire.silence()
            begun_s = time.perf_counter()
            _read(mount.path / "made.bin")
            costs[name].append(Cost(time.perf_counter() - begun_s))
            wire.mend()

    in_turn(stage.sizes.repetitions, lambda number: read(number, "silent"), lambda number: read(number, "alone"))
    more_s = median_s(costs["silent"]) - median_s(costs["alone"])
    report.rows.append(Row("a generated file while the store is silent", seconds(median_s(costs["silent"])), f"without {seconds(median_s(costs['alone']))}",
                           target=verdict(f"<= {SILENT_MOST_S:g} s more", more_s <= SILENT_MOST_S)))
    for name, who in (("silent", report.names[0]), ("alone", "without")):
        report.sample("a generated file while the store is silent", who, costs[name])


def _read(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(PIECE_BYTES):
            pass
