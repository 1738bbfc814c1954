"""A download is whole or an error: whatever cuts it, stalls it, or stands in its way."""

import random
import ssl
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from anthrofs.config import Timeouts
from anthrofs.errors import BadAnswer, NoAnswer, NotTheFile, Refused
from anthrofs.model import FileId
from anthrofs.remote.download import HttpDownload
from anthrofs.remote.http import HttpFiles
from tests.emulator.process import EmulatorProcess
from tests.unit.remote.serving import http_files, recorder, unconnected
from tests.unit.remote.troubles import ANSWERS


def test_a_download_cut_in_its_middle_is_no_answer_and_never_a_short_file(emulator: EmulatorProcess, files: HttpFiles) -> None:
    content = random.Random(1).randbytes(1_000_000)
    file_id = FileId(emulator.generate("data.bin", content)["id"])

    for known_length in (True, False):
        emulator.switch(content_length=known_length)
        emulator.fault("download", {"kind": "cut_body", "after_bytes": 300_000})
        got: list[bytes] = []
        with files.download(file_id) as download:
            assert download.total == (len(content) if known_length else None)
            with pytest.raises(NoAnswer):
                got.extend(bytes(piece) for piece in download)
        assert content[:300_000].startswith(b"".join(got))


def test_a_download_that_stalls_is_no_answer(emulator: EmulatorProcess) -> None:
    file_id = FileId(emulator.generate("data.bin", bytes(100_000))["id"])
    emulator.fault("download", {"kind": "stall", "seconds": 30, "after_bytes": 50_000})

    with (http_files(emulator.url, Timeouts(first_s=0.2)) as files, files.download(file_id) as download,
          pytest.raises(NoAnswer)):
        list(download)


def test_the_first_byte_of_a_download_may_come_late(emulator: EmulatorProcess) -> None:
    """A proxy may collect all of it first. What else is asked keeps its own patience."""
    file_id = FileId(emulator.generate("data.bin", b"late")["id"])
    emulator.fault("download", {"kind": "delay", "seconds": 0.5})
    emulator.fault("download", {"kind": "stall", "seconds": 0.5})
    with http_files(emulator.url, Timeouts(read_s=0.1, first_s=30)) as files:
        for _ in range(2):
            with files.download(file_id) as download:
                assert list(download) == [b"late"]
    emulator.fault("download", {"kind": "delay", "seconds": 30})
    with http_files(emulator.url, Timeouts(read_s=30, first_s=0.2)) as files, pytest.raises(NoAnswer):
        files.download(file_id)


def test_what_stands_in_the_way_of_a_download_is_told_before_its_body(emulator: EmulatorProcess, files: HttpFiles) -> None:
    file_id = FileId(emulator.generate("data.bin", b"text")["id"])

    for name in ("404", "429", "500", "HTML 502"):
        emulator.fault("download", ANSWERS[name].action)
        with pytest.raises(ANSWERS[name].kind):
            files.download(file_id)
    with pytest.raises(Refused):            # 416
        files.download(file_id, 4)


def test_a_download_over_tls_that_is_ended_from_outside_gives_no_byte_that_is_not_the_files(
        tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with recorder(tls) as said, http_files(said.url) as files, files.download(FileId("big")) as body:
        pieces = iter(body)
        came = [next(pieces) for _ in range(10)]
        body.abort()
        with pytest.raises(NoAnswer):
            came += pieces
    assert set(b"".join(came)) == {0}           # and not a TLS record as it is on the wire


# ---- ranges

@pytest.mark.parametrize(("status", "range_said", "offset", "total"), [
    (206, "bytes 5-9/20", 5, 20), (206, "bytes 5-9/*", 5, None), (200, "", 0, 7), (200, "bytes 5-9/20", 0, 7)])
def test_an_answer_without_206_begins_at_the_files_beginning_whatever_was_asked_for(status: int, range_said: str, offset: int, total: int | None) -> None:
    headers = {"content-range": range_said} if range_said else {}
    with unconnected(lambda _: httpx.Response(status, headers=headers, content=b"content")) as service, service.download(FileId("f"), 5, 9) as body:
        assert (body.offset, body.total, body.ranged) == (offset, total, status == 206)


@pytest.mark.parametrize("range_said", ["bytes 0-4/20", "bytes 6-9/20", "", "bytes */20", "5-9/20"])
def test_another_range_than_was_asked_for_is_no_answer(range_said: str) -> None:
    with (unconnected(lambda _: httpx.Response(206, headers={"content-range": range_said}, content=b"content")) as service,
          pytest.raises(BadAnswer, match="another range")):
        service.download(FileId("f"), 5, 9)


@pytest.mark.parametrize("total", ["20", "*"])
def test_more_than_the_range_that_an_answer_says_is_not_the_file(total: str) -> None:
    """Whatever comes behind it would be taken for the bytes that follow."""
    headers = {"content-range": f"bytes 5-9/{total}"}
    with unconnected(lambda _: httpx.Response(206, headers=headers, content=iter([b"con", b"te", b"nt"]))) as service, service.download(FileId("f"), 5, 9) as body:
        pieces = iter(body)
        assert [next(pieces), next(pieces)] == [b"con", b"te"]
        with pytest.raises(NotTheFile, match="than its range has"):
            next(pieces)


def test_a_download_that_is_over_cuts_no_other_request() -> None:
    """The connection may be another's by then."""
    cut: list[str] = []
    carrier = SimpleNamespace(shut_down=lambda: cut.append("cut"))
    body = HttpDownload(httpx.Response(200, content=b"content", extensions={"network_stream": carrier}), 0)
    body.abort()
    assert cut == ["cut"]
    with body:
        pass
    body.abort()
    assert cut == ["cut"]
