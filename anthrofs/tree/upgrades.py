"""Steps from each version of the schema to the next: users have states of all of them.

Never   changes a step that was ever used: a new version begins with the statements that lead to it from the one before.
"""

from functools import reduce
from typing import Final

from anthrofs.tree.schema import (
    BY_TIME,
    HISTORY,
    KEEP_INSERTED,
    KEEP_KEPT,
    KEEP_OWED,
    KEEP_TOTAL,
    QUEUES,
    SHARES,
    TOTAL,
    TOTAL_KEPT,
    TOTAL_OWED,
)

DOUBTED: Final = "doubted "      # begins facts in meta: the rest is an id whose blocks the cache is to forget, see
                                 # STEPS
# In 3 a download that ended early could become the file, with its size. Only image, audio and video may be longer than
# listed, and nothing shorter; a kept copy is our own upload, and right.
_CUT: Final = """file_id IS NOT NULL AND stage IS NULL AND size_bytes != server_size
    AND file_id NOT IN (SELECT file_id FROM kept) AND (size_bytes < server_size
    OR NOT (server_mime LIKE 'image/%' OR server_mime LIKE 'audio/%' OR server_mime LIKE 'video/%'))"""

_KEEP_INSERTED: Final = """
CREATE TRIGGER node_total_insert AFTER INSERT ON node WHEN NOT NEW.directory AND NEW.parent != 2 BEGIN
    UPDATE total SET files = files + 1, used_bytes = used_bytes + iif(NEW.file_id IS NULL, 0, NEW.size_bytes),
    local = local + NEW.local;
END;"""

# What a form would spell otherwise, as names.py sends it since: a percent sign before these is the wide one. (Behind a
# quote it would be another name's; such a name is left.)
_SPELLED: Final = reduce(lambda text, end: f"replace({text}, '%{end}', '\uff05{end}')", ("22", "0D", "0d", "0A", "0a"),
                         "wanted")

# From each earlier version to the next. In 1 files were in one directory, and never renamed; 2 counted them at each
# look; 3 believed what it was told of lengths, modes and refusals; 4 had one time for all changes; 5 looked through all
# rows for the few that it wanted; 6 knew of no fleet; 7 forgot the ids that a path had had.
STEPS: Final = {
    1: """
ALTER TABLE node ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN local INTEGER NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN mime_type TEXT;
ALTER TABLE node ADD COLUMN expires_s INTEGER;
ALTER TABLE node ADD COLUMN resend INTEGER NOT NULL DEFAULT 0;
ALTER TABLE node ADD COLUMN hidden_parent INTEGER;
UPDATE node SET made = 1 WHERE directory;
UPDATE node SET local = 1 WHERE wanted IS NULL AND file_id IS NULL AND NOT directory;
UPDATE node SET hidden_parent = 1 WHERE parent = 2;
ALTER TABLE attempt RENAME TO old_attempt;
CREATE TABLE attempt (node_id INTEGER PRIMARY KEY, stage INTEGER NOT NULL, state TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    name TEXT, mime_type TEXT, expires_s INTEGER, sent_ns INTEGER, tries INTEGER NOT NULL DEFAULT 0, code INTEGER,
    reason TEXT);
INSERT INTO attempt SELECT node_id, stage, state, size_bytes, name, mime_type, NULL, sent_ns, tries, code, reason
    FROM old_attempt;
DROP TABLE old_attempt;
ALTER TABLE doomed ADD COLUMN server_mime TEXT;
ALTER TABLE doomed ADD COLUMN server_size INTEGER;
ALTER TABLE doomed ADD COLUMN created_ns INTEGER;
ALTER TABLE doomed ADD COLUMN downloadable INTEGER;
ALTER TABLE doomed ADD COLUMN expires_ns INTEGER;
DROP INDEX node_unsent;
CREATE INDEX node_unsent ON node (wanted) WHERE stage IS NOT NULL OR resend;
CREATE INDEX node_resend ON node (node_id) WHERE resend;
CREATE INDEX node_server_name ON node (server_name) WHERE local;
CREATE INDEX attempt_name ON attempt (name);
CREATE INDEX attempt_small ON attempt (stage) WHERE size_bytes < 8388608;
CREATE INDEX attempt_big ON attempt (stage) WHERE size_bytes >= 8388608;
""",
    2: f"""
UPDATE node SET hidden_from = NULL, hidden_parent = NULL WHERE parent = 2 AND
    node_id NOT IN (SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'last_hide');
DELETE FROM meta WHERE name = 'last_hide';
{TOTAL}
INSERT INTO total SELECT count(*), coalesce(sum(iif(file_id IS NULL, 0, size_bytes)), 0), coalesce(sum(local), 0)
    FROM node
    WHERE parent != 2 AND NOT directory;
{_KEEP_INSERTED}{KEEP_TOTAL}
CREATE TABLE attribute (node_id INTEGER NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (node_id, name))
    WITHOUT ROWID;
CREATE TRIGGER node_removed AFTER DELETE ON node BEGIN DELETE FROM attribute WHERE node_id = old.node_id; END;
CREATE INDEX node_expires ON node (expires_ns) WHERE expires_ns IS NOT NULL;
ALTER TABLE node ADD COLUMN expires_set INTEGER NOT NULL DEFAULT 0;
UPDATE node SET expires_set = 1 WHERE expires_s IS NOT NULL;
""",
    # An unreadable file had mode 0200, and tools gave that to the one that replaced it. Other modes without the owner's
    # read bit get this bit alone: what their user closed to others stays closed to them.
    3: f"""
DROP INDEX attempt_small;
DROP INDEX attempt_big;
DROP INDEX IF EXISTS doomed_waiting;
ALTER TABLE doomed ADD COLUMN doomed_ns INTEGER NOT NULL DEFAULT 0;
UPDATE doomed SET doomed_ns = CAST(strftime('%s', 'now') AS INTEGER) * 1000000000;
{TOTAL_OWED}
UPDATE total SET owed = (SELECT count(*) FROM doomed WHERE deleted_ns IS NULL);
{QUEUES}{KEEP_OWED}
UPDATE node SET mode = iif(mode = 128, 420, mode | 256) WHERE NOT directory AND NOT mode & 256;
UPDATE node SET wanted = {_SPELLED} WHERE instr(wanted, '%') AND NOT instr(wanted, '\u201b%')
    AND wanted IS NOT server_name;
UPDATE attempt SET state = 'queued', code = NULL, reason = NULL WHERE state = 'failed' AND
    (code IN (13, 122) OR reason LIKE '%(HTTP 400, %' OR reason LIKE '%not the service''s own answer%');
ALTER TABLE node ADD COLUMN lacks_from INTEGER;
ALTER TABLE node ADD COLUMN lacks_to INTEGER;
ALTER TABLE node ADD COLUMN lacks_code INTEGER;
CREATE TABLE lost (stage INTEGER NOT NULL, name TEXT NOT NULL, mime_type TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    sent_ns INTEGER,
    until_ns INTEGER NOT NULL);
ALTER TABLE doomed ADD COLUMN doubt INTEGER;
ALTER TABLE doomed ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE kept ADD COLUMN here INTEGER NOT NULL DEFAULT 1;
ALTER TABLE kept ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE kept SET bytes = coalesce((SELECT server_size FROM node WHERE node.file_id = kept.file_id), 0);
CREATE INDEX kept_bytes ON kept (here, bytes) WHERE here = 1;
CREATE INDEX kept_here ON kept (here);
ALTER TABLE doomed ADD COLUMN wrong INTEGER;
ALTER TABLE doomed ADD COLUMN saved_as TEXT;
ALTER TABLE node ADD COLUMN listed_bytes INTEGER;
CREATE INDEX node_listed_bytes ON node (listed_bytes) WHERE listed_bytes IS NOT NULL;
INSERT INTO meta SELECT '{DOUBTED}' || file_id, '' FROM node WHERE {_CUT};
UPDATE node SET size_bytes = server_size, confirmed = 0 WHERE {_CUT};
""",
    4: "ALTER TABLE node ADD COLUMN ctime_ns INTEGER;",
    5: f"""
DROP TRIGGER node_total_insert;
{KEEP_INSERTED}{TOTAL_KEPT}{BY_TIME}
UPDATE total SET (copies, copy_bytes, copyless) = (SELECT coalesce(sum(here = 1), 0), coalesce(sum(iif(here = 1, bytes,
    0)), 0), coalesce(sum(here != 1), 0) FROM kept);
{KEEP_KEPT}
""",
    6: SHARES,
    7: HISTORY,
}
