"""Requests to an S3 server by hand, signed as it wants them (version 4): what a fleet's mounts never do, and their administrator does."""

import hashlib
import hmac
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

ALGORITHM: Final = "AWS4-HMAC-SHA256"


def asked(endpoint: str, key: str, secret: str, method: str, path: str, *, query: str = "", body: bytes = b"",
          headers: dict[str, str] | None = None, region: str = "us-east-1") -> tuple[int, bytes]:
    """The status and the body that came. `path` has the bucket; `query` is one name, or empty."""
    moment = datetime.now(UTC)
    stamp, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
    signed = {"host": urlsplit(endpoint).netloc, "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "x-amz-date": stamp, **(headers or {})}
    names = ";".join(sorted(signed))
    canonical = "\n".join([method, quote(path), f"{query}=" if query else "", *(f"{name}:{signed[name]}" for name in sorted(signed)), "", names,
                           signed["x-amz-content-sha256"]])
    scope = f"{day}/{region}/s3/aws4_request"
    secrets = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        secrets = hmac.digest(secrets, part.encode(), "sha256")
    text = "\n".join([ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signature = hmac.new(secrets, text.encode(), "sha256").hexdigest()
    request = urllib.request.Request(f"{endpoint}{quote(path)}{f'?{query}' if query else ''}", body or None, {
        **{name: value for name, value in signed.items() if name != "host"},
        "Authorization": f"{ALGORITHM} Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read()
