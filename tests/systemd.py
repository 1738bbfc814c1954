"""A real systemd for tests: this user's manager, or the machine's as first process, in namespaces of its own.

Owns    a process tree below one `unshare`, with its own processes, mounts, control groups and /run; nothing of it is left when it ends.
Trusts  /sys/fs/cgroup to be writable: root's.
Never   touches this machine's systemd, /etc or /run, nor what is in its /tmp.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final, Self

from tests.mounting import BOUND_S, ROOT, wait_until

CGROUPS: Final = Path("/sys/fs/cgroup")
HIERARCHIES: Final = ("systemd", "unified", "memory", "pids", "cpu", "cpuacct", "blkio", "devices", ".")        # the last: of version 2 alone
SYSTEMD: Final = "/lib/systemd/systemd"
PROGRAM: Final = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from anthrofs.cli.commands import main
main()
"""

# A Python below /root is everybody's, in a namespace that has its own /root.
REACHABLE: Final = (f"mkdir /run/python && mount --bind {sys.base_prefix} /run/python && mount -t tmpfs -o mode=755 tmpfs /root && "
                    f"mkdir -p {sys.base_prefix} && mount --move /run/python {sys.base_prefix}\n") if sys.base_prefix.startswith("/root/") else ""


class Systemd:
    """`with Systemd(folder, system=False) as one: one.ok("anthrofs service install work")`; the folder is the home of its user."""

    def __init__(self, folder: Path, *, system: bool, environment: Mapping[str, str] | None = None, before: str = "") -> None:
        """`before`: what a shell does in the namespaces before the manager begins."""
        self.home = folder / "home"
        self.program = folder / "bin" / "anthrofs"
        for path in (self.home / ".config" / "systemd" / "user", self.program.parent, folder / "run"):
            path.mkdir(parents=True)
        (folder / "run").chmod(0o700)
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)
        self._folder, self._system, self._before = folder, system, before
        self._group = f"anthrofs-test-{os.getpid()}-{folder.name}"
        self._console = folder / "console"
        self._console.touch()
        self.environment = {
            "HOME": "/root" if system else str(self.home), "PATH": f"{self.program.parent}:{os.environ['PATH']}", "SYSTEMD_PAGER": "",
            "SYSTEMD_COLORS": "0", "LC_ALL": "C.UTF-8", "TERM": "dumb",
            **({} if system else {"XDG_RUNTIME_DIR": str(folder / "run")}), **(environment or {})}
        self._process: subprocess.Popen[str] | None = None
        self._first = 0

    def __enter__(self) -> Self:
        # A cgroup of its own in each hierarchy that systemd uses; then it is the root of what the namespace shows.
        groups = [CGROUPS / name / self._group for name in HIERARCHIES if (CGROUPS / name / "cgroup.procs").exists()]
        enter = "".join(f"mkdir -p {each} && echo $$ >{each}/cgroup.procs\n" for each in groups)
        self._groups = groups
        hidden = f"mount --bind {shlex.quote(str(self._console))} /dev/console\n" if os.path.exists("/dev/console") else ""
        ready = self._folder / "ready"
        unit = "basic.target"
        if self._system:
            # Of the machine's units none is started, and of its configuration nothing is seen but what a test puts there.
            layers = " ".join(f"mkdir -p {self._folder}/{name}-upper {self._folder}/{name}-work; mount -t overlay overlay -o "
                              f"lowerdir={lower},upperdir={self._folder}/{name}-upper,workdir={self._folder}/{name}-work {lower};"
                              for name, lower in (("etc", "/etc"), ("sbin", "/usr/sbin")))
            # A unit pulls in sysinit.target, and that what the machine wants of it (sysctl, binfmt, udev): here it wants nothing.
            calm = "for each in /lib/systemd/system/*.wants /etc/systemd/system/*.wants; do [ ! -d $each ] || mount -t tmpfs -o mode=755 tmpfs $each; done\n"
            begin = (f"{layers}\n{calm}mount -t tmpfs -o mode=755 tmpfs /run; mkdir -p /run/systemd/system\n"
                     # A boot empties /tmp, and this one sees the machine's.
                     "for each in /lib/systemd/system/systemd-tmpfiles-*; do ln -s /dev/null /run/systemd/system/${each##*/}; done\n"
                     "printf '[Unit]\\nDefaultDependencies=no\\n' >/run/systemd/system/test.target\n")
            unit = "test.target"
            run = f"exec env -i container=test PATH={os.environ['PATH']} TERM=dumb {SYSTEMD} --system --log-target=console --unit={unit}"
        else:
            begin = "mount -t tmpfs -o mode=755 tmpfs /run; mkdir -p /run/systemd/system\n"
            # Not as the first process: a user's manager refuses to be that. Its end is the namespace's.
            run = f"{SYSTEMD} --user --log-target=console --unit={unit}; true"
        # A copy of another test's mount would keep that one's process from its end.
        others = "for each in $(findmnt -rn -t fuse.anthrofs -o TARGET); do umount -l $each || true; done\n"
        script = f"set -e\nmount -t proc proc /proc\n{others}{hidden}{begin}{self._before}\n: >{ready}\n{run}\n"
        outer = f"set -e\n{enter}exec unshare --pid --fork --kill-child --mount --cgroup --ipc --uts --propagation slave bash -c {shlex.quote(script)}"
        self._output = (self._folder / "output").open("w")
        self._process = subprocess.Popen(["bash", "-c", outer], stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT, text=True,
                                         env=self.environment, start_new_session=True)
        wait_until(lambda: ready.exists() or self._process is None or self._process.poll() is not None, "the namespaces are there")
        assert self._process.poll() is None, self.said()
        self._first = int(Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()[0])
        wait_until(lambda: self.systemctl("is-system-running").stdout.strip() in ("running", "degraded", "starting"), "systemd answers")
        return self

    def __exit__(self, *_exception: object) -> None:
        assert self._process is not None
        self._process.kill()            # and so the first process, and with it all in its namespace
        self._process.wait(BOUND_S)
        self._output.close()
        for group in self._groups:
            for each in sorted((path for path in group.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts)):
                wait_until(partial(_removed, each), f"nobody is in {each}")
            wait_until(partial(_removed, group), f"nobody is in {group}")

    def run(self, *words: str | Path, timeout: float = BOUND_S, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """A command in the namespaces, whatever comes of it."""
        return subprocess.run(["nsenter", "--target", str(self._first), "--pid", "--mount", "--cgroup", "--ipc", "--uts", "--wdns=/", *map(str, words)],
                              env={**self.environment, **(more or {})}, capture_output=True, text=True, timeout=timeout, check=False,
                              stdin=subprocess.DEVNULL)

    def ok(self, *words: str | Path, timeout: float = BOUND_S, more: Mapping[str, str] | None = None) -> str:
        """The same, which must succeed; its standard output."""
        done = self.run(*words, timeout=timeout, more=more)
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr, self.said())
        return done.stdout

    def anthrofs(self, *words: str | Path, more: Mapping[str, str] | None = None) -> str:
        """`anthrofs WORDS`, which must succeed; its standard output."""
        return self.ok(self.program, *words, more=more)

    def systemctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("systemctl", *([] if self._system else ["--user"]), *words)

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", f"--property={name}", "--value", unit).stdout.strip()

    def said(self) -> str:
        """All that the manager has said, for a test that failed."""
        return (self._folder / "output").read_text() + self._console.read_text(errors="replace")[-3000:]


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def can_run() -> bool:
    """Whether this machine lets one be started."""
    return os.geteuid() == 0 and Path(SYSTEMD).exists() and shutil.which("nsenter") is not None and any(
        os.access(each, os.W_OK) and (each / "cgroup.procs").exists() for each in (CGROUPS / "systemd", CGROUPS))

