"""Gateways that stand between users and the service, as data: what is installed, how each is started, what it can't pass.

Owns    the list. configs/ holds what each program reads; @PORT@, @UPSTREAM@, @DIR@ and @CERTIFICATES@ are filled in.
Never   knows a port, a path or a mount.
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

# Every request that the battery's steps cost when nothing is in the way: see battery.py.
DIRECT: Final = {"list": 2, "download": 5, "upload": 6, "delete": 3}


@dataclass(frozen=True)
class Gateway:
    name: str
    program: str                        # what is started, found on the path, in sbin or in .venv-gateways
    arguments: tuple[str, ...]
    config: str                         # in configs/: copied to @DIR@/<config>
    extra: Mapping[str, str] = field(default_factory=dict)      # further words of the template

    role: str = "front"                 # "front": the base URL names it. "forward": HTTP_PROXY and HTTPS_PROXY do
    tls: bool = False                   # clients reach it by https://localhost
    behind: "Gateway | None" = None     # what it passes requests on to; None: the service itself

    refuses: Mapping[str, int] = field(default_factory=dict)    # battery's step → the errno that it ends with
    costs: Mapping[str, int] = field(default_factory=lambda: DIRECT)    # requests that reach the service, by operation


NGINX: Final = ("-p", "@DIR@", "-e", "@DIR@/error.log", "-c", "@DIR@/nginx.conf")
HAPROXY: Final = ("-db", "-f", "@DIR@/haproxy.cfg")
CADDY: Final = ("run", "--config", "@DIR@/Caddyfile", "--adapter", "caddyfile")
ANY_SIZE: Final = "client_max_body_size 0;"


def nginx(name: str, location: str = ANY_SIZE, http: str = "") -> Gateway:
    return Gateway(name, "nginx", NGINX, "nginx.conf", {"LOCATION": location, "HTTP": http})


# As Debian has it: a body of more than 1 MB is answered with 413 and a page.
NGINX_DEFAULT: Final = replace(nginx("nginx, default", ""), refuses={"copy 5 MB": errno.EFBIG, "copy 60 MB": errno.EFBIG},
                               costs=DIRECT | {"upload": 4})
NGINX_ANY_SIZE: Final = nginx("nginx, any size")
NGINX_NO_REQUEST_ID: Final = nginx("nginx, no request-id", ANY_SIZE + " proxy_hide_header request-id; proxy_hide_header anthropic-organization-id;")
NGINX_STREAMING: Final = nginx("nginx, unbuffered", ANY_SIZE + " proxy_request_buffering off; proxy_buffering off; proxy_http_version 1.1;")
HAPROXY_DEFAULT: Final = Gateway("haproxy, default", "haproxy", HAPROXY, "haproxy.cfg", {"DEFAULTS": ""})
HAPROXY_RETRY: Final = Gateway("haproxy, retrying", "haproxy", HAPROXY, "haproxy.cfg", {"DEFAULTS": "retry-on all-retryable-errors\n    option http-buffer-request"})
CADDY_TLS: Final = Gateway("caddy, TLS and HTTP/2", "caddy", CADDY, "Caddyfile", tls=True)
# Not squid: that of Debian 12 (5.7) takes a full buffer for the client's end, and cuts or stalls one big upload in five, curl's too.
TINYPROXY: Final = Gateway("tinyproxy, forward", "tinyproxy", ("-d", "-c", "@DIR@/tinyproxy.conf"), "tinyproxy.conf", role="forward")
MITMPROXY: Final = Gateway("mitmproxy, forward, TLS", "mitmdump", ("-q", "--set", "confdir=@DIR@"), "mitmproxy.yaml",
                           role="forward", behind=CADDY_TLS)
VARNISH: Final = Gateway("varnish, caching", "varnishd", ("-F", "-j", "none", "-a", "127.0.0.1:@PORT@", "-f", "@DIR@/default.vcl", "-n", "@DIR@/work",
                                                         "-s", "malloc,200m"), "default.vcl", costs=DIRECT | {"download": 4})       # both ranges from one

OTHERS: Final = (NGINX_ANY_SIZE, NGINX_NO_REQUEST_ID, NGINX_STREAMING, HAPROXY_DEFAULT, HAPROXY_RETRY, CADDY_TLS, TINYPROXY, MITMPROXY, VARNISH)
