"""One mount's life: builds the parts, starts them in order, serves, drains, stops them in reverse order.

Owns    every part and thread of a mount. The only place with constructors.
Trusts  nobody to stop in time: every step of the end has a bound, and what is left is named and goes on after the next mount.
"""

import contextlib
import json
import logging
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.daemon import process
from anthrofs.daemon.control import Control
from anthrofs.daemon.drain import Drain
from anthrofs.daemon.greeting import greet, see_session
from anthrofs.daemon.holdings import Holdings
from anthrofs.daemon.notify import Notify
from anthrofs.daemon.recovery import forget_cut, recover
from anthrofs.daemon.report import Report
from anthrofs.daemon.requests import Commands
from anthrofs.daemon.user_decisions import Decisions
from anthrofs.download.readahead import Walks
from anthrofs.download.reader import Reader
from anthrofs.errors import EXIT_FAILED, EXIT_LEFT, FsError, SetupError, StateLost
from anthrofs.fs.attributes import Attributes
from anthrofs.fs.contents import Contents
from anthrofs.fs.filesystem import FileSystem
from anthrofs.fs.links import Links
from anthrofs.fs.open_files import OpenFiles
from anthrofs.fs.pages import Pages
from anthrofs.fs.paths import Tree
from anthrofs.fs.renames import Moves
from anthrofs.fs.surprises import Surprises
from anthrofs.fuse import mountpoint
from anthrofs.fuse.operations import Operations, serve
from anthrofs.model import BY_ID, FileId, Node
from anthrofs.remote.api import RemoteFiles
from anthrofs.remote.budget import Moments
from anthrofs.remote.guarded import Guarded, Taught
from anthrofs.remote.http import HttpFiles, connect, login_of
from anthrofs.remote.pace import Paced, Pacer, Priority
from anthrofs.remote.prober import Prober
from anthrofs.remote.retry import Retrying
from anthrofs.remote.way import Way
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from anthrofs.store.staging import Staging
from anthrofs.store.state_dir import StateDir, usable
from anthrofs.store.state_guard import Presence
from anthrofs.sync.expirer import Expirer
from anthrofs.sync.listing import Listings
from anthrofs.sync.refresher import Refresher
from anthrofs.sync.sweeper import Sweeper
from anthrofs.tree.database import Database
from anthrofs.tree.kept_copies import Keeping
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import Content, Handles
from anthrofs.upload.uploader import SETTLE_S, Uploader

log = logging.getLogger(__name__)

TERM_DRAIN_S: Final = 60.0  # of a SIGTERM; an unmount has config.drain_s
DETACH_S: Final = 5.0       # after a lazy unmount: for the last user to leave
STEP_S: Final = 5.0         # for each part to stop
ENDED: Final = "Ended by a signal before the mount was ready."

Tell = Callable[[Mapping[str, Any]], None]


class Mount:
    """Built, then run once."""

    def __init__(self, config: Config, tell: Tell) -> None:
        """Raises SetupError. `tell` gets {"progress": files}, then {"ready": true}."""
        self._config = config               # given
        self._tell = tell                   # given
        self._clock = clock = Clock()
        self._notify = Notify(os.environ.get("NOTIFY_SOCKET"))
        chance = random.Random()            # noqa: S311 - jitter, not a secret

        self._state = StateDir(config.state_dir, str(config.mountpoint))
        self._presence = presence = Presence()
        disk, self._handles = Disk(), Handles()
        self._staging = Staging(config.state_dir / "staging", disk, config.spare_bytes, config.staging_bytes, presence)
        self._db = Database(config.state_dir / "state.db", presence, clock, self._staging.remove)
        self._surprises = surprises = Surprises(clock, config.refresh_s)
        self._mirror = Mirror(surprises, config.layout, self._expects, self._handles.owe)
        self._cache = BlockCache(config.state_dir, disk, config.cache_bytes, config.spare_bytes)
        self._keeping = Keeping(self._db, self._cache, self._handles, disk, config.state_dir, config.keep_bytes, config.spare_bytes)

        self._client = connect(config.service, config.timeouts)
        self._pacer = Pacer(config.requests_per_minute, clock, Moments(config.state_dir / "requests"))
        self._http = HttpFiles(self._client, clock, config.timeouts.first_s, config.service.scope_id, login_of(config.service, self._client, clock),
                               config.timeouts.answer_s, self._pacer.sent)
        self._expirer = Expirer(self._db, self._mirror, self._cache, self._handles, clock, self._http.clock)
        self._stopping, self._way = threading.Event(), Way(clock)
        self._prober = Prober(self._way, Paced(Taught(self._http, self._way, probe=True), self._pacer, Priority.READ), clock)

        def remote(priority: Priority) -> RemoteFiles:
            # Retry is outside pace so that every try, not only the first, counts.
            return Retrying(Guarded(Paced(Taught(self._http, self._way), self._pacer, priority), self._way), clock, self._stopping, chance)

        self._reader = Reader(self._cache, remote(Priority.READ), clock, config.timeouts.stall_s,
                              self._delivered, self._gone, self._pacer.spare, self._called)
        self._uploader = Uploader(
            self._db, self._mirror, self._staging, self._cache, self._keeping, self._handles,
            remote(Priority.CLOSE if config.upload == "wait" else Priority.QUEUED), remote(Priority.DELETE),
            clock, chance, presence, self._way, self._ask_whose, config.close_timeout_s,
            holds_new=config.upload == "queue")
        self._listings = Listings(self._db, self._mirror, self._handles, clock, self._uploader.wake)
        self._refresher = Refresher(self._db, self._mirror, self._listings, remote(Priority.REFRESH), clock,
                                    config, self._uploader.allow, self._silent, self._refreshed)
        self._sweeper = Sweeper(self._db, self._listings, remote(Priority.SWEEP), clock, config, self._refresher.fresh)
        contents = Contents(self._db, self._staging, self._cache, self._handles, self._reader,
                            clock, config)
        attributes = Attributes(self._db, self._uploader, self._handles, str(config.state_dir.absolute()))
        self._tree, pages = Tree(config, self._db), Pages()
        walks = Walks(clock, self._db.nodes.following, self._early)
        files = OpenFiles(config, clock, self._db, self._tree, self._staging, self._handles, pages, contents, walks,
                          self._reader, self._uploader, surprises, self._left)
        moves = Moves(clock, self._db, self._tree, self._handles, pages, contents)
        links = Links(config, clock, self._db, self._tree, self._staging, self._handles, contents)
        filesystem = FileSystem(config, clock, self._db, self._tree, self._handles, pages,
                                contents, self._uploader, self._refresher, surprises, moves, links)
        report = Report(self._db, self._tree, self._cache, self._keeping, self._handles, attributes,
                        self._reader, self._uploader, self._refresher, presence, self._way, self._pacer.waiting)
        self._operations = Operations(filesystem, self._tree, files, attributes, config, self._started)
        self._drain = Drain(clock, self._stopping, self._db, self._staging, self._handles, contents, self._uploader, self._way,
                            report, presence, self._notify, read_only=config.read_only)
        decisions = Decisions(self._db, self._mirror, self._tree, self._handles, pages, surprises,
                              self._uploader)
        holdings = Holdings(self._db, self._tree, self._cache, self._keeping, self._handles, self._reader, clock)
        self._commands = Commands(config, clock, self._db, decisions, holdings, self._uploader, self._refresher, report, self._drain,
                                  self._http.requests, self._way.hurry)
        with usable(config.state_dir):
            self._control = Control(config.state_dir, self._commands.table)

        self._drain_s = config.drain_s      # the signal's thread shortens it; read when the end begins
        self._serving, self._mounted = threading.Event(), threading.Event()     # the first look at the service is over; the kernel has the mount
        self._device: str | None = None     # the kernel's number of it; set before _mounted
        self._ended = threading.Event()     # FUSE() has returned
        self._ending = threading.Lock()     # taken once, and never given back, by whoever ends the mount

    def run(self) -> int:
        """Serve until unmounted. Returns the exit code. Raises SetupError before anything is mounted."""
        process.prepare()
        for warning in self._config.service.warnings():
            log.warning("%s", warning)
        threading.Thread(target=self._await_signal, name="signals", daemon=True).start()
        with usable(self._config.state_dir):
            self._cache.start()
            forget_cut(self._db, self._mirror, self._cache)
            recover(self._db, self._mirror, self._staging, self._tree)
            self._keeping.start()
            self._greet()
        self._serving.set()
        if self._stopping.is_set():
            raise SetupError(ENDED, EXIT_FAILED)
        self._expirer.start()
        try:
            serve(self._operations, self._config)
        except SetupError:
            if not self._mounted.is_set():
                raise
            # A worker that is just taking a request while the kernel ends the connection is told ECONNABORTED instead of ENODEV
            # (fuse_dev_do_read), which libfuse takes for an error: an unmount is one all the same.
            if mountpoint.is_mounted(self._config.mountpoint):
                log.warning("libfuse ended with an error; what is queued is sent all the same")
        finally:
            self._ended.set()
        return self._end()

    # ---- the beginning

    def _greet(self) -> None:
        self._way.listen(self._uploader.reopened)
        self._prober.start()
        greet(self._config, self._db, self._refresher, lambda count: self._tell({"progress": count}))
        see_session(self._config.service, self._db, self._http)

    def _started(self) -> None:
        """The kernel has the mount."""
        self._device = mountpoint.device_of(self._config.mountpoint)
        self._mounted.set()
        if not self._config.read_only:
            self._uploader.start()
        self._sweeper.start()
        self._control.start()
        files = self._db.nodes.totals()[0]
        log.info("mounted on %s: %d files", self._config.mountpoint, files)
        self._notify.ready(f"{files} files on {self._config.mountpoint}")
        self._tell({"ready": True})

    def _expects(self, moment_ns: int) -> None:
        self._expirer.expects(moment_ns)    # which is built after the mirror

    def _ask_whose(self) -> None:
        self._refresher.ask()       # which is built after the uploader

    def _refreshed(self) -> None:
        self._sweeper.wake()        # which is built after the refresher

    def _silent(self, exc: FsError | SetupError) -> None:
        if isinstance(exc, SetupError):
            self._uploader.forbid()

    def _delivered(self, file_id: FileId, length: int) -> None:
        """A download of what may be longer than listed came to its end."""
        with _reading_goes_on(), self._db.transaction() as tx:
            entry = self._mirror.set_length(tx, file_id, length)
            if entry is not None:
                self._surprises.note(entry)
                self._surprises.note((BY_ID, file_id))

    def _early(self, node: Node) -> bool:
        return node.remote is None or self._reader.early(node.remote, node.size_bytes, exact=node.exact)

    def _called(self, file_id: FileId) -> str:
        with contextlib.suppress(FsError):
            return self._db.nodes.paths_of([file_id]).get(file_id, "a file")
        return "a file"

    def _gone(self, file_id: FileId, expired: bool) -> None:
        with _reading_goes_on():
            if expired:
                self._expirer.gone(file_id)
            elif self._listings.gone(file_id):
                self._refresher.hasten()

    def _left(self, content: Content) -> None:
        """Nobody has it open any more, and others have changed or removed it meanwhile."""
        with _reading_goes_on():
            if content.gone and content.remote is not None:
                self._listings.gone(content.remote.file_id)
        self._refresher.hasten()

    # ---- the end

    def _await_signal(self) -> None:
        """The first one unmounts and drains, within a shorter bound; the next one ends the draining, too."""
        for bound_s in (TERM_DRAIN_S, 0.0):
            number = signal.sigwait(process.SIGNALS)
            log.info("got %s", signal.Signals(number).name)
            self._drain_s = min(self._drain_s, bound_s)
            if not self._serving.is_set():          # still listing: nothing is mounted
                self._stopping.set()
                self._way.stop()
                self._pacer.stop()
                if not self._serving.wait(STEP_S):
                    self._leave()
            elif not self._ended.is_set():
                threading.Thread(target=self._unmount, name="unmount", daemon=True).start()

    def _leave(self) -> None:
        """The first look hangs in a request, and nothing is mounted, nor can be lost."""
        log.warning(ENDED)
        self._tell({"error": ENDED, "code": EXIT_FAILED})
        logging.shutdown()
        os._exit(EXIT_FAILED)

    def _unmount(self) -> None:
        self._mounted.wait(DETACH_S)        # it is just being mounted
        if (place := mountpoint.place_of(self._device)) is not None:        # else it was detached before: another mount may be there by now
            try:
                mountpoint.unmount(place)
            except SetupError as exc:
                if mountpoint.place_of(self._device) is not None:       # somebody else may have done it in this moment
                    log.warning("%s Detaching it.", exc)
                    with contextlib.suppress(SetupError):
                        mountpoint.unmount(place, lazy=True)
        if not self._ended.wait(DETACH_S):
            # Somebody still has a file open; FUSE() returns when they leave, which may be never.
            code = self._end(in_use=True)
            logging.shutdown()
            os._exit(code)

    def _end(self, *, in_use: bool = False) -> int:
        """`in_use`: releases may still come while the process ends, so nothing is closed under them."""
        self._ending.acquire()
        with contextlib.suppress(FsError):          # our own disk: the drain will say so
            self._uploader.end_unlinked(SETTLE_S if in_use else 0.0)        # no second step of a replacement can come any more
        self._notify.stopping("draining", self._drain_s + 4 * STEP_S)
        if self._commands.was_drained():
            self._drain_s = min(self._drain_s, 1.0)
        *_, left = self._drain.run(lambda: self._drain_s)
        self._stopping.set()
        self._pacer.stop()
        lost = self._presence.lost()
        stopped = [each.stop(STEP_S) for each in (self._prober, self._uploader, self._sweeper, self._refresher, self._expirer, self._reader)]
        self._control.stop()
        if all(stopped) and not in_use:
            self._client.close()
            self._pacer.close()
            self._db.close()
            self._state.close()
        names = [entry["path"] for entry in left["waiting"] + left["failed"]]
        if names:
            log.warning("not on the server yet, %s: %s", lost or "kept for the next mount", ", ".join(names))
        written = [entry["name"] for entry in left["open"] if entry["state"] == "being written"] if in_use else []
        if written:
            log.warning("still being written by programs that have it open, so nothing behind its last fsync is promised (the next mount finds "
                        "what there is in %s): %s", self._config.state_dir / "staging", ", ".join(written))
        log.info("ended")
        return EXIT_LEFT if names or written else 0


@contextlib.contextmanager
def _reading_goes_on() -> Iterator[None]:
    """What a download has shown is worth a row, but its reader has the bytes without it."""
    try:
        yield
    except StateLost:
        pass                # that was said
    except FsError as exc:
        log.warning("what a download has shown could not be written down: %s", exc)


def tell_on(descriptor: int | None) -> Tell:
    """Lines of JSON for the command that started this process and waits; nothing without one."""
    def tell(what: Mapping[str, Any]) -> None:
        if descriptor is not None:
            with contextlib.suppress(OSError):      # it may have gone; the mount doesn't need it
                os.write(descriptor, json.dumps(what).encode() + b"\n")
    return tell
