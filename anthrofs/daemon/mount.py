"""One mount's life: starts the parts in order, serves, drains, stops them in reverse order.

Owns    the state's lock, the connections to the service, the control socket; build.py makes the parts.
Trusts  nobody to stop in time: every step of the end has a bound, and what is left is named and goes on after the next
        mount.
"""

import contextlib
import faulthandler
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
from anthrofs.daemon.build import World, begin, build, stop
from anthrofs.daemon.control import Control
from anthrofs.daemon.greeting import greet, see_session
from anthrofs.daemon.heap import Heap
from anthrofs.daemon.live_check import LiveCheck
from anthrofs.daemon.log_bound import listed
from anthrofs.daemon.messenger import Messenger
from anthrofs.daemon.notify import Notify, watchdog_s
from anthrofs.daemon.watchdog import Watchdog
from anthrofs.desktop.notifications import Notifications
from anthrofs.desktop.session_bus import SessionBus, address_of
from anthrofs.errors import EXIT_FAILED, EXIT_LEFT, FsError, SetupError
from anthrofs.fuse import binding, mountpoint
from anthrofs.fuse.operations import Operations
from anthrofs.remote.budget import Moments
from anthrofs.remote.holders import holder_of
from anthrofs.remote.http import HttpFiles, connect
from anthrofs.remote.pace import Pacer
from anthrofs.store.disk import Disk
from anthrofs.store.state_dir import StateDir, usable
from anthrofs.tree.hidden_nodes import SETTLE_S

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
        self._library = binding.load(config.binding)
        self._notify = Notify(os.environ.get("NOTIFY_SOCKET"))
        self._state = StateDir(config.state_dir, str(config.mountpoint))
        clock = Clock()
        self._client = connect(config.service, config.timeouts)
        self._pacer = Pacer(config.requests_per_minute, clock, Moments(config.state_dir / "requests"))
        self._http = HttpFiles(self._client, clock, config.timeouts.first_s, config.service.scope_id,
                               holder_of(config.service, self._client, clock),
                               config.timeouts.answer_s, self._pacer.sent)
        chance = random.Random()            # noqa: S311 - jitter, not a secret
        self._parts = parts = build(config, World(
            clock, chance, Disk(), self._http, self._pacer, self._notify, Heap(clock).trim, self._library.NAME,
            self._library.VERSION))
        self._messenger = self._messenger_of(config, clock)
        self._watchdog: Watchdog | None = None
        if (every_s := watchdog_s(os.environ)) is not None:
            faulthandler.enable()           # a manager that has waited in vain sends SIGABRT: where everybody stood
            self._watchdog = Watchdog(config.mountpoint, every_s, self._notify, clock)
        serving = parts.serving
        self._operations = Operations(serving.filesystem, serving.renames, serving.links, serving.files,
                                      serving.attributes, config, self._library, self._started)
        with usable(config.state_dir):
            self._control = Control(config.state_dir, {
                **parts.requests.table, **parts.watched.table, "where": self._on_where,
                **LiveCheck(parts.local, config.state_dir).table, **(
                {} if parts.fleet is None else parts.fleet.requests.table)})

        # One reads the key, and the next one waits for that: more would read the same.
        self._readings = threading.BoundedSemaphore(2)
        self._drain_s = config.drain_s      # the signal's thread shortens it; read when the end begins
        # the first look at the service is over; the kernel has the mount
        self._serving, self._mounted = threading.Event(), threading.Event()
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
            begin(self._parts)
            self._greet()
        self._serving.set()
        if self._parts.stopping.is_set():
            raise SetupError(ENDED, EXIT_FAILED)
        self._parts.expirer.start()
        try:
            binding.serve(self._library, self._operations, self._config)
        except SetupError:
            if not self._mounted.is_set():
                raise
            # A worker that is just taking a request while the kernel ends the connection is told ECONNABORTED instead
            # of ENODEV (fuse_dev_do_read), which libfuse takes for an error: an unmount is one all the same.
            if mountpoint.is_mounted(self._config.mountpoint):
                log.warning("libfuse ended with an error; what is queued is sent all the same")
        finally:
            self._ended.set()
        return self._end()

    # ---- the beginning

    def _messenger_of(self, config: Config, clock: Clock) -> Messenger | None:
        """Returns None where there is no desktop, nobody wants to be told there, or nothing is ever sent."""
        address = address_of(os.environ) if config.notify and not config.read_only else None
        if address is None:
            return None
        one = Messenger(self._parts.local.db, clock, Notifications(SessionBus(address)), config.mountpoint)
        self._parts.uploader.hear(one.wake)
        return one

    def _greet(self) -> None:
        self._parts.prober.start()
        fleet = self._parts.fleet
        if fleet is not None:
            fleet.begin()
        greet(self._config, self._parts.local.db, self._parts.refresher, lambda count: self._tell({"progress": count}))
        see_session(self._config.service, self._parts.local.db, self._http)
        if fleet is not None:
            fleet.see()

    def _started(self) -> None:
        """The kernel has the mount."""
        self._device = mountpoint.device_of(self._config.mountpoint)
        self._mounted.set()
        if self._messenger is not None:
            self._messenger.start()
        if not self._config.read_only:
            self._parts.uploader.start()
        self._parts.sweeper.start()
        if self._parts.fleet is not None:
            self._parts.fleet.start()
        self._control.start()
        files = self._parts.local.db.nodes.totals()[0]
        log.info("mounted on %s: %d files", self._config.mountpoint, files)
        self._notify.ready(f"{files} files on {self._config.mountpoint}")
        if self._watchdog is not None:
            self._watchdog.start()
        self._tell({"ready": True})

    def _on_where(self, _request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """`place`: None, it was detached or unmounted, and this process still has something to do."""
        place = mountpoint.place_of(self._device)
        yield {"place": None if place is None else str(place), "device": self._device, "pid": os.getpid(),
               "mountpoint": str(self._config.mountpoint), "ending": self._ended.is_set()}

    # ---- the end

    def _await_signal(self) -> None:
        """The first one unmounts and drains, within a shorter bound; the next one ends the draining, too. A SIGHUP that
        isn't a terminal's is no end: somebody has put another key where the mount's came from.
        """
        ends = process.SIGNALS if process.has_terminal() else process.SIGNALS - {signal.SIGHUP}
        for bound_s in (TERM_DRAIN_S, 0.0):
            while (number := signal.sigwait(process.SIGNALS)) not in ends:
                log.info("got SIGHUP")
                if self._readings.acquire(blocking=False):
                    threading.Thread(target=self._read_key_again, name="key", daemon=True).start()
            log.info("got %s", signal.Signals(number).name)
            self._drain_s = min(self._drain_s, bound_s)
            if not self._serving.is_set():          # still listing: nothing is mounted
                self._parts.stopping.set()
                self._parts.way.stop()
                self._pacer.stop()
                if not self._serving.wait(STEP_S):
                    self._leave()
            elif not self._ended.is_set():
                threading.Thread(target=self._unmount, name="unmount", daemon=True).start()

    def _read_key_again(self) -> None:
        try:
            if not self._http.read_key_again():
                log.warning("the credentials of this mount can't be read again: mount again for others")
            self._parts.way.hurry()             # a way that a key has closed may be open now
        finally:
            self._readings.release()

    def _leave(self) -> None:
        """The first look hangs in a request, and nothing is mounted, nor can be lost."""
        log.warning(ENDED)
        self._tell({"error": ENDED, "code": EXIT_FAILED})
        logging.shutdown()
        os._exit(EXIT_FAILED)

    def _unmount(self) -> None:
        self._mounted.wait(DETACH_S)        # it is just being mounted
        # else it was detached before: another mount may be there by now
        if (place := mountpoint.place_of(self._device)) is not None:
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
        parts = self._parts
        with contextlib.suppress(FsError):          # our own disk: the drain will say so
            # no second step of a replacement can come any more
            self._parts.hidden.settle(SETTLE_S if in_use else 0.0)
        self._notify.stopping("draining", self._drain_s + 4 * STEP_S)
        if self._parts.requests.was_drained():
            self._drain_s = min(self._drain_s, 1.0)
        *_, left = parts.drain.run(lambda: self._drain_s)
        parts.stopping.set()
        self._pacer.stop()
        lost = parts.local.guard.lost()
        stopped = stop(parts, STEP_S)
        if self._messenger is not None:
            stopped = self._messenger.stop(STEP_S) and stopped
        if self._watchdog is not None:
            self._watchdog.stop(STEP_S)
        self._control.stop()
        if stopped and not in_use:
            self._client.close()
            self._pacer.close()
            parts.local.db.close()
            self._state.close()
        names = [entry["path"] for entry in left["waiting"] + left["failed"]]
        unshared = [entry["path"] for entry in left["unshared"]]
        if names:
            log.warning("not on the server yet, %s: %s", lost or "kept for the next mount", listed(names))
        if unshared:
            log.warning("on the server, and not in the fleet's store yet, so this machine's copy is the only readable "
                        "one (the next mount goes on with it): %s", listed(unshared))
        written = [entry["name"] for entry in left["open"] if entry["state"] == "being written"] if in_use else []
        if written:
            log.warning("still being written by programs that have it open, so nothing behind its last fsync is "
                        "promised (the next mount finds what there is in %s): %s", self._config.state_dir / "staging",
                        listed(written))
        log.info("ended")
        return EXIT_LEFT if names or unshared or written else 0


def tell_on(descriptor: int | None) -> Tell:
    """Lines of JSON for the command that started this process and waits; nothing without one."""
    def tell(what: Mapping[str, Any]) -> None:
        if descriptor is not None:
            with contextlib.suppress(OSError):      # it may have gone; the mount doesn't need it
                os.write(descriptor, json.dumps(what).encode() + b"\n")
    return tell
