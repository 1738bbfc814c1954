"""Programs that write a helper file first: it stays here, so a save costs one upload and one deletion. And files of users that look like one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desk import Desk
from tests.emulator.process import EmulatorProcess
from tests.samples import JPEG, PNG, pdf

NEW = {"upload": 1}
OVER = {"upload": 1, "delete": 1}


def names(desk: Desk) -> list[str]:
    return sorted(file["filename"] for file in desk.mount.emulator.files())


def sent(desk: Desk) -> list[str]:
    """What was uploaded since the requests were forgotten."""
    return sorted(request["filename"] for request in desk.mount.emulator.requests("upload"))


@pytest.fixture
def samples(desk: Desk) -> Desk:
    (desk.out / "a.png").write_bytes(PNG)
    (desk.out / "a.pdf").write_bytes(pdf())
    return desk


def test_exiftool_costs_its_file_and_the_original_that_it_leaves(samples: Desk) -> None:
    samples.prepare("cp $OUT/a.png .")
    samples.costs("exiftool -q -overwrite_original -Artist=me a.png", OVER)
    samples.costs("exiftool -q -Artist=you a.png", {"upload": 2, "delete": 1})
    assert names(samples) == ["a.png", "a.png_original"]
    assert samples.run("exiftool -s3 -Artist a.png; cp a.png_original $OUT/b.png; exiftool -s3 -Artist $OUT/b.png") == "you\nme\n"


def test_an_archive_that_7zip_makes_anew_costs_an_upload_and_a_deletion(desk: Desk) -> None:
    for kind in ("7z", "zip"):
        desk.prepare("echo a > a.txt; echo b > b.txt")
        desk.costs(f"7z a x.{kind} a.txt > /dev/null", NEW)
        desk.costs(f"7z a x.{kind} b.txt > /dev/null", OVER)
        desk.costs(f"7z d x.{kind} a.txt > /dev/null", OVER)
        assert desk.run(f"7z e -so x.{kind}") == "b\n"


def test_qpdf_in_place_costs_an_upload_and_a_deletion(samples: Desk) -> None:
    samples.prepare("cp $OUT/a.pdf .")
    samples.costs("qpdf --replace-input --linearize a.pdf; qpdf --check a.pdf > /dev/null", OVER)
    samples.costs("qpdf a.pdf b.pdf", NEW)
    assert names(samples) == ["a.pdf", "b.pdf"]


@pytest.mark.parametrize(("before", "script"), [
    (r"printf 'a\r\n' > a", "dos2unix -q a"),
    (r"printf 'a\n' > a", "unix2dos -q a"),
    ("cp $OUT/a.png .", "optipng -quiet -force a.png"),
    ("cp $OUT/a.png .", "pngquant --force --ext .png a.png"),
    ("base64 -d > a.jpg <<< " + JPEG, "jpegoptim -q -f a.jpg"),
])
def test_a_tool_that_works_in_place_costs_an_upload_and_a_deletion(samples: Desk, before: str, script: str) -> None:
    samples.prepare(before)
    here = os.listdir(samples.files)
    samples.costs(script, OVER)
    assert os.listdir(samples.files) == names(samples) == here


@pytest.fixture
def big(tmp_path: Path) -> Iterator[tuple[EmulatorProcess, str]]:
    """A web server with one big file: another emulator, which takes its key from the header. Yields it and the address."""
    with EmulatorProcess(tmp_path / "web") as web:
        web.switch()
        file = web.generate("f.bin", b"f" * 8_000_000)
        yield web, f"{web.url}/v1/files/{file['id']}/content"


def test_a_download_by_aria2_costs_one_upload_also_if_it_was_killed_and_goes_on(desk: Desk, big: tuple[EmulatorProcess, str]) -> None:
    web, address = big
    fetch = (f"http_proxy= aria2c -q -s1 -o f.bin --header 'x-api-key: {web.key}' --header 'anthropic-version: 2023-06-01' "
             f"--header 'anthropic-beta: files-api-2025-04-14' {address}")
    desk.costs(fetch, NEW)
    assert os.listdir(desk.files) == ["f.bin"]

    desk.prepare("rm f.bin")
    web.switch(bandwidth_bytes_per_s=2_000_000)
    desk.run(f"timeout -s INT 1.5 {fetch.removeprefix('http_proxy= ')} || test $? = 124 -o $? = 7")
    assert sorted(os.listdir(desk.files)) == ["f.bin", "f.bin.aria2"]
    assert os.getxattr(desk.files / "f.bin.aria2", "user.anthropic.state") == b"local"
    web.switch(bandwidth_bytes_per_s=0)
    desk.mount.sync()
    web.forget_requests()
    desk.run(f"{fetch} -c")
    assert (desk.files / "f.bin").read_bytes() == b"f" * 8_000_000
    assert os.listdir(desk.files) == ["f.bin"]
    assert not [name for name in sent(desk) if "aria2" in name]


def test_unison_costs_an_upload_a_file_and_a_deletion_for_a_changed_one(desk: Desk) -> None:
    unison = "UNISON=$OUT/.unison unison -ui text -batch -auto -logfile /dev/null $OUT/l . > /dev/null 2>&1"
    desk.run("mkdir $OUT/l; echo a > $OUT/l/a.txt; echo b > $OUT/l/b.txt")
    desk.costs(unison, {"upload": 2})
    desk.costs(f"echo more >> $OUT/l/a.txt; {unison}", OVER)
    desk.costs(f"echo here >> b.txt; {unison}; grep -q here $OUT/l/b.txt", OVER)
    desk.has({"a.txt": "a\nmore\n", "b.txt": "b\nhere\n"})


def test_a_push_into_a_repository_costs_its_objects_and_the_reference(desk: Desk) -> None:
    desk.prepare("git init -q --bare r.git; git init -q $OUT/w; cd $OUT/w; git config user.email a@b; git config user.name n")
    desk.costs("cd $OUT/w; echo a > a; git add a; git commit -qm a; git push -q $OLDPWD/r.git HEAD:main", {"upload": 4})
    desk.costs("cd $OUT/w; echo b > a; git commit -qam b; git push -q $OLDPWD/r.git HEAD:main", {"upload": 4, "delete": 1})
    assert not [name for name in names(desk) if "lock" in name or "tmp" in name]
    assert desk.run("git -C r.git fsck > /dev/null 2>&1; git -C r.git show main:a") == "b\n"


@pytest.mark.parametrize("name", ["notes.wal", "x.7z.tmp", "x.tmp", "f.0123456789abcdef0123456789abcdef.tmp", ".~plan", "a.db-wal", "main.lock",
                                  "old.lock", "exiftool_tmp", "x.unison.tmp"])
def test_a_users_own_file_that_looks_so_is_sent(desk: Desk, name: str) -> None:
    """Without the file that such a helper lies beside, or made by another program."""
    desk.costs(f"echo mine > {name}", NEW)
    assert names(desk) == [name]


@pytest.mark.parametrize(("beside", "name"), [("notes", "notes.wal"), ("x.7z", "x.7z.tmp"), ("a.db", "a.db-wal"), ("x", "x.tmp")])
def test_a_copy_of_both_is_sent(desk: Desk, beside: str, name: str) -> None:
    desk.run(f"echo 1 > $OUT/{beside}; echo 2 > $OUT/{name}")
    desk.costs(f"cp $OUT/{beside} $OUT/{name} .", {"upload": 2})
    desk.has({beside: "1\n", name: "2\n"})
    desk.costs(f"rm {name}; echo 3 >> {name}", OVER)        # appended to, but not by one who writes to the other
