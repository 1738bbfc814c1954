"""Two versions side by side: each is its own files, and the table tells them apart."""

import subprocess
from pathlib import Path

import pytest

from tests.bench import builds
from tests.bench.table import Cost, Report, Work, printed
from tests.emulator.process import EmulatorProcess


def git(directory: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(directory), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
                          check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a package that says which commit it is of, with one commit before the last."""
    root = tmp_path / "repository"
    (root / "anthrofs").mkdir(parents=True)
    git(tmp_path, "init", "--quiet", str(root))
    for name in ("README.md", "LICENSE"):
        (root / name).write_text(name)
    (root / "pyproject.toml").write_text('[project]\nname = "anthrofs"\ndependencies = ["httpx>=0.1", "winonly>=9; sys_platform == \'win32\'"]\n')
    (root / "anthrofs" / "__init__.py").write_text("")
    for word in ("first", "second"):
        (root / "anthrofs" / "__main__.py").write_text(f"print({word!r})\n")
        git(root, "add", ".")
        git(root, "commit", "--quiet", "-m", word)
    monkeypatch.setattr(builds, "ROOT", root)
    monkeypatch.setattr(builds, "CACHE", root / ".cache" / "bench")
    return root


def test_another_commits_version_runs_its_own_files_and_git_knows_of_no_other_worktree(repository: Path) -> None:
    (repository / "anthrofs" / "__main__.py").write_text("print('not committed')\n")
    before = builds.that_of("HEAD^")
    assert (before.run(), builds.that_of("HEAD").run(), builds.this_one(None).run()) == ("first\n", "second\n", "not committed\n")
    assert before.name == f"at {git(repository, 'rev-parse', 'HEAD^')[:7]}"
    assert git(repository, "worktree", "list").count("\n") == 0
    assert builds.that_of("HEAD^") == before                # kept


def test_a_build_that_was_cut_is_made_anew(repository: Path) -> None:
    half = builds.CACHE / f"{git(repository, 'rev-parse', 'HEAD')}.new"
    half.mkdir(parents=True)
    (half / "anthrofs").write_text("half")
    assert builds.that_of("HEAD").run() == "second\n"
    assert not half.exists()


def test_a_commit_that_needs_other_libraries_gets_an_environment_of_its_own(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def make(place: Path) -> None:
        made.append(place)
        (place / "venv" / "bin").mkdir(parents=True)
        (place / "venv" / "bin" / "python").symlink_to(builds.this_one(None).python)
    (repository / "pyproject.toml").write_text('[project]\nname = "anthrofs"\ndependencies = ["httpx<0.1"]\n')
    git(repository, "commit", "--quiet", "-a", "-m", "third")
    monkeypatch.setattr(builds, "_make_environment", make)
    for _ in range(2):
        assert Path(builds.that_of("HEAD").python).is_relative_to(builds.CACHE)
    builds.that_of("HEAD^")
    assert len(made) == 1


def test_a_word_that_is_no_commit_is_a_sentence(repository: Path) -> None:
    with pytest.raises(SystemExit, match="git knows no commit 'nothing' here"):
        builds.that_of("nothing")


def test_a_binding_that_a_version_cannot_be_told_is_a_sentence(repository: Path) -> None:
    with pytest.raises(SystemExit, match="can't be told which binding"):
        builds.this_one("mfusepy")


def test_a_mount_of_a_version_is_mounted_by_it(tmp_path: Path, emulator: EmulatorProcess) -> None:
    emulator.generate("a.txt", b"content")
    mount = builds.BuiltMount(tmp_path, emulator, builds.this_one(None))
    try:
        mount.mount()
        assert (mount.path / "a.txt").read_bytes() == b"content"
    finally:
        mount.finish()
    assert mount.found_problems() == []


def costs(*times_s: float, cpu_s: float = 0.0, requests: int = 1) -> list[Cost]:
    return [Cost(time_s, requests, cpu_s=cpu_s) for time_s in times_s]


def table(report: Report) -> list[list[str]]:
    head, _, *lines = printed(report).splitlines()
    return [[cell for cell in line.split("  ") if cell] for line in (head, *lines)]


def test_without_another_version_the_table_has_no_column_for_it() -> None:
    report = Report()
    report.compare(Work("ls"), [costs(1.0)], "rclone", costs(2.0), most=0.4)
    assert [[cell.strip() for cell in line] for line in table(report)] == [
        ["what", "anthrofs", "peer", "ratio", "target", "requests", "connections"], ["ls", "1.00 s", "rclone 2.00 s", "0.50", "<= 0.4 MISSED", "1", "0"]]


def test_with_one_it_has_ratios_of_the_medians_and_of_the_single_repetitions() -> None:
    report = Report(("anthrofs", "at abc"))
    report.compare(Work("cat", size_bytes=1e9, faster=True), [costs(1, 2, 3, cpu_s=1), costs(4, 4, 3, cpu_s=2, requests=2)])
    head, line = [[cell.strip() for cell in each] for each in table(report)]
    assert head == ["what", "anthrofs", "at abc", "to it", "its CPU", "at abc", "to it", "requests", "connections"]
    assert line == ["cat", "500 MB/s 2.00 s ±50%", "250 MB/s 4.00 s ±12%", "2.00 (1.00-4.00)", "1.00 s/GB", "2.00 s/GB", "0.50 (0.50-0.50)",
                    "1 (was 2)", "0"]
    assert [(sample["who"], sample["times_s"]) for sample in report.samples] == [("anthrofs", [1, 2, 3]), ("at abc", [4, 4, 3])]
