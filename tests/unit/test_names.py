"""Names from the server are never trusted, and what a user typed comes back as it was."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anthrofs import names
from anthrofs.errors import BadName, NameTooLong

# The blob makes a failure seen elsewhere repeatable; a busy machine is no reason to fail.
law = settings(print_blob=True, deadline=None)

ID = "file_011CdeLUpakHYCG43qGLsdXo"

# Half of the characters are those that the convention is about; plain text() would hardly ever draw two in a row.
SPECIAL = "\u201b" * 8 + '<>:"|?*\\/\x00\x01\n\x1b\x1f\x7f' + "＜＞：＂｜？＊＼／␀␁␊␛␟␡" + ".. ~\ud800\udfff\U0001f600é" + "%\uff05" * 4 + "2220DdAa"
characters = st.one_of(st.sampled_from(SPECIAL), st.characters(exclude_categories=()))
anything = st.text(characters, max_size=300)
ids = st.one_of(st.just(ID), st.text(characters, max_size=80))
REFUSED = set('<>:"|?*\\/') | {chr(code) for code in range(0x20)} | {"\x7f"}


def encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def typed(part: str) -> bool:
    """Whether the kernel could have sent this as a component of a path in UTF-8."""
    ok = part not in {"", ".", ".."} and "\0" not in part and "/" not in part
    return ok and encodable(part) and len(part.encode()) <= 255


components = anything.filter(typed)
paths = st.lists(components, min_size=1, max_size=4).map("/".join)
SPELLED = re.compile("%(22|0[DdAa])")       # what a form's reader may take for something else
acceptable = st.text(characters.filter(lambda c: c not in REFUSED and encodable(c)), min_size=1, max_size=255).filter(lambda s: not SPELLED.search(s))


def is_safe(entry: str) -> bool:
    return typed(entry) and entry != names.BY_ID and not names.is_hidden(entry)


# ---- the laws

@given(components)
@law
def test_a_typed_name_comes_back_from_the_server_as_it_was(entry: str) -> None:
    if is_safe(entry):
        assert names.entry_name_of(names.server_name_of(entry), ID) == entry


@given(paths)
@law
def test_a_typed_path_comes_back_from_the_server_as_it_was(path: str) -> None:
    try:
        server_name = names.server_name_of(path, "tree")
    except NameTooLong:
        return
    if all(is_safe(part) for part in path.split("/")):
        assert names.path_of(server_name) == path


@given(paths, st.sampled_from(["flat", "tree"]))
@law
def test_the_api_takes_every_name_that_is_sent(path: str, layout: names.Layout) -> None:
    try:
        server_name = names.server_name_of(path, layout)
    except NameTooLong:
        assert "/" in path
        return
    assert 1 <= len(server_name) <= 255
    assert not REFUSED & set(server_name)
    assert not SPELLED.search(server_name)


@given(acceptable)
@example("\u201bx")
@example("\u201b")
@example("\u201b\u201b")
@example("a\u201b\u201b／b")
@example("␀")
@law
def test_a_path_leads_back_to_its_server_name(server_name: str) -> None:
    """So it is injective as well: two server names with one path could not both come back."""
    try:
        path = names.path_of(server_name)
    except BadName:
        return
    assert names.server_name_of(path, "tree") == server_name


@given(acceptable)
@law
def test_an_entry_leads_back_to_its_server_name_unless_it_carries_the_id(server_name: str) -> None:
    entry = names.entry_name_of(server_name, ID)
    if ID not in entry:
        assert names.server_name_of(entry) == server_name


@given(acceptable.filter(lambda s: typed(s) and not s.startswith(".")))
@law
def test_no_spelling_costs_a_name_its_plain_entry(server_name: str) -> None:
    """Only dots, length and names of our own do."""
    assert ID not in names.entry_name_of(server_name, ID)


@given(anything, ids)
@law
def test_every_entry_is_a_safe_component(server_name: str, file_id: str) -> None:
    assert is_safe(names.entry_name_of(server_name, file_id))
    assert is_safe(names.safe_entry(server_name, file_id))


@given(anything)
@law
def test_every_path_has_safe_parts(server_name: str) -> None:
    try:
        path = names.path_of(server_name)
    except BadName:
        return
    assert all(typed(part) and not names.is_hidden(part) for part in path.split("/"))
    assert path.split("/")[0] != names.BY_ID


@given(anything, st.lists(ids, min_size=2, max_size=2, unique=True))
@law
def test_files_with_one_unsafe_name_have_different_entries(server_name: str, two: list[str]) -> None:
    one, other = (names.safe_entry(server_name, file_id) for file_id in two)
    assert one != other


@given(components, st.lists(ids, min_size=2, max_size=2, unique=True))
@law
def test_duplicates_have_different_names_that_fit(entry: str, two: list[str]) -> None:
    one, other = (names.id_name_of(entry, file_id) for file_id in two)
    assert one != other
    assert typed(one)
    assert typed(other)


@given(anything)
@law
def test_only_names_in_utf8_with_real_parts_are_accepted(name: str) -> None:
    parts = name.split("/")
    try:
        names.server_name_of(name, "tree")
    except BadName:
        assert not all(part not in {"", ".", ".."} and encodable(part) and "\0" not in part for part in parts)
    except NameTooLong:
        assert max(len(name), *(len(part.encode(errors="surrogatepass")) for part in parts)) > 127
    else:
        assert all(typed(part) for part in parts)


# ---- the tables

@pytest.mark.parametrize(("entry", "server_name"), [
    ("plain.txt", "plain.txt"),
    ("a:b", "a：b"),
    ("a：b", "a\u201b：b"),
    ("\u201b:", "\u201b\u201b："),
    ("\u201b：", "\u201b\u201b\u201b："),
    ("\u201b", "\u201b"),
    ("\u201bx", "\u201bx"),
    ('<>"|?*\\', "＜＞＂｜？＊＼"),
    ("two\nlines", "two␊lines"),
    ("two␊lines", "two\u201b␊lines"),
    ("\x7f", "␡"),
    ("␀", "␀"),
    ("a／b", "a／b"),
])  # fmt: skip
def test_an_entry_and_its_server_name(entry: str, server_name: str) -> None:
    assert names.server_name_of(entry) == server_name
    assert names.entry_name_of(server_name, ID) == entry


@pytest.mark.parametrize(("path", "server_name"), [
    ("dir/a.txt", "dir／a.txt"),
    ("a／b", "a\u201b／b"),
    ("dir\u201b/a", "dir\u201b\u201b／a"),
    ("d:1/x／y", "d：1／x\u201b／y"),
])  # fmt: skip
def test_a_path_and_its_server_name(path: str, server_name: str) -> None:
    assert names.server_name_of(path, "tree") == server_name
    assert names.path_of(server_name) == path


@pytest.mark.parametrize(("server_name", "entry"), [
    (".", f"． ({ID})"),
    ("..", f"．. ({ID})"),
    ("", f"unnamed ({ID})"),
    (".by-id", f"．by-id ({ID})"),
    (".fuse_hidden0001", f"．fuse_hidden0001 ({ID})"),
    ("../../etc/passwd", f"..／..／etc／passwd ({ID})"),
    ("a<b.txt", f"a＜b ({ID}).txt"),
    ("a\nb\0c\x7f.txt", f"a␊b␀c␡ ({ID}).txt"),
    ("half\ud800.txt", f"half\ufffd ({ID}).txt"),
    ("é" * 128, "é" * 111 + f" ({ID})"),
    ("x" * 300 + ".pdf", "x" * 219 + f" ({ID}).pdf"),
])  # fmt: skip
def test_a_name_that_cannot_be_an_entry_is_shown_safely_with_its_id(server_name: str, entry: str) -> None:
    assert names.entry_name_of(server_name, ID) == entry


@pytest.mark.parametrize("server_name", [
    "", ".", "..", "a／", "／a", "a／／b", "a／..／b", "a/b", "a<b", "a\n", "\x7f", "\0", "\ud800", "é" * 128, "a／" + "é" * 128,
    ".by-id", ".by-id／x", "a／.fuse_hidden1",
])  # fmt: skip
def test_a_server_name_without_a_path_says_so(server_name: str) -> None:
    with pytest.raises(BadName):
        names.path_of(server_name)


@pytest.mark.parametrize("name", ["", ".", "..", "/a", "a/", "a//b", "a/../b", "a\0", "not-utf8-\udcff"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        names.server_name_of(name)


@pytest.mark.parametrize("name", ["a" * 256, "é" * 128, "/".join(["a" * 100] * 3)])
def test_what_no_upload_or_directory_can_hold_is_refused(name: str) -> None:
    with pytest.raises(NameTooLong):
        names.server_name_of(name)


def test_the_longest_names_are_accepted() -> None:
    for name in ("a" * 255, ":" * 255, "：" * 85, "\u201b" * 85, "\n" * 255):
        assert names.entry_name_of(names.server_name_of(name), ID) == name


def test_an_immense_name_takes_no_time() -> None:
    for name in ("\u201b" * 1_000_000, "／" * 1_000_000, "\n" * 1_000_000):
        assert len(names.entry_name_of(name, ID).encode()) <= 255


@pytest.mark.parametrize(("entry", "id_name"), [
    ("report.csv", f"report ({ID}).csv"),
    ("archive.tar.gz", f"archive.tar ({ID}).gz"),
    (".profile", f".profile ({ID})"),
    ("..rc", f"..rc ({ID})"),
    ("trailing.", f"trailing. ({ID})"),
    ("Makefile", f"Makefile ({ID})"),
    ("Mr. Smith", f"Mr. Smith ({ID})"),
    ("v1.a-very-long-suffix", f"v1.a-very-long-suffix ({ID})"),
    ("x" * 250 + ".pdf", "x" * 219 + f" ({ID}).pdf"),
])  # fmt: skip
def test_an_older_file_of_the_same_name_is_named_by_its_id(entry: str, id_name: str) -> None:
    assert names.id_name_of(entry, ID) == id_name


def test_an_odd_id_becomes_a_word() -> None:
    assert names.id_name_of("a.txt", "../x y").startswith("a (___x_y~")
    assert len(names.id_name_of("a.txt", "i" * 5000)) < 100


def test_names_with_a_meaning() -> None:
    assert names.is_hidden(".fuse_hidden0000000100000001")
    assert not names.is_hidden("x.fuse_hidden")
    assert names.is_trash(".Trash")
    assert names.is_trash(".Trash-1000")
    assert not names.is_trash(".Trashed")


@pytest.mark.parametrize("spelled", ["%22", "%0D", "%0d", "%0A", "%0a"])
def test_what_a_form_spells_is_never_sent_as_it_is(spelled: str) -> None:
    for layout in ("flat", "tree"):
        for name in (f"a{spelled}b", f"a\uff05{spelled[1:]}b", f"\u201b{spelled}", spelled * 3):
            sent = names.server_name_of(name, layout)
            assert spelled not in sent
            assert len(sent) <= len(name) + 1
            if layout == "tree":
                assert names.path_of(sent) == name
            assert names.entry_name_of(names.server_name_of(name), ID) == name
    assert names.server_name_of(f"a{spelled}b") == f"a\uff05{spelled[1:]}b"
    for other in ("100%", "%2", "%20", "%23", "50%2b", "%%", "\uff05", "\uff0523"):
        assert names.server_name_of(other) == other
    assert names.entry_name_of(f"a{spelled}b", ID) == f"a{spelled}b ({ID})"         # somebody else's, which no upload of ours is called


@pytest.mark.parametrize(("server_name", "path"), [("a/b", "a/b"), ("a/b\uff0fc", "a/b/c"), ("a\uff0fb", "a/b")])
def test_a_slash_of_the_servers_own_is_a_folders(server_name: str, path: str) -> None:
    assert names.shown_path_of(server_name) == path


@pytest.mark.parametrize("server_name", ["/a", "a/", "a//b", "../a", "a/./b", 'a/"b', ".by-id/x", "/"])
def test_a_slash_that_leads_nowhere_is_none(server_name: str) -> None:
    with pytest.raises(BadName):
        names.shown_path_of(server_name)


@law
@given(st.text(st.sampled_from("aZ09_-. ~%é\n"), max_size=260))
@example("a\n")
@example("_" * 256)
def test_a_name_that_says_what_it_says_is_shown_as_any_other(server_name: str) -> None:
    try:
        path = names.path_of(server_name)
    except BadName:
        with pytest.raises(BadName):
            names.shown_path_of(server_name)
    else:
        assert names.shown_path_of(server_name) == path
