"""Manual, promises: what a program writes is sent once, by the close that ends the writing; no program has to know that
it is.
"""

import errno
import mmap
import os
import socket
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from tests.mounting import Mount, asks, shell, wait_until

SCRIPTS: Final = {
    "echo x > f": b"x\n",
    "printf x > f": b"x",
    ": > f": b"",
    "touch f": b"",
    "(echo a; echo b) > f": b"a\nb\n",
    "{ echo a; echo b; } > f": b"a\nb\n",
    "(printf a | cat; printf b | cat) > f": b"ab",
    "{ /bin/echo a; /bin/echo b; /bin/echo c; } > f": b"a\nb\nc\n",
    "(/bin/echo a; /bin/echo b; /bin/echo c) > f": b"a\nb\nc\n",
    "(/bin/echo a; echo b; /bin/echo c; true) > f": b"a\nb\nc\n",
    "for i in 1 2 3; do echo $i; /bin/echo $i; done > f": b"1\n1\n2\n2\n3\n3\n",
    "echo x | tee f > /dev/null": b"x\n",
    "printf 'a\\nb\\n' | while read l; do echo $l; /bin/echo $l; done | tee f > /dev/null": b"a\na\nb\nb\n",
    "exec 3> f; echo a >&3; exec 3>&-": b"a\n",
    "exec 3> f; echo a >&3; echo b >&3; /bin/echo c >&3; (echo d) >&3; exec 3>&-": b"a\nb\nc\nd\n",
    "exec 3> f; echo a >&3; echo b >&3": b"a\nb\n",
    "exec > f; echo a; /bin/echo b; echo c": b"a\nb\nc\n",
    "exec 3> f 4>&3; echo a >&3; echo b >&4; exec 3>&-; echo c >&4; exec 4>&-": b"a\nb\nc\n",
    "{ echo a; echo b >&2; /bin/echo c; } > f 2>&1": b"a\nb\nc\n",
    "cat > f <<< here": b"here\n",
    "cat /etc/hostname > f": Path("/etc/hostname").read_bytes(),
    "cp /etc/hostname f": Path("/etc/hostname").read_bytes(),
    "install -m 600 /etc/hostname f": Path("/etc/hostname").read_bytes(),
    "dd if=/dev/zero of=f bs=1k count=200 conv=fsync status=none": bytes(200 * 1024),
    "dd if=/dev/zero of=f bs=1k count=20 oflag=sync status=none": bytes(20 * 1024),
    "dd if=/dev/zero of=f bs=1k count=8 oflag=append,dsync conv=notrunc status=none": bytes(8 * 1024),
    "truncate -s 5 f": bytes(5),
    "seq 3 | sort -o f": b"1\n2\n3\n",
    "head -c 300000 /dev/zero | split -b 300000 --filter='cat > f'": bytes(300_000),
    "(sleep 0.3; echo late) > f & exit": b"late\n",
    "exec 3> f; (sleep 0.3; echo late >&3; echo later >&3) & exec 3>&-; exit": b"late\nlater\n",
    "exec 3> f; (sleep 0.3; /bin/echo late; /bin/echo later) >&3 3>&- & exec 3>&-": b"late\nlater\n",
}


def python(program: str) -> str:
    return f"{sys.executable} - <<'END'\n{textwrap.dedent(program)}END\n"


PROGRAMS: Final[dict[str, tuple[str, bytes | None]]] = {
    "a child that outlives the file object": (python("""
        import subprocess
        f = open("f", "w")
        p = subprocess.Popen(["sh", "-c", "sleep 0.3; echo late; /bin/echo later"], stdout=f)
        f.close()
        p.wait()
        """), b"late\nlater\n"),
    "children one after the other": (python("""
        import subprocess
        with open("f", "w") as f:
            for word in "abc":
                subprocess.run(["echo", word], stdout=f, stderr=f, check=True)
        """), b"a\nb\nc\n"),
    "fork": (python("""
        import os
        f = os.open("f", os.O_WRONLY | os.O_CREAT)
        os.write(f, b"parent ")
        if not (child := os.fork()):
            os.write(f, b"child ")
            os._exit(0)
        os.waitpid(child, 0)
        os.write(f, b"parent")
        os.close(f)
        """), b"parent child parent"),
    "multiprocessing": (python("""
        import multiprocessing, os
        f = os.open("f", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        context = multiprocessing.get_context("fork")
        workers = [context.Process(target=os.write, args=(f, b"word ")) for _ in range(4)]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        os.close(f)
        """), b"word word word word "),
    "dups": (python("""
        import os
        f = os.open("f", os.O_WRONLY | os.O_CREAT)
        for number in range(5):
            g = os.dup(f)
            os.write(g, b"%d" % number)
            os.close(g)
        os.close(f)
        """), b"01234"),
    "many fsyncs": (python("""
        import os
        f = os.open("f", os.O_RDWR | os.O_CREAT)
        for number in range(20):
            os.pwrite(f, b"%2d" % number, 2 * number)
            os.fsync(f) if number % 2 else os.fdatasync(f)
        os.close(f)
        """), b"".join(b"%2d" % number for number in range(20))),
    "a database": (python("""
        import sqlite3
        db = sqlite3.connect("f")
        db.execute("pragma journal_mode = memory")
        db.execute("create table t (a)")
        for number in range(20):
            with db: db.execute("insert into t values (?)", (number,))
        db.close()
        """), None),
    "a look at a file that is being written": (python("""
        f = open("f", "w")
        f.write("a")
        f.flush()
        open("f").read()
        open("f", "r+").close()
        f.write("b")
        f.close()
        """), b"ab"),
    "a map": (python("""
        import mmap, os
        f = os.open("f", os.O_RDWR | os.O_CREAT)
        os.ftruncate(f, 10_000)
        m = mmap.mmap(f, 10_000)
        m[:3] = b"map"
        m.flush()
        m[5_000:5_003] = b"map"
        m.close()
        os.close(f)
        """), b"map" + bytes(4_997) + b"map" + bytes(4_997)),
    "a map that outlives its descriptor": (python("""
        import ctypes, mmap, os
        f = os.open("f", os.O_RDWR | os.O_CREAT)
        os.ftruncate(f, 5_000)
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        m = libc.mmap(None, 5_000, 3, 1, f, ctypes.c_long(0))
        ctypes.memmove(m, b"early", 5)
        os.close(f)
        """), b"early" + bytes(4_995)),
}


def test_all_that_one_script_writes_costs_one_upload(mount: Mount) -> None:
    files = mount.mount()
    wrong = []
    lines = [(script, script, content) for script, content in SCRIPTS.items()]
    for name, script, content in [*lines, *((name, *program) for name, program in PROGRAMS.items())]:
        mount.emulator.forget_requests()
        done = shell(script, files)
        wait_until(lambda: mount.status()["waiting"] == [] and os.getxattr(files / "f", "user.anthropic.state") == b"remote", name)
        mount.sync()
        [stored] = mount.emulator.files()
        asked = [request["operation"] for request in mount.emulator.requests() if request["operation"] != "list"]     # a look's
        arrived = mount.emulator.content(stored["id"])
        if (done.returncode, done.stderr, asked) != (0, "", ["upload"]) or (content is not None and arrived != content):
            wrong.append(f"{name}: {done.returncode} {done.stderr} {asked} {arrived[:40]!r}")
        assert arrived == (files / "f").read_bytes()
        (files / "f").unlink()
        mount.sync()
    assert not wrong, "\n".join(["", *wrong])


def test_a_close_waits_for_the_server_only_when_no_copy_of_the_descriptor_is_left(mount: Mount) -> None:
    files = mount.mount()
    first = os.open(files / "f", os.O_WRONLY | os.O_CREAT)
    second = os.dup(first)
    with asks(mount):
        os.write(first, b"one ")
        os.close(first)
    with asks(mount, upload=1):
        os.write(second, b"two")
        os.close(second)
        assert contents(mount) == [b"one two"]      # before anybody waits for it


def test_of_two_closes_at_the_same_time_neither_succeeds_before_the_upload_did(mount: Mount) -> None:
    """As two threads close two copies: each has left the process's table before either close is told of."""
    mount.expects("uploads are refused", "kept for the next mount: f")
    files = mount.mount()
    mount.emulator.switch(quota_bytes=1)
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 1})
    descriptor = os.open(files / "f", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"more than fits")
    here, there = socket.socketpair()
    with here, there, ThreadPoolExecutor(1) as threads:
        socket.send_fds(here, [b"x"], [descriptor])         # a copy that is in nobody's table
        first = threads.submit(os.close, descriptor)
        wait_until(lambda: mount.emulator.requests("upload"), "the first close waits")
        [copy] = socket.recv_fds(there, 1, 1)[1]
        with pytest.raises(OSError, match=os.strerror(errno.EDQUOT)):
            os.close(copy)
        with pytest.raises(OSError, match=os.strerror(errno.EDQUOT)):
            first.result()
    assert len(mount.emulator.requests("upload")) == 2


def test_closes_of_two_that_write_at_once_both_bring_what_was_written_to_the_server(mount: Mount) -> None:
    files = mount.mount()
    first, second = os.open(files / "f", os.O_WRONLY | os.O_CREAT), os.open(files / "f", os.O_WRONLY)
    os.write(first, b"one")
    os.close(first)
    assert contents(mount) == [b"one"]
    os.pwrite(second, b"two", 3)
    os.close(second)
    mount.sync()
    assert contents(mount) == [b"onetwo"]


def test_a_map_is_sent_by_the_close_of_whoever_mapped_it_though_another_has_it_open(mount: Mount) -> None:
    files = mount.mount()
    (files / "f").write_bytes(bytes(5000))
    other, mine = os.open(files / "f", os.O_RDWR), os.open(files / "f", os.O_RDWR)
    with mmap.mmap(mine, 5000) as view:
        view[:3] = b"map"
        os.close(mine)
        assert contents(mount) == [b"map" + bytes(4997)]
        mount.sync()
    with asks(mount):
        os.close(other)


def test_what_a_child_writes_goes_to_the_server_with_it_though_its_parent_has_the_file_open_once_more(mount: Mount) -> None:
    files = mount.mount()
    with (files / "f").open("w") as kept, (files / "f").open("w") as handed:
        child = subprocess.Popen(["sh", "-c", "read word; echo $word"], stdin=subprocess.PIPE, stdout=handed)
        handed.close()
        with asks(mount, upload=1):
            child.communicate(b"late\n")
            wait_until(lambda: contents(mount) == [b"late\n"], "it is sent")
        with asks(mount):
            kept.close()


def test_what_is_cut_while_a_last_close_is_made_durable_is_promised_too(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    names = [f"{number}.txt" for number in range(100)]
    for name in names:
        for _ in range(4):              # each last close may be under way while the next one cuts the file again
            os.close(os.open(files / name, os.O_WRONLY | os.O_TRUNC | os.O_CREAT))
    mount.sync()
    assert {file["filename"]: file["size_bytes"] for file in mount.emulator.files()} == dict.fromkeys(names, 0)
    assert os.listdir(mount.state_dir / "staging") == []


def contents(mount: Mount) -> list[bytes]:
    """Of each file's newest version; what it has replaced is deleted a moment later."""
    newest = {stored["filename"]: stored["id"] for stored in reversed(mount.emulator.files())}
    return [mount.emulator.content(file_id) for file_id in newest.values()]


def test_a_close_waits_also_for_what_was_synced_and_renamed_since_it_was_written(mount: Mount) -> None:
    files = mount.mount()
    descriptor = os.open(files / ".goutputstream-XYZ", os.O_WRONLY | os.O_CREAT)
    with asks(mount):
        os.write(descriptor, b"as GIO saves")
        os.fsync(descriptor)
        os.rename(files / ".goutputstream-XYZ", files / "f")
    with asks(mount, upload=1):
        os.close(descriptor)
        assert contents(mount) == [b"as GIO saves"]

    descriptor = os.open(files / "g~", os.O_WRONLY | os.O_CREAT)
    copy = os.dup(descriptor)
    with asks(mount, upload=1):
        os.write(descriptor, b"renamed")
        os.close(descriptor)
        os.rename(files / "g~", files / "g")
        os.close(copy)
        assert sorted(contents(mount)) == [b"as GIO saves", b"renamed"]


def test_what_is_synced_and_still_open_is_named_until_its_close(mount: Mount) -> None:
    """GIO syncs, renames, and closes then: sync must know that something is still to come."""
    files = mount.mount()
    descriptor = os.open(files / ".new", os.O_WRONLY | os.O_CREAT)
    try:
        os.write(descriptor, b"content")
        os.fsync(descriptor)
        os.rename(files / ".new", files / "a.txt")
        assert mount.status()["open"] == [{"name": "a.txt", "state": "being written"}]
    finally:
        os.close(descriptor)
    mount.sync()
    assert mount.status()["open"] == []
    assert [file["filename"] for file in mount.emulator.files()] == ["a.txt"]
