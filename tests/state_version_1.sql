
CREATE TABLE meta (                      -- single facts of the whole state
    name        TEXT PRIMARY KEY,        -- see index.META
    value       TEXT NOT NULL
);
CREATE TABLE node (                      -- the tree: what the user wants of a name, what the server has for it
    node_id     INTEGER PRIMARY KEY AUTOINCREMENT,  -- st_ino; AUTOINCREMENT: never used again
    parent      INTEGER NOT NULL,        -- node_id of its directory; 2: unlinked but still in use; 0: of the two roots
    name        TEXT NOT NULL,           -- the entry's name there
    directory   INTEGER NOT NULL DEFAULT 0,
    mode        INTEGER NOT NULL,        -- permission bits
    mtime_ns    INTEGER NOT NULL,        -- what the user set or did, else created_ns
    size_bytes  INTEGER NOT NULL,        -- of stage if there is one, else of the server's content as delivered
    wanted      TEXT,                    -- server name that a user's create asked for; NULL: never sends anything
    stage       INTEGER,                 -- staging/<number>: promised content that the server hasn't; NULL: none
    sealed      INTEGER NOT NULL DEFAULT 0,         -- 1: a close handed the stage over. 0: only fsync promised it, its
                                         -- handles still write to it, so it must not be sent yet
    hidden_from TEXT,                    -- of an unlinked node that is open: the name it had
    confirmed   INTEGER NOT NULL DEFAULT 0,         -- 1: a download has shown size_bytes to be what is delivered
    file_id     TEXT UNIQUE,             -- what the server has; NULL: nothing yet. The rest is as it described it:
    server_name TEXT,
    server_mime TEXT,
    server_size INTEGER,                 -- bytes; what is delivered can differ, see size_bytes
    created_ns  INTEGER,                 -- server's clock
    downloadable INTEGER,
    expires_ns  INTEGER,                 -- NULL: never
    seen        INTEGER NOT NULL DEFAULT 0,         -- number of the last listing that showed it; 0: none did yet
    UNIQUE (parent, name)
);
CREATE TABLE attempt (                   -- to upload; what is to be uploaded is derived from node, not recorded
    node_id     INTEGER PRIMARY KEY,     -- at most one a node; a newer content supersedes it
    stage       INTEGER NOT NULL,        -- the sealed file being sent
    state       TEXT NOT NULL,           -- see outbox.NEXT
    name        TEXT NOT NULL,           -- name, type and size as sent: how a lost answer is found in a listing
    mime_type   TEXT NOT NULL,
    size_bytes  INTEGER NOT NULL,
    sent_ns     INTEGER,                 -- server's clock, earliest moment of the last try; NULL: never sent
    tries       INTEGER NOT NULL DEFAULT 0,
    code        INTEGER,                 -- of FAILED: errno
    reason      TEXT                     -- of FAILED: the server's words and request id
);
CREATE TABLE doomed (                    -- ids that the user no longer wants
    file_id     TEXT PRIMARY KEY,
    server_name TEXT NOT NULL,           -- it is deleted only when nothing of this name is still to be sent
    deleted_ns  INTEGER,                 -- our clock; NULL: to be deleted. Else a tombstone: a lagging listing shows it
    reason      TEXT                     -- of the last refusal to delete it
);
CREATE TABLE kept (                      -- ids of which the cache has a full copy that must stay, whatever a listing says
    file_id     TEXT PRIMARY KEY
);
CREATE INDEX node_by_stage ON node (stage) WHERE stage IS NOT NULL;
CREATE INDEX node_unsent ON node (wanted) WHERE stage IS NOT NULL;
CREATE INDEX attempt_name ON attempt (name);
CREATE INDEX doomed_waiting ON doomed (server_name) WHERE deleted_ns IS NULL;
INSERT INTO node (node_id, parent, name, directory, mode, mtime_ns, size_bytes) VALUES (1, 0, '/', 1, 493, 0, 0);
INSERT INTO node (node_id, parent, name, directory, mode, mtime_ns, size_bytes) VALUES (2, 0, 'hidden', 1, 0, 0, 0);
INSERT INTO node (parent, name, mode, mtime_ns, size_bytes, wanted, file_id, server_name, server_mime, server_size, created_ns, downloadable, seen)
    VALUES (1, 'sent.txt', 420, 5, 3, 'sent.txt', 'file_1', 'sent.txt', 'text/plain', 3, 1000, 0, 1);
INSERT INTO node (parent, name, mode, mtime_ns, size_bytes, file_id, server_name, server_mime, server_size, created_ns, downloadable, seen)
    VALUES (1, 'reports／may.csv', 384, 7, 3, 'file_2', 'reports／may.csv', 'text/csv', 3, 2000, 1, 1);
INSERT INTO node (parent, name, mode, mtime_ns, size_bytes, stage, sealed) VALUES (1, 'note.txt~', 420, 5, 3, 4, 1);
INSERT INTO node (parent, name, mode, mtime_ns, size_bytes, wanted, stage, sealed) VALUES (1, 'refused.txt', 420, 5, 3, 'refused.txt', 5, 1);
INSERT INTO attempt VALUES (6, 5, 'failed', 'refused.txt', 'text/plain', 3, 1000, 1, 27, 'too large');
INSERT INTO doomed VALUES ('file_3', 'old.txt', NULL, NULL);
INSERT INTO kept VALUES ('file_1');
INSERT INTO meta VALUES ('watermark', '2000 file_2');
PRAGMA user_version = 1;
