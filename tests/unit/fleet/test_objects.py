"""Object stores through obstore: a directory, and an S3 server of a few lines that answers what it is told."""

import contextlib
import logging
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from anthrofs.clock import Clock
from anthrofs.errors import NotStored, StoreAway, StoreRefuses
from anthrofs.fleet import directory as directory_store
from anthrofs.fleet import keys
from anthrofs.fleet.objects import CONNECT_S, Objects, objects_of
from anthrofs.fleet.rest import FIRST_S, LONGEST_S, Rest
from tests.fakes import FakeClock
from tests.mounting import listed, wait_until

BOUND_S: Final = 30.0
OK: Final = b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\nLast-Modified: Sat, 28 Nov 2026 19:22:04 GMT\r\nETag: "x"\r\n\r\nabc'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "team store"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def directory(root: Path) -> Objects:
    return objects_of(f"file://{str(root).replace(' ', '%20')}", Clock())


# ---- a directory

def test_a_directory_gives_back_what_was_put(directory: Objects, root: Path) -> None:
    assert directory.put("1/k/w/f/0", b"abc", create=True)
    assert directory.get("1/k/w/f/0") == b"abc"
    assert directory.has("1/k/w/f/0")
    assert not directory.put("1/k/w/f/0", b"other", create=True)
    assert directory.get("1/k/w/f/0") == b"abc"
    assert directory.put("1/k/w/f/0", b"newer", create=False)
    assert directory.get("1/k/w/f/0") == b"newer"
    assert (root / "1/k/w/f/0").read_bytes() == b"newer"


def test_what_isnt_there_is_said_so(directory: Objects) -> None:
    with pytest.raises(NotStored):
        directory.get("1/k/w/f/0")
    assert not directory.has("1/k/w/f/0")
    assert list(directory.list("1/k/w")) == []
    assert directory.folders("1") == []
    directory.remove(["1/k/w/f/0"])


def test_a_listing_has_whole_parts_of_paths_only(directory: Objects) -> None:
    for path in ("1/k/w/f/0", "1/k/w/f/1", "1/k/w2/f/0", "1/l/w/f/0"):
        directory.put(path, b"abc", create=True)
    assert sorted((each.path, each.size_bytes) for each in directory.list("1/k/w")) == [("1/k/w/f/0", 3), ("1/k/w/f/1", 3)]
    assert sorted(directory.folders("1")) == ["k", "l"]


def test_a_listing_of_many_comes_whole(directory: Objects, root: Path) -> None:
    (root := root / "1/k").mkdir(parents=True)
    for number in range(1100):          # more than a page
        (root / f"{number}").write_bytes(b"")
    assert sum(1 for _ in directory.list("1/k")) == 1100


def test_removal_leaves_no_empty_folders(directory: Objects, root: Path) -> None:
    directory.put("1/k/w/f/0", b"abc", create=True)
    directory.put("1/k/w/g/0", b"abc", create=True)
    directory.remove(["1/k/w/f/0", "1/k/w/f/1"])
    assert [path.name for path in (root / "1/k/w").iterdir()] == ["g"]
    directory.remove(["1/k/w/g/0"])
    assert listed(root) == ["anthrofs-store"]


@pytest.mark.parametrize(("mode", "file_mode"), [(0o700, 0o600), (0o770, 0o660), (0o2775, 0o664)])
def test_other_users_may_what_the_directory_lets_them(directory: Objects, root: Path, mode: int, file_mode: int) -> None:
    root.chmod(mode)
    before = os.umask(0o077)            # a mount's
    try:
        directory.put("1/k/w/f/0", b"abc", create=True)
        directory.put("1/k/w/f/0", b"abc", create=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE((root / "1/k/w/f/0").stat().st_mode) == file_mode
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (root / "1", root / "1/k/w/f")} == {mode}


def test_what_is_put_into_a_directory_is_durable_before_it_counts(directory: Objects, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount may give up its own copy next. Each folder that was made is synced in the one that it is in."""
    synced: list[str] = []
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}").removeprefix(f"{root}"))
        fsync(descriptor)
    monkeypatch.setattr(os, "fsync", spy)
    directory.put("1/k/w/f/0", b"abc", create=True)
    assert synced == ["", "/1", "/1/k", "/1/k/w", "/1/k/w/f/0", "/1/k/w/f", "/anthrofs-store", ""]
    synced.clear()
    directory.put("1/k/w/f/1", b"abc", create=True)
    assert synced == ["/1/k/w/f/1", "/1/k/w/f"]


def test_members_put_and_remove_at_once_and_each_put_is_done(directory: Objects, root: Path) -> None:
    """Who removes a folder's last object removes the folder, too."""
    root.chmod(0o770)
    before = os.umask(0o077)
    failed = list[Exception]()

    def work(name: str) -> None:
        for number in range(100):
            try:
                directory.put(f"1/k/w/{name}/0", b"abc", create=number % 2 == 0)
                directory.remove([f"1/k/w/{name}/0"])
            except Exception as exc:
                failed.append(exc)
    members = [threading.Thread(target=work, args=(f"f{number}",)) for number in range(4)]
    for each in members:
        each.start()
    for each in members:
        each.join(BOUND_S)
    os.umask(before)
    assert failed == []
    assert listed(root) == ["anthrofs-store"]


def test_what_a_killed_member_has_left_of_a_put_goes_with_the_object(directory: Objects, root: Path) -> None:
    directory.put("1/k/w/f/0", b"abc", create=True)
    (root / "1/k/w/f/0#1").write_bytes(b"half of it")
    assert [each.path for each in directory.list("1")] == ["1/k/w/f/0"]
    directory.remove(["1/k/w/f/0"])
    assert listed(root) == ["anthrofs-store"]


def test_a_directory_that_isnt_there_refuses_until_it_is(tmp_path: Path) -> None:
    """It is never made: it may be a disk that isn't mounted."""
    objects = objects_of(f"file://{tmp_path}/nothere", Clock())
    for ask in (lambda: objects.get("1/x"), lambda: objects.put("1/x", b"", create=True), lambda: list(objects.list("1"))):
        with pytest.raises(StoreRefuses, match="there is no directory"):
            ask()
    (tmp_path / "nothere").mkdir()
    assert objects.put("1/x", b"", create=True)


def test_what_no_chunk_can_be_isnt_taken_into_memory(directory: Objects, root: Path) -> None:
    (root / "huge").write_bytes(b"")
    os.truncate(root / "huge", 2**40)
    assert directory.get("huge") == b""


def _loop(place: Path) -> None:
    place.symlink_to(place)


def _full_folder(place: Path) -> None:
    place.mkdir()
    (place / "somebody's").write_text("")


def test_the_empty_directory_where_its_disk_was_isnt_the_store(directory: Objects, root: Path) -> None:
    """It would take what is put, and hide it when the disk is back."""
    directory.put("1/k/w/f/0", b"abc", create=True)
    disk = root.rename(root.with_name("disk"))
    root.mkdir()
    for ask in (lambda: directory.put("1/k/w/f/1", b"", create=True), lambda: directory.get("1/k/w/f/0"),
                lambda: directory.has("1/k/w/f/0"), lambda: list(directory.list("1"))):
        with pytest.raises(StoreRefuses, match="isn't the store, for there is no anthrofs-store in it"):
            ask()
    assert listed(root) == []
    root.rmdir()
    disk.rename(root)
    assert directory.get("1/k/w/f/0") == b"abc"


def test_a_mount_that_knows_of_files_in_a_directory_doesnt_take_an_empty_one_for_it(directory: Objects, root: Path) -> None:
    directory.expect()
    with pytest.raises(StoreRefuses, match="Is its disk mounted"):
        directory.put("1/k/w/f/0", b"abc", create=True)
    (root / "anthrofs-store").touch()           # as the message says
    assert directory.put("1/k/w/f/0", b"abc", create=True)


ODD: Final[dict[str, Callable[[Path], object]]] = {
    "a pipe": os.mkfifo, "a folder": Path.mkdir, "a full folder": _full_folder, "a loop": _loop,
    "a link out of it": lambda place: place.symlink_to("/"), "a file": Path.touch}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("where", ["1/k/w/f/0", "1/k/w/f", "1/k/w/f/\udcff\n"])
def test_whatever_else_stands_in_a_directory_hides_one_file_at_most(directory: Objects, root: Path, odd: str, where: str,
                                                                    caplog: pytest.LogCaptureFixture) -> None:
    """It neither hangs whoever looks, nor makes the store one that is away, nor leads out of it."""
    directory.put("1/k/w/g/0", b"abc", create=True)
    (root / where).parent.mkdir(exist_ok=True)
    ODD[odd](root / where)
    there = where == "1/k/w/f/0" and odd == "a file"
    assert sorted(each.path for each in directory.list("1/k/w") if each.path.endswith("/0")) == ["1/k/w/f/0"] * there + ["1/k/w/g/0"]
    assert list(directory.folders("1/k")) == ["w"]
    assert directory.has("1/k/w/f/0") == there
    if not there:
        with pytest.raises(NotStored):
            directory.get("1/k/w/f/0")
    with contextlib.suppress(StoreRefuses):             # it is in the way
        directory.put("1/k/w/f/0", b"own", create=False)
        assert directory.get("1/k/w/f/0") == b"own"
        directory.remove(["1/k/w/f/0"])
        assert not directory.has("1/k/w/f/0")
    directory.remove([each.path for each in directory.list("1/k/w/f")])
    directory.remove(["1/k/w/f/0", "1/k/w/g/1"])
    assert directory.put("1/k/w/h/0", b"abc", create=True)
    assert directory.facts()["away_since"] is None
    assert "is away" not in caplog.text


def test_a_mark_that_comes_while_it_is_looked_for_isnt_missed(directory: Objects, monkeypatch: pytest.MonkeyPatch,
                                                              caplog: pytest.LogCaptureFixture) -> None:
    look = directory_store.is_marked

    def late(root: Path) -> bool:
        found = look(root)
        directory.expect()          # another thread has put something there, and marked it
        return found
    monkeypatch.setattr(directory_store, "is_marked", late)
    assert directory.put("1/k/w/f/0", b"abc", create=True)
    assert "refuses" not in caplog.text


@pytest.mark.parametrize("linked", ["1/k", "1"])
def test_a_link_that_comes_during_a_put_leads_to_no_change_elsewhere(root: Path, tmp_path: Path, linked: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "k").mkdir(parents=True)
    for each in (elsewhere / "0", elsewhere / "k" / "0"):
        each.write_bytes(b"somebody's")
        each.chmod(0o640)
    before = {each: each.stat().st_mode for each in (elsewhere, *elsewhere.rglob("*"))}

    def call() -> None:
        shutil.rmtree(root / linked)
        (root / linked).symlink_to(elsewhere)
    with pytest.raises(StoreRefuses, match="is in the way"):
        directory_store.put(root, "1/k/0", call)
    assert {each: each.stat().st_mode for each in (elsewhere, *elsewhere.rglob("*"))} == before


def test_a_directory_that_hangs_is_left_behind(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An NFS server that is gone hangs whoever looks, for ever."""
    gone = threading.Event()
    monkeypatch.setattr("anthrofs.fleet.objects.GET_S", 0.05)
    monkeypatch.setattr("anthrofs.fleet.objects.SPARE_S", 0.05)
    monkeypatch.setattr(Path, "is_dir", lambda _path: gone.wait(BOUND_S))
    objects = objects_of(f"file://{root}", Clock())
    try:
        with pytest.raises(StoreAway, match="it hangs"):
            objects.get("1/x")
        with pytest.raises(StoreAway, match="is away"):
            objects.get("1/x")
    finally:
        gone.set()


def test_a_directory_that_hangs_for_days_takes_no_more_threads(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, clock, begun = threading.Event(), FakeClock(), list[Path]()
    monkeypatch.setattr("anthrofs.fleet.objects.GET_S", 0.005)
    monkeypatch.setattr("anthrofs.fleet.objects.SPARE_S", 0.005)
    monkeypatch.setattr("anthrofs.fleet.objects.HANGING", 3)
    objects = objects_of(f"file://{root}", clock)

    def hang(path: Path) -> bool:
        begun.append(path)
        return gone.wait(BOUND_S)

    monkeypatch.setattr(Path, "is_dir", hang)

    def probe() -> None:
        clock.advance(LONGEST_S)
        objects.has("1/x")

    try:
        for _ in range(8):
            with pytest.raises(StoreAway, match="it hangs"):
                probe()
        assert len(begun) == 3
    finally:
        gone.set()
    wait_until(lambda: objects.facts()["away_since"] is None, "those that come back end the rest")
    probe()
    assert len(begun) > 3


# ---- a server

class Server:
    """Answers each connection's first request with what it is told, then closes it."""

    def __init__(self) -> None:
        self.answers: Callable[[bytes], bytes | None] = lambda _request: OK       # None: nothing, ever
        self.requests: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for each in self._held:
            each.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                connection.settimeout(BOUND_S)
                request = whole_request(connection)
                self.requests.append(request)
                answer = self.answers(request)
                if answer is None:
                    self._held.append(connection)
                else:
                    connection.sendall(answer)
                    connection.close()


def whole_request(connection: socket.socket) -> bytes:
    """With its body, which may come after its head: a connection that is closed before all was read is reset."""
    request = connection.recv(2**16)
    while more := connection.recv(2**16) if is_half(request) else b"":
        request += more
    return request


def is_half(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: (\d+)\r?$", head)
    return bool(request) and (not end or (length is not None and len(body) < int(length[1])))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    one = Server()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret-Zq8")
    monkeypatch.setenv("AWS_ENDPOINT_URL", one.url)
    yield one
    one.close()


def error(status: int, code: str, more: str = "") -> bytes:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>s3cret words of the server</Message>{more}</Error>'
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


@pytest.mark.parametrize(("answer", "kind", "said"), [
    (error(403, "SignatureDoesNotMatch"), StoreRefuses, "doesn't accept the credentials"),
    (error(403, "InvalidAccessKeyId"), StoreRefuses, "doesn't know the credentials"),
    (error(403, "RequestTimeTooSkewed"), StoreRefuses, "clock is wrong"),
    (error(403, "AccessDenied"), StoreRefuses, "may not do this"),
    (error(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"), StoreRefuses, "another region: set AWS_REGION=eu-west-1"),
    (error(301, "PermanentRedirect"), StoreRefuses, "another region: set AWS_REGION"),
    (error(507, "InsufficientStorage"), StoreRefuses, "it is full"),
    (error(403, "QuotaExceeded"), StoreRefuses, "it is full"),
    (error(418, "Teapot"), StoreRefuses, "it answered 418 Teapot"),
    (error(503, "SlowDown"), StoreAway, "it answered 503 SlowDown"),
    (b"no HTTP\r\n\r\n", StoreAway, "no connection, or one that broke"),
    (b"", StoreAway, "no connection, or one that broke"),
])
def test_each_answer_is_one_sentence(server: Server, answer: bytes, kind: type[StoreAway], said: str) -> None:
    server.answers = lambda _request: answer
    for ask in (lambda objects: objects.get("1/x"), lambda objects: objects.put("1/x", b"abc", create=True), lambda objects: list(objects.list("1"))):
        with pytest.raises(StoreAway) as caught:
            ask(objects_of("s3://team/pre", Clock()))
        assert type(caught.value) is kind
        assert said in str(caught.value)
        assert "s3cret" not in str(caught.value)


def test_no_bucket_is_told_from_no_object(server: Server) -> None:
    server.answers = lambda request: error(404, "NoSuchBucket" if request.startswith((b"PUT", b"GET /team?")) else "NoSuchKey")
    objects = objects_of("s3://team/pre", Clock())
    with pytest.raises(NotStored):
        objects.get("1/x")
    for ask in (lambda: objects.put("1/x", b"", create=False), lambda: list(objects.list("1"))):
        with pytest.raises(StoreRefuses, match="no such bucket"):
            ask()


def test_a_refusal_is_said_once_and_doesnt_stop_what_isnt_refused(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.answers = lambda request: error(403, "AccessDenied") if request.startswith(b"PUT") else OK
    objects = objects_of("s3://team", Clock())
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            with pytest.raises(StoreRefuses):
                objects.put("1/x", b"", create=False)
            assert objects.get("1/x") == b"abc"
        assert objects.facts()["refused"] == "the credentials may not do this"
        assert objects.facts()["away_since"] is None
        server.answers = lambda _request: OK
        objects.put("1/x", b"", create=False)
    assert objects.facts()["refused"] is None
    assert [record.getMessage() for record in caplog.records] == [
        "the store s3://team refuses puts: the credentials may not do this", "the store s3://team takes puts again"]


def test_a_store_that_refuses_connections_costs_one_try_a_rest(server: Server) -> None:
    clock = FakeClock()
    objects = objects_of("s3://team", clock)
    server.close()
    with pytest.raises(StoreAway, match="Connection refused"):
        objects.get("1/x")
    for _ in range(10):
        with pytest.raises(StoreAway, match="is away: Connection refused"):
            objects.get("1/x")
    facts = objects.facts()
    assert facts["why"] == "Connection refused"
    assert facts["away_since"] == clock.time_ns() / 1e9


def test_who_has_little_patience_goes_and_the_end_of_the_call_is_heard(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generated file is asked of the service meanwhile."""
    monkeypatch.setattr("anthrofs.fleet.objects.GET_S", 0.2)
    server.answers = lambda _request: None
    clock, failed = FakeClock(), threading.Event()

    class Heard(Rest):
        def failed(self, reason: str, *, probe: bool) -> None:
            super().failed(reason, probe=probe)
            failed.set()
    objects = Objects("s3://team", Heard("the store", StoreAway, clock), clock)
    with pytest.raises(StoreAway, match="hasn't begun to answer"):
        objects.get("1/x", patience_s=0.01)
    assert failed.wait(BOUND_S)
    with pytest.raises(StoreAway, match="is away: no answer in time"):
        objects.get("1/x", patience_s=0.01)
    clock.advance(FIRST_S)
    server.answers = lambda _request: OK
    assert objects.get("1/x", patience_s=BOUND_S) == b"abc"


def test_when_the_mount_ends_nobody_waits_for_a_silent_store(server: Server) -> None:
    asked, said = threading.Event(), list[str]()

    def silence(_request: bytes) -> bytes | None:
        asked.set()
        return None
    server.answers = silence
    objects = objects_of("s3://team", Clock())

    def wait() -> None:
        with pytest.raises(StoreAway) as caught:
            objects.get("1/x")
        said.append(str(caught.value))
    waiting = threading.Thread(target=wait)
    waiting.start()
    assert asked.wait(BOUND_S)
    objects.stop()
    waiting.join(5)         # the store's bound is three times that
    assert said == ["the mount is ending"]
    with pytest.raises(StoreAway, match="the mount is ending"):
        objects.get("1/x")


def test_a_connection_that_doesnt_come_about_has_a_short_bound(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    """A backlog that is full takes no more: as if packets were lost."""
    assert CONNECT_S <= 1.0
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        held = [socket.socket() for _ in range(2)]
        for each in held:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{full.getsockname()[1]}")
        objects = objects_of("s3://team", Clock())
        with pytest.raises(StoreAway):
            objects.get("1/x")
        for each in held:
            each.close()
    assert server.requests == []


def test_a_body_that_is_cut_is_no_object(server: Server) -> None:
    server.answers = lambda _request: OK.replace(b"Content-Length: 3", b"Content-Length: 300")
    with pytest.raises(StoreAway):
        objects_of("s3://team", Clock()).get("1/x")


def test_create_asks_for_nothing_to_be_there(server: Server) -> None:
    objects = objects_of("s3://team/pre", Clock())
    assert objects.put("1/x", b"abc", create=True)
    assert re.search(rb"(?im)^if-none-match: \*\r", server.requests[-1])
    assert server.requests[-1].startswith(b"PUT /team/pre/1/x HTTP/1.1")
    server.answers = lambda _request: error(412, "PreconditionFailed")
    assert not objects.put("1/x", b"abc", create=True)


def test_nothing_is_asked_and_no_thread_begun_before_the_first_call(server: Server) -> None:
    before = set(threading.enumerate())
    objects = objects_of("s3://team", Clock())
    assert server.requests == []
    assert set(threading.enumerate()) == before
    assert objects.facts() == {"answers_s": None, "away_since": None, "why": None, "refused": None}


def test_a_profile_of_aws_own_files_is_used(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[team]\naws_access_key_id=AKPROFILE\naws_secret_access_key=s3cret-profile\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "team")
    monkeypatch.setattr("anthrofs.fleet.aws_profile.AGAIN", timedelta())
    objects = objects_of("s3://team", Clock())
    assert objects.get("1/x") == b"abc"
    assert b"Credential=AKPROFILE/" in server.requests[-1]
    (tmp_path / "credentials").write_text("[team]\naws_access_key_id=AKRENEWED\naws_secret_access_key=s3cret-profile\n")
    assert objects.get("1/x") == b"abc"
    assert b"Credential=AKRENEWED/" in server.requests[-1]
    (tmp_path / "credentials").unlink()
    with pytest.raises(StoreAway, match="no credentials"):
        objects.get("1/x")


@pytest.mark.parametrize("url", ["az://container/pre", "gs://bucket/pre", "s3://bucket"])
def test_without_credentials_a_store_can_be_made_and_says_so_when_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if re.match(r"AWS|AZURE|GOOGLE", name) or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")      # nobody's
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", "nonsense") if url.startswith("gs") else None
    with pytest.raises(StoreAway):
        objects_of(url, Clock()).get("1/x")


# ---- the fork

FORKS: Final = """
import os, sys, time
from anthrofs.clock import Clock
from anthrofs.fleet import objects
if sys.argv[1] == "used":
    objects.GET_S = objects.SPARE_S = 0.3
    objects.objects_of("s3://team", Clock()).get("1/x")
    def waits(thread):
        return open(f"/proc/self/task/{thread}/stat").read().rpartition(")")[2].split()[0] == "S"
    while not all(waits(thread) for thread in os.listdir("/proc/self/task") if int(thread) != os.getpid()):
        time.sleep(0.01)        # a lock that one of them held would be held in the child for ever
child = os.fork()
if child == 0:
    try:
        print(objects.objects_of("s3://team", Clock()).get("1/x"), flush=True)
    except BaseException as exc:
        print(type(exc).__name__, exc, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
MOUNTS: Final = """
import os, sys
from anthrofs.cli import commands
def fork():
    print("obstore" in sys.modules, flush=True)
    os._exit(0)
os.fork = fork
commands.run(["mount", *sys.argv[1:]])
"""


@pytest.mark.parametrize(("before", "said"), [("nothing", "b'abc'"), ("used", "StoreAway s3://team: it hangs")])
def test_a_store_made_after_the_fork_answers_and_one_before_it_hangs_nobody(server: Server, before: str, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", FORKS, before], timeout=BOUND_S, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said, server.requests


def test_a_mount_in_the_background_makes_its_store_after_the_fork(tmp_path: Path, root: Path) -> None:
    (tmp_path / "key").write_text(keys.new_line())
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "files").mkdir()
    done = subprocess.run([sys.executable, "-c", MOUNTS, str(tmp_path / "files"), "--demo", "--store", f"file://{root}".replace(" ", "%20"),
                           "--fleet-key", str(tmp_path / "key"), "--state-dir", str(tmp_path / "state")],
                          timeout=BOUND_S, capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr
