"""Whatever the emulator is asked, it answers, and goes on: never a 500 of its own, never a traceback, never another file than before."""

from collections.abc import Iterator
from typing import Final

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.process import EmulatorProcess
from tests.fuzz.fuzzing import bodies, objects, target, texts, values, written

ROUTES: Final = ("/v1/files", "/v1/files/file_x", "/v1/files/file_x/content", "/v1/files/", "/v1/files/%00", "/v1/files/..%2f..", "/v1/oauth/token", "/v1/sessions/x", "/",
                 "/_emulator/files", "/_emulator/faults", "/_emulator/switches", "/_emulator/requests", "/_emulator/nonsense", "/v1/files/{id}", "/v1/files/{id}/content")
METHODS: Final = ("GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS")
BOUNDARY: Final = "b"

odd = st.one_of(texts, st.sampled_from(["-1", "0", "1001", "1e3", "\u0663", "9" * 400, "file_x", "x" * 3000]))
queries = st.lists(st.tuples(st.one_of(st.sampled_from(["limit", "after_id", "before_id", "page", "ids[]", "scope_id", "beta"]), odd), odd), max_size=4)
values_of_headers = st.one_of(odd, st.sampled_from(["2023-06-01", "files-api-2025-04-14", "managed-agents-2026-04-01", "bytes=0-", "bytes=5-2", "bytes=-1", "bytes=9-99,1-2",
                                                    "application/json", "multipart/form-data", f"multipart/form-data; boundary={BOUNDARY}", "multipart/form-data; boundary=",
                                                    "gzip", "Bearer x"]))
headers = st.dictionaries(st.sampled_from(["anthropic-version", "anthropic-beta", "content-type", "range", "authorization", "anthropic-workspace-id", "content-encoding", "accept",
                                           "x-odd"]), values_of_headers, max_size=5)
form_heads = st.one_of(st.sampled_from(['form-data; name="file"; filename="a.txt"', 'form-data; name="file"', 'form-data; name="expires_in_seconds"', "form-data",
                                        'form-data; name="file"; filename=""', 'form-data; name="file"; filename="%22\\', "x; y"]), odd)
forms = st.lists(st.tuples(form_heads, st.one_of(st.just(b"text"), st.binary(max_size=20), st.just(b"99999999999999999999"))), max_size=3).map(
    lambda parts: b"".join(f"--{BOUNDARY}\r\nContent-Disposition: {head}\r\n\r\n".encode(errors="replace") + content + b"\r\n" for head, content in parts)
    + f"--{BOUNDARY}--\r\n".encode())
admin = objects(name=odd, content=odd, kind=st.one_of(st.sampled_from(["status", "cut_body", "stall", "delay"]), odd), match=odd, action=values, seconds=st.just(0), status=values,
                operation=odd, filename=odd, count=values, ranges=values, size_bytes=values).map(written)
sent = st.one_of(bodies, forms, forms, admin)


def sendable(text: str) -> str:
    return "".join(character for character in text if character == "\t" or " " <= character <= "~").strip()


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "data") as one:
        yield one
        said = one.stderr()
    assert "Traceback" not in said, said[-3000:]


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20, trust_env=False) as one:
        yield one


@target(60)
@given(method=st.sampled_from(METHODS), route=st.one_of(st.sampled_from(ROUTES), st.sampled_from(ROUTES), st.sampled_from(ROUTES), odd), query=queries, head=headers, body=sent,
       keyed=st.booleans())
def test_whatever_it_is_asked_it_answers(asked: EmulatorProcess, client: httpx.Client, method: str, route: str, query: list[tuple[str, str]], head: dict[str, str],
                                         body: bytes, *, keyed: bool) -> None:
    known = asked.generate("known.txt", b"known")["id"]
    path = "/" + route.replace("{id}", known).encode(errors="replace").decode().lstrip("/")
    fields = httpx.Headers({"anthropic-version": "2023-06-01", **({"x-api-key": asked.key} if keyed else {}), **{name: sendable(value) for name, value in head.items()}})
    try:
        answer = client.request(method, httpx.URL(asked.url).copy_with(path=path.split("?")[0].split("#")[0] or "/"), headers=fields, content=body,
                                params=[(name.encode(errors="replace").decode(), value.encode(errors="replace").decode()) for name, value in query])
        assert answer.status_code != 500, answer.text
    except (httpx.InvalidURL, UnicodeError):
        return                              # nobody can ask that
    except httpx.RemoteProtocolError:
        pass                                # a fault of the test's own, or no HTTP
    finally:
        if route.startswith("/_emulator"):
            asked.clear_faults()
    if method != "DELETE":
        assert client.get(f"{asked.url}/v1/files/{known}/content", headers={"x-api-key": asked.key, "anthropic-version": "2023-06-01"}).content == b"known"
