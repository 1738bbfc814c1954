"""Everything that can go wrong, on one screen: what happened, the kernel's errno, whether trying again can help.

Trusts  nothing. A message may quote a path, a server's words and a request id; never a key, never a file's content.
Never   decides what to do about an error: the gate in fuse/operations turns it into an errno, the workers' tables into
        a step.
"""

import errno


class FsError(Exception):
    """An error as the file system raises it. `code` is what the kernel is told."""

    code = errno.EIO
    transient = False       # the same request may succeed later


# ---- names and the tree

class NotFound(FsError):
    """No such name, id or attribute's file."""

    code = errno.ENOENT


class Exists(FsError):
    """The name is taken."""

    code = errno.EEXIST


class NotADirectory(FsError):
    """A path goes through something that is a file."""

    code = errno.ENOTDIR


class IsADirectory(FsError):
    """A file's operation on a directory."""

    code = errno.EISDIR


class NotEmpty(FsError):
    """A directory with something in it can't be removed or replaced."""

    code = errno.ENOTEMPTY


class BadName(FsError):
    """A name that the API can't hold and the encoding can't carry, or another argument that makes no sense."""

    code = errno.EINVAL


class NameTooLong(FsError):
    """Over 255 characters once encoded, the API's limit for an upload."""

    code = errno.ENAMETOOLONG


class EntryTooLong(NameTooLong):
    """Asked for by a name that no directory can have: over 255 bytes."""


class NoAttribute(FsError):
    """No such extended attribute on this file (now)."""

    code = errno.ENODATA


class NotPermitted(FsError):
    """Something this file system never does: links, device nodes, changing an owner."""

    code = errno.EPERM


class Busy(FsError):
    """Somebody is using this; the same may work later."""

    code = errno.EBUSY
    transient = True


class NotSupported(FsError):
    """Something that can't be had here; nothing was changed."""

    code = errno.EOPNOTSUPP


# ---- content

class NotReadable(FsError):
    """The server doesn't give the content out and no local copy is kept."""

    code = errno.EACCES


class Revalidate(FsError):
    """The kernel may hold attributes of what was there before. At ESTALE from an open or a stat it asks for the name
    anew and tries again (Linux, fs/namei.c: do_filp_open, retry_estale), so no program sees this.
    """

    code = errno.ESTALE


class TooLarge(FsError):
    """Above the size that the API takes."""

    code = errno.EFBIG


class DiskFull(FsError):
    """This machine's disk has no room for what was written; nothing before it was lost."""

    code = errno.ENOSPC


class Incomplete(FsError):
    """A write was refused, so this isn't the whole file: it is kept, and not sent. `code` is what the write was told.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class StagingFull(DiskFull):
    """The content that isn't sent yet has the size that --staging-size allows. Said once in the log, by staging."""


class StateLost(FsError):
    """Somebody has moved or removed the state under the mount: a change would be lost. Said once in the log."""


class BadHandle(FsError):
    """A handle that was not opened for this, or is closed."""

    code = errno.EBADF


class Interrupted(FsError):
    """The program that waited got a signal. Its bytes are kept and stay queued."""

    code = errno.EINTR


class TimedOut(FsError):
    """No progress within the bound. The bytes are kept and stay queued."""

    code = errno.ETIMEDOUT
    transient = True


class Stopping(FsError):
    """The mount is ending. The bytes are kept and are sent after the next mount."""

    transient = True


# ---- the service

class RemoteError(FsError):
    """An answer, or the lack of one, from the service. `retry_after_s` is what the server asked for, if it did.

    `maybe_stored`: an upload that ended so may have been stored: ask the listing. False: surely not.
    `from_service`: the answer was the service's own JSON, not a proxy's page and not a cut connection.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, maybe_stored: bool = True,
                 from_service: bool = False, status: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.maybe_stored = maybe_stored
        self.from_service = from_service
        self.status = status        # of the HTTP answer; None: there was none


class Offline(RemoteError):
    """No connection could be made."""

    code = errno.ENETUNREACH
    transient = True


class NoAnswer(RemoteError):
    """The connection broke or nothing came in time."""

    code = errno.ETIMEDOUT
    transient = True


class BodyCut(NoAnswer):
    """The connection ended in the middle of a body."""

    code = errno.EIO


class Closed(RemoteError):
    """Nothing was asked, or is waited for: the way is closed, see way.py. Words and errno are the closing answer's."""

    def __init__(self, reason: RemoteError, kept: str = "") -> None:
        super().__init__(f"{reason}{kept}", maybe_stored=False)
        self.code = reason.code


class Unavailable(RemoteError):
    """The service answered that it can't now (408, 409, 429, 5xx)."""

    transient = True


class InTheWay(Unavailable):
    """A login's, gateway's or proxy's page came instead of an answer; whether the service was asked can't be told."""

    code = errno.ENETUNREACH


class RateLimited(Unavailable):
    """429: wait, then the same request succeeds. Never shown as EIO: it is waited for."""


class Refused(RemoteError):
    """The service understood and said no; the same request gets the same answer."""


class AccountRefused(Refused):
    """The service said no about the key or the account, not about a file: it passes, and then the same succeeds."""

    code = errno.EACCES


class AuthFailed(AccountRefused):
    """401, 403: the key is wrong, has expired, or may not do this."""


class AccountStopped(AccountRefused):
    """The organization is on hold, its own encryption key can't be used, or the key's maker has left it."""


class QuotaExceeded(AccountRefused):
    """The organization's storage is full: no upload fits until something is deleted."""

    code = errno.EDQUOT


class LimitReached(AccountRefused):
    """429, and asking again is said to be no use: another limit of the account than that of the minute."""

    code = errno.EDQUOT


class Gone(Refused):
    """404: the id is unknown, deleted, or its content expired."""

    code = errno.ESTALE


class Expired(Gone):
    """404: its time is over. It may be listed for a while."""


class NotDownloadable(Refused):
    """The service keeps this content to itself: uploads can't be read back."""

    code = errno.EACCES


class RemoteTooLarge(Refused):
    """413: above the size that the API, or a proxy on the way to it, takes."""

    code = errno.EFBIG


class BadAnswer(RemoteError):
    """A 2xx whose body is not what the API sends."""

    transient = True


class ForeignAnswer(BadAnswer):
    """A 2xx in the words of another API: the address leads elsewhere, and asking again gets the same."""

    transient = False


class NotTheFile(BadAnswer):
    """A download's content can't be all of the file: its length, type or encoding doesn't fit the listing."""


class OtherLength(RemoteError):
    """A clip comes with another length than before: who has it open has it otherwise. Opened anew, it can be read."""

    def __init__(self, message: str, length: int) -> None:
        super().__init__(message)
        self.length = length        # bytes


class UploadCut(RemoteError):
    """We ended this upload ourselves, before its last byte: newer content or a deletion made it pointless."""

    transient = True


class Forged(FsError):
    """Somebody else than a member of the fleet has put this in its store or on its board, or in another place there."""


class FleetAway(FsError):
    """A fleet's engine, the store or the board, can't be used now. Nothing is lost by that."""

    transient = True


class StoreAway(FleetAway):
    """The store doesn't answer, or it rests since it hasn't."""


class StoreRefuses(StoreAway):
    """The store has answered that this mount may not, or that it is full."""

    of_one = False      # object only: it takes others


class BoardAway(FleetAway):
    """The board doesn't answer, or it rests since it hasn't."""


class NotStored(FsError):
    """The store has no such object (now)."""


# ---- before there is a mount

class SetupError(Exception):
    """Why a mount or a command can't start: one sentence for a person, and the process's exit code."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


# Exit codes of the command, in one place. 2 is also what a wrong option gives; systemd doesn't restart on 2 and 3.
EXIT_FAILED = 1         # it was tried and did not work; trying again may help
EXIT_USAGE = 2          # the command line, the mount point or the environment is wrong
EXIT_AUTH = 3           # the service doesn't accept the credentials
EXIT_MISSING = 4        # something has to be installed first
EXIT_LEFT = 5           # it ended in time but something is still queued; it is named
EXIT_BUSY = 6           # another mount or a program has it in use
