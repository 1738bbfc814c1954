"""How a listing is read, page by page: how far it was read, what follows, and when it repeats itself.

The refresher reads a listing in one go, each next page on its way while the page before is merged. The sweeper reads a
page now and then, and writes down how far it has come.

Owns    a thread for each page ahead; it ends with its request, which has its own bounds.
Trusts  a cursor only while the file that it names is there, and an empty last page only if that file is.
Never   goes on with a listing that brings nothing new, nor asks for a page that isn't wanted in any case.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Final

from anthrofs.errors import BadAnswer, Refused
from anthrofs.model import Cursor, FileId, Page, RemoteFile
from anthrofs.remote.api import RemoteFiles

PAGE_FILES: Final = 1000        # the API's limit
SWEEP_S_PER_PAGE: Final = 6.0   # a full listing's pages cost at most a tenth of the minute's 100 list requests
STALE_PAGES: Final = 3          # in a row, that bring nothing new to a listing: it repeats itself
RESTARTS: Final = 3             # of a listing whose cursor was lost
_KINDS: Final = {               # of a scan's facts, as they are written down
    **dict.fromkeys(("number", "began_ns", "pages", "files", "skipped", "last_ns", "stale_pages"), (int,)),
    "ordered": (bool,), "first_ns": (int, type(None)), "last_id": (str, type(None))}
REPEATS: Final = "the listing repeats itself: what it shows is taken, what it lacks is not"
RESTARTED: Final = "the files that the listing was to go on from were deleted meanwhile, again and again"


@dataclass(frozen=True, slots=True)
class Scan:
    """How far a listing was read. Written down, it can go on after hours and in another mount."""

    number: int                         # of the listing; rows remember the last one that showed them
    began_ns: int = 0                   # server's clock, not after its first request; 0: no page has come yet
    following: Cursor | None = None     # where it goes on; None: at the beginning, or it has ended
    pages: int = 0
    files: int = 0
    skipped: int = 0                    # entries so far that made no sense
    ordered: bool = True                # newest first, so far
    first_ns: int | None = None         # created_ns of its first file
    last_ns: int = 2**63 - 1            # and of its last one, so far
    stale_pages: int = 0                # in a row up to here
    last_id: FileId | None = None       # of the last page's last file

    @property
    def understood(self) -> bool:
        """Whether every entry so far made sense."""
        return not self.skipped

    @property
    def ended(self) -> bool:
        """Whether the last page has come."""
        return self.pages > 0 and self.following is None

    def after(self, page: Page, fresh: list[RemoteFile]) -> "Scan":
        """Returns the scan one page further; `fresh` of the page's files weren't on the pages before. Raises BadAnswer
        for a listing without an end.

        Files that come between two pages can push some of the first onto the second one, too: that is no other order.
        """
        stale_pages = 0 if fresh else self.stale_pages + 1
        if page.following is not None and (page.following == self.following or stale_pages >= STALE_PAGES):
            raise BadAnswer(REPEATS)
        times = times_of(page.files)
        ordered = times == sorted(times, reverse=True) and all(time_ns <= self.last_ns for time_ns in times_of(fresh))
        return replace(self, following=page.following, pages=self.pages + 1, files=self.files + len(page.files),
                       skipped=self.skipped + page.skipped, ordered=self.ordered and ordered,
                       first_ns=times[0] if self.first_ns is None and times else self.first_ns,
                       last_ns=min([self.last_ns, *times]),
                       stale_pages=stale_pages, last_id=page.files[-1].file_id if page.files else None)

    def as_text(self) -> str:
        """Returns the line for the table meta."""
        return json.dumps(asdict(self))


def scan_of(text: str | None) -> Scan | None:
    """Reads what as_text has written. None: there is nothing, or it is damaged, or of another version of anthrofs."""
    try:
        facts = json.loads(text or "null")
        cursor = facts.pop("following")
        scan = Scan(**facts, following=None if cursor is None else Cursor(**cursor))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    right = all(_is_one(getattr(scan, name), kinds) for name, kinds in _KINDS.items())
    return scan if right and (cursor is None or all(isinstance(each, str) for each in cursor.values())) else None


def _is_one(value: object, kinds: tuple[type, ...]) -> bool:
    return type(value) in kinds and not (isinstance(value, int) and not -2**63 <= value < 2**63)


def times_of(files: Iterable[RemoteFile]) -> list[int]:
    """The times of the files of which the server has said one, in their order."""
    return [file.created_ns for file in files if file.created_ns]      # 0: it didn't


def page_after(remote: RemoteFiles, cursor: Cursor | None, last: FileId | None) -> Page | None:
    """Asks for the page behind a cursor, which the page that ended with the file `last` has given; without one, for the
    first page. Returns None where somebody has deleted the file that the cursor names, so that the listing has to begin
    anew. Raises RemoteError.
    """
    if cursor is None:
        return remote.list(PAGE_FILES)
    try:
        page = remote.list(PAGE_FILES, cursor)
        if not page.files and page.following is None and last is not None:
            remote.stat(last)           # an unknown cursor may get an empty page, which must not pass for the end
    except Refused as exc:
        if exc.status in (400, 404):
            return None
        raise
    return page


class Listing:
    """A listing that is read in one go."""

    def __init__(self, remote: RemoteFiles, scan: Scan, begin: Callable[[], Scan]) -> None:
        self._remote = remote       # given
        self._begin = begin         # given: numbers a new listing
        self.scan = scan            # how far it is read: whoever merges a page sets it

    def pages_ahead(self, page: Page, enough: Callable[[Page], bool]) -> Iterator[Page]:
        """Yields the pages from this first one on, up to the last, or to one that is `enough`. While the caller merges
        a page, the next one is on its way.

        A listing whose cursor was lost begins anew, with its first page and another number. Raises BadAnswer where that
        happens again and again, or where a cursor comes again; and RemoteError.
        """
        asked, restarts = set[Cursor](), 0
        last_id: FileId | None = None       # of the last file that came
        while page.following is not None and not enough(page):
            last_id = page.files[-1].file_id if page.files else last_id
            ask = partial(page_after, self._remote, page.following, last_id)
            ahead = None if page.following in asked else Ahead(ask)
            yield page
            if ahead is None:
                raise BadAnswer(REPEATS)
            asked.add(page.following)
            following = ahead.page()
            if following is None:
                restarts += 1
                if restarts > RESTARTS:
                    raise BadAnswer(RESTARTED)
                asked.clear()
                last_id = None
                self.scan = replace(self._begin(), began_ns=self.scan.began_ns)
                following = self._remote.list(PAGE_FILES)
            page = following
        yield page


class Ahead:
    """A page that is on its way while its asker does something else. It is asked for at once."""

    def __init__(self, ask: Callable[[], Page | None]) -> None:
        self._ask = ask                     # given
        self._page: Page | None = None      # written by the thread, read after its end
        self._error: BaseException | None = None        # likewise
        self._thread = threading.Thread(target=self._run, name="listing", daemon=True)
        self._thread.start()

    def page(self) -> Page | None:
        """Waits for the page. Raises what asking for it has raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._page

    def _run(self) -> None:
        try:
            self._page = self._ask()
        except BaseException as exc:        # handed to whoever waits
            self._error = exc
