"""Manual, says: 'A test finds a text without an entry, and an entry without a text'."""

import ast
import errno
import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from anthrofs import errors
from anthrofs.cli import manual
from anthrofs.cli.entries import PREFIX, Entry, entries_in, fits, nearest, plain
from tests.mounting import ROOT

PACKAGE: Final = ROOT / "anthrofs"
ENTRIES: Final = [entry for name in manual.names() if name.startswith(PREFIX) for entry in entries_in(manual.page(name))]
# A program that asked for a file is told these by their errno, which says all that there is to say.
BY_ERRNO: Final = {"NotFound", "Exists", "NotADirectory", "IsADirectory", "NotEmpty", "NameTooLong", "EntryTooLong", "NoAttribute", "BadHandle", "Revalidate", "BadName"}
SAID_LAST: Final = {"finding_at"}       # its last argument is the text
SAYING: Final = {"complain", "ArgumentTypeError", "unfit", "Silent"} | SAID_LAST | {name for name, kind in vars(errors).items() if isinstance(kind, type)} - BY_ERRNO
# The standard library's own words for a command line that makes no sense.
ARGPARSE: Final = ("unrecognized arguments: ", "the following arguments are required: ", "expected one argument", "ignored explicit argument ")
VARIABLE: Final = "\0"
FEWEST_LETTERS: Final = 6       # of fixed words; with fewer, the words come from elsewhere


class Said(NamedTuple):
    """A text that the package can say."""

    text: str       # VARIABLE stands for what differs
    where: str


def variants(of: ast.expr, constants: Mapping[str, ast.expr]) -> list[str]:
    """All texts that an expression can be, as far as the source tells."""
    match of:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return joined(parts, constants)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return joined([left, right], constants)
        case ast.IfExp(body=one, orelse=other):
            return variants(one, constants) + variants(other, constants)
        case ast.BoolOp(values=parts):
            return [text for part in parts for text in variants(part, constants)]
        case ast.FormattedValue(value=value):
            return variants(value, constants)
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(between)), attr="join"), args=[ast.List(elts=parts) | ast.Tuple(elts=parts)]):
            return [text.removesuffix(between) for text in joined([each for part in parts for each in (part, ast.Constant(between))], constants)]
        case ast.List(elts=parts):
            return joined([each for part in parts for each in (part, ast.Constant("\n"))], constants)
        case ast.Starred(value=value):
            return variants(value, constants)
        case ast.Name(id=name) if name in constants:
            return variants(constants[name], {})
        case _:
            return [VARIABLE]


def joined(parts: list[ast.expr], constants: Mapping[str, ast.expr]) -> list[str]:
    return ["".join(chosen) for chosen in itertools.islice(itertools.product(*(variants(part, constants) for part in parts)), 64)]


def all_said(root: Path) -> Iterator[Said]:
    """Every text that an error of the package can have. The emulator's are another program's."""
    for path in sorted(root.rglob("*.py")):
        if "emulator" in path.relative_to(root).parts:
            continue
        tree = ast.parse(path.read_text())
        constants = {target.id: node.value for node in tree.body if isinstance(node, ast.AnnAssign) and node.value
                     for target in [node.target] if isinstance(target, ast.Name) and isinstance(node.value, ast.Constant | ast.JoinedStr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and name_of(node.func) in SAYING:
                for text in variants(node.args[-1 if name_of(node.func) in SAID_LAST else 0], constants):
                    if sum(map(str.isalpha, text)) >= FEWEST_LETTERS:
                        yield Said(plain(text), f"{path.relative_to(root)}:{node.lineno}")


def name_of(called: ast.expr) -> str:
    return called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""


# A program shows the system's words for an errno; a mount without its program has the kernel say one, and so has one that is read-only.
TOLD: Final = {kind.code for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.FsError) and name not in BY_ERRNO} | {
    errno.EINVAL, errno.ENAMETOOLONG, errno.ENOTCONN, errno.EROFS, errno.ESTALE}
SAID: Final = [*all_said(PACKAGE), *(Said(plain(text), "argparse") for text in ARGPARSE), *(Said(os.strerror(code), errno.errorcode[code]) for code in TOLD)]


def test_every_error_text_has_an_entry() -> None:
    """Where this fails: add an entry for the text to a page anthrofs/manual/says-….md, which says what to do."""
    assert len(SAID) > 250
    lacking = [f"{said.where}: {said.text.replace(VARIABLE, '…')}" for said in SAID
               if not any(fits(text, said.text) for entry in ENTRIES for text in entry.texts)]
    assert lacking == []


def test_every_entry_is_of_a_text_that_there_is() -> None:
    assert [text for entry in ENTRIES for text in entry.texts if not any(fits(text, said.text) for said in SAID)] == []


def test_an_entry_has_fixed_words_enough_to_be_found_by_and_says_something() -> None:
    assert [text for entry in ENTRIES for text in entry.texts if sum(map(str.isalpha, text)) < FEWEST_LETTERS] == []
    assert [entry for entry in ENTRIES if len(entry.advice.split()) < 3] == []


def test_no_text_stands_in_two_entries() -> None:
    texts = [text for entry in ENTRIES for text in entry.texts]
    assert sorted({text for text in texts if texts.count(text) > 1}) == []


# ---- the test's own test: what is in a source is found

@pytest.mark.parametrize(("source", "texts"), [
    ('raise SetupError(f"{path} is not a directory.", EXIT_USAGE)', ["\0 is not a directory."]),
    ('WORDS: Final = "nobody answers here"\nraise errors.NoAnswer(WORDS)', ["nobody answers here"]),
    ('raise Busy(f"{path} has been opened" + (": close it" if mine else ""))', ["\0 has been opened: close it", "\0 has been opened"]),
    ("raise SetupError(str(exc))", []),
    ('raise NotFound("there is no such file")', []),
    ('output.complain(f"{root} is detached.")', ["\0 is detached."]),
], ids=["f-string", "constant", "condition", "words-from-elsewhere", "by-its-errno", "complaint"])
def test_a_text_is_found_in_its_source(tmp_path: Path, source: str, texts: list[str]) -> None:
    (tmp_path / "one.py").write_text(source)
    assert [said.text for said in all_said(tmp_path)] == texts


def test_an_entry_is_read_from_its_line_and_found_by_what_was_said() -> None:
    page = "# Title\n\nText.\n\n- `… is in use: close the files`, `nobody …\n  answers`: close them, or\n  wait.\n- no entry\n"
    assert list(entries_in(page)) == [Entry(("… is in use: close the files", "nobody … answers"), "close them, or wait.")]
    entry = next(entries_in(page))
    assert entry.about("anthrofs: /home/me/files is in use: close the files and leave") == entry.texts[:1]
    assert entry.about("in use") == entry.texts[:1]
    assert entry.about("is in a hurry") == ()


def test_what_fits_best_comes_first_and_what_hardly_fits_does_not_come() -> None:
    vague, exact, other = Entry(("… can't be asked",), "a"), Entry(("Your systemd can't be asked: …", "no session"), "b"), Entry(("… is full",), "c")
    assert nearest([vague, exact, other], "anthrofs: Your systemd can't be asked: you have no session") == [exact]
    assert nearest([vague, other], "the service can't be asked") == [vague]
    assert nearest([vague, exact], "be asked") == [exact._replace(texts=exact.texts[:1]), vague]
    assert nearest([vague], "something else") == []


def test_all_fixed_words_of_an_entry_have_to_be_there() -> None:
    assert fits("… is in use: …close it", "the port is in use: close it")
    assert not fits("… is in use: … close it", "the port is in use: wait")
    assert not fits("close … in use", "it is in use: close it")
