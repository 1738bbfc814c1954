-- A state as version 2 wrote it.
BEGIN TRANSACTION;
CREATE TABLE attempt (                   -- to upload; what is to be uploaded is derived from node, not recorded
    node_id     INTEGER PRIMARY KEY,     -- at most one a node; a newer content supersedes it
    stage       INTEGER NOT NULL,        -- the sealed file being sent; of a node with resend, a second name of its copy
    state       TEXT NOT NULL,           -- see outbox.NEXT
    size_bytes  INTEGER NOT NULL,        -- of that file
    name        TEXT,                    -- name and type as last sent: how, with the size, a lost answer is found in a
    mime_type   TEXT,                    -- listing; NULL: never sent
    expires_s   INTEGER,                 -- as last sent
    sent_ns     INTEGER,                 -- server's clock, earliest moment of the last try; NULL: never sent, or unknown
    tries       INTEGER NOT NULL DEFAULT 0,
    code        INTEGER,                 -- of FAILED: errno
    reason      TEXT                     -- of FAILED: the server's words and request id
);
CREATE TABLE doomed (                    -- ids that the user no longer wants
    file_id     TEXT PRIMARY KEY,
    server_name TEXT NOT NULL,           -- it is deleted only when nothing of this name is still to be sent
    server_mime TEXT,                    -- as the server described it: should the user want it back; NULL: not known
    server_size INTEGER,
    created_ns  INTEGER,
    downloadable INTEGER,
    expires_ns  INTEGER,
    deleted_ns  INTEGER,                 -- our clock; NULL: to be deleted. Else a tombstone: a lagging listing shows it
    reason      TEXT                     -- of the last refusal to delete it
);
CREATE TABLE kept (                      -- ids of which the cache has a full copy that must stay, whatever a listing says
    file_id     TEXT PRIMARY KEY
);
INSERT INTO "kept" VALUES('file_1');
CREATE TABLE meta (                      -- single facts of the whole state
    name        TEXT PRIMARY KEY,
    value       TEXT NOT NULL
);
INSERT INTO "meta" VALUES('watermark','2000 file_2');
CREATE TABLE node (                      -- the tree: what the user wants of a name, what the server has for it
    node_id     INTEGER PRIMARY KEY AUTOINCREMENT,  -- st_ino; AUTOINCREMENT: never used again
    parent      INTEGER NOT NULL,        -- node_id of its directory; 2: unlinked but still in use; 0: of the two roots
    name        TEXT NOT NULL,           -- the entry's name there
    directory   INTEGER NOT NULL DEFAULT 0,
    made        INTEGER NOT NULL DEFAULT 0,         -- of a directory, 1: the user made or changed it, so it stays when it is
                                         -- empty. 0: it is there for the names of others' files, and goes with the last
    mode        INTEGER NOT NULL,        -- permission bits
    mtime_ns    INTEGER NOT NULL,        -- what the user set or did, else created_ns
    size_bytes  INTEGER NOT NULL,        -- of stage if there is one, else of the server's content as delivered
    wanted      TEXT,                    -- server name that a user's create or rename asked for; NULL: only display named it,
                                         -- or it is local. Never sends anything by itself
    local       INTEGER NOT NULL DEFAULT 0,         -- 1: the name of a program's helper file, which stays on this machine
    mime_type   TEXT,                    -- what the user set; NULL: guessed from name and content
    expires_s   INTEGER,                 -- seconds after its upload at which the service shall delete it; NULL: never
    stage       INTEGER,                 -- staging/<number>: promised content that the server hasn't; NULL: none
    sealed      INTEGER NOT NULL DEFAULT 0,         -- 1: a close handed the stage over. 0: only fsync promised it, its
                                         -- handles still write to it, so it must not be sent yet
    resend      INTEGER NOT NULL DEFAULT 0,         -- 1: the content that the server has is to be sent again, as wanted
    hidden_from TEXT,                    -- of an unlinked node that is open: the name it had
    hidden_parent INTEGER,               -- and the directory
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
INSERT INTO "node" VALUES(1,0,'/',1,1,493,0,0,NULL,0,NULL,NULL,NULL,0,0,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "node" VALUES(2,0,'hidden',1,1,0,0,0,NULL,0,NULL,NULL,NULL,0,0,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "node" VALUES(3,1,'reports',1,0,493,7,0,NULL,0,NULL,NULL,NULL,0,0,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "node" VALUES(4,3,'may.csv',0,0,384,7,30,NULL,0,NULL,NULL,NULL,0,0,NULL,NULL,0,'file_2','reports／may.csv','text/csv',30,2000,1,NULL,1);
INSERT INTO "node" VALUES(5,1,'sent.txt',0,0,420,5,4,'sent.txt',0,NULL,7200,NULL,0,0,NULL,NULL,0,'file_1','sent.txt','text/plain',4,1000,0,NULL,1);
INSERT INTO "node" VALUES(6,1,'note.txt~',0,0,420,5,500,NULL,1,NULL,NULL,4,1,0,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "node" VALUES(7,2,'#7',0,0,420,5,6000,NULL,0,NULL,NULL,NULL,0,0,'gone.txt',1,0,'file_3','gone.txt','text/plain',6000,1500,1,NULL,1);
CREATE INDEX node_by_stage ON node (stage) WHERE stage IS NOT NULL;
CREATE INDEX node_unsent ON node (wanted) WHERE stage IS NOT NULL OR resend;
CREATE INDEX node_resend ON node (node_id) WHERE resend;
CREATE INDEX node_server_name ON node (server_name) WHERE local;
CREATE INDEX attempt_name ON attempt (name);
CREATE INDEX attempt_small ON attempt (stage) WHERE size_bytes < 8388608;
CREATE INDEX attempt_big ON attempt (stage) WHERE size_bytes >= 8388608;
CREATE INDEX doomed_waiting ON doomed (server_name) WHERE deleted_ns IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('node',7);
COMMIT;
PRAGMA user_version = 2;
