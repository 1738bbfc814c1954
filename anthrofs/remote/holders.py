"""Whoever holds the key or the token of the moment, by what the service is asked with.

Never   sends what is meant for the service's files to where tokens are given out, or waits there for longer than the
        SDKs do.
"""

import json
import os
from collections.abc import Mapping
from contextlib import closing
from typing import Final

import httpx

from anthrofs.clock import Clock
from anthrofs.config import Profile, Service
from anthrofs.errors import NoAnswer, Offline
from anthrofs.remote import wire
from anthrofs.remote.held_key import HeldKey
from anthrofs.remote.http import some_of, url_of, words_of
from anthrofs.remote.identity import Holder
from anthrofs.remote.login import Login

TOKEN_S: Final = 30.0                   # for a new token, as the SDKs wait


def holder_of(service: Service, client: httpx.Client, clock: Clock,
              environ: Mapping[str, str] = os.environ) -> Holder | None:
    """A profile's login, or the key with its source; None: a header says who asks, for ever. The login asks for new
    tokens by the same way as everything, but with no header that is meant for the service's files.
    """
    timeout = httpx.Timeout(TOKEN_S, connect=client.timeout.connect).as_dict()

    def ask(url: str, body: Mapping[str, str], betas: str) -> tuple[int, bytes]:
        headers = {"content-type": "application/json", "anthropic-beta": betas, "user-agent": "anthrofs/0.1",
                   "accept-encoding": "identity"}
        request = httpx.Request("POST", url_of(url, "the address of a new token"), headers=headers,
                                content=json.dumps(body).encode(), extensions={"timeout": timeout})
        try:
            with wire.bounded_head():
                response = client.send(request, stream=True)
            with closing(response):
                return response.status_code, some_of(response, clock)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as exc:
            raise Offline(f"no connection to {request.url.host}: {words_of(exc)}", maybe_stored=False) from exc
        except httpx.TransportError as exc:
            raise NoAnswer(f"no new token from {request.url.host}: {words_of(exc)}", maybe_stored=False) from exc
    found = service.credentials
    if isinstance(found, Profile):
        return Login(found, ask, clock, environ)
    return None if found.source is None else HeldKey(found, found.source, clock, environ)
