"""Manual, costs: an editor works, and a save costs one upload and one deletion, however the editor does it. The editors
themselves, on a terminal.
"""

import pytest

from tests.desk import Desk
from tests.mounting import asks
from tests.terminal import Terminal

NEW = {"upload": 1}
OVER = {"upload": 1, "delete": 1}


def vi(desk: Desk, name: str, *options: str) -> Terminal:
    """vim, as Debian's smallest package of it has it: no settings of this machine's users. backupskip would make it write
    in place below a temporary directory.
    """
    terminal = Terminal(["vi", "-u", "NONE", "-N", "-c", "set backupskip=", *options, name], desk.files)
    terminal.shows(name)
    return terminal


@pytest.mark.parametrize(("setting", "left", "stays"), [
    ("backupcopy=no", {}, []),
    ("backupcopy=yes", {}, []),
    ("backupcopy=auto", {}, []),
    ("backupcopy=no backup", {"note.txt~": "old\n"}, ["note.txt~"]),
    ("backupcopy=yes backup", {"note.txt~": "old\n"}, ["note.txt~"]),
    ("nowritebackup", {}, []),
    ("noswapfile", {}, []),
])
def test_a_save_in_vim_costs_an_upload_and_a_deletion(desk: Desk, setting: str, left: dict[str, str], stays: list[str]) -> None:
    desk.prepare("echo old > note.txt")
    number = (desk.files / "note.txt").stat().st_ino
    with asks(desk.mount, **OVER), vi(desk, "note.txt", "-c", f"set {setting}") as editor:
        editor.types("onew\x1b:wq\r")
        assert editor.ends() == 0
    desk.has({"note.txt": "old\nnew\n", **left}, stays=stays)
    assert "backupcopy=yes" not in setting or (desk.files / "note.txt").stat().st_ino == number


def test_a_new_file_in_vim_costs_an_upload_and_each_later_save_one_more(desk: Desk) -> None:
    with vi(desk, "note.txt") as editor:
        for word in ("one", "two", "three"):
            with asks(desk.mount, **(NEW if word == "one" else OVER)):
                editor.types(f"o{word}\x1b:w\r")
                editor.shows("written")
        with asks(desk.mount):
            editor.types(":q\r")
            assert editor.ends() == 0
    desk.has({"note.txt": "\none\ntwo\nthree\n"})


def test_vim_asks_nothing_while_somebody_types_and_gives_up(desk: Desk) -> None:
    desk.prepare("echo old > note.txt")
    with asks(desk.mount), vi(desk, "note.txt") as editor:
        editor.types("onew\x1b:preserve\r")
        editor.shows("preserved")
        editor.types(":q!\r")
        assert editor.ends() == 0
    desk.has({"note.txt": "old\n"})


def test_what_was_typed_before_vim_was_killed_is_recovered_also_after_a_remount(desk: Desk) -> None:
    desk.prepare("echo old > note.txt")
    with asks(desk.mount), vi(desk, "note.txt") as editor:
        editor.types("ounsaved\x1b:preserve\r")
        editor.shows("preserved")
        editor.kill()
    desk.mount.remount("--refresh", "300")
    with asks(desk.mount, **OVER), vi(desk, "note.txt", "-r") as editor:
        editor.shows("ENTER")
        editor.types("\r:w\r")
        editor.shows("written")
        editor.types(":q\r")
        assert editor.ends() == 0
    swap = (desk.files / ".note.txt.swp").read_bytes()
    desk.has({"note.txt": "old\nunsaved\n", ".note.txt.swp": swap}, stays=[".note.txt.swp"])


def test_two_vims_on_one_file_know_of_each_other(desk: Desk) -> None:
    desk.prepare("echo old > note.txt")
    with asks(desk.mount), vi(desk, "note.txt") as first, Terminal(["vi", "-u", "NONE", "-N", "note.txt"], desk.files) as second:
        asked = second.shows("(A)bort:", "Press ENTER")         # vims with and without dialogues
        second.types("q" if asked == "(A)bort:" else ":q\r")
        second.ends()
        first.types(":q\r")
        assert first.ends() == 0
    desk.has({"note.txt": "old\n"})


def test_a_generated_file_is_edited_in_vim_for_a_download_an_upload_and_a_deletion(desk: Desk) -> None:
    desk.mount.emulator.generate("made.txt", b"theirs\n")
    desk.mount.refresh()
    with asks(desk.mount, download=1, **OVER), vi(desk, "made.txt", "-c", "set backupcopy=yes") as editor:
        editor.types("oours\x1b:wq\r")
        assert editor.ends() == 0
    desk.has({"made.txt": "theirs\nours\n"})


@pytest.mark.parametrize(("before", "options", "counts", "left"), [
    ("echo old > note.txt", [], OVER, {"note.txt": "new old\n"}),
    ("", [], NEW, {"note.txt": "new \n"}),
    ("echo old > note.txt", ["-B"], OVER, {"note.txt": "new old\n", "note.txt~": "old\n"}),
    ("echo old > note.txt", ["-G"], OVER, {"note.txt": "new old\n"}),
])
def test_a_save_in_nano(desk: Desk, before: str, options: list[str], counts: dict[str, int], left: dict[str, str]) -> None:
    desk.prepare(before)
    with asks(desk.mount, **counts), Terminal(["nano", "-I", *options, "note.txt"], desk.files) as nano:
        nano.shows("note.txt")
        nano.types("new ")
        nano.types("\x0f")
        nano.shows("Write")
        nano.types("\r")
        nano.shows("Wrote")
        nano.types("\x18")
        assert nano.ends() == 0
    desk.has(left, stays=["note.txt~"] if "note.txt~" in left else [])


# ---- editors without a screen

@pytest.mark.parametrize(("script", "counts", "left"), [
    ("sed -i s/old/new/ note.txt", OVER, {"note.txt": "new\n"}),
    ("sed -i.orig s/old/new/ note.txt", {"upload": 2, "delete": 1}, {"note.txt": "new\n", "note.txt.orig": "old\n"}),
    ("sed -i~ s/old/new/ note.txt", OVER, {"note.txt": "new\n", "note.txt~": "old\n"}),
    ("perl -i -pe s/old/new/ note.txt", OVER, {"note.txt": "new\n"}),
    ("perl -i.orig -pe s/old/new/ note.txt", {"upload": 2, "delete": 1}, {"note.txt": "new\n", "note.txt.orig": "old\n"}),
    (r"printf 's/old/new/\nw\nq\n' | ed -s note.txt", OVER, {"note.txt": "new\n"}),
    ("ex -u NONE -s -c 's/old/new/' -c wq note.txt", OVER, {"note.txt": "new\n"}),
    ("ex -u NONE -s -c 'set backupskip= backupcopy=no' -c 's/old/new/' -c wq note.txt", OVER, {"note.txt": "new\n"}),
    ("patch -s note.txt $OUT/change", OVER, {"note.txt": "new\n"}),
    ("patch -s -b note.txt $OUT/change", {"upload": 2, "delete": 1}, {"note.txt": "new\n", "note.txt.orig": "old\n"}),
    ("echo other > $OUT/n; cp $OUT/n note.txt; ! patch -sf note.txt $OUT/change > $OUT/said", {"upload": 3, "delete": 1},
     {"note.txt": "other\n", "note.txt.orig": "other\n", "note.txt.rej": "*** \n"}),
])
def test_an_edit_costs_an_upload_and_a_deletion_and_no_temporary_file_anything(desk: Desk, script: str, counts: dict[str, int],
                                                                               left: dict[str, str]) -> None:
    desk.prepare("echo old > note.txt; echo new > $OUT/new; diff -u note.txt $OUT/new > $OUT/change || true")
    desk.costs(script, counts)
    if "note.txt.rej" in left:
        left |= {"note.txt.rej": (desk.files / "note.txt.rej").read_text()}
    desk.has(left, stays=["note.txt~"] if "note.txt~" in left else [])


# ---- GNOME

@pytest.mark.parametrize(("before", "script", "counts", "left"), [
    ("", "gio copy $OUT/new note.txt", NEW, {"note.txt": "new\n"}),
    ("echo old > note.txt", "gio copy $OUT/new note.txt", OVER, {"note.txt": "new\n"}),
    ("echo old > note.txt", "gio copy -b $OUT/new note.txt", OVER, {"note.txt": "new\n", "note.txt~": "old\n"}),
    ("", "gio move $OUT/new note.txt", NEW, {"note.txt": "new\n"}),
    ("echo old > note.txt", "gio move $OUT/new note.txt", OVER, {"note.txt": "new\n"}),
    ("echo old > old.txt", "gio move old.txt note.txt", OVER, {"note.txt": "old\n"}),
    ("echo old > old.txt", "gio rename old.txt note.txt > $OUT/said", OVER, {"note.txt": "old\n"}),
    ("echo old > old.txt", "gio copy old.txt note.txt", NEW, {"old.txt": "old\n", "note.txt": "old\n"}),
    ("", "gio save note.txt < $OUT/new", NEW, {"note.txt": "new\n"}),
    ("echo old > note.txt", "gio save note.txt < $OUT/new", OVER, {"note.txt": "new\n"}),
    ("echo old > note.txt", "gio save -b note.txt < $OUT/new", OVER, {"note.txt": "new\n", "note.txt~": "old\n"}),
    ("echo old > note.txt", "gio save -a note.txt < $OUT/new", OVER, {"note.txt": "old\nnew\n"}),
    ("echo old > note.txt", "gio save -p note.txt < $OUT/new", OVER, {"note.txt": "new\n"}),
    ("echo old > note.txt", "gio remove note.txt", {"delete": 1}, {}),
    ("echo old > note.txt", "! gio trash note.txt 2> $OUT/said; grep -q 'trash directory' $OUT/said", {}, {"note.txt": "old\n"}),
])
def test_what_gnome_does_costs_what_it_changes(desk: Desk, before: str, script: str, counts: dict[str, int], left: dict[str, str]) -> None:
    desk.prepare(f"echo new > $OUT/new; {before}")
    desk.costs(script, counts)
    desk.has(left, stays=["note.txt~"] if "note.txt~" in left else [])


# ---- LibreOffice, as seen with strace; bash calls itself soffice.bin

OFFICE = "exec 9<> /proc/self/comm; printf soffice.bin >&9; "
LOCK = "echo ',me,here,01.01.2026 12:00,file:///x;' > .~lock.report.odt#; "
SAVE = "exec 4<> lu2148wh3b.tmp; printf new >&4; exec 4>&-; mv lu2148wh3b.tmp report.odt; "


@pytest.mark.parametrize(("before", "script", "counts", "left"), [
    ("printf old > report.odt", LOCK + SAVE + "rm .~lock.report.odt#", OVER, {"report.odt": "new"}),
    ("", LOCK + SAVE + "rm .~lock.report.odt#", NEW, {"report.odt": "new"}),
    ("printf old > report.odt", LOCK + "cp report.odt lu2148wh3c.tmp; printf new > report.odt; rm lu2148wh3c.tmp .~lock.report.odt#",
     {"upload": 2, "delete": 2}, {"report.odt": "new"}),        # cp isn't LibreOffice: what it makes is sent
    ("printf old > report.odt", LOCK + "exec 4<> lu2148wh3c.tmp; cat report.odt >&4; exec 4>&-; printf new > report.odt; "
     "rm lu2148wh3c.tmp .~lock.report.odt#", OVER, {"report.odt": "new"}),
])
def test_a_save_as_libreoffice_does_it(desk: Desk, before: str, script: str, counts: dict[str, int], left: dict[str, str]) -> None:
    desk.prepare(before)
    desk.costs(OFFICE + script, counts)
    desk.has(left)


def test_a_lock_file_of_libreoffice_is_there_while_a_document_is_open(desk: Desk) -> None:
    desk.prepare("printf old > report.odt")
    desk.costs(LOCK, {})
    desk.mount.remount("--refresh", "300")
    assert (desk.files / ".~lock.report.odt#").exists()
    desk.costs("rm .~lock.report.odt#", {})
    desk.has({"report.odt": "old"})
