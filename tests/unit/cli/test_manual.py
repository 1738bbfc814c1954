"""The manual: every page is short, comes with the package, is shown as it stands, and names only what exists."""

import errno
import inspect
import io
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console

from anthrofs import errors
from anthrofs.cli import commands, every_command, manual, terminal
from anthrofs.cli.syntax import COMMANDS
from tests.mounting import ROOT

PAGES: Final = sorted(path.stem for path in (ROOT / "anthrofs" / "manual").iterdir())
LISTED: Final = [name for name in PAGES if "-" not in name]         # the page `says` lists those of errors, for one
README: Final = (ROOT / "README.md").read_text()
PROSE: Final = {"README": README, **{name: manual.page(name) for name in PAGES}}
MAX_LINES: Final = 120
assert every_command    # it fills COMMANDS
MAX_COLUMNS: Final = 140


def typed(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """`anthrofs ARGUMENTS`; its exit code."""
    monkeypatch.setattr(sys, "argv", ["anthrofs", *arguments])
    try:
        commands.main()
    except SystemExit as exc:
        return exc.code
    return 0


def unmarked(text: str) -> str:
    """As it is said: without marks and line ends."""
    return " ".join(text.replace("*", "").split())


# ---- the pages

def test_the_readme_is_read_in_five_minutes() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_short_and_begins_with_a_sentence_for_the_list(name: str) -> None:
    lines = manual.page(name).splitlines()
    assert len(lines) < MAX_LINES
    assert [line for line in lines if len(line) > MAX_COLUMNS] == []
    assert lines[0].startswith("# ")
    assert len(f"{max(LISTED, key=len)}  {manual.first_sentence(manual.page(name))}") <= 80      # a line of the list


def test_the_pages_come_with_the_package() -> None:
    directory = resources.files("anthrofs") / "manual"
    assert {entry.name for entry in directory.iterdir()} == {f"{name}.md" for name in PAGES}
    assert {"promises", "costs", "names", "errors", "files", "limits", "changes", "working"} <= set(PAGES)
    # hatchling takes all files of a package, unless it is told otherwise.
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": ["anthrofs"], "hooks": {"custom": {"path": "scripts/man/hook.py"}}}


# ---- the command

@pytest.mark.parametrize("name", PAGES)
def test_help_prints_a_page_as_it_stands(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(monkeypatch, "help", name) == 0
    assert capsys.readouterr().out == (ROOT / "anthrofs" / "manual" / f"{name}.md").read_text()


@pytest.mark.parametrize("subject", sorted(manual.ELSEWHERE))
def test_a_subject_that_has_no_page_is_on_anothers(subject: str) -> None:
    assert subject in manual.page(subject)


def test_what_was_read_is_found_by_its_beginning_too() -> None:
    assert any("can't be used" in line for line in manual.explain("can't be used: Read-only"))


def test_help_alone_lists_the_pages_each_with_its_first_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(monkeypatch, "help") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:len(LISTED)]] == LISTED
    assert f"{'names':<{max(map(len, LISTED))}}  Every file has a name on the server and a path in the mount." in lines


def test_a_page_that_is_not_there_is_an_error_that_names_those_that_are(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(monkeypatch, "help", "nothing") == errors.EXIT_USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "no page 'nothing'" in err
    assert ", ".join(PAGES) in err


@pytest.mark.parametrize("name", ["../errors", "names.md", "", "/etc/passwd", "NAMES"])
def test_a_page_is_a_name_not_a_path(name: str) -> None:
    with pytest.raises(errors.SetupError):
        manual.page(name)


@pytest.mark.parametrize("name", PAGES)
def test_a_terminal_gets_a_page_laid_out_for_its_width(name: str) -> None:
    shown = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=72)
    terminal.lay_out(manual.page(name), shown)
    assert isinstance(shown.file, io.StringIO)
    lines = shown.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 72 * 2       # styles aren't columns
    assert not any("**" in line or line.startswith(("#", "|")) for line in lines)


def test_help_of_a_command_is_its_options_where_no_page_has_its_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["umount"], ["fleet", "gc"]):
        assert typed(monkeypatch, "help", *words) == 0
        told = capsys.readouterr().out
        assert typed(monkeypatch, *words, "--help") == 0
        assert capsys.readouterr().out == told


def test_help_says_what_to_do_about_a_line_that_was_pasted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(monkeypatch, "help", "says", "anthrofs: /home/me/files is not empty: mounting would hide what is in it. Choose an empty directory.") == 0
    assert "    choose an empty directory, or move away what is in it." in capsys.readouterr().out.splitlines()
    assert typed(monkeypatch, "help", "says", "nothing of the kind") == errors.EXIT_USAGE
    assert "no entry for 'nothing of the kind'" in capsys.readouterr().err


def test_the_page_of_errors_names_all_pages_of_entries() -> None:
    assert [name for name in PAGES if name.startswith("says-") and f"`{name}`" not in manual.page("says")] == []


def test_lists_and_entries_fit_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    for words in (["help"], ["help", "says", "in use"]):
        screen = Screen()
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setenv("COLUMNS", "40")
        assert typed(monkeypatch, *words) == 0
        monkeypatch.undo()
        assert max(map(len, screen.getvalue().splitlines())) <= 40
        assert "\n            " in screen.getvalue() or "\n    " in screen.getvalue()


# ---- what the pages name

def test_the_readme_links_to_each_page_and_to_nothing_that_is_not_there() -> None:
    links = [target for target in re.findall(r"\]\(([^)]+)\)", README) if not target.startswith("https://")]
    assert [target for target in links if not (ROOT / target).is_file()] == []
    assert {Path(target).stem for target in links if target.startswith("anthrofs/manual/")} == set(PAGES)


@pytest.mark.parametrize("name", PROSE)
def test_what_is_said_to_be_a_page_is_one(name: str) -> None:
    said = re.findall(r"`anthrofs help ([a-z-]+)`", PROSE[name])
    assert [page for page in said if page not in PAGES] == []


def test_the_readmes_promises_are_those_of_the_page() -> None:
    table = README[README.index("| when this returns"):]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[:table.index("\n\n")].splitlines()[2:]]
    said = [unmarked(entry) for entry in manual.page("promises").split("\n## ")[1].split("\n- ")[1:]]
    assert len(rows) == len(said)
    for (call, _, requests), entry in zip(rows, said, strict=True):
        assert entry.startswith(call)
        assert entry.endswith(f"Requests: {requests}.")


def test_every_command_and_every_option_of_a_mount_has_its_line() -> None:
    assert [name for name in COMMANDS if f"- `anthrofs {name}" not in manual.page("commands")] == []
    options = [max(names, key=len) for names, _ in COMMANDS["mount"].parameters if names[0].startswith("-")]
    assert len(options) > 15
    assert [option for option in options if f"`{option}" not in manual.page("mount")] == []


def test_every_exit_code_has_its_line() -> None:
    codes = [value for name, value in inspect.getmembers(errors) if name.startswith("EXIT_")]
    assert re.findall(r"^\| (\d) \|", manual.page("errors"), re.MULTILINE) == ["0", *map(str, sorted(codes))]


def test_every_errno_of_a_refusal_has_its_line() -> None:
    def kinds(of: type[errors.RemoteError]) -> Iterator[type[errors.RemoteError]]:
        yield of
        for kind in of.__subclasses__():
            yield from kinds(kind)

    named = set(re.findall(r"^\| (E[A-Z]+) \|", manual.page("errors"), re.MULTILINE))
    assert {errno.errorcode[kind.code] for kind in kinds(errors.RemoteError)} <= named


def test_every_place_that_is_named_for_a_change_exists() -> None:
    """The page `working` names paths of the repository, of the package, or of the tests."""
    named = re.findall(r"`((?:[\w.]+/)+[\w.]*|[\w]+\.py)", manual.page("working"))
    assert named
    bases = (ROOT, ROOT / "anthrofs", ROOT / "tests")
    assert [place for place in named if not any((base / place).exists() for base in bases)] == []


def test_what_a_test_quotes_is_said() -> None:
    said = " ".join(map(unmarked, PROSE.values()))
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for quote in re.findall(r"Manual, \w+: ('[^']+'(?:, and '[^']+')*)", unmarked(path.read_text())):
            parts = [part.strip(" ,.:") for text in re.findall(r"'([^']+)'", quote) for part in text.split("…")]
            found += [f"{path.name}: {part}" for part in parts if part not in said]
    assert found == []
