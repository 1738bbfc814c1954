"""Requests: what the command line asks of a running mount; control.py carries them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from anthrofs.clock import Clock
from anthrofs.daemon.drain import Drain
from anthrofs.daemon.folder_list import FolderList
from anthrofs.daemon.holdings import Holdings
from anthrofs.daemon.report import Report
from anthrofs.daemon.user_decisions import UserDecisions
from anthrofs.errors import Closed, FsError, NotFound
from anthrofs.sync.refresher import Refresher
from anthrofs.upload.uploader import Uploader

CLOSED_TRIES: Final = 2     # a probe that is under way when a person asks may have begun before what it is about has
                            # passed
LONGEST_S: Final = 10.0**9  # of any wait: threads take no longer one
DRAINED_S: Final = 30.0     # an unmount that follows its drain that soon doesn't drain as long again


class Requests:
    """Answers each with one JSON object or more."""

    def __init__(self, drain_s: float, clock: Clock, decisions: UserDecisions, holdings: Holdings, uploader: Uploader,
                 refresher: Refresher, report: Report, folders: FolderList, drain: Drain,
                 await_turn: Callable[[], None]) -> None:
        self._drain_s = drain_s         # constant: the longest that a drain waits, unless it is asked otherwise
        self._clock = clock             # given
        self._decisions = decisions     # given
        self._holdings = holdings       # given
        self._uploader = uploader       # given
        self._refresher = refresher     # given
        self._report = report           # given
        self._folders = folders         # given
        self._drain = drain             # given
        self._await_turn = await_turn   # given: returns when the service may be asked again

        self._drained_s = float("-inf")     # when an unmount's drain had ended
        self.table = {"status": self._on_status, "drain": self._on_drain, "retry": self._on_retry,
                      "discard": self._on_discard, "push": self._on_push, "free": self._on_free,
                      "last_copies": self._on_last_copies,
                      "fetch": self._on_fetch, "paths": self._on_paths, "ls": self._on_ls, "log": self._on_log,
                      "refresh": self._on_refresh, "hurry": self._on_hurry}

    def was_drained(self) -> bool:
        """An unmount has waited a moment ago."""
        return self._clock.now_s() - self._drained_s < DRAINED_S

    def _on_status(self, _request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield self._report.status()

    def _on_drain(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """`last`: an unmount follows, which then doesn't wait that long again."""
        self._uploader.retry_now()
        timeout_s = _seconds(request, self._drain_s)
        yield from self._drain.run(lambda: timeout_s)
        if request.get("last"):
            self._drained_s = self._clock.now_s()

    def _on_retry(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        sent, lacking = self._decisions.retry(_path(request), as_is=bool(request.get("as_is")))
        yield {"paths": sent, "lacking": lacking}

    def _on_discard(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"now": self._decisions.discard(_path(request))}

    def _on_push(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"paths": self._decisions.push(_path(request))}

    def _on_free(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield self._holdings.free(_path(request))

    def _on_last_copies(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"count": self._holdings.last_copies(_path(request))}

    def _on_fetch(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield from self._holdings.fetch(_path(request))

    def _on_paths(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        paths = self._folders.paths_of(ids := _ids(request))
        yield {"paths": paths, "past": self._folders.past_of(each for each in ids if each not in paths)}

    def _on_log(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield self._folders.log(_path(request))

    def _on_ls(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        recursive = bool(request.get("recursive"))
        for some in self._folders.entries(_path(request), recursive=recursive):
            yield {"entries": some, "recursive": recursive}

    def _on_hurry(self, _request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Somebody waits for an id: nothing is held off; why it may wait all the same."""
        self._uploader.hurry()
        yield self._report.reasons()

    def _on_refresh(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for _ in range(CLOSED_TRIES):
            self._await_turn()
            error = self._refresher.refresh(_seconds(request, 60.0), accept=bool(request.get("accept")))
            if not isinstance(error, Closed):
                break
        if error is not None:
            raise error
        yield {"files": self._report.files()}


def _path(request: Mapping[str, Any]) -> str:
    """Raises NotFound for what no name can be."""
    path = request.get("path")
    if not isinstance(path, str):
        raise FsError("the request names no path")
    if "\0" in path or not _is_text(path):
        raise NotFound(f"{path!a}: there is no such file")
    return path


def _ids(request: Mapping[str, Any]) -> list[str]:
    """Nobody has the others."""
    found = request.get("file_ids")
    return [each for each in found if isinstance(each, str) and _is_text(each)] if isinstance(found, list) else []


def _seconds(request: Mapping[str, Any], otherwise: float) -> float:
    found = request.get("timeout_s", otherwise)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not found >= 0:        # NaN isn't, either
        raise FsError("the request names no time")
    return float(min(found, LONGEST_S))


def _is_text(text: str) -> bool:
    """Not half of a surrogate pair, which JSON can spell."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
