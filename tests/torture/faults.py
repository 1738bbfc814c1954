"""Mishaps of the service, by chance: so many of a hundred requests, of whatever kind, meet one."""

import random
from typing import Any, Final

# What can happen to each operation. What a mount must see through takes no second, so that a round stays short.
MISHAPS: Final[dict[str, list[dict[str, Any]]]] = {
    "upload": [
        {"kind": "cut", "when": "before_body"}, {"kind": "cut", "when": "before_commit"}, {"kind": "cut", "when": "after_commit"},
        {"kind": "cut_body", "after_bytes": 1000}, {"kind": "status", "status": 503}, {"kind": "status", "status": 529}, {"kind": "status", "status": 500},
        {"kind": "status", "status": 429, "retry_after": 1}, {"kind": "status_after_commit", "status": 500}, {"kind": "delay", "seconds": 0.3},
        {"kind": "stall", "seconds": 0.3, "after_bytes": 500}, {"kind": "late_commit", "seconds": 0.5}, {"kind": "stored_late", "seconds": 0.3},
        {"kind": "html", "status": 502}, {"kind": "gateway", "status": 504}, {"kind": "stored_short", "bytes": 100}],
    "list": [
        {"kind": "status", "status": 503}, {"kind": "garbage_json"}, {"kind": "cut"}, {"kind": "html", "status": 502}, {"kind": "short_body", "after_bytes": 60},
        {"kind": "delay", "seconds": 0.2}],
    "download": [
        {"kind": "cut_body", "after_bytes": 5000}, {"kind": "cut_body", "after_bytes": 0}, {"kind": "short_body", "after_bytes": 70_000},
        {"kind": "status", "status": 503}, {"kind": "html", "status": 200}, {"kind": "encoded", "packed": True}, {"kind": "stall", "seconds": 0.2, "after_bytes": 100}],
    "delete": [
        {"kind": "status", "status": 500}, {"kind": "cut", "when": "after_commit"}, {"kind": "cut"}, {"kind": "status_after_commit", "status": 503},
        {"kind": "html", "status": 502}],
}
REQUESTS: Final = 300           # more than a round makes


def script(chance: random.Random, percent: int) -> list[dict[str, Any]]:
    """For the emulator: the first mishap that matches a request is taken, and `skip` counts the requests that came so far."""
    entries = []
    for operation, mishaps in MISHAPS.items():
        spared = 0
        for _ in range(REQUESTS):
            if chance.random() * 100 < percent:
                entries.append({"match": {"operation": operation}, "action": chance.choice(mishaps), "times": 1, "skip": spared})
            else:
                spared += 1
    return entries
