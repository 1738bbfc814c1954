"""Who writes to the local disk: by a labelled step of store/disk.py, or for a reason that stands here."""

import ast
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[2] / "anthrofs"
ELSEWHERE: Final = ("emulator", "cli")          # a service of its own; what people type, which writes nothing of a mount's
CALLS: Final = {"pwrite", "pwritev", "truncate", "ftruncate", "fsync", "fdatasync", "hardlink_to", "symlink_to", "link", "mkdir", "makedirs",
                "write_text", "write_bytes", "touch", "rmtree", "copyfile", "copyfileobj", "mkstemp", "backup", "O_CREAT"}
# What a power cut does to what they write without a label, each by its place.
WRITERS: Final = {
    "client/known_states.py": {"symlink_to", "mkdir"},      # a link to a state elsewhere: without it `anthrofs states` doesn't find that
    "doctor/bundle.py": {"O_CREAT"},                        # for somebody who helps: made again when it is cut
    "store/disk.py": {"pwrite", "fsync", "fdatasync", "hardlink_to"},       # the labelled steps themselves
    # A new stage is an empty file, nothing is promised of it, and a copy for an edit is synced as all that is promised. What is cut is
    # given up. Directories are synced behind their making, as state:dir.
    "store/staging.py": {"O_CREAT", "ftruncate", "copyfileobj", "mkdir"},
    "store/block_file.py": {"O_CREAT", "pwrite", "pwritev"},                # blocks and their sums: what doesn't match is fetched again
    "store/block_cache.py": {"mkdir"},                                      # as staging's
    # Synced behind their making, as state:above. The lock says who has it, to whoever finds it locked.
    "store/state_dir.py": {"O_CREAT", "mkdir", "pwrite", "ftruncate"},
    "store/neighbours.py": {"O_CREAT"},         # whose files the state has, for other states here: without it, or with half of it, they lend nothing
    "store/state_removal.py": {"O_CREAT", "rmtree"},       # of a state that its user doesn't want; what a power cut leaves is removed again
    "tree/left_state.py": {"copyfile"},                     # to look at: it goes at once
    "tree/state_file.py": {"backup", "fsync"},                              # a copy before an upgrade: synced, named, and its name synced
    "tree/state_sum.py": {"write_text"},                # only vouches; that it goes is synced (sync_names) before the database is written to
    "fleet/mount_count.py": {"O_CREAT", "pwrite"},                          # how many mounts there were: without it, one
    "fuse/libfuse3.py": {"truncate"},                                       # the kernel's request, handed on to operations.py
    "remote/budget.py": {"O_CREAT", "pwrite", "ftruncate"},                 # the last minute's requests: a boot takes as long
    "fleet/directory.py": {"O_CREAT", "mkdir", "fsync"},        # a store's, which other machines write to as well: synced before it counts as put
    "store/whole_file.py": {"mkstemp", "fsync"},        # settings, units, tokens: synced, named, and their name synced
    "settings/writing.py": {"fsync", "mkdir", "O_CREAT"},                   # a key in a file of its own: synced before it counts as written
    "service/helper_links.py": {"symlink_to"},                              # for mount(8); `service install` makes it again
    "service/named_mount.py": {"mkdir"},                                    # a place to mount on, which each start makes
    "remote/login.py": {"mkdir"},                                           # of a user's own configuration
}


def test_all_that_is_written_is_a_step_with_a_label_or_may_be_lost() -> None:
    found = {str(path.relative_to(PACKAGE)): calls for path in sorted(PACKAGE.rglob("*.py"))
             if path.relative_to(PACKAGE).parts[0] not in ELSEWHERE and (calls := writes(path.read_text()))}
    assert found == WRITERS


def writes(source: str) -> set[str]:
    """Names of functions that change a disk, of modules and of paths; methods of ours that bear the same are called on what is ours."""
    nodes = list(ast.walk(ast.parse(source)))
    ours = {id(node) for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)
            and node.value.attr.startswith("_") and node.value.attr not in ("_root", "_kept_root")}
    ours |= {id(node) for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "stage"}
    ours |= {id(node) for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call)
             and isinstance(node.value.func, ast.Attribute)}
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and node.attr in CALLS and id(node) not in ours}


def test_a_writer_is_found() -> None:
    assert writes("import os\nos.pwrite(1, b'', 0)\npath.mkdir()\nself._root.mkdir()") == {"pwrite", "mkdir"}
    assert writes("self._links.link(a, b)\nself._writable_locked(content).truncate(1)\nstage.truncate(0)\n_place(path).write_text('')") == {"write_text"}
