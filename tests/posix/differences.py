"""Why the mount's answers differ where they do: each reason once, as the manual's page posix says it.

`python -m tests.posix.differences` prints the page's list.
"""

import textwrap
from typing import Final

COLUMNS: Final = 140
DIFFERENCES: Final = {
    "links": "a directory has one link, as on btrfs, however many directories are in it: they aren't counted. `find` knows what that means.",
    "hard links": "the service has no links, so a file has one name: `link` is EPERM, and programs copy or rename instead. A program's helper "
                  "file at rest can be given a free name, as a file of its own (`anthrofs help limits`).",
    "symbolic links": "the service has none: EPERM. `cp -r` and `rsync -l` say so of each; `cp -rL` copies what they lead to.",
    "device nodes": "pipes, sockets and devices can't be kept on a server: EPERM. A plain file can be made by `mknod`.",
    "removed directories": "what has a directory open that is removed gets ESTALE from `fstat`, with libfuse 2 ENOENT: libfuse knows"
                           " directories by their paths.",
    "long paths": "a path below the mount point has at most 255 characters, for that is what the service takes as a file's name: ENAMETOOLONG. "
                  "A part of it has at most 255 bytes, as anywhere.",
    "chown to nobody": "`chown` that changes neither owner nor group isn't told to a FUSE file system, so it leaves ctime as it is.",
    "owners": "all files belong to who has mounted, or to the mount's options uid and gid: giving them to others is EPERM, also for root.",
    "cuts by path": "`truncate` of a file that only the server has is EOPNOTSUPP unless it is to nothing, for it would wait for the download "
                    "while nobody gets on in its directory. By a descriptor it works, and so `truncate(1)` does.",
    "atime": "the time of access isn't kept: it is always mtime. Setting it alone changes ctime, as on a disk.",
    "far times": "times are kept to the nanosecond from 1677 to 2262; beyond that it is the first or the last moment. On ext4 that is 1901 and 2446.",
    "renameat2": "EXCHANGE is EINVAL: the service can rename nothing, let alone two files at once. With libfuse 2 "
                 "NOREPLACE is, too, for that has no way to pass it on. `mv -n` and glibc do without then.",
    "file sizes": "a file has at most 500 MiB: EFBIG (`anthrofs help limits`).",
    "holes": "`lseek` finds no holes: a file is data to its end. They are zeros when they are read.",
    "reserved space": "`fallocate` is EOPNOTSUPP: nothing on a server can be reserved, and nothing punched. `posix_fallocate` works, slowly.",
    "unnamed files": "O_TMPFILE is EOPNOTSUPP, as on most network file systems; programs make a file and unlink it instead, and that works.",
    "attribute names": "attributes of the namespaces security and system don't exist, and the kernel is told so once (EOPNOTSUPP), or it "
                       "would ask for them before each write. trusted ones can't be set.",
    "wastebaskets": "`.Trash` and `.Trash-N` can't be made (EPERM), so that file browsers offer to delete for good.",
    "names of its own": "`.by-id` and whatever begins with `.fuse_hidden` can't be made (EPERM): the mount uses them itself.",
    "encodings": "a name that isn't UTF-8 is EINVAL: the service has no way to write it.",
}


def listed() -> str:
    """The list, as the page has it."""
    return "\n".join(textwrap.fill(f"- **{name}**: {why}", COLUMNS, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
                     for name, why in DIFFERENCES.items())


if __name__ == "__main__":
    print(listed())
