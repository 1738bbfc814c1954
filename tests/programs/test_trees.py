"""Manual, costs: directories are what programs expect: trees are copied, moved and removed, and a repository lives on
the mount, for a request a file.
"""

import sys
from pathlib import Path

import pytest

from tests.desk import Desk, tree
from tests.mounting import Mount, asks
from tests.programs.test_python import python

GIT = "git -c user.name=me -c user.email=me@here -c commit.gpgsign=false"


def made(desk: Desk, numbers: str) -> Path:
    """Files in three directories, one of them below another, and an empty directory."""
    desk.run(f"mkdir -p $OUT/t/a $OUT/t/b/c $OUT/t/empty; cd $OUT/t; for n in {numbers}; do echo $n | tee a/$n.txt b/$n.txt > b/c/$n.txt; done; "
             "find . -exec touch -d @1000000000 {} +")
    return desk.out / "t"


@pytest.fixture
def source(desk: Desk) -> Path:
    """Thirty files."""
    return made(desk, "{1..10}")


@pytest.fixture
def small(desk: Desk) -> Path:
    """Six."""
    return made(desk, "1 10")


def directories(below: Path) -> list[str]:
    return sorted(str(path.relative_to(below)) for path in below.rglob("*") if path.is_dir())


@pytest.mark.parametrize("command", [
    "cp -r $OUT/t .", "cp -a $OUT/t .", "rsync -a $OUT/t .", "tar -C $OUT -cf - t | tar xf -", "(cd $OUT; zip -qr t.zip t); unzip -q $OUT/t.zip",
    python("import os, shutil; shutil.copytree(os.environ['OUT'] + '/t', 't')"), "mv $OUT/t . && cp -r t $OUT"])
def test_a_tree_of_thirty_files_costs_thirty_uploads(desk: Desk, source: Path, command: str) -> None:
    desk.costs(command, {"upload": 30})
    desk.has({f"t/{name}": content for name, content in tree(source).items()})
    assert directories(desk.files / "t") == directories(source)


def test_a_tree_is_there_after_a_remount_with_its_times(desk: Desk, small: Path) -> None:
    desk.costs("cp -a $OUT/t .; mkdir t/local", {"upload": 6})
    desk.mount.remount("--refresh", "300")
    desk.has({f"t/{name}": content for name, content in tree(small).items()})
    assert directories(desk.files / "t") == sorted([*directories(small), "local"])
    assert set(desk.run("find t -type f -printf '%T@\\n'").split()) == {"1000000000.0000000000"}


def test_rsync_of_a_tree_costs_what_changed_and_with_delete_what_is_gone(desk: Desk, small: Path) -> None:
    desk.costs("rsync -a $OUT/t/ t", {"upload": 6})
    assert desk.costs("rsync -ai $OUT/t/ t", {}) == ""
    desk.costs("echo more >> $OUT/t/b/c/10.txt; rsync -a $OUT/t/ t", {"upload": 1, "delete": 1})
    desk.costs("rm -r $OUT/t/a; echo new > $OUT/t/b/new; rsync -a --delete $OUT/t/ t", {"upload": 1, "delete": 2})
    desk.has({f"t/{name}": content for name, content in tree(small).items()})
    assert directories(desk.files / "t") == directories(small)


@pytest.mark.parametrize("options", ["--delay-updates", "--partial-dir=.rsync-partial", "--temp-dir=.", "--inplace"])
def test_rsync_costs_an_upload_and_a_deletion_a_changed_file_by_any_of_its_ways(desk: Desk, small: Path, options: str) -> None:
    desk.prepare("cp -a $OUT/t/b .")
    desk.costs(f"for n in 1 10; do echo more >> $OUT/t/b/$n.txt; done; rsync -a {options} $OUT/t/b/ b", {"upload": 2, "delete": 2})
    desk.has({f"b/{name}": content for name, content in tree(small / "b").items()})
    assert directories(desk.files) == ["b", "b/c"]


def test_rsync_moves_what_it_replaces_into_a_backup_directory(desk: Desk, small: Path) -> None:
    desk.prepare("cp -a $OUT/t/b .; echo more >> $OUT/t/b/1.txt")
    desk.costs("rsync -ab --backup-dir=../old $OUT/t/b/ b", {"upload": 2, "delete": 1})
    desk.has({**{f"b/{name}": content for name, content in tree(small / "b").items()}, "old/1.txt": "1\n"})


@pytest.mark.parametrize(("script", "counts", "left"), [
    ("rm -r b", {"delete": 4}, ["a/1.txt"]),
    ("find b -type f -delete", {"delete": 4}, ["a/1.txt"]),
    ("find . -type d -empty -delete", {}, ["a/1.txt", "b/c/1.txt"]),
    ("find . -depth -delete", {"delete": 6}, []),
    ("mv a d", {"upload": 2, "delete": 2}, ["d/1.txt"]),
    ("mv b a", {"upload": 4, "delete": 4}, ["a/b/1.txt", "a/b/c/1.txt"]),
    ("mv b/c/*.txt a", {"upload": 2, "delete": 4}, ["a/1.txt"]),
    ("mv a $OUT/moved", {"delete": 2}, ["b/1.txt"]),
    ("mv a d; mv d a", None, ["a/1.txt"]),
    ("cp -r a d", {"upload": 2}, ["a/1.txt", "d/1.txt"]),
    ("rmdir empty; ! rmdir a 2> $OUT/said; grep -q 'not empty' $OUT/said", {}, ["a/1.txt"]),
    ("gio rename a d > $OUT/said", {"upload": 2, "delete": 2}, ["d/1.txt"]),
    ("sed -i s/1/one/ b/c/1.txt a/1.txt", {"upload": 2, "delete": 2}, ["a/1.txt", "b/c/1.txt"]),
    ("tar cf $OUT/all.tar .; tar df $OUT/all.tar", {}, ["a/1.txt"]),
    (python("import shutil; shutil.rmtree('b')"), {"delete": 4}, ["a/1.txt"]),
    (python("import shutil; shutil.move('a', 'd')"), {"upload": 2, "delete": 2}, ["d/1.txt"]),
    (python("import shutil; shutil.make_archive('all', 'zip', 'a')"), {"upload": 1}, ["all.zip", "a/1.txt"]),
    (python("import shutil, os; shutil.unpack_archive(shutil.make_archive(os.environ['OUT'] + '/all', 'tar', 'a'), 'd')"), {"upload": 2}, ["d/1.txt"]),
    ("chmod -R go-rwx .; touch -d @1 a/1.txt; find . -type f -name '1*.txt' | sort | xargs cat > $OUT/said; grep -r 10 . > $OUT/said", {}, ["a/1.txt"]),
])
def test_what_is_done_to_a_tree_costs_a_request_a_file(desk: Desk, small: Path, script: str, counts: dict[str, int] | None, left: list[str]) -> None:
    desk.prepare("cp -a $OUT/t/. .")
    if counts is None:
        desk.run(script)        # how much of it is sent depends on how quick the background is
        desk.mount.sync()
    else:
        desk.costs(script, counts)
    found = tree(desk.files)
    assert set(left) <= set(found)
    desk.has(found)


def test_a_zip_archive_of_a_tree_costs_one_upload(desk: Desk, small: Path) -> None:
    desk.prepare("cp -a $OUT/t/. .")
    desk.zips("zip -qr all.zip a b")
    desk.has(tree(desk.files))
    assert desk.costs("zip -qu all.zip b/c/1.txt || true; unzip -p all.zip b/c/10.txt", {}) == "10\n"


# ---- git

def uploaded(mount: Mount) -> list[str]:
    return [request["filename"].replace("／", "/") for request in mount.emulator.requests("upload")]


def test_a_repository_sends_the_files_that_remain_and_nothing_else(desk: Desk) -> None:
    desk.mount.emulator.forget_requests()
    desk.run(f"git init -q .; for n in $(seq 20); do echo $n > $n.txt; done; echo dep > Cargo.lock; {GIT} add .; {GIT} commit -qm one")
    desk.mount.sync()
    first = tree(desk.files)
    # git publishes these several times in a second; each may be sent.
    again = {".git/config", ".git/index"}
    assert sorted(name for name in uploaded(desk.mount) if name not in again) == sorted(set(first) - again)
    desk.has(first)

    desk.mount.emulator.forget_requests()
    desk.run(f"echo more > 7.txt; {GIT} commit -qam two; {GIT} tag first; {GIT} branch other")
    desk.mount.sync()
    second = tree(desk.files)
    changed = {name for name in second if second[name] != first.get(name)}
    assert sorted(set(uploaded(desk.mount))) == sorted(changed)
    assert len(changed) < 15
    desk.has(second)

    desk.mount.remount("--refresh", "300")
    assert desk.run("git fsck; git status --short; git log --format=%s") == "two\none\n"
    assert desk.run(f"{GIT} checkout -q --detach HEAD~1; cat 7.txt; {GIT} gc -q; git fsck; git log --format=%s") == "7\none\n"
    desk.mount.sync()
    desk.has(tree(desk.files))


def test_with_upload_queue_a_repository_costs_an_upload_a_file_that_remains(mount: Mount, tmp_path: Path) -> None:
    desk = Desk(mount, tmp_path / "out")
    mount.mount("--upload", "queue")
    mount.expects("no connection to")
    mount.emulator.stop()
    desk.run(f"git init -q .; echo a > a; {GIT} add .; {GIT} commit -qm one; echo b > a; {GIT} commit -qam two; {GIT} gc -q")
    mount.emulator.start()
    with asks(mount, upload=len(tree(desk.files))):
        mount.sync()
    desk.has(tree(desk.files))


def test_git_clones_into_the_mount_and_from_it(desk: Desk) -> None:
    desk.run(f"git init -q $OUT/r; cd $OUT/r; mkdir d; for n in $(seq 10); do echo $n > d/$n.txt; done; echo dep > Cargo.lock; {GIT} add .; {GIT} commit -qm one")
    desk.run("git clone -q $OUT/r into")
    desk.mount.sync()
    assert {name for name in tree(desk.files / "into") if not name.startswith(".git/")} == {"Cargo.lock", *(f"d/{n}.txt" for n in range(1, 11))}
    desk.has(tree(desk.files))
    desk.costs("git clone -q into $OUT/from; diff -r --exclude .git $OUT/r $OUT/from; cd into; git fsck; git --no-optional-locks status --short", {})
    desk.run(f"cd $OUT/r; echo more > d/1.txt; {GIT} commit -qam two; cd - > $OUT/said; cd into; git pull -q; cat d/1.txt")
    desk.run(f"cd into; git push -q origin HEAD:refs/heads/back; cd $OUT/from; {GIT} pull -q; git log --format=%s | head -n 1 | grep -qx two")
    desk.mount.sync()
    desk.has(tree(desk.files))


# ---- databases and other programs in a directory

def test_a_database_and_its_journal_in_a_directory(desk: Desk) -> None:
    desk.costs("mkdir d; sqlite3 d/a.db 'pragma journal_mode=persist; create table t(x); insert into t values(1)' > $OUT/said", {"upload": 1})
    desk.has({name: (desk.files / name).read_bytes() for name in ("d/a.db", "d/a.db-journal")}, stays=["d/a.db-journal"])


def test_python_runs_from_the_mount_and_keeps_its_compiled_files_there(desk: Desk) -> None:
    desk.costs("mkdir m; echo 'x = 1' > m/__init__.py", {"upload": 1})
    desk.run(f"PYTHONDONTWRITEBYTECODE= {sys.executable} -c 'import m; assert m.x == 1'")
    desk.mount.sync()
    found = tree(desk.files)
    assert len(found) == 2
    desk.has(found)
