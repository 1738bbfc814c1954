"""Manual, doctor: what `anthrofs doctor` says of mounts and of the service, what --fix does, and that the bundle has no secret."""

import json
import os
import signal
import subprocess
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from anthrofs.client import asking, detached, state_pictures
from anthrofs.doctor import checkup, places
from anthrofs.doctor.finding import Patient
from anthrofs.fuse import mountpoint
from tests.mount.test_progress import unable
from tests.mounting import Mount, wait_until


def doctor(mount: Mount, *arguments: str | Path, environment: dict[str, str] | None = None) -> tuple[int, list[dict[str, Any]]]:
    done = mount.run("doctor", "--json", *arguments, environment=environment)
    assert done.stderr == "" or "anthrofs: " in done.stderr
    return done.returncode, json.loads(done.stdout)


def of_mine(mount: Mount, found: list[dict[str, Any]], *abouts: str) -> list[dict[str, Any]]:
    """Other tests' mounts are on this machine, too."""
    return [each for each in found if each["about"] in abouts and (each["about"] != "mounts" or str(mount.path) in each["what"])]


def test_a_machine_on_which_all_is_well_and_one_request(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    mount.emulator.forget_requests()
    _, found = doctor(mount)
    assert [each for each in of_mine(mount, found, "fuse", "libraries", "settings", "key", "way", "service", "clock", "mounts", "states") if each["grade"] == "bad"] == []
    assert [request["operation"] for request in mount.emulator.requests()] == ["list"]
    [service] = [each["what"] for each in found if each["about"] == "service"]
    assert service.startswith(f"{mount.emulator.url} answers in ")
    assert "takes the key (1 request was made)" in service
    assert [each["what"] for each in of_mine(mount, found, "mounts")] == [f"The mount on {files} answers: 1 files, 0 waiting to be sent."]


def test_offline_asks_nobody(mount: Mount) -> None:
    mount.emulator.forget_requests()
    doctor(mount, "--offline")
    assert mount.emulator.requests() == []


@pytest.mark.parametrize(("environment", "says"), [
    ({"ANTHROPIC_API_KEY": "sk-wrong-key-of-mine"}, "doesn't take the key"), ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}, "can't be reached"),
    ({"ANTHROPIC_BASE_URL": "https://127.0.0.1:{port}"}, "can't be reached"),
], ids=["key", "address", "tls"])  # fmt: skip
def test_a_service_that_refuses_or_is_not_there(mount: Mount, environment: dict[str, str], says: str) -> None:
    port = mount.emulator.url.rpartition(":")[2]
    code, found = doctor(mount, environment={name: value.format(port=port) for name, value in environment.items()})
    [service] = [each for each in found if each["about"] == "service"]
    assert (code, service["grade"], says in service["what"]) == (1, "bad", True)
    assert service["mend"]
    assert "sk-wrong-key-of-mine" not in json.dumps(found)


def test_a_clock_that_is_wrong_is_seen_by_the_services_date(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without another program: this machine's clock can't be set for one."""
    from anthrofs.clock import Clock
    from anthrofs.doctor import service

    class Wrong(Clock):
        def time_ns(self) -> int:
            return time.time_ns() + 3 * 3600 * 10**9

    monkeypatch.setattr(service, "Clock", Wrong)
    found = list(service.look_at_service(Patient(mount.environment)))
    [clock] = [each for each in found if each.about == "clock"]
    assert (clock.grade, "3 hours apart" in clock.what, clock.mend) == ("bad", True, "sudo timedatectl set-ntp true")


def test_a_mount_that_was_killed_is_found_and_mended(mount: Mount) -> None:
    mount.mount()
    pid = mount.pid()
    os.kill(pid, signal.SIGKILL)
    mount.wait_for_end(pid)
    wait_until(lambda: mountpoint.is_dead(mount.path), "the kernel knows")
    config = mount.state_dir.parent / "config.toml"
    config.write_text(f'[profile.work]\ndirectory = "{mount.path}"\n')
    config.chmod(0o600)
    assert "does not exist" not in mount.run("config", "check", environment={"ANTHROFS_CONFIG": str(config)}).stderr
    code, found = doctor(mount, "--offline")
    [dead] = of_mine(mount, found, "mounts")
    assert (code, dead["grade"], dead["fixable"], f"anthrofs mount --state-dir {mount.state_dir} {mount.path}, or" in dead["mend"]) == (1, "bad", True, True)
    _, found = doctor(mount, "--offline", "--fix")
    assert [each["mended"] for each in of_mine(mount, found, "mounts")] == [True]
    assert not mountpoint.is_mounted(mount.path)


def test_a_mount_that_hangs_holds_nobody_up(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without another program, so that the patience can be a short one."""
    monkeypatch.setenv("XDG_STATE_HOME", mount.environment["XDG_STATE_HOME"])
    for patience in (f"{places.__name__}.ANSWER_S", f"{asking.__name__}.HEAR_S", f"{mountpoint.__name__}.LOOK_S", f"{detached.__name__}.ANSWER_S", f"{state_pictures.__name__}.PATIENCE_S"):
        monkeypatch.setattr(patience, 0.5)
    mount.mount()
    os.kill(mount.pid(), signal.SIGSTOP)
    try:
        found = [each.what for each in checkup.findings(Patient(mount.environment, asks=False)) if each.grade == "bad"]
    finally:
        os.kill(mount.pid(), signal.SIGCONT)
    assert f"The mount on {mount.path} doesn't answer." in found
    wait_until(lambda: not any(each.name == "asker" for each in threading.enumerate()), "who asked ends")


def test_a_refused_file_and_a_detached_mount_are_found(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "status", "status": 400, "message": "not this one"})
    mount.expects("was refused", "not on the server yet")
    (files / "no.txt").write_text("x")
    wait_until(lambda: mount.status()["failed"], "the refusal")
    _, found = doctor(mount, "--offline")
    assert any("1 files that were refused" in each["what"] for each in of_mine(mount, found, "mounts"))
    os.unlink(files / "no.txt")
    with subprocess.Popen(["cat"], cwd=files, stdin=subprocess.PIPE) as program:
        mountpoint.unmount(files, lazy=True)
        _, found = doctor(mount, "--offline")
        assert any(f"held by: cat (process {program.pid}" in each["what"] for each in of_mine(mount, found, "mounts"))
    mount.wait_for_end()


@pytest.mark.parametrize(("answer", "mend"), [("unauthorized", "give it a valid key"), ("cmek_key_disabled", "when that is mended")])
def test_a_way_that_is_closed_is_opened_by_what_closed_it(mount: Mount, answer: str, mend: str) -> None:
    mount.mount("--refresh", "0.2", "--poll")
    mount.expects(".*")
    mount.emulator.fault("list", {"kind": "account", "answer": answer}, times=-1)
    wait_until(lambda: mount.status()["closed"], "the way is closed")
    _, found = doctor(mount, "--offline")
    [closed] = [each for each in of_mine(mount, found, "mounts") if "can't go on now" in each["what"]]
    assert closed["mend"].startswith(mend)
    assert closed["mend"].endswith(f"anthrofs retry --all {mount.path}")


def test_a_service_that_can_not_now_is_told_of_and_nothing_is_wrong_with_the_mount(mount: Mount) -> None:
    with unable(mount):
        _, found = doctor(mount, "--offline")
    [busy] = of_mine(mount, found, "mounts")
    assert (busy["grade"], "the service takes no uploads now" in busy["what"], "HTTP 500" in busy["what"]) == ("hint", True, True)


SECRETS: dict[str, str] = {
    "ANTHROPIC_AUTH_TOKEN": "token-planted-1", "ANTHROPIC_CUSTOM_HEADERS": "X-Gate: planted-sesame-2", "HTTP_PROXY": "http://me:planted-pass-3@127.0.0.1:9",
    "ANTHROFS_BOARD_PASSWORD": "planted-board-4", "AWS_SECRET_ACCESS_KEY": "planted-aws-5",
    "https_proxy": "me:planted-pass-14@127.0.0.1:9"}


def test_the_bundle_has_what_helps_and_no_secret(mount: Mount, tmp_path: Path) -> None:
    (mount.mount() / "thesis.txt").write_text("planted-content-6")
    (tmp_path / "key").write_text("sk-ant-planted-7")
    (tmp_path / "key").chmod(0o600)
    config = tmp_path / "config.toml"
    config.write_text(f'[profile.other]\ndirectory = "{tmp_path}/other"\nkey_file = "{tmp_path}/key"\nbase_url = "http://me:planted-pass-8@127.0.0.1:9"\n'
                      '[profile.odd]\napi_key = "planted-key-9"\npassword = "planted-word-10"\npin = """\nplanted-pin-15\n"""  # planted-16\nkey_command = ["echo", "planted-17"]\n')
    config.chmod(0o600)
    before = mount.log()
    with (mount.state_dir / "anthrofs.log").open("a") as log:
        log.write(f"2026-01-01 00:00:00,000 INFO x: sent {mount.emulator.key} and sk-ant-planted-7 by http://me:planted-pass-11@proxy/ token=planted-tok-12\n")
    unexpected = Path(mount.environment["XDG_STATE_HOME"], "anthrofs", "unexpected.log")
    unexpected.write_text("Traceback\nKeyError: 'sk-ant-planted-13'\n")
    bundle = tmp_path / "help.tgz"
    done = mount.run("doctor", "--offline", "--bundle", bundle, environment={**SECRETS, "ANTHROFS_CONFIG": str(config), "NO_PROXY": "127.0.0.1"})
    assert f"{bundle} (a tar.gz, whatever its name): findings.json, versions.json" in done.stdout
    assert bundle.stat().st_mode & 0o777 == 0o600
    with tarfile.open(bundle) as archive:
        texts = {entry.name: archive.extractfile(entry).read().decode() for entry in archive.getmembers()}       # type: ignore[union-attr]
    whole = "\n".join(texts.values()) + done.stdout + done.stderr
    assert [secret for secret in ("planted-", "sesame", mount.emulator.key) if secret in whole.replace(str(tmp_path), "")] == []
    assert {name.removeprefix("anthrofs/") for name in texts} >= {"findings.json", "versions.json", "environment.txt", "config.toml", "mounts.txt", "status.json", "unexpected.log"}
    assert str(mount.path) in texts["anthrofs/status.json"]
    assert "mounted on" in "".join(text for name, text in texts.items() if name.endswith("anthrofs.log"))
    again = mount.run("doctor", "--offline", "--bundle", bundle)
    assert (again.returncode, "is there already, and isn't overwritten" in again.stderr) == (2, True)
    unexpected.unlink()
    os.truncate(mount.state_dir / "anthrofs.log", len(before.encode()))


def test_the_findings_can_be_read_in_forty_columns_and_without_a_home(mount: Mount) -> None:
    done = mount.run("doctor", "--offline", environment={"COLUMNS": "40", "HOME": "/nonexistent", "XDG_STATE_HOME": "", "ANTHROPIC_API_KEY": ""})
    assert done.returncode == 1
    assert "BAD   " in done.stdout
    # A word is never broken, and a command is one line, to be copied.
    assert [line for line in done.stdout.splitlines() if len(line) > 40 and len(line[6:].split()) > 1 and "Mend it:" not in line] == []
