"""Manual, errors: what the service refuses stays here, is said, and goes on by itself or by `anthrofs retry`."""

import errno

import pytest

from anthrofs.errors import (
    AccountStopped,
    AuthFailed,
    BadAnswer,
    InTheWay,
    NoAnswer,
    NotDownloadable,
    QuotaExceeded,
    Refused,
    RemoteError,
    RemoteTooLarge,
    Unavailable,
)
from anthrofs.remote.gates import OF_THE_WAY
from tests.core.core import Core

A, B = b"first " * 20, b"second " * 30
STATE = "user.anthropic.state"


def service(kind: type[RemoteError], status: int) -> RemoteError:
    return kind(f"HTTP {status}: no", status=status, from_service=True, maybe_stored=False)


def page(status: int) -> RemoteError:
    return InTheWay(f"HTTP {status} that is not the service's own answer", status=status)


OF_UPLOADS = [service(AuthFailed, 403), service(QuotaExceeded, 400)]
PASSING = [*OF_UPLOADS, service(AuthFailed, 401), service(AccountStopped, 400), service(Unavailable, 503), page(502), page(403), NoAnswer("cut")]
LASTING = {service(Refused, 400): errno.EIO, service(RemoteTooLarge, 413): errno.EFBIG}


@pytest.mark.parametrize("refusal", PASSING, ids=str)
@pytest.mark.parametrize("killed", [False, True])
def test_what_waits_while_the_service_refuses_is_readable_and_is_sent_by_itself_afterwards(core: Core, refusal: RemoteError, killed: bool) -> None:
    core.expects("What is to be sent stays queued", "may have been stored by an earlier try", "mounted from the saved index", "could not be refreshed",
                 "could not be deleted")
    user = core.user
    user.write("a.txt", A)
    user.write("gone.txt", A)
    user.write("there.txt", A)
    core.sync()
    kinds = ["upload", "delete"] if refusal in OF_UPLOADS else ["any"]
    core.files.refusals = dict.fromkeys(kinds, refusal)
    user.write("a.txt", B)
    user.write("new.txt", A)
    user.unlink("gone.txt")
    user.rename("there.txt", "renamed.txt")
    core.clock.pass_s(600)
    expected = {"a.txt": B, "new.txt": A, "renamed.txt": A}
    if killed:
        core.crash()
    assert core.user.files() == expected
    assert core.user.getxattr("new.txt", STATE) != "on the server"
    asked = core.files.requests()
    core.clock.pass_s(600)
    if isinstance(refusal, OF_THE_WAY):
        assert core.files.requests() - asked <= 10 * 2 * len(kinds) + 10      # two probes a minute for each closed gate

    core.files.refusals = {}
    core.clock.pass_s(400)
    assert dict(core.on_server()) == expected
    assert len(core.files.files) == len(expected)
    assert core.user.files() == expected


@pytest.mark.parametrize("status", [500, 503, 529])
def test_a_service_that_can_not_now_is_asked_by_one_file_and_not_by_each_that_waits(core: Core, status: int) -> None:
    """Manual, errors: 'one file asks for all of them'."""
    core.expects("could not be refreshed", "may have been stored by an earlier try")
    core.files.refusals = {"any": service(Unavailable, status)}
    contents = {f"{number}.txt": A + str(number).encode() for number in range(60)}
    for name, content in contents.items():
        core.user.write(name, content)
    core.clock.pass_s(60)
    asked = core.counts().get("upload", 0)
    core.clock.pass_s(600)
    assert core.counts().get("upload", 0) - asked <= 600 / 15

    core.files.refusals = {}
    core.clock.pass_s(60)
    core.sync()
    assert dict(core.on_server()) == contents
    assert len(core.files.files) == len(contents)


@pytest.mark.parametrize(("refusal", "code"), LASTING.items(), ids=str)
def test_a_file_that_is_refused_is_kept_until_somebody_decides(core: Core, refusal: RemoteError, code: int) -> None:
    core.expects("was refused")
    core.user.write("a.txt", A)
    core.sync()
    core.files.fail("upload", refusal)
    core.user.write("a.txt", B)
    left = core.drain()
    assert [entry["path"] for entry in left["failed"]] == ["a.txt"]
    assert core.on_server() == [("a.txt", A)]           # what was there stays

    asked = core.counts()
    core.clock.pass_s(3600)
    core.crash()
    core.drain()
    assert core.counts().get("upload") == asked["upload"]
    assert core.user.read("a.txt") == B

    list(core.parts.requests.table["retry"]({"path": ""}))
    core.sync()
    assert core.on_server() == [("a.txt", B)]


@pytest.mark.parametrize(("refusal", "code"), LASTING.items(), ids=str)
def test_a_close_that_waits_is_told_what_refused_its_file(core: Core, refusal: RemoteError, code: int) -> None:
    core.expects("was refused")
    core.remount(upload="wait")
    core.files.fail("upload", refusal)
    with pytest.raises(OSError) as raised:
        core.user.write("a.txt", A)
    assert raised.value.errno == code
    assert core.user.read("a.txt") == A
    core.user.write("a.txt", B)                         # newer content is another matter
    assert core.on_server() == [("a.txt", B)]


def test_a_close_that_waits_returns_when_the_server_has_it(core: Core) -> None:
    core.remount(upload="wait")
    began_s = core.clock.now_s()
    core.user.write("a.txt", A)
    assert core.on_server() == [("a.txt", A)]
    core.files.fail("upload", NoAnswer("cut"), after=True)
    core.user.write("a.txt", B)
    assert ("a.txt", B) in core.on_server()
    assert core.clock.now_s() - began_s < 10
    assert core.counts()["upload"] == 2


def test_a_close_that_waits_gives_up_after_its_bound_without_progress(core: Core) -> None:
    core.expects("flush: no progress for 60 s")
    core.remount(upload="wait", close_timeout_s=60.0)
    core.files.refusals = {"upload": service(Unavailable, 503)}
    began_s = core.clock.now_s()
    with pytest.raises(OSError) as raised:
        core.user.write("a.txt", A)
    assert raised.value.errno == errno.ETIMEDOUT
    assert 60 <= core.clock.now_s() - began_s < 120
    core.files.refusals = {}
    core.sync()
    assert core.on_server() == [("a.txt", A)]


def test_a_rename_is_the_probe_when_nothing_else_is_to_be_sent(core: Core) -> None:
    """What one lost upload has put in doubt, only another upload can clear up."""
    core.files.fail("upload", page(502), after=True)
    core.user.write("a.txt", A)
    core.sync()
    core.user.rename("a.txt", "b.txt")
    core.clock.pass_s(60)
    assert core.on_server() == [("b.txt", A)]
    assert core.counts()["upload"] == 2


def test_of_many_renames_only_one_goes_while_uploads_are_refused(core: Core) -> None:
    core.expects("What is to be sent stays queued")
    for number in range(20):
        core.user.write(f"{number}.txt", A)
    core.sync()
    core.files.refusals = {"upload": service(AuthFailed, 403)}
    for number in range(20):
        core.user.rename(f"{number}.txt", f"new {number}.txt")
    core.clock.pass_s(120)
    with core.parts.local.db.reading() as tx:
        assert len(tx.uploads.every()) == 1
    core.files.refusals = {}
    core.sync()
    assert core.on_server() == sorted((f"new {number}.txt", A) for number in range(20))


def test_what_the_service_keeps_to_itself_cant_be_read_and_is_replaced(core: Core) -> None:
    core.expects("it can't be read")
    core.others_make("a.txt", A, downloadable=False)
    with pytest.raises(PermissionError):
        core.user.read("a.txt")
    core.user.write("a.txt", B)
    core.sync()
    assert core.on_server() == [("a.txt", B)]
    assert core.user.read("a.txt") == B


@pytest.mark.parametrize("refusal", [service(NotDownloadable, 400), service(AuthFailed, 401), page(502), NoAnswer("cut")], ids=str)
def test_a_read_that_is_refused_fails_and_changes_nothing(core: Core, refusal: RemoteError) -> None:
    core.expects("^(?!.*bug)")
    core.others_make("a.txt", A)
    core.files.refusals = {"download": refusal}
    with pytest.raises(OSError):
        core.user.read("a.txt")
    with core.user.opened("a.txt", 2) as number, pytest.raises(OSError):
        core.user.pwrite(number, b"x", 3)
    core.files.refusals = {}
    core.clock.pass_s(120)
    core.refresh()
    assert core.user.read("a.txt") == A
    core.sync()
    assert core.on_server() == [("a.txt", A)]


def test_a_deletion_that_a_listing_has_to_tell_of_is_done_at_a_sync_though_that_listing_failed(core: Core) -> None:
    core.expects("could not be deleted", "could not be refreshed")
    core.user.write("a.txt", A)
    core.sync()
    core.files.refusals = {"delete": BadAnswer("a login page", status=200), "list": service(Refused, 400)}
    core.user.unlink("a.txt")
    core.clock.pass_s(400)          # nobody looks any more
    core.files.refusals.clear()
    assert len(core.on_server()) == 1
    *_, left = core.parts.requests.table["drain"]({"timeout_s": 300.0})
    assert (left["deletions"], core.on_server()) == ([], [])
