"""What a save by a real program costs in requests: the table of the manual's page `costs` as data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.desk import Desk
from tests.mounting import ROOT
from tests.terminal import Terminal

TOOLS: Final = ROOT / "tests" / "tools"                             # what scripts/install programs has put there,
PYTHON: Final = ROOT / ".venv-programs" / "bin" / "python"          # and here


@dataclass(frozen=True)
class Use:
    """One program at work."""

    name: str
    before: str                         # a script: what was there
    run: str | Callable[[Desk], None]
    heavy: bool = False                 # only scripts/install programs installs it


@dataclass(frozen=True)
class Row:
    """A line of the table: programs that cost the same."""

    says: str
    wait: tuple[int, int]               # uploads and deletions with --upload wait
    queue: tuple[int, int]              # and with --upload queue
    uses: tuple[Use, ...]

    def line(self) -> str:
        """The line as the page has it."""
        return f"| {self.says} | {shown(*self.wait)} | {shown(*self.queue)} |"


def shown(uploads: int, deletions: int) -> str:
    return f"{uploads} + {deletions}" if deletions else str(uploads)


def typed(*command: str, keys: list[tuple[str, str]]) -> Callable[[Desk], None]:
    """An editor on a terminal: (what it shows, what is typed then)."""
    def run(desk: Desk) -> None:
        with Terminal(command, desk.files) as terminal:
            for text, typing in keys:
                terminal.shows(text)
                terminal.types(typing)
            assert terminal.ends() == 0
    return run


def python(script: str) -> str:
    return f"{PYTHON} - <<'X'\n{script}\nX"


def mcp(words: str) -> str:
    return f"node {TOOLS}/mcp.mjs $PWD {words}"


def fetched(command: str) -> str:
    """A download of $OUT/s/a.txt from this machine, by `command`, which gets the address as its last argument."""
    return f"""python3 - <<'X'
import functools, http.server, os, subprocess, threading
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=os.environ["OUT"] + "/s"))
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = {{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}}
subprocess.run([*{command.split()!r}, "http://127.0.0.1:%d/a.txt" % server.server_address[1]], check=True, env=environment)
X"""


OLD: Final = "echo old > a.txt"
OUT: Final = "mkdir $OUT/s; echo newer > $OUT/s/a.txt; tar cf $OUT/a.tar -C $OUT/s a.txt; cd $OUT/s; zip -q $OUT/a.zip a.txt"
UNISON: Final = "UNISON=$OUT/.unison unison -ui text -batch -auto -logfile /dev/null $OUT/s . > /dev/null 2>&1"
REPOSITORY: Final = "git init -q {0}; cd {0}; git config user.email a@b; git config user.name n; echo a > a; git add a; git commit -qm a"
# What Jupyter's server does when its page opens and saves a notebook.
NOTEBOOK: Final = """import asyncio
import os
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager

async def save():
    manager = AsyncFileContentsManager(root_dir=os.getcwd())
    if not os.path.exists("n.ipynb"):
        await manager.new(path="n.ipynb")
    model = await manager.get("n.ipynb")
    model["content"]["cells"].append({"cell_type": "raw", "source": "more", "metadata": {}, "id": str(len(model["content"]["cells"]))})
    await manager.save(model, "n.ipynb")

asyncio.run(save())"""
SESSION: Final = """import duckdb
with duckdb.connect("d.duckdb") as database:
    database.execute("create table if not exists t (x int)")
    database.execute("insert into t values (1)")"""
ARRAY: Final = """import zarr
group = zarr.open_group("g.zarr", path="x", mode="a")
array = group.require_array("a", shape=(9,), chunks=(9,), dtype="i4")
array[:] = """

ROWS: Final = (
    Row("`cp`, `rsync`, `tar x`, `unzip`, `gio copy`, `unison`: each new file", (1, 0), (1, 0), (
        Use("cp", OUT, "cp $OUT/s/a.txt ."),
        Use("rsync", OUT, "rsync -a $OUT/s/ ."),
        Use("tar", OUT, "tar xf $OUT/a.tar"),
        Use("unzip", OUT, "unzip -q $OUT/a.zip"),
        Use("gio", OUT, "gio copy $OUT/s/a.txt ."),
        Use("unison", OUT, UNISON),
    )),
    Row("`curl -o`, `wget`, `aria2c`, `touch a; echo x > a`: a new file; `zip`, `7z`: a new archive", (1, 0), (1, 0), (
        Use("curl", OUT, fetched("curl -s -o a.txt")),
        Use("wget", OUT, fetched("wget -q")),
        Use("aria2c", OUT, fetched("aria2c -q")),
        Use("touch", "true", "touch a; echo x > a"),
        Use("zip", OLD, "zip -q x.zip a.txt"),
        Use("7z", OLD, "7z a x.7z a.txt > /dev/null"),
    )),
    Row("the same over an old file; `>>`, `sed -i`, `perl -i`, `patch`, `sort -o`, `dos2unix`, `truncate`", (1, 1), (1, 1), (
        Use("cp", f"{OLD}; {OUT}", "cp $OUT/s/a.txt ."),
        Use("rsync", f"{OLD}; {OUT}", "rsync -a $OUT/s/ ."),
        Use("tar", f"{OLD}; {OUT}", "tar xf $OUT/a.tar"),
        Use("unzip", f"{OLD}; {OUT}", "unzip -qo $OUT/a.zip"),
        Use("gio", f"{OLD}; {OUT}", "gio copy $OUT/s/a.txt ."),
        Use("unison", f"{OUT}; cd $OLDPWD; {UNISON}", f"echo more >> $OUT/s/a.txt; {UNISON}"),
        Use("append", OLD, "echo more >> a.txt"),
        Use("sed", OLD, "sed -i s/old/new/ a.txt"),
        Use("perl", OLD, "perl -pi -e s/old/new/ a.txt"),
        Use("patch", OLD, "printf -- '--- a.txt\\n+++ a.txt\\n@@ -1 +1 @@\\n-old\\n+new\\n' | patch -s a.txt"),
        Use("sort", OLD, "sort -o a.txt a.txt"),
        Use("dos2unix", OLD, "unix2dos -q a.txt"),
        Use("truncate", OLD, "truncate -s 2 a.txt"),
    )),
    Row("vim, nano: each save", (1, 1), (1, 1), (
        Use("vim", OLD, typed("vi", "-u", "NONE", "-N", "-c", "set backupskip=", "a.txt", keys=[("a.txt", "onew\x1b:wq\r")])),
        Use("nano", OLD, typed("nano", "-I", "a.txt", keys=[("a.txt", "new "), ("new", "\x0f"), ("Write", "\r"), ("Wrote", "\x18")])),
    )),
    Row("`zip`, `7z`: into an archive; `gzip`; `qpdf --replace-input`, `exiftool -overwrite_original`", (1, 1), (1, 1), (
        Use("zip", f"{OLD}; zip -q x.zip a.txt; echo b > b.txt", "zip -q x.zip b.txt"),
        Use("7z", f"{OLD}; 7z a x.7z a.txt > /dev/null; echo b > b.txt", "7z a x.7z b.txt > /dev/null"),
        Use("gzip", OLD, "gzip a.txt"),
        Use("qpdf", "cp $OUT/../a.pdf .", "qpdf --replace-input --linearize a.pdf"),
        Use("exiftool", "cp $OUT/../a.png .", "exiftool -q -overwrite_original -Artist=me a.png"),
    )),
    Row("`optipng`, `jpegoptim`, `mogrify`, `pngquant`", (1, 1), (1, 1), (
        Use("optipng", "cp $OUT/../a.png .", "optipng -quiet -force a.png"),
        Use("jpegoptim", "cp $OUT/../a.jpg .", "jpegoptim -q -f a.jpg"),
        Use("mogrify", "cp $OUT/../a.png .", "mogrify -negate a.png", heavy=True),
        Use("pngquant", "cp $OUT/../a.png .", "pngquant --force --ext .png a.png"),
    )),
    Row("`exiftool`, which leaves `a.png_original`", (2, 1), (2, 1), (
        Use("exiftool", "cp $OUT/../a.png .", "exiftool -q -Artist=me a.png"),
    )),
    Row("`sqlite3`, DuckDB: a session, however many transactions", (1, 1), (1, 1), (
        Use("sqlite3", "sqlite3 a.db 'create table t (x)'", "sqlite3 a.db 'insert into t values (1); insert into t values (2)'"),
        Use("duckdb", python(SESSION), python(SESSION), heavy=True),
    )),
    Row("Jupyter: a save; MCP's file system server: `write_file` over a file, `edit_file`", (1, 1), (1, 1), (
        Use("jupyter", python(NOTEBOOK), python(NOTEBOOK), heavy=True),
        Use("write_file", OLD, mcp("write_file $PWD/a.txt new"), heavy=True),
        Use("edit_file", OLD, mcp("edit_file $PWD/a.txt old new"), heavy=True),
    )),
    Row("zarr: a new group in a group, with an array of one chunk", (4, 0), (4, 0), (
        Use("zarr", "true", python(f"{ARRAY}1"), heavy=True),
    )),
    Row("zarr: a chunk written anew", (1, 1), (1, 1), (
        Use("zarr", python(f"{ARRAY}1"), python(f"{ARRAY}2"), heavy=True),
    )),
    Row("`git commit` of one changed file, in a repository here (objects, index, references, logs)", (9, 6), (9, 6), (
        Use("git", REPOSITORY.format("r"), "cd r; echo b > a; git commit -qam b"),
    )),
    Row("`git push` of that into a bare repository here", (4, 1), (4, 1), (
        Use("git", f"git init -q --bare r.git; {REPOSITORY.format('$OUT/w')}; git push -q $OLDPWD/r.git HEAD:main; echo b > a; git commit -qam b",
            "r=$PWD/r.git; cd $OUT/w; git push -q $r HEAD:main"),
    )),
    Row("a temporary file with a name that nobody knows, renamed over the old one", (2, 2), (1, 1), (
        Use("mv", OLD, "echo new > a.new; mv a.new a.txt"),
    )),
)
