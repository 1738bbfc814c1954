"""Manual, costs: `cp`, `mv`, `rsync`, `tar`, `zip` work, each for the fewest requests: one upload a file that changed,
one deletion an id that is gone.
"""

import http.server
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.desk import Desk, tree
from tests.mounting import Mount

NEW = {"upload": 1}
OVER = {"upload": 1, "delete": 1}       # an old file is replaced: its id goes
# A save by a temp name that no rule knows.
TEMPORARY = (f"{sys.executable} -c 'import tempfile, os; f = tempfile.NamedTemporaryFile(dir=\".\", delete=False); "
             "f.write(b\"x\"); f.close(); os.replace(f.name, \"a\")'")
SEQ_3, SEQ_9 = "1\n2\n3\n", "".join(f"{number}\n" for number in range(1, 10))


@pytest.mark.parametrize(("before", "script", "counts", "left"), [
    ("", "cp $OUT/new .", NEW, {"new": "new\n"}),
    ("echo old > new", "cp $OUT/new .", OVER, {"new": "new\n"}),
    ("", "cp -a $OUT/new $OUT/more .", {"upload": 2}, {"new": "new\n", "more": "more\n"}),
    ("echo a > a", "cp -a a b", NEW, {"a": "a\n", "b": "a\n"}),
    ("echo a > a", "cp --preserve=all a b", NEW, {"a": "a\n", "b": "a\n"}),
    ("echo old > new", "cp --backup $OUT/new .", OVER, {"new": "new\n", "new~": "old\n"}),
    ("echo old > new", "cp --remove-destination $OUT/new .", OVER, {"new": "new\n"}),
    ("", "install -m 600 $OUT/new .", NEW, {"new": "new\n"}),
    ("echo a > a", "mv a b", OVER, {"b": "a\n"}),
    ("echo a > a; echo b > b", "mv a b", {"upload": 1, "delete": 2}, {"b": "a\n"}),
    ("echo a > a", "mv a $OUT/", {"delete": 1}, {}),
    ("", "mv $OUT/new .", NEW, {"new": "new\n"}),
    ("echo old > new", "mv $OUT/new .", OVER, {"new": "new\n"}),
    ("echo a > a; echo b > b", "rm a b", {"delete": 2}, {}),
    ("echo a > a; echo b > b", "find . -type f -delete", {"delete": 2}, {}),
    ("", "seq 3 | tee a > $OUT/b", NEW, {"a": SEQ_3}),
    ("echo old > a", "seq 3 | tee a > $OUT/b", OVER, {"a": SEQ_3}),
    ("seq 3 > a", "echo 4 | tee -a a > $OUT/b", OVER, {"a": SEQ_3 + "4\n"}),
    ("", "dd if=/dev/zero of=a bs=1000 count=30 status=none", NEW, {"a": bytes(30_000)}),
    ("", "dd if=/dev/zero of=a bs=1M count=3 conv=fsync status=none", NEW, {"a": bytes(3 * 2**20)}),
    ("seq 9 > a", "printf X | dd of=a bs=1 seek=4 conv=notrunc status=none", OVER, {"a": "1\n2\nX\n" + SEQ_9[6:]}),
    ("seq 9 > a", "printf X | dd of=a oflag=append conv=notrunc,fdatasync status=none", OVER, {"a": SEQ_9 + "X"}),
    ("seq 9 > a", "truncate -s 6 a", OVER, {"a": SEQ_3}),
    ("", "truncate -s 5000 a", NEW, {"a": bytes(5000)}),
    ("seq 3 > a", "truncate -s 10 a", OVER, {"a": SEQ_3 + "\0\0\0\0"}),
    ("seq 3 > a", "fallocate -l 10 a 2> $OUT/said || truncate -s 10 a", OVER, {"a": SEQ_3 + "\0\0\0\0"}),
    ("", "seq 9 > $OUT/a; split -l 3 $OUT/a p.", {"upload": 3}, {"p.aa": SEQ_3, "p.ab": SEQ_9[6:12], "p.ac": SEQ_9[12:]}),
    ("seq 3 > a; seq 3 > b", "cat a b > c", NEW, {"a": SEQ_3, "b": SEQ_3, "c": SEQ_3 * 2}),
    ("printf '2\n1\n3\n' > a", "sort -o a a", OVER, {"a": SEQ_3}),
    ("seq 3 > a", "gzip a; gunzip -c a.gz | cmp - <(seq 3); gunzip a.gz", {"upload": 2, "delete": 2}, {"a": SEQ_3}),
])
def test_a_program_costs_what_it_changes(desk: Desk, before: str, script: str, counts: dict[str, int], left: dict[str, str]) -> None:
    desk.prepare(f"echo new > $OUT/new; echo more > $OUT/more; {before}")
    desk.costs(script, counts)
    desk.has(left, stays=[name for name in left if name.endswith("~")])


QUEUED = [
    ("cp $OUT/new a", OVER), ("mv a b", OVER), ("rsync -a $OUT/new a", OVER), ("sed -i s/a/b/ a", OVER), ("echo b >> a", OVER),
    ("zip -q z.zip a", NEW), ("zip -q z.zip a; zip -qu z.zip $OUT/new", NEW), ("perl -i.orig -pe s/a/b/ a", {"upload": 2, "delete": 1}),
    ("echo new | gio save a", OVER), (TEMPORARY, OVER), ("sqlite3 a.db 'create table t(x); insert into t values(1); vacuum'", NEW),
    ("echo x > tmp; rm tmp", {}), ("echo x > tmp; mv tmp a", OVER), ("echo x > b; mv b c; mv c d", NEW), ("for n in 1 2 3; do echo $n > a; done", OVER),
    ("mv a b; mv b a", {}), ("cp a b; rm a; mv b a", OVER),
]


def test_with_upload_queue_programs_work_without_the_server_and_what_is_left_is_sent_once(mount: Mount, tmp_path: Path) -> None:
    desk = Desk(mount, tmp_path / "out")
    mount.mount("--upload", "queue")
    places = [f"d{number}" for number in range(len(QUEUED))]
    desk.prepare("echo new > $OUT/new; " + "; ".join(f"mkdir {place}; echo a > {place}/a" for place in places))
    mount.expects("no connection to")
    mount.emulator.stop()
    for place, (script, _) in zip(places, QUEUED, strict=True):
        desk.run(f"cd {place}; {script}")
    mount.emulator.start()
    mount.emulator.forget_requests()
    mount.sync()
    asked = Counter((request["filename"].partition("／")[0], request["operation"]) for request in mount.emulator.requests()
                    if request["operation"] in ("upload", "delete"))
    assert [(script, {name: asked[place, name] for name in ("upload", "delete") if asked[place, name]})
            for place, (script, _) in zip(places, QUEUED, strict=True)] == QUEUED
    desk.has(tree(desk.files))


def test_cp_p_rsync_and_tar_keep_times_and_modes_also_over_a_remount(mount: Mount, tmp_path: Path) -> None:
    desk = Desk(mount, tmp_path / "out")
    mount.mount()
    desk.run("echo a > $OUT/a; chmod 640 $OUT/a; touch -d @1000000000.123456789 $OUT/a; tar -C $OUT --transform s/a/c/ -cf $OUT/c.tar --format=pax a")
    desk.costs("cp -p $OUT/a .; rsync -a $OUT/a b; tar xf $OUT/c.tar", {"upload": 3})
    for _ in range(2):
        assert desk.run("stat -c '%n %.9Y %a' *") == "".join(f"{name} 1000000000.123456789 640\n" for name in "abc")
        assert desk.costs("rsync -ai $OUT/a b; rsync -ai $OUT/a .", {}) == ""
        mount.remount()


# ---- what others made

@pytest.mark.parametrize("downloadable", [True, False])
def test_mv_of_what_others_made_costs_nothing(desk: Desk, *, downloadable: bool) -> None:
    desk.mount.emulator.generate("chart.csv", b"1,2", downloadable=downloadable)
    desk.mount.refresh()
    desk.costs("mv chart.csv mine.csv; ls | grep -qx mine.csv", {})
    assert [file["filename"] for file in desk.mount.emulator.files()] == ["chart.csv"]


def test_mv_out_of_the_mount_fetches_once_and_deletes(desk: Desk) -> None:
    desk.mount.emulator.generate("chart.csv", b"1,2")
    desk.mount.refresh()
    desk.costs("mv chart.csv $OUT/", {"download": 1, "delete": 1})
    assert (desk.out / "chart.csv").read_bytes() == b"1,2"
    desk.has({})


def test_mv_out_of_the_mount_of_what_cant_be_read_removes_nothing(desk: Desk) -> None:
    desk.mount.expects("theirs.pdf was uploaded elsewhere")
    desk.mount.emulator.generate("theirs.pdf", b"%PDF", downloadable=False)
    desk.mount.refresh()
    desk.costs("! mv theirs.pdf $OUT/ 2> $OUT/said; grep -q 'Permission denied' $OUT/said; ls | grep -qx theirs.pdf", {})
    assert [file["filename"] for file in desk.mount.emulator.files()] == ["theirs.pdf"]


def test_cp_and_tar_from_the_mount_cost_a_request_a_file_and_then_none(desk: Desk) -> None:
    for number in range(5):
        desk.mount.emulator.generate(f"{number}.csv", str(number).encode())
    desk.mount.refresh()
    said = desk.costs("cp *.csv $OUT; tar cf $OUT/all.tar *.csv; tar cf $OUT/sparse.tar -S *.csv; tar xOf $OUT/all.tar; tar xOf $OUT/sparse.tar; "
                      "cat $OUT/*.csv", {"download": 5})
    assert said == "01234" * 3


# ---- rsync

def test_rsync_of_fifty_new_files_costs_fifty_uploads_and_again_nothing(desk: Desk) -> None:
    desk.run("for n in $(seq 50); do echo $n > $OUT/$n.txt; done")
    desk.costs("rsync -a $OUT/ .", {"upload": 50})
    desk.costs("rsync -a $OUT/ .", {})
    desk.costs("echo more >> $OUT/7.txt; rsync -a $OUT/ .", OVER)
    desk.has(tree(desk.out))


@pytest.mark.parametrize("options", ["", "--inplace", "--partial", "--append", "--whole-file", "--no-whole-file", "--checksum", "--sparse"])
def test_rsync_of_a_changed_file_costs_one_upload_and_one_deletion(desk: Desk, options: str) -> None:
    desk.prepare("seq 3000 > a; seq 4000 > $OUT/a")
    desk.costs(f"rsync -a {options} $OUT/a a", OVER)
    desk.has(tree(desk.out))


def test_rsync_keeps_a_backup_here(desk: Desk) -> None:
    desk.prepare("seq 9 > a; seq 3 > $OUT/a")
    desk.costs("rsync -ab $OUT/a .", OVER)
    desk.has({"a": SEQ_3, "a~": SEQ_9}, stays=["a~"])


def test_rsync_delete_removes_what_isnt_in_the_source(desk: Desk) -> None:
    desk.prepare("seq 3 > $OUT/a; cp -p $OUT/a a; seq 3 > b; seq 3 > c")
    desk.costs("rsync -a --delete $OUT/ .", {"delete": 2})
    desk.has({"a": SEQ_3})


def test_a_temp_name_that_rsync_made_is_known_however_it_looks_and_the_same_name_by_cp_is_sent(desk: Desk) -> None:
    """rsync's six random letters: one name in two hundred is all in small letters."""
    desk.run("echo x > $OUT/x")
    desk.costs("exec 3<> /proc/self/comm; printf rsync >&3; exec 4<> .a.abcdef; echo one >&4; exec 4>&-; mv .a.abcdef a", NEW)
    desk.costs("cp $OUT/x .b.Abcde1", NEW)
    desk.has({"a": "one\n", ".b.Abcde1": "x\n"})


# ---- archives

def test_tar_of_thirty_files_costs_thirty_uploads(desk: Desk) -> None:
    desk.run("mkdir $OUT/t; for n in $(seq 30); do echo $n > $OUT/t/$n.txt; done; touch -d @1000000000 $OUT/t/*; tar -C $OUT/t -czf $OUT/t.tgz .")
    desk.costs("tar xzf $OUT/t.tgz", {"upload": 30})
    desk.has(tree(desk.out / "t"))
    assert set(desk.run("stat -c %Y *").split()) == {"1000000000"}


@pytest.mark.parametrize(("before", "script", "counts"), [
    ("", "tar cf a.tar -C $OUT x y; tar tf a.tar > $OUT/said", NEW),
    ("", "tar czf a.tgz -C $OUT x y", NEW),
    ("tar cf a.tar -C $OUT x", "tar rf a.tar -C $OUT y", OVER),
    ("zip -qj $OUT/a.zip $OUT/x; cp $OUT/a.zip .", "zip -qju a.zip $OUT/y", OVER),
    ("zip -qj $OUT/a.zip $OUT/x $OUT/y; cp $OUT/a.zip .", "zip -qd a.zip x", OVER),
    ("zip -qj $OUT/a.zip $OUT/x; cp $OUT/a.zip .", "zip -qj a.zip $OUT/x; unzip -p a.zip > $OUT/said; zip -qT a.zip", OVER),
])
def test_an_archive_on_the_mount_costs_one_upload_however_many_files_it_has(desk: Desk, before: str, script: str, counts: dict[str, int]) -> None:
    desk.prepare(f"echo x > $OUT/x; echo y > $OUT/y; {before}")
    desk.costs(script, counts)
    desk.has(tree(desk.files))
    assert len(os.listdir(desk.files)) == 1


def test_a_new_zip_archive_costs_one_upload(desk: Desk) -> None:
    desk.run("echo x > $OUT/x; echo y > $OUT/y")
    desk.zips("zip -qj a.zip $OUT/x $OUT/y")
    desk.has(tree(desk.files))
    assert desk.costs("unzip -p a.zip", {}) == "x\ny\n"


def test_unzip_costs_an_upload_a_file_also_over_old_ones(desk: Desk) -> None:
    desk.prepare("seq 3 > $OUT/a; seq 9 > $OUT/b; (cd $OUT; zip -q all.zip a b); echo old > a; cp $OUT/all.zip .")
    desk.costs("unzip -qo all.zip", {"upload": 2, "delete": 1})
    desk.has({"a": SEQ_3, "b": SEQ_9, "all.zip": (desk.out / "all.zip").read_bytes()})


# ---- from the network

@pytest.fixture
def web(desk: Desk) -> Iterator[str]:
    """What is in $OUT, by HTTP."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(desk.out))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("command", ["curl -sSo a", "wget -qO a", "curl -sS > a"])
def test_a_download_into_the_mount_costs_one_upload(desk: Desk, web: str, command: str) -> None:
    desk.run("seq 100000 > $OUT/a")
    desk.costs(f"http_proxy= {command.replace(' > a', '')} {web}/a{' > a' if '>' in command else ''}", NEW)
    desk.has(tree(desk.out))
