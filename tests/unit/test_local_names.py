"""Helper files of programs stay on this machine, and no user's file does."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs import local_names
from tests.unit.test_names import anything, law


@given(anything, st.text(max_size=20))
@law
def test_any_pattern_can_be_asked_about_any_name(name: str, pattern: str) -> None:
    local_names.stays_local(name, [pattern])
    assert local_names.stays_local(name, [pattern, "*"])


@pytest.mark.parametrize("name", [
    ".fuse_hidden000001", "notes.txt~", ".notes.txt.swp", ".notes.txt.swx", "4913", ".#notes.txt", "#notes.txt#",
    ".~lock.budget.ods#", "~$budget.xlsx", ".goutputstream-A1B2C3", "film.mkv.part", "a.partial", "a.zip.crdownload",
    ".DS_Store", "._report.csv", "Thumbs.db", "desktop.ini", ".directory", ".nfs00000001",
    ".report.csv.Xa3bQz", ".report.csv.abcde1", "..rsync.aaaaaA", "sedA1b2C3", "ziAbCdEf", "lu12345abc.tmp",
    "index.lock", "tmp_obj_Ab12Cd", "a.png_exiftool_tmp", "a.pdf.~qpdf-temp#", "a.pdf.~qpdf-orig", "f.iso.aria2", "f.iso.aria2__temp",
    ".unison.a.txt.427f8e18a632f61280fe1b507e5f25a9.unison.tmp", "r.git/objects/tmp_objdir-incoming-lgbaz4/4f/7d8e8d50956b",
])  # fmt: skip
def test_helper_files_stay_here(name: str) -> None:
    assert local_names.stays_local(name)
    assert not local_names.stays_local(name, [])


@pytest.mark.parametrize("name", [
    "report.csv", ".config.backup", ".env.staging", ".bashrc", ".a.sixsix", "..XyZ123", "sedation", "sediment.txt", "sedA1b2C3x",
    "exiftool_tmp.txt", "a.qpdf", "aria2.conf", "a.unison.tmp", "notes.wal", "old.tmp", ".~plan", "main.lock", "tmp_objdir",
    "zigzags", "ziggurat", "Thumbs.DB", "Cargo.lock", "poetry.lock", "14913", "lumen.txt", "a#", ".report.csv.Xa3bQz.pdf",
])  # fmt: skip
def test_other_files_are_sent(name: str) -> None:
    assert not local_names.stays_local(name)


@pytest.mark.parametrize(("maker", "name"), [
    ("rsync", ".report.csv.abcdef"), ("rsync", "report.csv.abcdef"), ("sed", "sedatives"), ("zip", "zigzaggy"), ("perl", "XXabcdef"), ("patch>", "notes.txt.oabcdef"),
    ("patch>", "notes.txt.rabcdef"), ("soffice.bin", "lumen.tmp"), ("git", "Cargo.lock"), ("git", "main.lock"), ("git", "tmp_pack_abcdef"),
    ("git", "refs_abcdef"), ("git", "tables1"), ("git", "packed-refs.new"), ("git-receive-pac", "main.lock"),
    ("dos2unix", "d2utmpabcdef"), ("unix2dos", "d2utmpabcdef"), ("jpegoptim", "jpegoptim-0-11208.4jtkWX.tmp"), ("optipng", "a.png.bak"),
])  # fmt: skip
def test_a_programs_own_helper_files_are_known_by_their_maker_and_theirs_only(maker: str, name: str) -> None:
    assert local_names.stays_local(name, maker=maker)
    assert not local_names.stays_local(name, maker="cp>")
    assert not local_names.stays_local(name, maker=maker.removesuffix(">") if maker.endswith(">") else f"{maker}>")


@pytest.mark.parametrize("name", [".report.csv.Xa3bQz", "sedA1b2C3", "ziAbCdEf", "lu12345abc.tmp", "tmp_obj_Ab12Cd"])
def test_what_looks_like_a_helper_file_is_sent_if_another_program_makes_it(name: str) -> None:
    assert local_names.stays_local(name)
    assert not local_names.stays_local(name, maker="cp>")
    assert not local_names.stays_local(name, maker="python3")


@pytest.mark.parametrize("name", [".report.csv.Xa3bQzz", "sedABC", ".report.csv.Xa3bQ-", "XXabcde"])
def test_a_makers_patterns_are_exact(name: str) -> None:
    assert not any(local_names.stays_local(name, maker=maker) for maker in ("rsync", "sed", "perl"))


@pytest.mark.parametrize("name", ["notes.txt~", ".notes.txt.swp", "index.lock"])
def test_some_helper_files_stay_here_whoever_makes_them(name: str) -> None:
    assert all(local_names.stays_local(name, maker=maker) for maker in ("", "cp>", "anything"))


def test_a_maker_is_a_program_and_whether_it_reads_what_it_makes() -> None:
    assert local_names.maker_of("git", reads=True) == "git"
    assert local_names.maker_of("git", reads=False) == "git>"
    assert local_names.maker_of("", reads=True) == local_names.maker_of("", reads=False) == ""


def test_mkstemp_shapes_can_be_set_like_other_patterns() -> None:
    assert local_names.stays_local("tool-a1b2c3.tmp", ["tool-XXXXXX.tmp"])
    assert not local_names.stays_local("tool-abcdef.tmp", ["tool-XXXXXX.tmp"])
    assert not local_names.stays_local("tool-XXXXX.tmp", ["tool-XXXXXX.tmp"])


@pytest.mark.parametrize(("name", "flags", "program", "found"), [
    ("a.db-journal", os.O_RDWR, "python3", [("a.db", False)]),
    ("b-shm", os.O_RDWR | os.O_EXCL, "", [("b", False)]),
    ("a.db-wal", os.O_WRONLY, "cp", []),                # whoever copies both doesn't read what it makes
    ("-wal", os.O_RDWR, "", []),
    ("d.wal", os.O_WRONLY | os.O_APPEND, "duckdb", [("d", True)]),
    ("d.wal", os.O_WRONLY, "cp", []),
    ("x.7z.tmp", os.O_WRONLY | os.O_EXCL, "7z", [("x.7z", False)]),
    ("x.zip.tmp", os.O_WRONLY | os.O_EXCL, "7zz", [("x.zip", False)]),
    ("x.7z.tmp", os.O_WRONLY, "7z", []),                # one that it extracts
    ("x.7z.tmp", os.O_WRONLY | os.O_EXCL, "cp", []),
    ("x.png.tmp", os.O_WRONLY, "pngquant", [("x.png", False)]),
    (f"f.txt.{'0123456789abcdef' * 2}.tmp", os.O_WRONLY, "node", [("f.txt", False)]),
    (f"f.txt.{'0123456789abcdeF' * 2}.tmp", os.O_WRONLY, "node", []),
    ("f.txt.0123abcd.tmp", os.O_WRONLY, "node", []),
    (".~n.ipynb", os.O_WRONLY, "jupyter-lab", [("n.ipynb", False)]),
    (".~", os.O_WRONLY, "", []),
    ("a.db", os.O_RDWR, "", []),
])  # fmt: skip
def test_a_companions_name_tells_beside_what_it_stays_here(name: str, flags: int, program: str, found: list[tuple[str, bool]]) -> None:
    assert local_names.candidates(name, program, flags) == found
