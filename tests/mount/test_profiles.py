"""Manual, config: 'A file holds your profiles: `anthrofs mount work` mounts one'. The commands, as a person types them."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from tests.mounting import COMMAND, ROOT, Mount, stored, wait_until
from tests.terminal import Terminal


class Person:
    """Somebody with a home, a key in a file, and nothing in the environment."""

    def __init__(self, mount: Mount, home: Path) -> None:
        self.mount = mount
        self.home = home
        self.name = f"p{os.getpid()}"       # no other test's mount has it
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROFS_CONFIG"):
            mount.environment.pop(name)
        mount.environment |= {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "c"), "XDG_STATE_HOME": str(home / "s")}
        self.config = home / "c" / "anthrofs" / "config.toml"
        self.key = home / "key"
        self.key.write_text(mount.emulator.key + "\n")
        self.key.chmod(0o600)
        mount.state_dir = home / "s" / "anthrofs" / self.name

    def writes(self, *lines: str) -> None:
        """A profile that can be mounted, with these lines besides."""
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text("\n".join([f"[profile.{self.name}]", f'directory = "{self.mount.path}"', f'key_file = "{self.key}"',
                                          f'base_url = "{self.mount.emulator.url}"', *lines, ""]))
        self.config.chmod(0o600)

    def fails(self, *arguments: str, code: int = 2) -> str:
        done = self.mount.run(*arguments)
        assert (done.returncode, done.stdout) == (code, ""), done
        assert "Traceback" not in done.stderr
        return done.stderr

    def at_a_terminal(self, *arguments: str) -> Terminal:
        given = [f"{name}={value}" for name, value in {**self.mount.environment, "ANTHROPIC_BASE_URL": self.mount.emulator.url}.items()]
        return Terminal(["env", "-i", *given, *COMMAND, *arguments], self.mount.path)


@pytest.fixture
def person(mount: Mount, tmp_path: Path) -> Person:
    (tmp_path / "home").mkdir()
    return Person(mount, tmp_path / "home")


def test_what_is_said_of_a_profile_that_was_killed_mounts_that_profile_again(person: Person) -> None:
    """Each sentence's command, typed as it stands, where nothing but the profile knows the key."""
    person.writes('upload = "queue"')
    mount = person.mount
    mount.expects("no connection to")
    mount.ok("mount", person.name)
    mount.emulator.stop()
    (mount.path / "note.txt").write_text("late")
    again = f"anthrofs mount --profile {person.name} {mount.path}"

    def is_killed() -> None:
        os.kill(mount.pid(), signal.SIGKILL)
        mount.wait_for_end()
        wait_until(lambda: mountpoint.is_dead(mount.path), "the kernel knows")

    is_killed()
    status = mount.run("status", mount.path)
    assert (status.returncode, f"Mount it again: {again}, or" in status.stderr) == (1, True)
    found = json.loads(mount.run("doctor", "--offline", "--json").stdout)
    assert [each["mend"] for each in found if "holds the rest" in each["what"] and str(mount.path) in each["what"]] == [
        f"{again}, or only to clear it: anthrofs umount {mount.path}"]
    done = mount.run("umount", person.name)
    assert (done.returncode, f"sent by the next mount: {again})" in done.stderr) == (5, True)
    found = json.loads(mount.run("doctor", "--offline", "--json").stdout)
    assert [each["mend"] for each in found if "aren't on the server, and it isn't" in each["what"]] == [again]
    mount.emulator.start()
    mount.ok(*again.split()[1:])
    mount.sync()
    assert stored(mount) == {"note.txt": b"late"}
    is_killed()
    subprocess.run(["fusermount3", "-u", "-z", mount.path], check=True, timeout=60)
    mount.ok("mount", mount.path)       # by its directory alone
    assert os.listdir(mount.path) == ["note.txt"]


def test_a_profile_is_mounted_looked_at_and_unmounted_by_its_name(person: Person) -> None:
    person.writes('upload = "queue"', "read_only = false")
    mount = person.mount
    mount.ok("mount", person.name)

    assert mountpoint.is_mounted(mount.path)
    assert json.loads(mount.ok("status", person.name, "--json"))["upload"] == "queue"
    (mount.path / "note.txt").write_text("sent")
    mount.ok("sync", person.name)
    assert stored(mount) == {"note.txt": b"sent"}
    shown = subprocess.run(["df", "--output=source,target", mount.path], capture_output=True, text=True, check=True, timeout=60).stdout
    assert shown.splitlines()[1].split() == [f"anthrofs:{person.name}", str(mount.path)]
    person.config.unlink()
    mount.ok("umount", person.name)     # a mount is found by the name that df shows, too
    assert not mountpoint.is_mounted(mount.path)


def test_a_mount_by_a_profile_costs_what_one_by_its_options_does(person: Person) -> None:
    person.writes()
    person.mount.ok("mount", person.name)
    assert [request["operation"] for request in person.mount.emulator.requests()] == ["list"]


def test_the_flag_goes_before_the_variable_and_that_before_the_profile(person: Person) -> None:
    person.writes('upload = "queue"', "read_only = true")
    mount = person.mount
    mount.ok("mount", person.name)
    with pytest.raises(OSError, match="Read-only"):
        (mount.path / "x").write_text("x")
    mount.umount()
    mount.ok("mount", person.name, "--no-read-only", "-o", "upload=wait")
    assert mount.status()["upload"] == "wait"
    (mount.path / "x").write_text("x")
    mount.umount()
    mount.environment["ANTHROFS_UPLOAD"] = "wait"
    mount.ok("mount", person.name)
    assert mount.status()["upload"] == "wait"


@pytest.mark.parametrize(("line", "says"), [
    ("uplaod = 'queue'", "config.toml:5: uplaod: no option has that name: did you mean upload?"), ("upload = 'never'", "config.toml:5: upload: it takes wait or queue."),
    ("upload = = 3", "config.toml:5:10: Invalid value."), ("key = 'sk-secret'", "a key or password isn't written into this file"),
], ids=["typo", "value", "no toml", "key"])
def test_a_mistake_in_the_file_is_one_sentence_with_its_line(person: Person, line: str, says: str) -> None:
    person.writes(line)
    for arguments in (("mount", person.name), ("config", "show", person.name)):
        said = person.fails(*arguments)
        assert says in said
        assert len(said.splitlines()) == 1
        assert "secret" not in said
    assert says in (person.mount.run("config", "check").stdout or person.fails("config", "check"))
    assert person.mount.run("config", "check").returncode == 2


def test_a_key_that_others_can_read_is_refused_and_mended_by_the_command_that_is_said(person: Person) -> None:
    person.writes()
    person.key.chmod(0o644)
    said = person.fails("mount", person.name)
    assert "can be used by others than you" in said
    subprocess.run(said.rstrip(".\n").split(": ")[-1].split(), check=True, timeout=60)
    person.mount.ok("mount", person.name)


def test_a_file_that_cant_be_read_is_said(person: Person) -> None:
    person.writes()
    person.config.write_bytes(b"\xff")
    assert "config.toml:1: the file is not UTF-8" in person.fails("mount", person.name)
    person.config.unlink()
    person.config.mkdir()
    assert "is no plain file" in person.fails("mount", person.name)


def test_without_a_home_a_mount_needs_no_configuration(person: Person) -> None:
    mount = person.mount
    for name in ("HOME", "XDG_CONFIG_HOME"):
        mount.environment.pop(name)
    mount.environment |= {"ANTHROPIC_API_KEY": mount.emulator.key, "ANTHROPIC_BASE_URL": mount.emulator.url}
    mount.mount()


def test_config_show_and_check_say_what_is_there(person: Person) -> None:
    assert "anthrofs init" in person.mount.ok("config", "check")
    person.writes('upload = "queue"')
    assert "has 1 profile." in person.mount.ok("config", "check")
    assert json.loads(person.mount.ok("config", "check", "--json")) == []
    shown = person.mount.ok("config", "show", person.name)
    assert [line.split() for line in shown.splitlines() if "upload " in line] == [["upload", "queue", f"{person.config}:5"]]
    assert json.loads(person.mount.ok("config", "show", person.name, "--json"))["options"]["upload"]["level"] == "profile"
    assert "no profile of that name" in person.fails("config", "show", "nobody")


# ---- anthrofs init

def test_what_init_says_mounts_the_profile_also_where_its_directory_is(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    place = person.home / person.name
    person.mount.environment["ANTHROPIC_BASE_URL"] = person.mount.emulator.url
    made = person.mount.ok("init", person.name, "--directory", str(place), "--key-file", str(person.key), "--yes")
    assert f"anthrofs mount {person.name}\n" in made
    monkeypatch.chdir(person.home)
    person.mount.path = place
    person.mount.ok("mount", person.name)
    assert mountpoint.source_at(place) == f"anthrofs:{person.name}"


def test_three_answers_make_a_profile_that_can_be_mounted(person: Person) -> None:
    mount = person.mount
    with person.at_a_terminal("init", person.name) as asks:
        asks.shows("1. Where shall your files be?")
        asks.types(f"{person.home}\r")
        asks.shows("is not empty")
        asks.types(f"{mount.path}\r")
        asks.shows("[1]")
        asks.types("7\r")
        asks.shows("a number from 1 to 6")
        asks.types("\r")
        asks.shows("it isn't shown")
        asks.types("sk-mistyped\r")
        asks.shows("[1]")
        asks.types("2\r")
        asks.shows("Nothing was written.\r\n   The key")
        asks.types(f"{mount.emulator.key}\r")
        asks.shows(f"anthrofs mount {person.name}")
        assert asks.ends() == 0
    key_file = person.config.with_name(f"{person.name}.key")
    assert (key_file.read_text(), key_file.stat().st_mode & 0o777) == (f"{mount.emulator.key}\n", 0o600)
    assert mount.emulator.key not in person.config.read_text()

    mount.ok("mount", person.name)
    assert mount.status()["upload"] == "queue"


def test_a_key_that_the_service_refuses_is_said_and_nothing_is_written(person: Person) -> None:
    environment = {**person.mount.environment, "ANTHROPIC_BASE_URL": person.mount.emulator.url}
    done = subprocess.run([*COMMAND, "init", "--key-stdin"], input="sk-wrong\n", env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (3, "")
    assert "refuses that key" in done.stderr
    assert "sk-wrong" not in done.stderr
    assert not person.config.parent.exists()


def test_where_the_service_is_away_the_profile_is_written_and_that_is_said(person: Person) -> None:
    person.mount.environment["ANTHROPIC_BASE_URL"] = "http://127.0.0.1:9"
    done = person.mount.run("init", "--directory", str(person.mount.path), "--key-file", str(person.key))
    assert done.returncode == 0
    assert "can't be told now" in done.stderr
    assert f'key_file = "{person.key}"' in person.config.read_text()


def test_without_a_terminal_the_options_are_said_and_a_profile_is_never_replaced(person: Person) -> None:
    assert "--key-stdin" in subprocess.run([*COMMAND, "init"], env=person.mount.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                                           timeout=60).stderr
    person.writes()
    before = person.config.read_text()
    assert "already" in person.fails("init", person.name, "--yes")
    assert "name that only" in person.fails("init", "other", "--key-file", "/k", "--login", "x")
    assert "it takes a command" in person.fails("init", "other", "--key-command", "'")
    assert person.config.read_text() == before


def test_what_init_cant_take_is_said_without_a_line_of_a_file_that_was_never_written(person: Person) -> None:
    assert person.fails("init", "new", "--upload", "foo", "--yes", "--no-check") == "anthrofs: --upload 'foo': it takes wait or queue.\n"
    said = person.fails("init", "new", "--key-file", "/nonexistent/key", "--yes", "--no-check")
    assert said == "anthrofs: The profile isn't written. key_file: /nonexistent/key can't be read: No such file or directory.\n"
    done = subprocess.run([*COMMAND, "init", "new", "--key-stdin"], env=person.mount.environment, input="\n", capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (2, "anthrofs: No key was given, so nothing was written.\n")
    assert not person.config.exists()


def test_a_profiles_name_is_quoted_in_the_command_that_is_said(person: Person) -> None:
    done = person.mount.run("init", "two words", "--yes", "--no-check")
    assert "anthrofs mount 'two words'" in done.stdout


def test_a_directory_that_was_removed_below_the_shell_is_said(person: Person, tmp_path: Path) -> None:
    for words in (["ls"], ["status", "."], ["mount", "--demo", "x"]):
        done = subprocess.run(["sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh", *COMMAND, *words],
                              env={**person.mount.environment, "PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (2, "anthrofs: The directory that you are in was removed: go to another (cd), and try again.\n"), words
    assert not (person.home / "s" / "anthrofs" / "unexpected.log").exists()


def test_a_home_that_takes_no_file_is_said(person: Person) -> None:
    person.config.parent.parent.write_text("a file where the directory would be")
    done = person.mount.run("init", "--yes", "--no-check")
    assert (done.returncode, done.stdout) == (1, "")
    assert "can't be written" in done.stderr
