"""How this server behaves where servers may differ: every unknown of the service, both ways, and its weather.

Owns    the settings, their defaults and what values they may have.
Trusts  nothing that is patched in: an unknown name or a bad value changes nothing at all.
Never   holds state that belongs to files or requests.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any


class BadSwitch(ValueError):
    """The change can't be made; its words say why."""


def one_of(default: str, *others: str) -> str:
    # dataclasses.field is typed as what it stands for
    value: str = field(default=default, metadata={"choices": (default, *others)})
    return value


def any_integer(default: int) -> int:
    value: int = field(default=default, metadata={"negative": True})
    return value


@dataclass(frozen=True, slots=True)
class Switches:
    """Integers are 0 or more unless said otherwise; 0 means none or unlimited for rates, bandwidths and waits."""

    # what the service's pages don't say
    ranges: bool = True                     # 206 and 416, else every download is whole
    content_length: bool = True             # else chunked
    senseless_ranges: str = one_of("ignore", "error400")
    etag: bool = False
    content_disposition: bool = False
    empty_uploads: str = one_of("accept", "refuse")
    unknown_cursor: str = one_of("error400", "error404", "restart", "empty")
    deleted_cursor: str = one_of("unknown", "in_place")     # after_id, before_id; a page cursor outlives its file
    second_delete: str = one_of("error404", "accept")
    delete_answer: str = one_of("file_deleted", "no_content", "other_json", "page")     # the last three are gateways'
    quota_status: int = 400                 # it was 403 once
    abandoned_uploads: str = one_of("store", "drop")        # the client left once its last byte was sent
    decoded_names: bool = True              # %22, %0D and %0A of an upload's name are what a form spells so; else they
                                            # stay as they came
    unknown_scope: str = one_of("empty", "error404", "error400")        # a list of a session that doesn't exist
    stored_names: str = one_of("as_sent", "nfc", "nfd")
    time_resolution: str = one_of("microseconds", "milliseconds", "seconds")    # of what is shown; the order stays
    ratelimit_headers: bool = False         # anthropic-ratelimit-*, as other parts of the API send them
    error_details: bool = True              # `details` in error bodies, which older answers lacked
    foreign_workspace: str = one_of("ignore", "error403")   # a request names another workspace than the key's
    named_workspace: str = one_of("own", "as_asked")        # in the headers of answers: a key may span several
    extra_fields: bool = False              # fields that no client knows yet, in files and lists

    # wrong or older servers
    order: str = one_of("newest_first", "oldest_first", "shuffled")
    identity_headers: bool = True
    dropped_headers: str = ""               # of all answers, by something on the way: names with commas between them
    delivered_extra_bytes: int = any_integer(0)     # generated image, audio and video: delivered length - size_bytes

    uploads_downloadable: bool = False      # of all that is uploaded: it is called so, and is given out
    listing_cache_s: int = 0                # a cache on the way answers a listing that it has seen, by its address, for
                                            # so long

    foreign_lists: str = one_of("no", "openai", "bare")     # lists as other APIs answer them; bare: only `data`, of
                                                            # such files
    unreadable_entries: int = 0             # so many entries of a page, the newest, lack their size_bytes

    token_lifetime_s: int = 3600            # of a login's token, once it was renewed
    refresh_rotation: bool = True           # what renews a login serves once, and brings its successor

    # limits
    max_file_bytes: int = 500 * 10**6
    quota_bytes: int = 10**12
    requests_per_minute: int = 0
    minute: str = one_of("bucket", "sliding", "calendar")   # which requests that counts: a burst and the pace, the last
                                                            # 60 s, the clock's minutes

    # weather
    latency_ms: int = 0                     # before each answer, after its effect
    connect_latency_ms: int = 0             # before a connection's first request
    bandwidth_bytes_per_s: int = 0          # of one request's body, or one answer's
    listing_lag_ms: int = 0                 # until a new file is listed
    deletion_lag_ms: int = 0                # until a deleted file is no longer listed
    metadata_lag_ms: int = 0                # until its metadata is a 404

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def dropped(self) -> list[str]:
        """Names of headers that don't get through."""
        return [name.strip().lower() for name in self.dropped_headers.split(",") if name.strip()]

    def updated(self, changes: object) -> Switches:
        """A copy with these changes, all or none."""
        if not isinstance(changes, dict):
            raise BadSwitch("a JSON object of switches is expected")
        known = {each.name: each for each in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise BadSwitch(f"there is no switch {name!r}; there are {', '.join(sorted(known))}")
            default = known[name].default
            metadata = known[name].metadata
            # bool is an int to isinstance, so types are compared, not classes
            if type(value) is not type(default):
                raise BadSwitch(f"{name} is of type {type(default).__name__}, not {value!r}")
            if "choices" in metadata and value not in metadata["choices"]:
                raise BadSwitch(f"{name} is one of {', '.join(metadata['choices'])}, not {value!r}")
            if isinstance(value, int) and value < 0 and "negative" not in metadata:
                raise BadSwitch(f"{name} can't be negative")
        if changes.get("quota_status", 400) not in (400, 403):
            raise BadSwitch("quota_status is 400 or 403")
        return replace(self, **changes)
