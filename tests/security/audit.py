"""The packages that a mount, or its demo, runs with, held against a stored list of advisories.

    scripts/audit               says which of the installed versions has an advisory, by the list
    scripts/audit --renew       asks OSV (what `pip-audit --vulnerability-service osv` asks) for the list anew, then the same

Owns    advisories.json beside this file.
Trusts  the installed packages' own metadata for what needs what.
Never   asks anybody unless it is told to: tests have no network.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Final

import httpx
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

LIST: Final = Path(__file__).with_name("advisories.json")
OSV: Final = "https://api.osv.dev/v1/query"
STALE_DAYS: Final = 90


@dataclass(frozen=True, slots=True)
class Advisory:
    """A package's versions, each range from the first bad one to the first good one (empty: there is none yet)."""

    package: str
    id: str
    what: str
    affected: tuple[tuple[str, str], ...]

    def hits(self, installed: str) -> bool:
        return any(Version(first) <= Version(installed) and (not fixed or Version(installed) < Version(fixed)) for first, fixed in self.affected)


def stored(path: Path = LIST) -> tuple[datetime, list[Advisory]]:
    """(as of when, the advisories)."""
    found = json.loads(path.read_text())
    return (datetime.fromisoformat(found["as_of"]).replace(tzinfo=UTC),
            [Advisory(each["package"], each["id"], each["what"], tuple((first, fixed) for first, fixed in each["affected"]))
             for each in found["advisories"]])


def direct(extra: str = "") -> set[str]:
    """The names that pyproject.toml has for a mount, or for an extra besides."""
    needed = [Requirement(line) for line in requires("anthrofs") or []]
    return {canonicalize_name(each.name) for each in needed
            if (each.marker is None if not extra else each.marker is not None and each.marker.evaluate({"extra": extra}))}


def installed() -> dict[str, str]:
    """Name → version of all that a mount or its demo runs with, however far down."""
    found: dict[str, str] = {}
    todo: list[tuple[str, frozenset[str]]] = [("anthrofs", frozenset({"demo", "fleet"}))]
    seen = set[tuple[str, frozenset[str]]]()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = version(name)
        except PackageNotFoundError:            # needed on another system only
            continue
        for line in requires(name) or []:
            each = Requirement(line)
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras | {""}):
                todo.append((canonicalize_name(each.name), frozenset(each.extras)))
    del found["anthrofs"]
    return found


def hits(packages: dict[str, str], advisories: Iterable[Advisory]) -> list[str]:
    return [f"{each.package} {packages[each.package]}: {each.id}, {each.what}" for each in advisories
            if each.package in packages and each.hits(packages[each.package])]


def age(as_of: datetime, now: datetime) -> str:
    """A note, where the list is old; it fails nothing, for nobody here can help it."""
    days = (now - as_of).days
    return f"the list of advisories is {days} days old: scripts/audit --renew, where there is a network" if days > STALE_DAYS else ""


def renewed(packages: Iterable[str], ask: Callable[[str], dict[str, Any]]) -> Iterator[Advisory]:
    """All advisories of these packages, whatever their version. `ask` answers as OSV does."""
    for package in sorted(packages):
        for vulnerability in ask(package).get("vulns", []):
            if vulnerability.get("withdrawn"):
                continue
            ranges = [span for each in vulnerability["affected"] if canonicalize_name(each["package"]["name"]) == package
                      for span in _spans(each)]
            words = vulnerability.get("summary") or vulnerability.get("details", "").split(".")[0]
            if ranges:
                yield Advisory(package, vulnerability["id"], " ".join(words.split())[:100], tuple(ranges))


def _spans(affected: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for each in affected.get("ranges", []):
        if each["type"] == "ECOSYSTEM":
            first = "0"
            for event in each["events"]:
                if "introduced" in event:
                    first = event["introduced"]
                elif "fixed" in event:
                    yield first, event["fixed"]
                    first = ""
            if first:
                yield first, ""


def main() -> int:
    packages = installed()
    if "--renew" in sys.argv[1:]:
        with httpx.Client(timeout=30) as client:
            def ask(package: str) -> dict[str, Any]:
                answer = client.post(OSV, json={"package": {"name": package, "ecosystem": "PyPI"}}).raise_for_status().json()
                return dict(answer)

            try:
                found = list(renewed(packages, ask))
            except httpx.HTTPError as exc:
                print(f"OSV can't be asked ({exc}): the list stays as it is")
                return 1
        rows = ",\n    ".join(json.dumps({"package": each.package, "id": each.id, "what": each.what, "affected": each.affected}) for each in found)
        LIST.write_text(f'{{\n  "as_of": "{datetime.now(UTC):%Y-%m-%d}",\n  "source": "{OSV}",\n  "advisories": [\n    {rows}\n  ]\n}}\n')
    as_of, advisories = stored()
    bad = hits(packages, advisories)
    print("\n".join(bad) or f"{len(packages)} packages: no advisory among the {len(advisories)} of {as_of:%Y-%m-%d} is about an installed version")
    print(age(as_of, datetime.now(UTC)), end="\n" if age(as_of, datetime.now(UTC)) else "")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
