"""A gateway's own words are heard, bounded, and repeat no secret."""

import pytest

from anthrofs.remote.words import LIMIT, without_secrets, words_of


@pytest.mark.parametrize(("body", "says"), [
    (b"<html><head><title>Access  denied\nby policy 7</title>", "Access denied by policy 7"),
    (b"<!DOCTYPE html><TITLE lang=en>Sign in &amp; go</TITLE>", "Sign in & go"),
    (b"<html><body><h1>502 <b>Bad</b> Gateway</h1>", "502 Bad Gateway"),
    (b"<html><body>nothing to see", ""),
    (b'{"error": {"message": "Invalid proxy server token", "type": "auth_error"}}', "Invalid proxy server token"),
    (b'{"error": "quota of team X is used up"}', "quota of team X is used up"),
    (b'{"detail": [{"msg": "field required"}]}', "field required"),
    (b'{"message": {"deep": {"deeper": {"deepest": 1}}}}', ""),
    (b"upstream connect error or disconnect/reset before headers", "upstream connect error or disconnect/reset before headers"),
    (b"\x1b[2Jno\x00 such\r\nhost", "[2Jno such host"),
    (b"\x00\xff\xfe\x80", ""), (b"", ""), (b"[" * 100_000, ""), (b"{" * 100_000, ""),
])
def test_a_gateways_words_are_heard_in_its_own_forms(body: bytes, says: str) -> None:
    assert words_of(body) == says


def test_words_are_bounded_and_repeat_no_secret() -> None:
    assert len(words_of(b"word " * 100_000)) <= LIMIT
    headers = {"x-api-key": "sk-ant-secret", "Authorization": "Bearer tok-secret", "x-flag": "true", "user-agent": "anthrofs/0.1"}
    said = words_of(without_secrets(b'{"message": "true: anthrofs/0.1 with sk-ant-secret and tok-secret"}', headers))
    assert said == "true: anthrofs/0.1 with [secret] and [secret]"
