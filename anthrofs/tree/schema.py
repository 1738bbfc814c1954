"""The tables of the state's database: every column with its meaning, its unit and its special values.

Owns    the words; state_file.py makes the file, the tables' own modules own the rows. upgrades.py leads here from
        earlier versions.
Never   changes a version that was ever used: a new one has a new number, and a step in upgrades.py.
"""

from typing import Final

VERSION: Final = 8

TOTAL: Final = """
CREATE TABLE total (                     -- one row: sums over node, which take long when they are wanted at each look.
                                         -- The triggers below keep them
    files       INTEGER NOT NULL,        -- files that are shown (not those of parent 2): how many,
    used_bytes  INTEGER NOT NULL,        -- what those have that the server has,
    local       INTEGER NOT NULL         -- how many stay on this machine
);
"""
# A row that a listing brings is counted by whoever puts it there, once a page: 0.2 s of a first mount of 100,000.
KEEP_INSERTED: Final = """
CREATE TRIGGER node_total_insert AFTER INSERT ON node WHEN NEW.seen <= 0 AND NOT NEW.directory AND NEW.parent != 2 BEGIN
    UPDATE total SET files = files + 1, used_bytes = used_bytes + iif(NEW.file_id IS NULL, 0, NEW.size_bytes),
    local = local + NEW.local;
END;
"""
KEEP_TOTAL: Final = """
CREATE TRIGGER node_total_delete AFTER DELETE ON node WHEN NOT OLD.directory AND OLD.parent != 2 BEGIN
    UPDATE total SET files = files - 1, used_bytes = used_bytes - iif(OLD.file_id IS NULL, 0, OLD.size_bytes),
    local = local - OLD.local;
END;
CREATE TRIGGER node_total_update AFTER UPDATE OF parent, size_bytes, local, file_id ON node WHEN NOT NEW.directory BEGIN
    UPDATE total SET files = files + (NEW.parent != 2) - (OLD.parent != 2),
        used_bytes = used_bytes + iif(NEW.parent = 2 OR NEW.file_id IS NULL, 0, NEW.size_bytes)
                                - iif(OLD.parent = 2 OR OLD.file_id IS NULL, 0, OLD.size_bytes),
        local = local + iif(NEW.parent = 2, 0, NEW.local) - iif(OLD.parent = 2, 0, OLD.local);
END;
"""

TOTAL_OWED: Final = """
ALTER TABLE total ADD COLUMN owed INTEGER NOT NULL DEFAULT 0;           -- and a sum over doomed: ids that are still to
                                                                        -- be deleted
"""
KEEP_OWED: Final = """
CREATE TRIGGER doomed_total_insert AFTER INSERT ON doomed BEGIN UPDATE total SET owed = owed + (NEW.deleted_ns IS NULL);
    END;
CREATE TRIGGER doomed_total_delete AFTER DELETE ON doomed BEGIN UPDATE total SET owed = owed - (OLD.deleted_ns IS NULL);
    END;
CREATE TRIGGER doomed_total_update AFTER UPDATE OF deleted_ns ON doomed BEGIN
    UPDATE total SET owed = owed + (NEW.deleted_ns IS NULL) - (OLD.deleted_ns IS NULL);
END;
"""
TOTAL_KEPT: Final = """
ALTER TABLE total ADD COLUMN copies INTEGER NOT NULL DEFAULT 0;         -- and over kept: copies that are here,
ALTER TABLE total ADD COLUMN copy_bytes INTEGER NOT NULL DEFAULT 0;     -- what they have,
ALTER TABLE total ADD COLUMN copyless INTEGER NOT NULL DEFAULT 0;       -- and own uploads that have none
"""
KEEP_KEPT: Final = """
CREATE TRIGGER kept_total_insert AFTER INSERT ON kept BEGIN UPDATE total SET copies = copies + (NEW.here = 1),
    copy_bytes = copy_bytes + iif(NEW.here = 1, NEW.bytes, 0), copyless = copyless + (NEW.here != 1);
END;
CREATE TRIGGER kept_total_delete AFTER DELETE ON kept BEGIN UPDATE total SET copies = copies - (OLD.here = 1),
    copy_bytes = copy_bytes - iif(OLD.here = 1, OLD.bytes, 0), copyless = copyless - (OLD.here != 1);
END;
CREATE TRIGGER kept_total_update AFTER UPDATE OF here, bytes ON kept BEGIN
    UPDATE total SET copies = copies + (NEW.here = 1) - (OLD.here = 1),
        copy_bytes = copy_bytes + iif(NEW.here = 1, NEW.bytes, 0) - iif(OLD.here = 1, OLD.bytes, 0),
        copyless = copyless + (NEW.here != 1) - (OLD.here != 1);
END;
"""
BY_TIME: Final = """
-- Those of one page, or newer than a file: without a look at each row. In the order in which listings bring them.
CREATE INDEX node_created ON node (created_ns DESC) WHERE created_ns IS NOT NULL;
"""
QUEUES: Final = """
-- Two queues, in order: see BIG_BYTES and FAILED in upload_queue.py.
CREATE INDEX attempt_small ON attempt (stage) WHERE size_bytes < 8388608 AND state != 'failed';
CREATE INDEX attempt_big ON attempt (stage) WHERE size_bytes >= 8388608 AND state != 'failed';
CREATE INDEX doomed_waiting ON doomed (server_name, created_ns) WHERE deleted_ns IS NULL;
CREATE INDEX doomed_owed ON doomed (doomed_ns) WHERE deleted_ns IS NULL;
CREATE INDEX doomed_deleted ON doomed (deleted_ns) WHERE deleted_ns IS NOT NULL;
"""

SHARES: Final = """
CREATE TABLE share (                     -- what is owed to the store of a fleet, see shares.py; oldest first
    file_id     TEXT PRIMARY KEY,
    task        TEXT NOT NULL,           -- own: put our own upload there, from its kept copy; fetched: put what was
                                         -- downloaded, from the cache, if that has all of it; withdraw: remove it;
                                         -- doubted: nothing is, for it may be somebody else's
    size_bytes  INTEGER NOT NULL,        -- of the content; of what is withdrawn 0, unless its copy is here
    due_ns      INTEGER NOT NULL         -- our clock: not before; 0: at once
);
CREATE INDEX share_due ON share (task, due_ns);
CREATE TABLE shared (                    -- ids of which the store has the content, as far as is known here
    file_id     TEXT PRIMARY KEY
) WITHOUT ROWID;
"""

HISTORY: Final = """
CREATE TABLE history (                   -- the ids that paths have had, see history.py; oldest first
    number      INTEGER PRIMARY KEY,
    file_id     TEXT NOT NULL,           -- the id that the path has got, or that came to its end
    path        TEXT NOT NULL,           -- as it was shown then, from the mount's root
    why         TEXT NOT NULL,           -- a word of history.py
    at_ns       INTEGER NOT NULL,        -- our clock
    was         TEXT                     -- the id that the path had before, and that this one has replaced; NULL: none,
                                         -- or none that is known
);
CREATE INDEX history_path ON history (path);
CREATE INDEX history_id ON history (file_id);
CREATE INDEX history_was ON history (was) WHERE was IS NOT NULL;
"""

SCHEMA: Final = f"""{TOTAL}{TOTAL_OWED}{TOTAL_KEPT}INSERT INTO total (files, used_bytes, local) VALUES (0, 0, 0);
CREATE TABLE meta (                      -- single facts of the whole state
    name        TEXT PRIMARY KEY,
    value       TEXT NOT NULL
);
CREATE TABLE node (                      -- the tree: what the user wants of a name, what the server has for it
    node_id     INTEGER PRIMARY KEY AUTOINCREMENT,  -- st_ino; AUTOINCREMENT: never used again
    parent      INTEGER NOT NULL,        -- node_id of its directory; 2: unlinked but still in use; 0: of the two roots
    name        TEXT NOT NULL,           -- the entry's name there
    directory   INTEGER NOT NULL DEFAULT 0,
    made        INTEGER NOT NULL DEFAULT 0,         -- of a directory, 1: the user made or changed it, so it stays when
                                                    -- it is empty. 0: it is there for the names of others' files, and
                                                    -- goes with the last
    mode        INTEGER NOT NULL,        -- permission bits
    mtime_ns    INTEGER NOT NULL,        -- what the user set or did, else created_ns
    ctime_ns    INTEGER,                 -- our clock, when the user last changed anything of it: content, mode, times,
                                         -- attributes, name; of a directory what is in it, too. NULL: nothing yet, so
                                         -- it is mtime_ns
    size_bytes  INTEGER NOT NULL,        -- of stage if there is one, else of the server's content as delivered
    wanted      TEXT,                    -- server name that a user's create or rename asked for; NULL: only display
                                         -- named it, or it is local. Never sends anything by itself
    local       INTEGER NOT NULL DEFAULT 0,         -- 1: the name of a program's helper file, which stays on this
                                                    -- machine
    mime_type   TEXT,                    -- what the user set; NULL: guessed from name and content
    expires_s   INTEGER,                 -- seconds after its upload at which the service shall delete it; 0: never, and
                                         -- the user said so; NULL: never, unless the mount has a default when it is
                                         -- saved
    expires_set INTEGER NOT NULL DEFAULT 0,         -- 1: the user has set expires_s. 0: it is the mount's default at
                                                    -- the last save, and the next save's mount has its own
    stage       INTEGER,                 -- staging/<number>: promised content that the server hasn't; NULL: none
    sealed      INTEGER NOT NULL DEFAULT 0,         -- 1: a close handed the stage over. 0: only fsync promised it, its
                                         -- handles still write to it, so it must not be sent yet
    resend      INTEGER NOT NULL DEFAULT 0,         -- 1: the content that the server has is to be sent again, as wanted
    lacks_from  INTEGER,                 -- of the stage: the bytes that it lacks, as a write of them was refused, from
                                         -- here
    lacks_to    INTEGER,                 -- up to here; while it lacks any, it is never sent. NULL: nothing
    lacks_code  INTEGER,                 -- errno that the write was told; NULL: nothing is lacking
    hidden_from TEXT,                    -- of a node that libfuse has hidden, until it is known to be an unlink and not
    hidden_parent INTEGER,               -- half of a replacement: the name it had, and the directory
    confirmed   INTEGER NOT NULL DEFAULT 0,         -- 1: a download has shown size_bytes to be what is delivered, of
                                                    -- image, audio or video that the server has; or the server has it
                                                    -- from here
    file_id     TEXT UNIQUE,             -- what the server has; NULL: nothing yet. The rest is as it described it:
    server_name TEXT,
    server_mime TEXT,
    server_size INTEGER,                 -- bytes; what is delivered can differ, see size_bytes
    created_ns  INTEGER,                 -- server's clock
    downloadable INTEGER,
    expires_ns  INTEGER,                 -- NULL: never
    listed_bytes INTEGER,                -- what the last listing said of its size, if that isn't server_size; NULL: it
                                         -- agrees
    seen        INTEGER NOT NULL DEFAULT 0,         -- number of the last listing that showed it; 0: none did yet;
                                         -- below: none did, but after that one the service said that it has it
    UNIQUE (parent, name)
);
CREATE TABLE attempt (                   -- to upload; what is to be uploaded is derived from node, not recorded
    node_id     INTEGER PRIMARY KEY,     -- at most one a node; a newer content supersedes it
    stage       INTEGER NOT NULL,        -- the sealed file being sent; of a node with resend, a second name of its copy
    state       TEXT NOT NULL,           -- see upload_queue.NEXT
    size_bytes  INTEGER NOT NULL,        -- of that file
    name        TEXT,                    -- name and type as last sent: how, with the size, a lost answer is found in a
    mime_type   TEXT,                    -- listing; NULL: never sent
    expires_s   INTEGER,                 -- as last sent
    sent_ns     INTEGER,                 -- server's clock, earliest moment of the last try; NULL: never sent, or
                                         -- unknown
    tries       INTEGER NOT NULL DEFAULT 0,
    code        INTEGER,                 -- of FAILED: errno
    reason      TEXT                     -- of FAILED: the server's words and request id
);
CREATE TABLE lost (                      -- tries that were given up without knowing what became of them, see lost.py
    stage       INTEGER NOT NULL,        -- what was sent; it may be gone by now
    name        TEXT NOT NULL,           -- as it was sent: how the server's file is known, should it turn up late
    mime_type   TEXT NOT NULL,
    size_bytes  INTEGER NOT NULL,
    sent_ns     INTEGER,                 -- server's clock, earliest moment; NULL: unknown
    until_ns    INTEGER NOT NULL         -- our clock: after that it is not expected any more
);
CREATE TABLE doomed (                    -- ids that the user no longer wants
    file_id     TEXT PRIMARY KEY,
    server_name TEXT NOT NULL,           -- it is deleted only when nothing of this name is still to be sent,
    saved_as    TEXT,                    -- nor of this one, which what replaces it here gets: it was shown by another
                                         -- name than its own (a duplicate, or named here only); NULL: it wasn't
    server_mime TEXT,                    -- as the server described it: should the user want it back; NULL: not known
    server_size INTEGER,
    created_ns  INTEGER,
    downloadable INTEGER,
    expires_ns  INTEGER,
    deleted_ns  INTEGER,                 -- our clock; NULL: to be deleted. Else a tombstone: a lagging listing shows it
    reason      TEXT,                    -- of the last refusal to delete it
    doubt       INTEGER,                 -- the deletion was answered by somebody else than the service (a gateway's
                                         -- 404): number of the last listing begun before that; the next whole one
                                         -- decides. -1: it has shown that the id is gone. NULL: no such answer, or the
                                         -- id was still listed after it
    seen        INTEGER NOT NULL DEFAULT 0,         -- number of the last listing that showed it; 0: none since it is to
                                                    -- be deleted
    doomed_ns   INTEGER NOT NULL DEFAULT 0,         -- our clock; of what version 3 left, when it was taken over
    wrong       INTEGER                  -- an upload of this stage that arrived cut: it is deleted when the stage is
                                         -- not to be sent any more, because a right one is there or it has failed (then
                                         -- 0); NULL: none of those
);
CREATE TABLE kept (                      -- ids of what was uploaded from here, whatever a listing says; oldest first
    file_id     TEXT PRIMARY KEY,
    here        INTEGER NOT NULL DEFAULT 1,         -- 1: the cache has a full copy, which must stay. 0: it has none:
                                                    -- not kept, or given up. 2: it was given up, and its file may still
                                                    -- have to be removed
    bytes       INTEGER NOT NULL DEFAULT 0          -- of the content
);
CREATE TABLE attribute (                 -- extended attributes that stay on this machine, see xattrs.py
    node_id     INTEGER NOT NULL,
    name        TEXT NOT NULL,           -- user.something
    value       BLOB NOT NULL,
    PRIMARY KEY (node_id, name)
) WITHOUT ROWID;
CREATE TRIGGER node_removed AFTER DELETE ON node BEGIN DELETE FROM attribute WHERE node_id = old.node_id; END;
CREATE INDEX node_expires ON node (expires_ns) WHERE expires_ns IS NOT NULL;
CREATE INDEX node_listed_bytes ON node (listed_bytes) WHERE listed_bytes IS NOT NULL;
CREATE INDEX node_by_stage ON node (stage) WHERE stage IS NOT NULL;
CREATE INDEX node_unsent ON node (wanted) WHERE stage IS NOT NULL OR resend;
CREATE INDEX node_resend ON node (node_id) WHERE resend;
CREATE INDEX node_server_name ON node (server_name) WHERE local;
CREATE INDEX attempt_name ON attempt (name);
CREATE INDEX kept_bytes ON kept (here, bytes) WHERE here = 1;  -- what copies take,
CREATE INDEX kept_here ON kept (here);                         -- which is the oldest, and how many have none: without a
                                                               -- look at each row
{SHARES}{HISTORY}{BY_TIME}{QUEUES}{KEEP_INSERTED}{KEEP_TOTAL}{KEEP_OWED}{KEEP_KEPT}
INSERT INTO node (node_id, parent, name, directory, made, mode, mtime_ns, size_bytes)
    VALUES (1, 0, '/', 1, 1, 493, 0, 0);
INSERT INTO node (node_id, parent, name, directory, made, mode, mtime_ns, size_bytes) VALUES (2, 0, 'hidden', 1, 1, 0,
    0, 0);
"""
