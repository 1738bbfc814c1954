"""How requests leave this machine: through which proxy, and whom TLS trusts.

Trusts  the environment as curl and the SDKs do (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, …), but not to be right: what
        can't be used is a sentence before there is a mount.
Never   quotes a proxy's URL, for a password may be in it, or asks the environment again later.
"""

import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from anthrofs.clock import Clock
from anthrofs.errors import EXIT_MISSING, EXIT_USAGE, SetupError
from anthrofs.remote.proxies import proxy_of
from anthrofs.remote.wire import Lines, closed_if_failed

# No bound here: the pacer's slots are one, and a download that is parked must not keep a save from connecting.
LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=20)
SOCKS: Final = "socksio"        # that speaks to such a proxy; optional, so that it isn't imported here
UNTRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"


class Transport(httpx.BaseTransport):
    """One pool of connections for each proxy that is met, and one without."""

    def __init__(self, environ: Mapping[str, str], base_url: str, *, direct: bool = False) -> None:
        """`direct`: without any proxy, to this machine's own server. Raises SetupError for what the base URL can't be
        reached with.
        """
        self._environ = {} if direct else dict(environ)         # constant: as it was at the start
        self._trusted = ssl.create_default_context() if direct else trusted(environ)    # constant
        self._clock = Clock()                   # constant: of sockets, whose time nobody can make

        self._lock = threading.Lock()           # guards the following; a leaf
        self._pools: dict[str | None, httpx.HTTPTransport] = {}
        self._pool(proxy_of(self._environ, base_url))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx.BaseTransport."""
        proxy = None
        try:
            proxy = proxy_of(self._environ, str(request.url))
            with closed_if_failed():
                return self._pool(proxy).handle_request(request)
        except SetupError as exc:               # of a redirect's target: the base URL was tried
            raise httpx.ProxyError(str(exc), request=request) from exc
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as exc:
            raise type(exc)(_words(exc, proxy), request=request) from exc
        except Exception as exc:
            if type(exc).__module__.partition(".")[0] != SOCKS:
                raise
            # Before anything of the request was sent: httpcore hands on what it doesn't expect there.
            words = "what answers there doesn't speak SOCKS 5"
            raise httpx.ProxyError(_words(httpx.ProxyError(words), proxy), request=request) from exc

    def close(self) -> None:
        """All connections."""
        with self._lock:
            pools = list(self._pools.values())
        for pool in pools:
            pool.close()

    def _pool(self, proxy: str | None) -> httpx.HTTPTransport:
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self._made(proxy)
            return self._pools[proxy]

    def _made(self, proxy: str | None) -> httpx.HTTPTransport:
        try:
            way = None if proxy is None else httpx.Proxy(proxy, ssl_context=self._trusted if proxy.startswith("https:")
                                                         else None)
            made = httpx.HTTPTransport(verify=self._trusted, trust_env=False, limits=LIMITS, proxy=way)
            # httpx takes no network backend, httpcore does, for each kind of pool in this attribute; a test looks at
            # the sockets.
            made._pool._network_backend = Lines(made._pool._network_backend, self._clock)      # noqa: SLF001
            return made
        except ImportError as exc:
            raise SetupError("The environment names a SOCKS proxy, which needs one more package: pip install "
                             "'httpx[socks]'", EXIT_MISSING) from exc
        except (ValueError, httpx.InvalidURL):
            raise SetupError("The proxy that the environment names has a URL that can't be used: correct or unset "
                             "HTTPS_PROXY.", EXIT_USAGE) from None


def trusted(environ: Mapping[str, str]) -> ssl.SSLContext:
    """The certificates that count: SSL_CERT_FILE, else SSL_CERT_DIR, else those that httpx brings. Raises SetupError.
    """
    file, directory = environ.get("SSL_CERT_FILE", "").strip(), environ.get("SSL_CERT_DIR", "").strip()
    if not file:
        if directory and not any(Path(each).is_dir() for each in directory.split(":")):     # a list, as OpenSSL has it
            raise SetupError(f"SSL_CERT_DIR names a directory that isn't there: {directory}. Correct or unset it.",
                             EXIT_USAGE)
        return ssl.create_default_context(capath=directory) if directory else httpx.create_ssl_context(trust_env=False)
    try:
        found = ssl.create_default_context(cafile=file)
    except ssl.SSLError as exc:         # before OSError, of which it is one
        raise SetupError(f"SSL_CERT_FILE names a file that holds no certificate in PEM form: {file}. Correct or unset "
                         "it.", EXIT_USAGE) from exc
    except OSError as exc:
        raise SetupError(f"SSL_CERT_FILE names a file that can't be read ({exc.strerror}): {file}. Correct or unset "
                         "it.", EXIT_USAGE) from exc
    return found


def _words(exc: Exception, proxy: str | None) -> str:
    """The words in which a person is told of a connection that failed."""
    words = str(exc) or type(exc).__name__
    if UNTRUSTED in words:
        words += (". If it is the certificate of a proxy of your network, or of a gateway: name a file with the "
                  "certificate that signed it in SSL_CERT_FILE")
    if proxy is not None:
        parts = httpx.URL(proxy)        # only host and port: the rest may be a password
        words += f" (through the proxy {parts.host}{'' if parts.port is None else f':{parts.port}'})"
    return words
