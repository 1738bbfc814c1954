"""The form of an upload says of the file what httpx's own form says, has the length that it names, and is one piece where the file is small."""

from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anthrofs.remote.form import PIECE_BYTES, Form, spelled
from tests.fakes import body_of


@pytest.mark.parametrize("expires_s", [None, 3600])
@pytest.mark.parametrize("size_bytes", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_a_form_is_what_httpx_makes_of_the_same_file(tmp_path: Path, size_bytes: int, expires_s: int | None) -> None:
    content = bytes(range(256)) * (size_bytes // 256) + bytes(size_bytes % 256)
    with body_of(tmp_path, content) as body:
        form = Form('a "b".pdf', "application/pdf", body, expires_s)
        headers = httpx.Headers(form.headers())
        once, again = list(form), list(form)
    theirs = httpx.Request("POST", "http://a.test", files={"file": ('a "b".pdf', content, "application/pdf")},
                           data={} if expires_s is None else {"expires_in_seconds": str(expires_s)},
                           headers={"content-type": headers["content-type"]})

    assert b"".join(once) == b"".join(again) == theirs.read()
    assert headers["content-length"] == theirs.headers["content-length"]
    assert len(once) == max(1, -(-size_bytes // PIECE_BYTES))


@given(st.text(st.characters(exclude_categories=["Cs"])))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_name_is_spelled_as_httpx_spells_it(name: str) -> None:
    theirs = httpx.Request("POST", "http://a.test", files={"file": (f"x{name}", b"", "text/plain")}).read()
    assert f'filename="x{spelled(name)}"\r\n'.encode() in theirs
