"""What the kernel holds of a file is believed for the same version only, and never while somebody could write."""

import itertools
from typing import Final

from anthrofs.fs.pages import PATHS, Pages
from anthrofs.model import FileId

A, B = (FileId("file_a"), 10), (FileId("file_b"), 10)

HANDLES: Final = itertools.count(1)


def opened(pages: Pages, version: tuple[FileId, int] | None, *, writes: bool = False) -> bool:
    """Open and release."""
    handle = next(HANDLES)
    keep = pages.opened(handle, "x", version, writes=writes)
    pages.released(handle, version)
    return keep


def test_pages_are_kept_only_for_the_same_version_after_its_handle_is_gone() -> None:
    pages = Pages()
    first, became_local = next(HANDLES), next(HANDLES)
    assert not pages.opened(first, "x", A, writes=False)
    assert not opened(pages, B)             # another content, while the first is open
    pages.released(first, A)                # its pages may have come after the other's open
    assert not opened(pages, B)
    assert opened(pages, B)
    assert not opened(pages, None)
    assert not opened(pages, B)             # local content may have come into the kernel
    assert opened(pages, B)
    pages.opened(became_local, "x", B, writes=False)
    pages.released(became_local, None)      # it was keeping them, and then they may have changed through another path
    pages.forget("x")
    assert not opened(pages, B)


def test_nothing_is_believed_while_or_after_somebody_could_write() -> None:
    pages = Pages()
    reader, writer = next(HANDLES), next(HANDLES)
    assert not opened(pages, A)
    assert pages.opened(reader, "x", A, writes=False)
    pages.opened(writer, "x", None, writes=True)
    pages.released(reader, A)               # opened before the writer came: says nothing any more
    assert not opened(pages, A)
    assert not opened(pages, A)             # the writer is still there
    pages.released(writer, None)
    assert not opened(pages, A)
    assert opened(pages, A)


def test_notes_are_bounded_and_writers_are_not_forgotten() -> None:
    pages = Pages()
    writer = next(HANDLES)
    pages.opened(writer, "x", None, writes=True)
    for _ in range(PATHS + 10):
        handle = next(HANDLES)
        pages.opened(handle, f"file {handle}", A, writes=False)
        pages.released(handle, A)
    assert len(pages._paths) == PATHS
    assert pages._glances.keys() == {writer}, "nothing is noted of a handle that is gone"
    assert not opened(pages, A)
    pages.released(writer, None)
    assert not opened(pages, A)
    assert opened(pages, A)
