"""What a mount runs with: known by name, and without a known advisory.

Manual, security: 'Packages of others'
"""

import sys
import tomllib
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.mounting import ROOT
from tests.security import audit
from tests.security.audit import Advisory

DIRECT: Final = {"cachetools", "fusepy", "httpx", "jeepney", "mfusepy", "msgspec", "python-multipart", "rich", "shtab", "starlette", "uvicorn", "xxhash"}
FLEET: Final = {"cryptography", "obstore", "valkey"}
# What those need, of any of their versions. A name that isn't here is new: look at who makes it, what it does when it is
# imported, and whether it is needed; then add it.
BELOW: Final = {
    "anyio", "certifi", "h11", "httpcore", "idna", "sniffio", "socksio",                            # of httpx
    "markdown-it-py", "mdurl", "pygments",                                                          # of rich
    "click",                                                                                        # of uvicorn
    "typing-extensions",                                                                            # of anyio and obstore
    "cffi", "pycparser",                                                                            # of cryptography
    "async-timeout",                                                                                # of valkey, on old Pythons
}


def test_what_a_mount_is_built_on_is_known() -> None:
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {canonicalize_name(Requirement(line).name) for line in said["dependencies"]} == DIRECT
    assert {canonicalize_name(Requirement(line).name) for line in said["optional-dependencies"]["fleet"]} == FLEET


def test_what_is_installed_for_it_is_known() -> None:
    found = set(audit.installed())
    assert found - DIRECT - FLEET - BELOW == set()
    assert found >= DIRECT | FLEET | {"h11", "httpcore", "certifi", "idna"}


def test_no_installed_version_has_an_advisory_and_an_old_list_is_said() -> None:
    as_of, advisories = audit.stored()
    assert audit.hits(audit.installed(), advisories) == []
    assert {each.package for each in advisories} <= DIRECT | FLEET | BELOW
    print(audit.age(as_of, datetime.now(UTC)), file=sys.stderr)         # a warning would fail the run, and nobody can help it here


@pytest.mark.parametrize(("installed", "hit"), [("0.15.9", True), ("0.16.0", False), ("1.0", False), ("2.1", True), ("2.1rc1", False), ("99", True)])
def test_an_advisory_is_about_its_versions(installed: str, hit: bool) -> None:
    advisory = Advisory("h11", "X-1", "something", (("0", "0.16.0"), ("2.1", "")))
    assert advisory.hits(installed) == hit
    assert audit.hits({"h11": installed}, [advisory]) == ([f"h11 {installed}: X-1, something"] if hit else [])


def test_the_stored_list_would_find_versions_that_were_bad() -> None:
    _, advisories = audit.stored()
    found = audit.hits({"h11": "0.14.0", "certifi": "2023.5.7", "starlette": "0.48.0", "httpx": "0.28.1"}, advisories)
    assert [line.split(",")[0] for line in found] == ["certifi 2023.5.7: PYSEC-2023-135", "certifi 2023.5.7: CVE-2024-39689",
                                                      "h11 0.14.0: CVE-2025-43859", "starlette 0.48.0: CVE-2025-62727"]


def test_a_renewed_list_has_what_osv_says_and_nothing_that_was_withdrawn() -> None:
    def ask(package: str) -> dict[str, Any]:
        spans = [{"type": "GIT", "events": [{"introduced": "0"}]},
                 {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "2.0"}]}]
        affected = [{"package": {"name": "Some_Package", "ecosystem": "PyPI"}, "ranges": spans}]
        one = {"id": "PYSEC-1", "summary": "bad\nthings", "affected": affected}
        return {"vulns": [one, {**one, "id": "PYSEC-2", "withdrawn": "2024-01-01T00:00:00Z"}]} if package == "some-package" else {}

    assert list(audit.renewed(["other", "some-package"], ask)) == [Advisory("some-package", "PYSEC-1", "bad things", (("0", "1.2"), ("2.0", "")))]


def test_a_list_is_old_after_three_months() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert audit.age(datetime(2026, 5, 1, tzinfo=UTC), now) == ""
    assert "365 days old" in audit.age(datetime(2025, 6, 1, tzinfo=UTC), now)
