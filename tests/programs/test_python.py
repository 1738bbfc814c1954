"""Manual, costs: what programs written in Python, and SQLite, do to files works, for the fewest requests. Each script
runs in an interpreter of its own.
"""

import shlex
import sys

import pytest

from tests.desk import Desk

NEW = {"upload": 1}
OVER = {"upload": 1, "delete": 1}


def python(script: str) -> str:
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(script)}"


@pytest.mark.parametrize(("before", "script", "counts", "left"), [
    ("", "shutil.copy(out / 'new', 'a')", NEW, {"a": "new\n"}),
    ("echo old > a", "shutil.copy(out / 'new', 'a')", OVER, {"a": "new\n"}),
    ("", "shutil.copy2(out / 'new', 'a'); assert os.stat('a').st_mtime_ns == os.stat(out / 'new').st_mtime_ns", NEW, {"a": "new\n"}),
    ("", "shutil.copyfile(out / 'new', 'a')", NEW, {"a": "new\n"}),
    ("echo a > a", "shutil.copy2('a', 'b'); assert os.stat('a').st_mtime_ns == os.stat('b').st_mtime_ns", NEW, {"a": "a\n", "b": "a\n"}),
    ("", "shutil.move(out / 'new', 'a')", NEW, {"a": "new\n"}),
    ("echo a > a", "shutil.move('a', out / 'b')", {"delete": 1}, {}),
    ("echo a > a", "shutil.move('a', 'b')", OVER, {"b": "a\n"}),
    ("", "shutil.copytree(out, '.', dirs_exist_ok=True)", {"upload": 2}, {"new": "new\n", "more": "more\n"}),
    ("echo a > a", "Path('a').write_text('x'); Path('a').unlink(); Path('b').write_text('x'); Path('b').replace('c')",
     {"upload": 3, "delete": 3}, {"c": "x"}),
    ("", "Path('a').write_text('x'); Path('a').rename('b'); Path('b').unlink(); Path('c').touch(); Path('c').unlink()", None, {}),
    ("echo a > a", "Path('a').open('a').write('b')", OVER, {"a": "a\nb"}),
    ("echo a > a", "f = open('a', 'r+'); f.seek(0, 2); f.write('b'); f.flush(); os.fsync(f.fileno()); f.write('c'); f.close()", OVER, {"a": "a\nbc"}),
    ("", "f = open('a', 'w+'); f.write('abc'); f.flush(); f.truncate(2); f.seek(0); assert f.read() == 'ab'; f.close()", NEW, {"a": "ab"}),
    ("", "f = open('a', 'wb', buffering=0); os.posix_fallocate(f.fileno(), 0, 3000); f.write(b'x'); f.close()", NEW, {"a": b"x" + bytes(2999)}),
    # In wait mode a close is a promise, and no rule knows this name: it has been sent when it is renamed. The rename would
    # send it again from here; its old id goes.
    ("", "f = tempfile.NamedTemporaryFile(dir='.', delete=False); f.write(b'x'); f.close(); os.replace(f.name, 'a')",
     {"upload": 2, "delete": 1}, {"a": "x"}),
    ("echo a > a", "f = tempfile.NamedTemporaryFile(dir='.', delete=False); f.write(b'x'); f.close(); os.replace(f.name, 'a')",
     {"upload": 2, "delete": 2}, {"a": "x"}),
    # Renamed while it is open, it was never promised under the first name.
    ("echo a > a", "f = tempfile.NamedTemporaryFile(dir='.', delete=False); f.write(b'x'); f.flush(); os.replace(f.name, 'a'); f.close()",
     OVER, {"a": "x"}),
    ("", "f = tempfile.NamedTemporaryFile(dir='.'); f.write(b'x'); f.close()", OVER, {}),
    ("", "f = tempfile.TemporaryFile(dir='.'); f.write(b'x'); f.seek(0); assert f.read() == b'x'; f.close()", {}, {}),
    ("", "zipfile.ZipFile('a', 'w').writestr('x', 'y'); assert zipfile.ZipFile('a').read('x') == b'y'; os.remove('a')", OVER, {}),
    ("", "f = tarfile.open('a', 'w'); f.add(out / 'new', 'new'); f.close(); assert tarfile.open('a').getnames() == ['new']; os.truncate('a', 1)",
     {"upload": 2, "delete": 1}, {"a": "."}),
    ("echo a > a", "Path('a').write_text('')", OVER, {"a": ""}),
    ("echo a > a", "os.truncate('a', 1); Path('a').write_text('')", None, {"a": ""}),
    ("", "pickle.dump([1], open('a', 'wb')); assert pickle.load(open('a', 'rb')) == [1]; Path('a').write_bytes(b'x')", {"upload": 2, "delete": 1}, {"a": "x"}),
    ("", "f = open('a', 'w+b'); f.truncate(100_000); m = mmap.mmap(f.fileno(), 0); m[50_000:50_003] = b'abc'; m.flush(); m.close(); f.close()",
     NEW, {"a": bytes(50_000) + b"abc" + bytes(49_997)}),
    # numpy.memmap closes the file first; but Python's map keeps a copy of the descriptor, whose close ends the writing.
    ("", "f = open('a', 'w+b'); f.truncate(9000); m = mmap.mmap(f.fileno(), 0); f.close(); m[5000:5003] = b'abc'; m.flush(); m.close()",
     NEW, {"a": bytes(5000) + b"abc" + bytes(3997)}),
    ("head -c 9000 /dev/zero > a", "f = open('a', 'r+b'); m = mmap.mmap(f.fileno(), 0); f.close(); m[5000:5003] = b'abc'; m.flush(); m.close()",
     OVER, {"a": bytes(5000) + b"abc" + bytes(3997)}),
    # Two lines a file: the third rolls over, which renames the full one.
    ("", ("h = logging.handlers.RotatingFileHandler('log', maxBytes=4, backupCount=1); h.emit(logging.makeLogRecord({'msg': 'a'})); "
          "h.emit(logging.makeLogRecord({'msg': 'b'})); h.close()"), {"upload": 3, "delete": 1}, {"log": "b\n", "log.1": "a\n"}),
    ("", "os.close(os.open('a', os.O_CREAT | os.O_EXCL | os.O_WRONLY)); os.unlink('a'); Path('b').write_text('b')", None, {"b": "b"}),
    ("", "p = subprocess.Popen(['sh', '-c', 'echo x'], stdout=open('a', 'w')); p.wait()", NEW, {"a": "x\n"}),
    ("", "list(concurrent.futures.ThreadPoolExecutor(8).map(lambda n: Path(f'f{n}').write_text(str(n)), range(20)))", {"upload": 20},
     {f"f{n}": str(n) for n in range(20)}),
    ("echo a > a", "f = fileinput.input('a', inplace=True); [print(line.strip() + '!') for line in f]; f.close()", None, {"a": "a!\n"}),
])
def test_a_script_costs_what_it_changes(desk: Desk, before: str, script: str, counts: dict[str, int] | None, left: dict[str, str]) -> None:
    """None: it depends on how quick the background is."""
    desk.prepare(f"echo new > $OUT/new; echo more > $OUT/more; touch -d @1000000000.5 $OUT/new; {before}")
    run = python("import concurrent.futures, fileinput, logging.handlers, mmap, os, pickle, shutil, subprocess, tarfile, tempfile, zipfile\n"
                 f"from pathlib import Path\nout = Path(os.environ['OUT'])\n{script}\n")
    if counts is None:
        desk.run(run)
        desk.mount.sync()
    else:
        desk.costs(run, counts)
    desk.has(left)


# ---- SQLite

MANY = "create table t(x); " + "insert into t values(1); " * 5 + "begin; insert into t values(2); insert into t values(3); commit; vacuum;"


@pytest.mark.parametrize(("mode", "stays"), [
    ("delete", []), ("truncate", ["a.db-journal"]), ("persist", ["a.db-journal"]), ("memory", []), ("off", []), ("wal", []),
])
def test_a_session_in_sqlite_costs_one_upload_however_many_transactions_it_has(desk: Desk, mode: str, stays: list[str]) -> None:
    # The shell is on its guard since SQLite 3.42, and takes no mode without a journal then.
    sqlite3 = "sqlite3 -cmd '.dbconfig defensive off' a.db"
    desk.costs(f"{sqlite3} 'pragma journal_mode={mode}; {MANY}' > $OUT/said; grep -qx {mode} $OUT/said", NEW)
    assert desk.costs("sqlite3 a.db 'pragma integrity_check; select count(*) from t'", {}) == "ok\n7\n"
    desk.costs(f"{sqlite3} 'pragma journal_mode={mode}; insert into t values(4); delete from t where x = 1; vacuum' > $OUT/said", OVER)
    desk.has({name: (desk.files / name).read_bytes() for name in ["a.db", *stays]}, stays=stays)
    desk.mount.remount("--refresh", "300")
    assert desk.costs("sqlite3 a.db 'pragma integrity_check; select count(*) from t'", {}) == "ok\n3\n"
    desk.has({name: (desk.files / name).read_bytes() for name in ["a.db", *stays]}, stays=stays)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_database_is_rolled_back_when_its_program_was_killed(desk: Desk, mode: str) -> None:
    """The journal stays here, beside the database, and is found at the next look."""
    desk.prepare(f"sqlite3 a.db 'pragma journal_mode={mode}; create table t(x); insert into t values(1)' > $OUT/said")
    die = python("import os, signal, sqlite3\nd = sqlite3.connect('a.db', isolation_level=None)\nd.execute('pragma cache_size=1')\nd.execute('begin')\n"
                 "d.executemany('insert into t values(?)', [('x' * 3000,)] * 200)\nos.kill(os.getpid(), signal.SIGKILL)")
    desk.run(f"{{ {die}; }} 2> $OUT/said || true")
    desk.mount.remount("--refresh", "300")
    assert desk.run("sqlite3 a.db 'pragma integrity_check; select count(*) from t'") == "ok\n1\n"
    desk.mount.sync()
    desk.has({"a.db": (desk.files / "a.db").read_bytes()})


def test_two_programs_wait_for_each_others_locks(desk: Desk) -> None:
    desk.prepare("sqlite3 a.db 'create table t(x)'")
    one = "sqlite3 -cmd '.timeout 20000' a.db 'insert into t values(1)'"
    desk.run(f"for n in 1 2 3 4 5; do {one} & done; wait; wait")
    assert desk.run("sqlite3 a.db 'pragma integrity_check; select count(*) from t'") == "ok\n5\n"


def test_pythons_sqlite3_costs_one_upload(desk: Desk) -> None:
    desk.costs(python("import sqlite3\nd = sqlite3.connect('a.db')\nd.execute('create table t(x)')\n"
                      "for n in range(5):\n    with d:\n        d.execute('insert into t values(?)', (n,))\nd.execute('vacuum')\nd.close()"), NEW)
    assert desk.run("sqlite3 a.db 'select sum(x) from t'") == "10\n"


def test_a_copy_of_a_database_and_its_journal_is_sent_as_it_is(desk: Desk) -> None:
    """Only what SQLite itself makes stays here."""
    desk.run("sqlite3 $OUT/a.db 'pragma journal_mode=persist; create table t(x)' > $OUT/said")
    desk.costs("cp $OUT/a.db .; cp $OUT/a.db-journal .", {"upload": 2})
    desk.has({name: (desk.out / name).read_bytes() for name in ("a.db", "a.db-journal")})
