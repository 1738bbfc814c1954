"""The mishaps that a simulation draws from, by name.

Trusts  that each is one which the promises cover: a service that says it has stored what it hasn't is none of these.
"""

from typing import Final

from tests.simulation.faults import Fault


def answers(operation: str, status: int, **more: str) -> Fault:
    """The service's own JSON."""
    return Fault(operation, "status", status=status, **more)    # type: ignore[arg-type]    # headers only


ONCE: Final = {
    "upload lost": Fault("upload", "lost"), "upload lost twice": Fault("upload", "lost", 2), "upload cut early": Fault("upload", "cut_early", after_bytes=10),
    "upload cut": Fault("upload", "cut"), "upload dead": Fault("upload", "dead"), "upload silent": Fault("upload", "silent"),
    "upload silent, stored": Fault("upload", "silent", stored=True),
    "upload later": Fault("upload", "later", seconds=3.0), "upload much later": Fault("upload", "later", seconds=90.0),
    "upload later, 502": Fault("upload", "later", seconds=20.0, status=502), "upload queued": Fault("upload", "queued", seconds=30.0),
    "upload twice": Fault("upload", "twice"), "upload short": Fault("upload", "stored_short", after_bytes=3), "upload late": Fault("upload", "late", seconds=40.0),
    "upload wrong size": Fault("upload", "wrong_size", after_bytes=2),
    "upload slow": Fault("upload", "slow", bytes_per_s=300.0), "upload 500": answers("upload", 500), "upload 500, stored": Fault("upload", "status", status=500, stored=True),
    "upload 502": Fault("upload", "page", status=502), "upload 504, stored": Fault("upload", "page", status=504, stored=True),
    "upload 503": answers("upload", 503), "upload 529": answers("upload", 529), "upload 429": answers("upload", 429, retry_after="3"),
    "upload 429, ms": answers("upload", 429, retry_after_ms="700"), "upload 429, never": answers("upload", 429, should_retry="false"),
    "upload 413": answers("upload", 413), "upload 413, again": answers("upload", 413, should_retry="true"), "upload 400": answers("upload", 400),
    "upload 408": answers("upload", 408), "upload 409": answers("upload", 409), "upload 403": answers("upload", 403), "upload login page": Fault("upload", "page", status=200),
    "upload nonsense": Fault("upload", "nonsense", stored=True), "upload answer cut": Fault("upload", "json_cut", stored=True),
    "delete lost": Fault("delete", "lost"), "delete cut": Fault("delete", "cut"), "delete later": Fault("delete", "later", seconds=20.0), "delete 500": answers("delete", 500),
    "delete 502": Fault("delete", "page", status=502), "delete 404 page": Fault("delete", "page", status=404), "delete 429": answers("delete", 429, retry_after="2"),
    "delete 403": answers("delete", 403), "delete 400": answers("delete", 400), "delete late": Fault("delete", "late", seconds=20.0),
    "delete login page": Fault("delete", "page", status=200),
    "list late": Fault("list", "late", seconds=30.0), "list 500": answers("list", 500), "list 502": Fault("list", "page", 2, status=502),
    "list 429": answers("list", 429, retry_after="5"), "list cut": Fault("list", "json_cut"), "list nonsense": Fault("list", "nonsense"),
    "list cached": Fault("list", "cached", 2, seconds=20.0), "list silent": Fault("list", "silent"), "list login page": Fault("list", "page", status=200),
    "list body cut": Fault("list", "body_cut", after_bytes=30),
    "download cut": Fault("download", "body_cut", after_bytes=5), "download cut thrice": Fault("download", "body_cut", 3, after_bytes=5),
    "download short": Fault("download", "body_short", after_bytes=6), "download shorter": Fault("download", "body_short", after_bytes=6, honest=False),
    "download long": Fault("download", "body_long", after_bytes=4), "download stalls": Fault("download", "stall", seconds=100.0, after_bytes=3),
    "download page": Fault("download", "page", status=200), "download 500": answers("download", 500), "download 502": Fault("download", "page", status=502),
    "download 404": answers("download", 404), "download 404 page": Fault("download", "page", status=404), "download 429": answers("download", 429, retry_after="1"),
    "download encoded": Fault("download", "encoded"), "download slow": Fault("download", "slow", bytes_per_s=200.0),
    "refuse": Fault("any", "refuse", 3), "unreachable": Fault("any", "unreachable"), "silent": Fault("any", "silent"), "dead": Fault("any", "dead"),
    "429": answers("any", 429, retry_after="10"), "500": answers("any", 500), "503": answers("any", 503), "401": answers("any", 401), "late": Fault("any", "late", 3, seconds=8.0),
    "hold": Fault("any", "account", 2, account="on_hold"),
}

# Until they are taken away.
STANDING: Final = {
    "refuse": Fault("any", "refuse", 0), "502": Fault("any", "page", 0, status=502), "503": Fault("any", "status", 0, status=503),
    "401": Fault("any", "status", 0, status=401), "page": Fault("any", "page", 0, status=200), "429": Fault("any", "status", 40, status=429, retry_after="4"),
    "silent": Fault("any", "silent", 0), "hold": Fault("any", "account", 0, account="on_hold"),
    "uploads 403": Fault("upload", "status", 0, status=403), "quota": Fault("upload", "account", 0, account="quota"),
    "cmek": Fault("any", "account", 0, account="cmek_disabled"), "downloads 500": Fault("download", "status", 0, status=500),
    "lists 500": Fault("list", "status", 0, status=500), "deletes 500": Fault("delete", "status", 0, status=500),
}
