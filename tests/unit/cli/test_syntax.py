"""The grammar of the command line: each command's function takes what is declared above it, and words are understood as people type them."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from anthrofs.cli import every_command
from anthrofs.cli.syntax import COMMANDS, Command, outline, parser_of, typed
from anthrofs.errors import EXIT_USAGE, SetupError

assert every_command    # it fills the table


@pytest.mark.parametrize("known", COMMANDS.values(), ids=lambda known: known.name)
def test_a_function_takes_what_is_declared_above_it(known: Command) -> None:
    declared = [settings.get("dest", names[0]) for names, settings in known.parameters]
    taken = inspect.signature(known.run).parameters
    named = [name for name, each in taken.items() if each.kind is not each.VAR_KEYWORD]
    assert declared[:len(named)] == named
    assert (len(declared) == len(named)) != (len(named) < len(taken))     # the rest of a mount's are as the table of settings has them
    assert known.paragraphs[0].endswith(".")


@pytest.mark.parametrize("known", COMMANDS.values(), ids=lambda known: known.name)
def test_help_shows_each_parameter_and_each_paragraph(known: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    said = parser_of(known).format_help()
    assert max(map(len, said.splitlines())) <= 72
    for names, settings in known.parameters:
        for shown in names if names[0].startswith("-") else [settings["metavar"]]:
            assert shown in said
    for paragraph in known.paragraphs:
        assert paragraph in " ".join(said.split()).replace("- ", "-")


def test_the_outline_names_every_command() -> None:
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    shown = {of: outline(of).format_help() for of in ("", *groups)}
    assert [name for name in (*COMMANDS, *groups) if f"\n  {name.rpartition(' ')[2]} " not in shown[name.rpartition(" ")[0]]] == []


@pytest.mark.parametrize(("words", "values"), [
    ("status", {"directory": None, "watch": False, "interval": 1.0, "as_json": False}),
    ("status --json d", {"directory": Path("d"), "watch": False, "interval": 1.0, "as_json": True}),
    ("id a --timeout 3 b", {"paths": [Path("a"), Path("b")], "recursive": False, "timeout": 3.0, "as_json": False}),
    ("id --json -- -a --timeout", {"paths": [Path("-a"), Path("--timeout")], "recursive": False, "timeout": 300.0, "as_json": True}),
    ("id a --timeout=0.5", {"paths": [Path("a")], "recursive": False, "timeout": 0.5, "as_json": False}),
    ("ls -- --json", {"path": Path("--json"), "recursive": False, "generated": False, "unsent": False, "unreadable": False, "as_json": False}), ("ls -", {"path": Path("-"), "recursive": False, "generated": False, "unsent": False, "unreadable": False, "as_json": False}),
    ("path --in -d x", {"ids": ["x"], "directory": Path("-d"), "follow": False, "as_json": False}), ("check --profile= ", {"directory": None, "profile": "", "state_dir": None, "as_json": False}),
    ("ls", {"path": Path(), "recursive": False, "generated": False, "unsent": False, "unreadable": False, "as_json": False}),
    ("retry", {"paths": [], "everything": False, "as_is": False, "timeout": 300.0, "as_json": False}),
    ("retry --all a b", {"paths": [Path("a"), Path("b")], "everything": True, "as_is": False, "timeout": 300.0, "as_json": False}),
    ("path --in d x y", {"ids": ["x", "y"], "directory": Path("d"), "follow": False, "as_json": False}),
    ("states list", {"as_json": False}), ("states remove a b --older 3", {"names": ["a", "b"], "days": 3.0, "with_unsent": False, "with_copies": False}),
    ("log d/a --json", {"path": Path("d/a"), "as_json": True}),
    ("refresh d --accept", {"directory": Path("d"), "accept": True, "timeout": 60.0, "as_json": False}),
    ("emulator --data d --key a --key b", {"data": Path("d"), "port": 0, "key": ["a", "b"]}),
    ("help", {"words": []}), ("help names", {"words": ["names"]}),
    ("fleet key", {}), ("fleet status d --json", {"directory": Path("d"), "as_json": True}),
])
def test_words_are_understood(words: str, values: dict[str, Any]) -> None:
    known, found = typed(words.split())
    assert (words.startswith(known.name), found) == (True, values)


def test_the_options_of_a_mount_are_understood_wherever_they_stand() -> None:
    _, found = typed(["mount", "-o", "ro,uid=5", "d", "-f", "--upload", "queue", "-oumask=77", "--requests-per-minute", "7", "--refresh", "0.5"])
    assert (found["directory"], found["foreground"], found["upload"], found["options"]) == ("d", True, "queue", ["ro,uid=5", "umask=77"])
    assert (found["requests_per_minute"], found["refresh"], found["close_timeout"], found["demo"]) == ("7", "0.5", None, None)


@pytest.mark.parametrize(("words", "says"), [
    ("nonsense", "nonsense"), ("--nonsense", "nonsense"), ("status --foo", "--foo"), ("status a b", "b"), ("id", "PATHS"), ("discard a b", "b"),
    ("status --js", "--js"), ("sync d --timeout", "--timeout"), ("sync d --timeout abc", "'abc'"), ("sync d --timeout nan", "'nan'"), ("sync d --timeout -1", "--timeout"),
    ("sync d --timeout 1e10", "'1e10'"), ("emulator --port 65536 --data d", "65535"), ("status --json=1", "--json"), ("fleet", "one more word"),
    ("fleet nonsense", "nonsense"), ("fleet --json", "--json"), ("fleet key x", "x"),
])
def test_what_is_not_understood_is_one_sentence(words: str, says: str) -> None:
    with pytest.raises(SetupError) as caught:
        typed(words.split())
    assert caught.value.exit_code == EXIT_USAGE
    assert says in str(caught.value)
    assert "--help" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_word_that_is_empty_is_one_too_many_like_any_other() -> None:
    with pytest.raises(SetupError, match=r"unrecognized arguments: \. See anthrofs status --help"):
        typed(["status", "a", ""])


@pytest.mark.parametrize("words", ["--help", "-h", "status --help", "mount -h", "fleet --help", "fleet status -h"])
def test_help_is_no_error(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        typed(words.split())
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("usage: anthrofs")


@pytest.mark.parametrize(("words", "as_json"), [("states", False), ("states --json", True)])
def test_a_group_that_has_a_list_shows_it_when_nothing_else_is_said(words: str, as_json: bool) -> None:
    known, found = typed(words.split())
    assert (known.name, found) == ("states list", {"as_json": as_json})
    with pytest.raises(SystemExit):
        typed(["states", "--help"])
    with pytest.raises(SetupError, match="remve"):
        typed(["states", "remve"])


@pytest.mark.parametrize(("words", "meant"), [
    ("statu", "there is no command 'statu' (did you mean status?). See anthrofs --help"),
    ("fleet chek", "there is no command 'fleet chek' (did you mean check?). See anthrofs fleet --help"),
    ("fleet statsu", "there is no command 'fleet statsu' (did you mean status?). See anthrofs fleet --help"),
    ("fleet refrsh", "there is no command 'fleet refrsh'. See anthrofs fleet --help"),
    ("mount --uplod", "unrecognized arguments: --uplod (did you mean --upload?). See anthrofs mount --help"),
    ("status --jsn", "unrecognized arguments: --jsn (did you mean --json?). See anthrofs status --help"),
    ("--verson", "unrecognized arguments: --verson (did you mean --version?). See anthrofs --help"),
    ("xyzzy", "there is no command 'xyzzy'. See anthrofs --help"),
    ("fleet", "anthrofs fleet needs one more word: key, check, gc, status, share. See anthrofs fleet --help"),
], ids=["command", "of-a-group", "another-of-it", "not-of-it", "option", "flag", "of-anthrofs", "like-none", "group-alone"])  # fmt: skip
def test_a_wrong_word_is_a_sentence_with_the_nearest_right_one(words: str, meant: str) -> None:
    with pytest.raises(SetupError) as found:
        typed(words.split())
    assert (str(found.value), found.value.exit_code) == (meant, EXIT_USAGE)
