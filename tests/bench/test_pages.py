"""The catalogue speaks as the service does: each file once, newest first, new ones before all."""

from typing import Any

import httpx
import pytest

from anthrofs.remote import answers
from tests.bench.catalogue import Catalogue


def listed(url: str, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    params: dict[str, str | int] = {"limit": limit}
    with httpx.Client(base_url=url, trust_env=False) as client:
        while True:
            page = client.get("/v1/files", params=params).raise_for_status().json()
            assert answers.page_of(page).skipped == 0
            found += page["data"]
            if not page["has_more"]:
                return found
            params["after_id"] = page["last_id"]


@pytest.mark.parametrize("count", [1, 9, 10, 11])
def test_every_file_is_listed_once_newest_first(count: int) -> None:
    with Catalogue(count) as catalogue:
        found = listed(catalogue.url, 5)
        assert [each["filename"] for each in found] == [f"bulk-{number:06}.csv" for number in reversed(range(count))]
        times = [each["created_at"] for each in found]
        assert times == sorted(times, reverse=True)
        assert catalogue.requests() == -(-count // 5)


def test_news_come_before_all_and_a_file_can_be_asked_for() -> None:
    with Catalogue(3, folders=2) as catalogue:
        catalogue.requests(news=2)
        found = listed(catalogue.url, 1000)
        assert [each["filename"] for each in found] == ["folder-0000／bulk-000002.csv", "folder-0001／bulk-000001.csv", "folder-0000／bulk-000001.csv",
                                                        "folder-0001／bulk-000000.csv", "folder-0000／bulk-000000.csv"]
        assert httpx.get(f"{catalogue.url}/v1/files/{found[0]['id']}", trust_env=False).json() == found[0]
