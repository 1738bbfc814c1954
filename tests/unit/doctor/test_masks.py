"""What is secret is taken out of a text, wherever it stands; what isn't stays."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.doctor.masks import FEWEST, MASK, Masks, secrets_of


@pytest.mark.parametrize(("text", "masked"), [
    ("key sk-ant-api03-abcDEF_12 end", f"key {MASK} end"),
    ("proxy http://user:pa%40ss@proxy:3128/", f"proxy http://{MASK}@proxy:3128/"),
    ("Authorization: Bearer abc.def", f"Authorization: {MASK}"),
    ("proxy-authorization: Digest user=abc", f"proxy-authorization: {MASK}"),
    ("proxy http://me:hunter/22@x@proxy:3128/", f"proxy http://{MASK}@proxy:3128/"),
    ("{'authorization': 'abc def', 'x-api-key': 'ghi'}", f"{{'authorization': {MASK}, 'x-api-key': {MASK}}}"),
    ("[(b'x-api-key', b'abc def')]", f"[(b'x-api-key', {MASK})]"),
    ('api_key = """\nabc def\n"""', f"api_key = {MASK}"),
    ('key = [\n  "abc def",\n]', f"key = {MASK}"),
    (r'password = "a\"bc def"', f"password = {MASK}"),
    ("https://s3/x?X-Amz-Signature=abc&X-Amz-Security-Token=def", f"https://s3/x?X-Amz-Signature={MASK}"),
    ("x-api-key: abcdef", f"x-api-key: {MASK}"),
    ('api_key = "abc def"', f"api_key = {MASK}"),
    ("'password': 'x y z'", f"'password': {MASK}"),
    ("AKIAIOSFODNN7EXAMPLE", MASK),
    ("https://acct.blob/x?sv=1&sig=abc%2Fd&se=2", f"https://acct.blob/x?sv=1&sig={MASK}&se=2"),
    ('key_command = ["pass", "show", "anthropic"]', 'key_command = ["pass", "show", "anthropic"]'),
    ("https://api.anthropic.com/v1/files?limit=1000", "https://api.anthropic.com/v1/files?limit=1000"),
    ("kept for the next mount: a.txt", "kept for the next mount: a.txt"),
])  # fmt: skip
def test_what_looks_like_a_secret_goes_and_the_rest_stays(text: str, masked: str) -> None:
    assert Masks([]).masked(text) == masked


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "AWS_SECRET_ACCESS_KEY", "ANTHROFS_BOARD_PASSWORD", "AZURE_STORAGE_SAS_TOKEN", "MY_COOKIE"])
def test_the_value_of_a_variable_that_is_secret_goes(name: str) -> None:
    assert Masks(secrets_of({name: "plain words"})).masked("it was plain words!") == f"it was {MASK}!"


def test_each_header_of_a_list_of_them_goes() -> None:
    masks = Masks(secrets_of({"ANTHROPIC_CUSTOM_HEADERS": "X-Team: research\nX-Gate: open sesame"}))
    assert masks.masked("sent open sesame") == f"sent {MASK}"


def test_a_password_in_a_url_goes_wherever_it_stands() -> None:
    masks = Masks(secrets_of({"HTTPS_PROXY": "http://me:hunter22@proxy:1"}))
    assert masks.masked("the word is hunter22") == f"the word is {MASK}"


def test_a_proxy_needs_no_scheme_for_its_password_to_be_one() -> None:
    masks = Masks(secrets_of({"https_proxy": "me:hunter22@proxy:1"}))
    assert masks.masked("https_proxy=me:hunter22@proxy:1") == f"https_proxy={MASK}@proxy:1"


def test_a_secret_goes_as_json_and_python_spell_it_too() -> None:
    secret = 'pa"ss\\wörd\''
    assert Masks([secret]).masked(f"{json.dumps(secret)} {secret!r}") == f'"{MASK}" \'{MASK}\''


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSH_AUTH_SOCK", "ANTHROFS_KEY_FILE"])
def test_a_place_is_no_secret(name: str) -> None:
    assert secrets_of({name: "/etc/ssl/certs.pem"}) == []


@given(secret=st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=FEWEST).filter(lambda text: len(text.strip()) >= FEWEST),
       before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_known_secret_is_in_no_text(secret: str, before: str, after: str) -> None:
    assert secret.strip() not in Masks([secret]).masked(f"{before}{secret}{after}")
