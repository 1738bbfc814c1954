"""The benchmark of names: its parts in order, and what the words in its table mean."""

from collections.abc import Callable, Sequence
from typing import Final

from tests.bench import attributes, commands, listings, looks, million
from tests.bench.builds import Build
from tests.bench.names_stage import SHORT, NamesSizes, NamesStage
from tests.bench.table import Report

LEGEND: Final = """\
Medians of {repetitions}, sides alternating. One wire for all of them: 50 ms a connect, 50 ms a request. anthrofs and the bare HTTP
client (one connection, all pages one after the other, nothing done with them but reading their JSON) list the emulator,
{page} files a page; rclone (--vfs-cache-mode full) lists its own webdav server, which answers for a whole directory at once.
Mounts are fresh ones on an empty state unless the row says remount. ready: the mount command has returned. After it:
the daemon has the names (ls -f before), the kernel may have no attributes; warm: again, at once. rclone keeps no index: after a
remount, and whenever its directory is older than 5 minutes, it lists everything again, which is the row for that. s3fs
(its rows at the end, once, on a bucket that does nothing else; left out where it isn't installed) has no index either: it
asks for the attributes of each file before it shows a name, 20 at once, and lists all again at each look.
Fast server, cold kernel, and the rows of many files: a catalogue without any wire, which makes its pages up in 2 ms; mounts that ask by themselves for
nothing. Cold kernel: after a remount; rclone has its names (ls -f, or find -name) before. of {quick}: this version with so many files only.
Memory after ls -l has no target of its own for its
growth: libfuse has 200 bytes for each name that the kernel knows. requests: all on the wire. Times and memory never fail a run; counts of requests and of bytes do."""


def run(builds: Sequence[Build], report: Report, say: Callable[[str], None], *, short: bool, with_rclone: bool) -> str:
    """Fills the report; tells which part is under way. Returns the legend."""
    sizes = SHORT if short else NamesSizes()
    with NamesStage(builds, sizes, with_rclone=with_rclone) as stage:
        for part, rows in (("listings", listings.rows), ("looks", looks.rows), ("attributes", attributes.rows), ("commands", commands.rows),
                           ("a million files", million.rows)):
            say(part)
            rows(stage, report)
    return LEGEND.format(repetitions=sizes.repetitions, page=sizes.page, quick=sizes.quick)
