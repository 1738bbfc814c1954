"""The sum of a state's database vouches for that file only."""

from pathlib import Path

from anthrofs.tree.database import Database
from anthrofs.tree.state_sum import is_as_left, write_sum


def left(folder: Path) -> Path:
    """A database as a mount has left it."""
    path = folder / "state.db"
    Database(path).close()
    write_sum(path)
    return path


def test_a_database_that_nobody_has_touched_is_as_it_was_left(tmp_path: Path) -> None:
    assert is_as_left(left(tmp_path)) is True


def test_one_that_was_moved_away_to_begin_anew_is_nobodys_damage(tmp_path: Path) -> None:
    path = left(tmp_path)
    path.unlink()
    assert is_as_left(path) is None
    Database(path).close()
    assert path.exists()
