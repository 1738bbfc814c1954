"""Builds the parts of a mount, each from those before it. The only place with constructors.

Calls against that direction go through bells; these are all of them:

    expiries        mirror → expirer            something is in the tree until then
    decided         merge → uploader            a listing has shown what became of doubtful deletions
    recognized      news → uploader             this mount has seen that the service's files are those of this state
    strange         news → permission           they are another workspace's: this state must send nothing
    refreshed       refresher → sweeper, tidy,  a refresh has ended
                    finder
    reopened        way → uploader              the way to the service is open again

Never   starts a thread, opens a socket, or asks the service: that is mount.py's, in its order.
"""

import contextlib
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.daemon.bell import Bell
from anthrofs.daemon.drain import Drain
from anthrofs.daemon.folder_list import FolderList
from anthrofs.daemon.folder_sums import FolderSums
from anthrofs.daemon.holdings import Holdings
from anthrofs.daemon.last_closes import LastCloses
from anthrofs.daemon.left import Left
from anthrofs.daemon.local import Local
from anthrofs.daemon.notify import Notify
from anthrofs.daemon.recovery import forget_cut, recover
from anthrofs.daemon.report import Report
from anthrofs.daemon.requests import Requests
from anthrofs.daemon.sharing import NOT_SHARED
from anthrofs.daemon.user_decisions import UserDecisions
from anthrofs.daemon.watch_requests import WatchRequests
from anthrofs.download.readahead import Readahead
from anthrofs.download.reader import Reader
from anthrofs.download.whole_files import EditCopies, SealedCopies
from anthrofs.errors import FsError
from anthrofs.fs.attributes import Attributes
from anthrofs.fs.contents import Contents
from anthrofs.fs.filesystem import FileSystem
from anthrofs.fs.kernel_cache import PageCache, Surprises
from anthrofs.fs.links import Links
from anthrofs.fs.open_files import OpenFiles
from anthrofs.fs.paths import Paths
from anthrofs.fs.renames import Renames
from anthrofs.model import FileId, Node
from anthrofs.remote.api import RemoteFiles
from anthrofs.remote.guarded import Guarded, Taught
from anthrofs.remote.pace import Pacer, Priority
from anthrofs.remote.paced import Paced
from anthrofs.remote.prober import Prober
from anthrofs.remote.retry import Retrying
from anthrofs.remote.way import Way
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from anthrofs.store.neighbours import Neighbours
from anthrofs.store.staging import Staging
from anthrofs.store.state_guard import StateGuard
from anthrofs.sync.expirer import Expirer
from anthrofs.sync.lessons import Lessons
from anthrofs.sync.listings import Listings, OwnPages
from anthrofs.sync.merge import Merge
from anthrofs.sync.news import News
from anthrofs.sync.refresher import Refresher
from anthrofs.sync.sweeper import Sweeper
from anthrofs.tree.arrivals import NOBODY, Arrivals, Told
from anthrofs.tree.claims import ALONE, Claims
from anthrofs.tree.database import Database
from anthrofs.tree.hidden_nodes import HiddenNodes
from anthrofs.tree.kept_copies import KeptCopies
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from anthrofs.upload.close_waits import CloseWaits
from anthrofs.upload.deletion import Deletion
from anthrofs.upload.delivery import Delivery
from anthrofs.upload.inquiries import Inquiries
from anthrofs.upload.permission import Permission
from anthrofs.upload.progress import Progress
from anthrofs.upload.restaging import Restaging
from anthrofs.upload.schedule import Schedule
from anthrofs.upload.uploader import Uploader

if TYPE_CHECKING:
    from anthrofs.daemon.build_board import BoardParts
    from anthrofs.daemon.build_fleet import FleetParts


class FilesApi(RemoteFiles, Protocol):
    """The Files API as the parts are built on it: HttpFiles, or a test's."""

    def requests(self) -> int:
        """Counts the requests that were made so far."""

    def has_session(self, session_id: str) -> bool:
        """Asks whether there is such an agent session. Raises RemoteError."""


@dataclass(frozen=True, slots=True)
class World:
    """The world around a mount: time, chance, a disk, and the service behind a pace."""

    clock: Clock
    chance: random.Random
    disk: Disk
    service: FilesApi
    pacer: Pacer
    notify: Notify
    tidy: Callable[[], None] = lambda: None     # the process after itself, now and then
    binding: str = ""           # what carries the kernel's requests, for the report
    libfuse: str = ""           # its version


@dataclass(frozen=True, slots=True)
class Sending:
    """The parts that send and delete, of those that others have to do with."""

    permission: Permission
    schedule: Schedule
    progress: Progress
    hidden: HiddenNodes
    uploader: Uploader


@dataclass(frozen=True, slots=True)
class Serving:
    """The parts that answer the kernel."""

    paths: Paths
    pages: PageCache
    contents: Contents
    attributes: Attributes
    files: OpenFiles
    filesystem: FileSystem
    renames: Renames
    links: Links


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that a mount starts, serves with, and stops."""

    world: World
    local: Local
    stopping: threading.Event       # set once, when the mount ends
    way: Way
    prober: Prober
    expirer: Expirer
    refresher: Refresher
    sweeper: Sweeper
    reader: Reader
    uploader: Uploader
    hidden: HiddenNodes
    serving: Serving
    drain: Drain
    requests: Requests
    watched: WatchRequests
    fleet: "FleetParts | None"      # None: this mount is for itself


def build(config: Config, world: World) -> Parts:
    """Returns the parts of one mount, at rest. Raises SetupError when the state can't be used."""
    clock, expiries = world.clock, Bell[int]()
    local = _local(config, world, expiries.ring)
    fleet = _fleet(config, world, local, lambda: remote(Priority.REFRESH))
    claims, shared = (ALONE, NOT_SHARED) if fleet is None else (fleet.claims(local.db), fleet.shared)
    stopping, way = threading.Event(), Way(clock)
    prober = Prober(way, Paced(Taught(world.service, way, probe=True), world.pacer, Priority.READ), clock)
    remote = _remotes(world, way, stopping, fleet)
    decided, recognized, strange, refreshed = Bell[[]](), Bell[[]](), Bell[[]](), Bell[[]]()
    expirer = Expirer(local.db, local.mirror, local.cache, local.handles, clock, world.service.clock)
    merge = Merge(local.db, local.mirror, local.handles, clock, decided.ring, claims)
    board = None if fleet is None else fleet.board
    listings, sweeps = _listings(board, remote, merge, stopping)
    news = News(local.db, local.mirror, merge, listings, clock, config, recognized.ring, strange.ring)
    refresher = Refresher(news, clock, config, refreshed.ring, listings.pause_s)
    sweeper = Sweeper(local.db, merge, sweeps, clock, config, refresher.fresh)
    lessons = Lessons(local.db, local.mirror, local.surprises, merge, expirer, refresher.hasten, shared.closed)
    reader = Reader(local.cache, remote(Priority.READ), clock, config.timeouts.stall_s, lessons.delivered, lessons.gone,
                    world.pacer.spare, _name_of(local.db), shared.fetched, shared.grain)
    sending = send_with(config, world, local, way, remote, refresher.ask, claims, shared.arrived,
                        NOBODY if board is None else board.told())
    uploader = sending.uploader

    expiries.listen(expirer.expects)
    decided.listen(uploader.wake)
    recognized.listen(uploader.allow)
    if fleet is not None:
        recognized.listen(fleet.join)
        refreshed.listen(fleet.refreshed)
        fleet.hear(news.told, sweeper.join)
    strange.listen(sending.permission.withdraw)
    refreshed.listen(sweeper.wake)
    refreshed.listen(world.tidy)
    way.listen(uploader.reopened)

    serving = _serve_with(config, world, local, reader, refresher, lessons, sending)
    paths, attributes = serving.paths, serving.attributes
    left = Left(local.db, local.handles, attributes, sending.progress, world.pacer.waiting, shared, way)
    report = Report(config, local.db, local.cache, local.kept_copies, reader, refresher, local.guard, way, left,
                    lambda: {"requests": world.service.requests(), "binding": world.binding, "libfuse": world.libfuse,
                             "fleet": None if fleet is None else fleet.picture.status()})
    last_closes = LastCloses(local.db, local.staging, local.handles, serving.contents, uploader)
    drain = Drain(clock, stopping, last_closes, uploader, way, left, shared, local.guard, world.notify,
                  read_only=config.read_only)
    decisions = UserDecisions(clock, local.db, local.mirror, paths, local.handles, serving.pages, local.surprises,
                              uploader)
    holdings = Holdings(local.db, paths, local.cache, local.kept_copies, local.handles, reader, clock)
    folders = FolderList(local.db, paths, local.handles, attributes)
    requests = Requests(config.drain_s, clock, decisions, holdings, uploader, refresher, report, folders, drain,
                        way.await_turn)
    return Parts(world, local, stopping, way, prober, expirer, refresher, sweeper, reader, uploader, sending.hidden,
                 serving, drain, requests, WatchRequests(world.pacer, FolderSums(local.db, local.cache)), fleet)


def _serve_with(config: Config, world: World, local: Local, reader: Reader, refresher: Refresher, lessons: Lessons,
                sending: Sending) -> Serving:
    clock, uploader = world.clock, sending.uploader
    contents = Contents(local.db, local.staging, local.cache, local.handles, reader,
                        EditCopies(local.staging, local.cache, reader), clock, config)
    paths, pages = Paths(config, local.db), PageCache()
    attributes = Attributes(config, clock, local.db, paths, local.handles, uploader, local.cache.neighbours.has)
    files = OpenFiles(config, local.db, paths, local.handles, contents, pages, local.surprises,
                      Readahead(clock, local.db.nodes.following, _early(reader)), uploader, lessons)
    renames = Renames(clock, local.db, paths, local.handles, pages, local.surprises, contents, sending.hidden, uploader)
    links = Links(config, clock, local.db, paths, local.staging, local.handles, contents, renames, uploader)
    filesystem = FileSystem(config, clock, local.db, paths, local.handles, refresher, local.surprises, renames)
    return Serving(paths, pages, contents, attributes, files, filesystem, renames, links)


def _remotes(world: World, way: Way, stopping: threading.Event,
             fleet: "FleetParts | None") -> Callable[[Priority], RemoteFiles]:
    def remote(priority: Priority) -> RemoteFiles:
        # Retry is outside pace so that every try, not only the first, counts.
        alone = Retrying(Guarded(Paced(Taught(world.service, way), world.pacer, priority), way), world.clock, stopping,
                         world.chance)
        return alone if fleet is None else fleet.files(alone)
    return remote


def _listings(board: "BoardParts | None", remote: Callable[[Priority], RemoteFiles], merge: Merge,
              stopping: threading.Event) -> tuple[Listings, Listings]:
    """Returns the pages for what is new, and those for what is gone."""
    news, sweeps = remote(Priority.REFRESH), remote(Priority.SWEEP)
    if board is None:
        return OwnPages(news), OwnPages(sweeps)
    return board.listings(news, sweeps, merge.merged.admits, stopping)


def send_with(config: Config, world: World, local: Local, way: Way, remote: Callable[[Priority], RemoteFiles],
              ask: Callable[[], None], claims: Claims = ALONE, arrived: Callable[[], None] = lambda: None,
              told: Told = NOBODY) -> Sending:
    """Returns the parts that send and delete. `ask` asks for a refresh, without waiting; `arrived` is told that the
    service has got something.
    """
    clock, chance = world.clock, world.chance
    uploads, rest = remote(Priority.CLOSE if config.upload == "wait" else Priority.QUEUED), remote(Priority.DELETE)
    permission, progress, hidden = Permission(clock, ask), Progress(), HiddenNodes(local.db, local.handles, clock)
    schedule = Schedule(local.db, local.handles, way, permission, clock, holds_new=config.upload == "queue")
    waits = CloseWaits(local.db, clock, schedule, progress, way, config.close_timeout_s)
    copies = SealedCopies(local.staging, local.cache, rest, clock)
    restaging = Restaging(local.db, local.mirror, local.staging, copies)
    heard = Bell[[]]()
    heard.listen(waits.wake)
    heard.listen(arrived)
    arrivals = Arrivals(local.db, local.mirror, local.staging, local.cache, local.kept_copies, heard.ring,
                        told, shares=config.shares_uploads)
    inquiries = Inquiries(rest, clock, chance, claims)
    delivery = Delivery(local.db, local.mirror, local.staging, uploads, inquiries, arrivals,
                        restaging, progress, clock, chance)
    deletion = Deletion(local.db, local.mirror, local.cache, local.handles, rest, clock, chance, ask, told)
    uploader = Uploader(clock, local.guard, schedule, waits, progress, permission, hidden, delivery, restaging,
                        deletion)
    return Sending(permission, schedule, progress, hidden, uploader)


def _local(config: Config, world: World, expires: Callable[[int], None]) -> Local:
    guard, handles = StateGuard(), OpenTable()
    staging = Staging(config.state_dir / "staging", world.disk, config.spare_bytes, config.staging_bytes, guard)
    db = Database(config.state_dir / "state.db", guard, world.clock, staging.remove)
    surprises = Surprises(world.clock, config.refresh_s)
    mirror = Mirror(surprises, config.layout, expires, handles.owe)
    cache = BlockCache(config.state_dir, world.disk, config.cache_bytes, config.spare_bytes,
                       Neighbours(config.state_dir, world.clock))
    kept_copies = KeptCopies(db, cache, handles, world.disk, config.state_dir, config.keep_bytes, config.spare_bytes)
    return Local(guard, staging, db, mirror, cache, kept_copies, handles, surprises)


def _fleet(config: Config, world: World, local: Local, service: Callable[[], RemoteFiles]) -> "FleetParts | None":
    if config.fleet is None:
        return None
    # A mount for itself needs none of its libraries.
    from anthrofs.daemon.build_fleet import build_fleet  # noqa: PLC0415

    fleet = build_fleet(config, config.fleet, local, world.clock, world.service.workspace, world.service.requests,
                        service)
    if fleet.board is not None:
        world.pacer.share(fleet.board.budget)
    return fleet


def _name_of(db: Database) -> Callable[[FileId], str]:
    def name_of(file_id: FileId) -> str:
        with contextlib.suppress(FsError):
            return db.nodes.paths_of([file_id]).get(file_id, "a file")
        return "a file"
    return name_of


def _early(reader: Reader) -> Callable[[Node], bool]:
    return lambda node: node.remote is None or reader.early(node.remote, node.size_bytes, exact=node.exact)


def begin(parts: Parts) -> None:
    """Brings what is on this machine back to what can be served. Raises FsError, OSError."""
    local = parts.local
    with local.db.transaction() as tx:
        tx.shares.begin(None if parts.fleet is None else parts.fleet.place())
        if parts.fleet is not None and tx.shares.any():
            parts.fleet.expect_store()
    local.cache.start()
    forget_cut(local.db, local.mirror, local.cache)
    recover(local.db, local.mirror, local.staging, parts.serving.paths)
    local.kept_copies.start()


def stop(parts: Parts, timeout_s: float) -> bool:
    """Ends the threads, each within that time. False: one hangs in a request, and is left to the process's end."""
    fleet = () if parts.fleet is None else (parts.fleet,)
    # First: the reader's threads wait for them.
    reads = [each.store.reads for each in fleet if each.store is not None]
    threads = (*reads, parts.prober, parts.uploader, parts.sweeper, parts.refresher, parts.expirer, parts.reader,
               *fleet)
    ended = [each.stop(timeout_s) for each in threads]      # all of them, whatever the first says
    return all(ended)
