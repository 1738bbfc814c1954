"""All invariants of a state directory, each as a sentence when it doesn't hold: of one that is not in use, or of one
that a mount uses, as it is at a moment.

Never   mends anything.
"""

import contextlib
import os
from pathlib import Path

from anthrofs.model import FileId, StageId
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from anthrofs.store.staging import Staging
from anthrofs.tree.database import Database
from anthrofs.tree.node_states import set_columns, states_of
from anthrofs.tree.nodes import COLUMNS, IN_TREE, node_of
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import DONE, FAILED, NEXT


def problems(state_dir: Path) -> list[str]:
    """All that is wrong; empty when all is well. Raises SetupError when the database can't be read."""
    db = Database(state_dir / "state.db")
    try:
        staging = Staging(state_dir / "staging", Disk(), 0)
        cache = BlockCache(state_dir, Disk())
        with db.reading() as tx:
            return [*_rows(tx), *_stages(tx, staging, None), *_copies(tx, cache), *_foreign(state_dir)]
    finally:
        db.close()


def problems_now(tx: Tx, staging: Staging, cache: BlockCache, state_dir: Path) -> list[str]:
    """The same of a state in use. `tx` reads a copy of its rows: the files may be newer, so what is found twice, by two
    copies, is wrong, and what is found once may not be. Raises FsError, OSError.
    """
    return [*_rows(tx), *_stages(tx, staging, staging.first), *_copies(tx, cache), *_foreign(state_dir)]


def _rows(tx: Tx) -> list[str]:
    found: list[str] = []
    states = {state for state, _ in NEXT} - {DONE}
    found += [f"the database is damaged: {words}" for (words,) in tx.all("PRAGMA integrity_check") if words != "ok"]
    for (file_id,) in tx.all("SELECT file_id FROM node WHERE file_id IN (SELECT file_id FROM doomed "
                             "WHERE deleted_ns IS NULL)"):
        found.append(f"{file_id} is shown and doomed at once")
    for name, parent in tx.all("SELECT name, parent FROM node WHERE parent NOT IN (0, 1) "
                               "AND parent NOT IN (SELECT node_id FROM node WHERE directory)"):
        found.append(f"{name!r} is in a directory that doesn't exist ({parent})")
    for row in tx.each(COLUMNS + "ORDER BY node_id"):
        if len(states_of(node := node_of(row, ""))) != 1:
            found.append(f"{node.name!r} (row {node.node_id}) is no file or folder in any state that there is, "
                         f"with these columns set: {', '.join(set_columns(node)) or 'none'}")
    for (name,) in tx.all("SELECT name FROM node WHERE lacks_code IS NOT NULL AND stage IS NULL"):
        found.append(f"{name!r} lacks something of a content that isn't there")
    for (name,) in tx.all("SELECT node.name FROM node JOIN attempt USING (node_id, stage) "
                          "WHERE lacks_code IS NOT NULL AND state != ?", FAILED):
        found.append(f"{name!r} lacks what a write refused, and is to be sent at once")
    for (name,) in tx.all("WITH RECURSIVE shown(node_id) AS (VALUES (1), (2) UNION SELECT node.node_id FROM node "
                          "JOIN shown ON node.parent = shown.node_id) SELECT name FROM node "
                          "WHERE node_id NOT IN (SELECT node_id FROM shown)"):
        found.append(f"{name!r} can't be reached from the root")
    for name, size, server in tx.all("SELECT name, size_bytes, server_size FROM node WHERE size_bytes < 0 "
                                     "OR server_size < 0"):
        found.append(f"{name!r} has a size below 0 ({size}, {server})")
    for (name,) in tx.all("SELECT name FROM node WHERE file_id IS NOT NULL AND (server_name IS NULL OR created_ns "
                          "IS NULL)"):
        found.append(f"{name!r} has an id but not what the server said of it")
    counted = tx.one("SELECT count(*), coalesce(sum(iif(file_id IS NULL, 0, size_bytes)), 0), coalesce(sum(local), "
                     f"0) FROM node WHERE {IN_TREE} AND NOT directory")
    if (noted := tx.one("SELECT files, used_bytes, local FROM total")) != counted:
        found.append(f"files, bytes and local names are noted as {noted}, but there are {counted}")
    copies = tx.one("SELECT coalesce(sum(here = 1), 0), coalesce(sum(iif(here = 1, bytes, 0)), 0), coalesce("
                    "sum(here != 1), 0) FROM kept")
    if (noted := tx.one("SELECT copies, copy_bytes, copyless FROM total")) != copies:
        found.append(f"copies, their bytes and uploads without one are noted as {noted}, but there are {copies}")
    count = tx.one("SELECT count(*) FROM doomed WHERE deleted_ns IS NULL")[0]
    if (noted := tx.deletions.count()) != count:
        found.append(f"{noted} ids are noted as to be deleted, but there are {count}")
    for (file_id,) in tx.all("SELECT file_id FROM share WHERE task = 'own' AND file_id NOT IN (SELECT file_id FROM "
                             "kept WHERE here = 1)"):
        found.append(f"{file_id} is owed to the store of a fleet, but its copy was given up")
    found += [f"{file_id} is in the store of a fleet, and owed to it at once" for (file_id,) in tx.all(
        "SELECT file_id FROM share JOIN shared USING (file_id) WHERE task IN ('own', 'fetched')")]
    found += [f"an attempt is {attempt.state}, which is no state" for attempt in tx.uploads.every()
              if attempt.state not in states]
    return found


def _stages(tx: Tx, staging: Staging, first: int | None) -> list[str]:
    """`first`: of the numbers that a running mount has given; such a stage may be in the making, or written to."""
    on_disk = _sizes(staging)
    unsent = [node for node in tx.nodes.unsent() if node.stage is not None]
    nodes = [node for node in unsent if not node.is_hidden]      # a start ends those
    # while they were written anew
    given_up = {node.node_id for node in nodes if tx.nodes.gap(node.node_id) is not None}
    attempts = tx.uploads.every()
    found = [f"{node.name!r} is promised, but its content ({node.stage}) is not in staging" for node in nodes
             if node.stage not in on_disk]
    found += [f"{node.name!r} has {on_disk[node.stage]} bytes in staging, {node.size_bytes} were promised"
              for node in nodes if node.stage is not None and (first is None or node.sealed)
              and node.node_id not in given_up and on_disk.get(node.stage, node.size_bytes) < node.size_bytes]
    found += [f"{node.name!r} is promised to the server, but nothing brings it there" for node in nodes
              if node.sendable is not None and node.node_id not in {attempt.node_id for attempt in attempts}]
    owned = {node.stage for node in unsent} | {attempt.stage for attempt in attempts}
    found += [f"{staging.path(number)} belongs to nothing: it was being written when anthrofs was ended. Look at it, "
              "then remove it"
              for number in sorted(on_disk.keys() - owned) if first is None or number < first]
    return found


def _sizes(staging: Staging) -> dict[StageId, int]:
    found = {}
    for number in staging.numbers():
        with contextlib.suppress(FileNotFoundError):        # of a mount that goes on
            found[number] = staging.path(number).stat().st_size
    return found


def _copies(tx: Tx, cache: BlockCache) -> list[str]:
    # Of an id that nothing shows any more the copy goes behind a commit, which power loss may take back.
    kept = [FileId(row[0]) for row in tx.all("SELECT file_id FROM kept JOIN node USING (file_id) WHERE here = 1")]
    lost = [row[0] for row in tx.all("SELECT node.name FROM node JOIN kept USING (file_id) WHERE node.resend "
                                     "AND NOT node.downloadable AND kept.here != 1 AND node.file_id NOT IN (SELECT "
                                     "file_id FROM shared)")]
    return [*(f"the kept copy of {file_id} is missing" for file_id in kept if not cache.has_kept(file_id)),
            *(f"{name!r} is to be sent again, but its copy was given up" for name in lost)]


def _foreign(state_dir: Path) -> list[str]:
    """All that we put there are plain files."""
    return [f"{entry.path} is no plain file, so not anthrofs's. It is left alone; move it away"
            for name in ("staging", "cache", "kept")
            if (state_dir / name).is_dir() for entry in os.scandir(state_dir / name)
            if not entry.is_file(follow_symlinks=False)]
