"""The form of a chunk: a part of one file's content, sealed, with its place and the file's length bound to it.

    "AFS1"  length of the whole file (8 bytes, big-endian)  nonce  sealed bytes

Never   opens for another workspace, file, place or length than it was sealed for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from anthrofs.errors import Forged
from anthrofs.fleet.keys import OVERHEAD_BYTES, FleetKeys, Part
from anthrofs.model import FileId, RemoteFile

CHUNK_BYTES: Final = 4 * 2**20
FORMAT: Final = b"AFS1"
LENGTH_BYTES: Final = 8
HEAD_BYTES: Final = len(FORMAT) + LENGTH_BYTES
LARGEST_BYTES: Final = HEAD_BYTES + OVERHEAD_BYTES + CHUNK_BYTES    # of a sealed chunk


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk's content."""

    data: bytes
    size_bytes: int         # of the whole file


def count_of(size_bytes: int) -> int:
    """Returns how many chunks a file has: an empty one has one, too."""
    return max(1, -(-size_bytes // CHUNK_BYTES))


def is_one_delivery(file: RemoteFile, size_bytes: int) -> bool:
    """Whether all members have the same bytes of a file, so that chunks of it that two of them put go together. A clip
    gets data about its origin at each download: of that only one chunk is surely of one delivery.
    """
    return not (file.downloadable and file.may_grow) or count_of(size_bytes) == 1


def length_of(size_bytes: int, number: int) -> int:
    """Returns the bytes of the file that its chunk of that number has."""
    return min(CHUNK_BYTES, size_bytes - number * CHUNK_BYTES)


def sealed(keys: FleetKeys, scope: str, file_id: FileId, number: int, chunk: Chunk) -> bytes:
    """Returns the chunk as it stands in the store."""
    head = FORMAT + chunk.size_bytes.to_bytes(LENGTH_BYTES, "big")
    return head + keys.seal(_purpose(file_id), _about(scope, file_id, number, chunk.size_bytes), chunk.data)


def opened(keys: FleetKeys, key_id: str, scope: str, file_id: FileId, number: int, body: bytes) -> Chunk:
    """Returns what was sealed by that key for that place. Raises Forged."""
    if len(body) < HEAD_BYTES or not body.startswith(FORMAT):
        raise Forged("it is no chunk")
    size_bytes = int.from_bytes(body[len(FORMAT):HEAD_BYTES], "big")
    if number >= count_of(size_bytes) or len(body) != HEAD_BYTES + OVERHEAD_BYTES + length_of(size_bytes, number):
        raise Forged("it hasn't the length that it says")
    data = keys.open(_purpose(file_id), _about(scope, file_id, number, size_bytes), memoryview(body)[HEAD_BYTES:],
                     key_id)
    return Chunk(data, size_bytes)


def _purpose(file_id: FileId) -> str:
    return f"chunk {file_id.encode('utf-8', 'surrogatepass').hex()}"      # a sub-key for each file


def _about(scope: str, file_id: FileId, number: int, size_bytes: int) -> Sequence[Part]:
    return FORMAT, scope, file_id, number, size_bytes
