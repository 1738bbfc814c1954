"""The proxy is the one that curl would take, and one that can't be used is named without its password."""

import pytest

from anthrofs.errors import SetupError
from anthrofs.remote.proxies import proxy_of

PROXY: str = "http://proxy.example:3128"
PASSWORD: str = "s3cret-in-a-url"


@pytest.mark.parametrize(("no_proxy", "url", "direct"), [
    ("", "https://api.example", False),
    ("*", "https://api.example", True),
    ("api.example", "https://api.example", True),
    ("API.example", "https://api.EXAMPLE", True),
    ("example", "https://api.example", True),
    (".example", "https://api.example", True),
    (".api.example", "https://api.example", False),
    ("*.example", "https://api.example", True),
    ("pi.example", "https://api.example", False),
    ("other, api.example", "https://api.example", True),
    ("other api.example", "https://api.example", True),
    ("api.example:443", "https://api.example", True),
    ("api.example:8443", "https://api.example", False),
    ("http://api.example", "https://api.example", False),
    ("https://api.example", "https://api.example", True),
    ("10.0.0.0/8", "https://10.1.2.3", True),
    ("10.0.0.0/8", "https://11.1.2.3", False),
    ("10.0.0.0/8", "https://api.example", False),
    ("10.1.2.3", "https://10.1.2.3", True),
    ("10.1.2.3:8080", "http://10.1.2.3:8080", True),
    ("10.1.2.3:8080", "http://10.1.2.3", False),
    ("[::1]", "http://[::1]:8080", True),
    ("::1", "http://[::1]:8080", True),
    ("[::1]:8080", "http://[::1]:8080", True),
    ("[::1]:8081", "http://[::1]:8080", False),
    ("0:0:0:0:0:0:0:1", "http://[::1]", True),
    ("fe80::/10", "http://[fe80::1]", True),
    ("[fd00::]/8", "http://[fe80::1]", False),
    ("localhost,127.0.0.0/8,::1", "http://127.0.0.1:1234", True),
])
def test_no_proxy_takes_hosts_domains_addresses_and_networks(no_proxy: str, url: str, direct: bool) -> None:
    environ = {"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY, "NO_PROXY": no_proxy}
    assert proxy_of(environ, url) == (None if direct else PROXY)


@pytest.mark.parametrize(("environ", "expected"), [
    ({}, None),
    ({"HTTPS_PROXY": PROXY}, PROXY), ({"https_proxy": PROXY}, PROXY), ({"ALL_PROXY": PROXY}, PROXY), ({"HTTP_PROXY": PROXY}, None),
    ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other"}, PROXY),
    ({"HTTPS_PROXY": "", "all_proxy": PROXY}, PROXY),
    ({"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
    ({"HTTPS_PROXY": "socks5://p:1080"}, "socks5://p:1080"), ({"HTTPS_PROXY": "socks5h://p:1080"}, "socks5h://p:1080"),
    ({"HTTPS_PROXY": PROXY, "no_proxy": "api.example", "NO_PROXY": "other"}, None),
])
def test_the_variables_are_those_that_curl_reads(environ: dict[str, str], expected: str | None) -> None:
    assert proxy_of(environ, "https://api.example") == expected


@pytest.mark.parametrize(("environ", "says"), [
    ({"HTTPS_PROXY": f"ftp://me:{PASSWORD}@p"}, "HTTPS_PROXY names a proxy of a kind"),
    ({"all_proxy": "socks4://p"}, "all_proxy names a proxy of a kind"),
    ({"HTTPS_PROXY": f"http://me:{PASSWORD}@[::1"}, "HTTPS_PROXY is not a proxy's URL"),
    ({"HTTPS_PROXY": f"http://me:{PASSWORD}@p:99999"}, "HTTPS_PROXY is not a proxy's URL"),
    ({"HTTPS_PROXY": "http://"}, "HTTPS_PROXY is not a proxy's URL"),
    ({"HTTPS_PROXY": PROXY, "NO_PROXY": "[::1"}, r"NO_PROXY has an entry .* '\[::1'"),
    ({"HTTPS_PROXY": PROXY, "no_proxy": "10.0.0.0/99"}, "no_proxy has an entry"),
    ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*, api.example:port"}, "NO_PROXY has an entry"),
])
def test_what_cant_be_used_is_named_without_its_password(environ: dict[str, str], says: str) -> None:
    with pytest.raises(SetupError, match=says) as caught:
        proxy_of(environ, "https://api.example")
    assert (caught.value.exit_code, PASSWORD in str(caught.value)) == (2, False)
