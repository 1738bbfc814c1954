"""What the command line asks of a running mount; control.py carries it.

"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.daemon.drain import Drain
from anthrofs.daemon.holdings import Holdings
from anthrofs.daemon.report import Report
from anthrofs.daemon.user_decisions import Decisions
from anthrofs.errors import Closed, NotFound
from anthrofs.model import FileId
from anthrofs.sync.refresher import Refresher
from anthrofs.tree.database import Database
from anthrofs.upload.uploader import Uploader

CLOSED_TRIES: Final = 2     # a probe that is under way when a person asks may have begun before what it is about has passed
DRAINED_S: Final = 30.0     # an unmount that follows its drain that soon doesn't drain as long again


class Commands:
    """Each answers with one JSON object or more."""

    def __init__(self, config: Config, clock: Clock, db: Database, decisions: Decisions, holdings: Holdings, uploader: Uploader, refresher: Refresher,
                 report: Report, drain: Drain, requests: Callable[[], int], hurry: Callable[[], None]) -> None:
        self._config = config           # given
        self._db = db                       # given
        self._clock = clock             # given
        self._decisions = decisions     # given
        self._holdings = holdings       # given
        self._uploader = uploader       # given
        self._refresher = refresher     # given
        self._report = report           # given
        self._drain = drain             # given
        self._requests = requests       # given: how many were sent
        self._hurry = hurry             # given: finds out at once whether the service can be asked again

        self._drained_s = float("-inf")     # when an unmount's drain had ended
        self.table = {"status": self._on_status, "drain": self._on_drain, "retry": self._on_retry, "discard": self._on_discard,
                      "push": self._on_push, "free": self._on_free, "fetch": self._on_fetch, "paths": self._on_paths, "ls": self._on_ls,
                      "refresh": self._on_refresh, "hurry": self._on_hurry}

    def was_drained(self) -> bool:
        """An unmount has waited a moment ago."""
        return self._clock.now_s() - self._drained_s < DRAINED_S

    def _on_status(self, _request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        config = self._config
        yield {"mountpoint": str(config.mountpoint), "pid": os.getpid(), "state_dir": str(config.state_dir),
               "service": config.service.base_url, "api": config.service.shape, "upload": config.upload,
               "read_only": config.read_only, "requests": self._requests(), **self._report.status()}

    def _on_drain(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """`last`: an unmount follows, which then doesn't wait that long again."""
        self._uploader.retry_now()
        timeout_s = float(request.get("timeout_s", self._config.drain_s))
        yield from self._drain.run(lambda: timeout_s)
        if request.get("last"):
            self._drained_s = self._clock.now_s()

    def _on_retry(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        sent, lacking = self._decisions.retry(str(request["path"]), as_is=bool(request.get("as_is")))
        yield {"paths": sent, "lacking": lacking}

    def _on_discard(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"now": self._decisions.discard(str(request["path"]))}

    def _on_push(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"paths": self._decisions.push(str(request["path"]))}

    def _on_free(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield self._holdings.free(str(request["path"]))

    def _on_fetch(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield from self._holdings.fetch(str(request["path"]))

    def _on_paths(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        found: dict[str, str] = {}
        for file_id in request["file_ids"]:
            with contextlib.suppress(NotFound):
                found[file_id] = self._db.nodes.path(self._db.nodes.holder(FileId(file_id)))
        yield {"paths": found}

    def _on_ls(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for some in self._report.entries(str(request["path"])):
            yield {"entries": some}

    def _on_hurry(self, _request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Somebody waits for an id: nothing is held off."""
        self._uploader.hurry()
        yield {}

    def _on_refresh(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for _ in range(CLOSED_TRIES):
            self._hurry()
            error = self._refresher.refresh(float(request.get("timeout_s", 60)), accept=bool(request.get("accept")))
            if not isinstance(error, Closed):
                break
        if error is not None:
            raise error
        yield {"files": self._db.nodes.totals()[0]}
