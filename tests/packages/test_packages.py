"""Manual, releases: the packages that users install, each installed as they do, on each Python from 3.11 on that is here."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

import pytest

import anthrofs.cli.every_command  # noqa: F401 - it fills COMMANDS
from anthrofs.cli import manual
from anthrofs.cli.syntax import COMMANDS
from tests.mounting import ROOT
from tests.packages.conftest import Packages, User

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]
UV: Final = (sys.executable, "-m", "uv")


def found() -> dict[str, str]:
    """The Pythons that pyproject.toml names, as far as they are here: on the path, or of pyenv."""
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    places = {each: [shutil.which(f"python{each}", path="/usr/bin:/usr/local/bin"), *map(str, sorted(Path.home().glob(f".pyenv/versions/{each}.*/bin/python3")))] for each in named}
    return {each: next(filter(None, those)) for each, those in places.items() if any(those)}


def first_steps(user: User) -> None:
    """From the version to an id, and back."""
    assert user.runs("anthrofs", "--version").startswith("anthrofs 0")
    assert "promises" in user.runs("anthrofs", "help")
    files = user.home / "my files"
    files.mkdir()
    user.runs("anthrofs", "mount", "--demo", str(files))
    try:
        (files / "note.txt").write_text("hello")
        assert user.runs("anthrofs", "id", str(files / "note.txt")).startswith("file_")
        assert "everything is on the server" in user.runs("anthrofs", "status", str(files))
    finally:
        user.runs("anthrofs", "umount", str(files))


# ---- what is in them

def test_the_wheel_has_the_manual_as_pages_of_man_and_no_test(packages: Packages) -> None:
    names = zipfile.ZipFile(packages.wheel).namelist()
    pages = {Path(name).name for name in names if "/share/man/" in name}
    assert pages == {"anthrofs.1", *(f"anthrofs-{name.replace(' ', '-')}.1" for name in COMMANDS), *(f"anthrofs-{name}.7" for name in manual.names())}
    assert {f"anthrofs/manual/{name}.md" for name in manual.names()} <= set(names)
    assert [name for name in names if "__pycache__" in name or name.startswith(("tests/", "scripts/"))] == []


def test_the_archive_of_sources_has_what_the_wheel_is_made_of_and_nothing_else(packages: Packages) -> None:
    with tarfile.open(packages.sources) as archive:
        roots = {name.split("/")[1] for name in archive.getnames()}
    assert roots == {"anthrofs", "scripts", "systemd", "README.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore", ".gitattributes"}


def test_man_shows_every_page_without_a_warning(packages: Packages, tmp_path: Path) -> None:
    """As Debian's lintian looks at them."""
    zipfile.ZipFile(packages.wheel).extractall(tmp_path)
    pages = sorted(tmp_path.rglob("*.[17]"))
    assert len(pages) > 40
    shown = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", *map(str, pages)], text=True, capture_output=True, timeout=120, check=True,
                           env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80", "MANPAGER": "cat"})
    assert shown.stderr == ""
    said = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", shown.stdout)
    assert "--requests-per-minute N" in said
    assert [line for line in said.splitlines() if "**" in line or "`" in line.partition("  # ")[0] or line.lstrip().startswith(("# ", "|"))] == []


# ---- installed as users do

@pytest.mark.parametrize("python", found())
def test_it_runs_on(python: str, packages: Packages, user: User) -> None:
    environment = user.home / "env"
    user.runs(*UV, "venv", "--quiet", "--python", found()[python], str(environment))
    user.runs(*UV, "pip", "install", "--quiet", "--python", str(environment / "bin" / "python"), str(packages.wheel))
    inside = User(user.home, {**user.variables, "PATH": f"{environment / 'bin'}:/usr/bin:/bin"})
    first_steps(inside)
    assert inside.runs("man", "-w", "anthrofs-mount").strip() == str(environment / "share" / "man" / "man1" / "anthrofs-mount.1")
    assert f"Python {python}." in inside.runs("anthrofs", "--version")


def test_pipx_installs_it(packages: Packages, user: User) -> None:
    user.runs("pipx", "install", str(packages.wheel))
    first_steps(user)


def test_uv_tool_installs_it(packages: Packages, user: User) -> None:
    user.runs(*UV, "tool", "install", "--quiet", str(packages.wheel))
    first_steps(user)
