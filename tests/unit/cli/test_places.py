"""A place is a path, the name of a mount, or a profile: the first of these that it can be."""

from pathlib import Path

import pytest

from anthrofs.cli.places import mount_point
from anthrofs.fuse import mountpoint


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Mounts by their names; and a profile, in a file."""
    found: dict[str, Path] = {}
    monkeypatch.setattr(mountpoint, "named", found.get)
    (tmp_path / "config.toml").write_text("[profile.work]\ndirectory = '/of/the/profile'\n[profile.loose]\n")
    (tmp_path / "config.toml").chmod(0o600)
    monkeypatch.setenv("ANTHROFS_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.chdir(tmp_path)
    return found


def test_a_path_that_is_there_is_itself(named: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    named["work"] = Path("/mounted")
    assert mount_point("work") == Path("work")
    assert mount_point("./work") == Path("work")


def test_a_name_is_that_of_a_mount_else_of_a_profile(named: dict[str, Path]) -> None:
    assert mount_point("work") == Path("/of/the/profile")
    named["work"] = Path("/mounted")
    assert mount_point("work") == Path("/mounted")
    assert mount_point("./work") == Path("work")


@pytest.mark.parametrize("word", ["loose", "nobody", "", "-d", "a/b", "/gone"])
def test_anything_else_is_the_path_about_which_the_command_complains(named: dict[str, Path], word: str) -> None:
    assert mount_point(word) == Path(word)


@pytest.mark.parametrize(("label", "source"), [("", "anthrofs"), ("work", "anthrofs:work"), ("a b,c\\d:e/f", "anthrofs:a_b_c_d_e_f"), ("ü\n", "anthrofs:__")])
def test_a_mounts_name_has_nothing_that_libfuse_or_the_kernel_takes_otherwise(label: str, source: str) -> None:
    assert mountpoint.source_of(label) == source
