"""The newest official SDK takes the emulator for the service: ga shape, and agents shape through `client.beta`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anthropic
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .process import EmulatorProcess


@pytest.fixture
def sdk(emulator: EmulatorProcess) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=emulator.url, api_key=emulator.key, max_retries=0) as client:
        yield client


def test_an_upload_has_the_metadata_it_was_sent_with(sdk: anthropic.Anthropic, emulator: EmulatorProcess) -> None:
    file = sdk.files.upload(file=("Äpfel 'rot' 🍎.txt", b"red", "text/plain"))

    assert (file.filename, file.mime_type, file.size_bytes) == ("Äpfel 'rot' 🍎.txt", "text/plain", 3)
    assert file.downloadable is False
    assert file.expires_at is None
    assert sdk.files.retrieve_metadata(file.id) == file
    assert emulator.content(file.id) == b"red"


def test_an_upload_can_expire(sdk: anthropic.Anthropic) -> None:
    file = sdk.files.upload(file=("a.txt", b"a"), expires_in_seconds=3600)
    assert file.expires_at is not None
    assert (file.expires_at - file.created_at).total_seconds() == 3600


def test_small_pages_list_every_file_newest_first(sdk: anthropic.Anthropic, emulator: EmulatorProcess) -> None:
    made = [sdk.files.upload(file=(f"{number}.txt", b"x")).id for number in range(7)]

    assert [file.id for file in sdk.files.list(limit=2)] == made[::-1]
    assert len(emulator.requests("list")) == 4


def test_ids_select_files(sdk: anthropic.Anthropic) -> None:
    made = [sdk.files.upload(file=(f"{number}.txt", b"x")).id for number in range(3)]

    page = sdk.files.list(ids=[made[0], made[2], "file_unknown"])

    assert [file.id for file in page.data] == [made[2], made[0]]
    assert page.next_page is None


def test_a_generated_file_can_be_downloaded(sdk: anthropic.Anthropic, emulator: EmulatorProcess) -> None:
    content = bytes(range(256)) * 5000
    generated = emulator.generate("plot.bin", content)
    assert sdk.files.download(generated["id"]).read() == content


def test_a_deleted_file_is_gone(sdk: anthropic.Anthropic) -> None:
    file = sdk.files.upload(file=("a.txt", b"a"))
    assert sdk.files.delete(file.id).id == file.id

    assert list(sdk.files.list()) == []
    for call in (sdk.files.delete, sdk.files.retrieve_metadata, sdk.files.download):
        with pytest.raises(anthropic.NotFoundError):
            call(file.id)


def test_own_uploads_are_not_downloadable(sdk: anthropic.Anthropic) -> None:
    file = sdk.files.upload(file=("a.txt", b"a"))
    with pytest.raises(anthropic.types.FileNotDownloadableError) as refusal:
        sdk.files.download(file.id)
    assert refusal.value.response.headers["x-should-retry"] == "false"


def test_an_expired_file_says_so(sdk: anthropic.Anthropic, emulator: EmulatorProcess) -> None:
    file = emulator.generate("old.txt", b"old", created_at="2026-01-01T00:00:00Z", expires_in_seconds=3600)
    recent = emulator.generate("recent.txt", b"recent", expires_in_seconds=0)
    assert recent["id"] in [each.id for each in sdk.files.list()]
    with pytest.raises(anthropic.types.FileExpiredError):
        sdk.files.download(recent["id"])
    with pytest.raises(anthropic.NotFoundError):    # more than 30 days later nothing is left of it
        sdk.files.retrieve_metadata(file["id"])


def test_a_wrong_key_is_refused(emulator: EmulatorProcess) -> None:
    with (anthropic.Anthropic(base_url=emulator.url, api_key="wrong", max_retries=0) as client,
          pytest.raises(anthropic.AuthenticationError)):
        client.files.list()


def test_a_token_is_taken_like_a_key(emulator: EmulatorProcess) -> None:
    with anthropic.Anthropic(base_url=emulator.url, auth_token=emulator.key, max_retries=0) as client:
        assert client.files.list().data == []


def test_a_forbidden_name_is_refused(sdk: anthropic.Anthropic, emulator: EmulatorProcess) -> None:
    with pytest.raises(anthropic.BadRequestError, match="filename"):
        sdk.files.upload(file=("what?.txt", b"a"))
    assert emulator.files() == []


def test_a_file_above_the_limit_is_refused(sdk: anthropic.Anthropic, emulator: EmulatorProcess) -> None:
    emulator.switch(max_file_bytes=10)
    with pytest.raises(anthropic.APIStatusError) as refusal:
        sdk.files.upload(file=("a.txt", b"01234567890"))
    assert refusal.value.status_code == 413
    assert sdk.files.upload(file=("a.txt", b"0123456789")).size_bytes == 10


def test_the_quota_is_kept(sdk: anthropic.Anthropic, emulator: EmulatorProcess) -> None:
    emulator.switch(quota_bytes=10)
    first = sdk.files.upload(file=("a.txt", b"01234567"))
    with pytest.raises(anthropic.types.StorageQuotaExceededError):
        sdk.files.upload(file=("b.txt", b"012"))
    sdk.files.delete(first.id)
    sdk.files.upload(file=("b.txt", b"012"))


def test_too_many_requests_are_told_when_to_come_back(sdk: anthropic.Anthropic, emulator: EmulatorProcess) -> None:
    emulator.switch(requests_per_minute=2)
    sdk.files.list()
    sdk.files.list()
    with pytest.raises(anthropic.RateLimitError) as refusal:
        sdk.files.list()
    assert 1 <= int(refusal.value.response.headers["retry-after"]) <= 30


@pytest.mark.parametrize(("status", "kind"), [(500, anthropic.InternalServerError), (529, anthropic.InternalServerError),
                                              (403, anthropic.PermissionDeniedError), (409, anthropic.ConflictError)])
def test_a_scripted_error_is_the_sdk_class_of_its_status(
        sdk: anthropic.Anthropic, emulator: EmulatorProcess, status: int, kind: type[Exception]) -> None:
    emulator.fault("list", {"kind": "status", "status": status})
    with pytest.raises(kind):
        sdk.files.list()
    sdk.files.list()


def test_the_sdk_retries_what_is_scripted_once(emulator: EmulatorProcess) -> None:
    emulator.fault("list", {"kind": "status", "status": 529, "retry_after_ms": 1})
    with anthropic.Anthropic(base_url=emulator.url, api_key=emulator.key, max_retries=1) as client:
        assert client.files.list().data == []
    assert [entry["status"] for entry in emulator.requests("list")] == [529, 200]


def test_every_answer_names_its_request(sdk: anthropic.Anthropic, emulator: EmulatorProcess) -> None:
    answer = sdk.files.with_raw_response.list()
    assert answer.headers["request-id"] == emulator.requests()[0]["request_id"]
    assert answer.headers["anthropic-workspace-id"].startswith("wrkspc_")


class TestAgents:
    """Managed agents: session files, and every cursor."""

    BETAS = ("managed-agents-2026-04-01",)

    def test_session_files_are_listed_by_their_scope_only(
            self, sdk: anthropic.Anthropic, emulator: EmulatorProcess) -> None:
        made = [emulator.generate(f"{number}.txt", b"x", scope_id="sesn_1")["id"] for number in range(5)]
        other = emulator.generate("other.txt", b"x", scope_id="sesn_2")["id"]
        plain = emulator.generate("plain.txt", b"x")["id"]

        found = list(sdk.beta.files.list(scope_id="sesn_1", limit=2, betas=list(self.BETAS)))

        assert [file.id for file in found] == made[::-1]
        assert found[0].scope is not None
        assert found[0].scope.id == "sesn_1"
        assert [file.id for file in sdk.beta.files.list(betas=list(self.BETAS))] == [plain]
        assert sdk.beta.files.download(other, betas=list(self.BETAS)).read() == b"x"

    def test_the_other_cursors_are_there_too(self, sdk: anthropic.Anthropic, emulator: EmulatorProcess) -> None:
        made = [emulator.generate(f"{number}.txt", b"x")["id"] for number in range(4)][::-1]

        older = sdk.beta.files.list(betas=list(self.BETAS), limit=2, extra_query={"after_id": made[0]})
        newer = sdk.beta.files.list(betas=list(self.BETAS), limit=2, extra_query={"before_id": made[3]})

        assert [file.id for file in older.data] == made[1:3]
        assert [file.id for file in newer.data] == made[1:3]
        assert older.next_page is not None
        assert (older.model_extra or {})["has_more"] is True

    def test_an_upload_and_a_delete_work_as_elsewhere(self, sdk: anthropic.Anthropic) -> None:
        file = sdk.beta.files.upload(file=("a.txt", b"a"), betas=list(self.BETAS))
        assert file.expires_at is None
        assert sdk.beta.files.retrieve_metadata(file.id, betas=list(self.BETAS)) == file
        assert sdk.beta.files.delete(file.id, betas=list(self.BETAS)).type == "file_deleted"
