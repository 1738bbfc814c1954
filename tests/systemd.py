"""A real systemd for tests: this user's manager, or the machine's as first process, in namespaces of its own.

Owns    a process tree below one `unshare`, with its own processes, mounts, control groups, devices and /run; nothing of it is left when the test ends, also
        when that is killed midway: a keeper, which waits for its standard input's end, takes it all away.
Trusts  /sys/fs/cgroup to be writable: root's.
Never   lets a unit of this machine start, or anything be written but below the test's folder: the units of a whole system clear /tmp, set up
        devices and change the kernel's settings. All else is read-only before systemd begins, which is looked at, and no unit but the test's is found.
        Shows it this machine's control groups: it would take them for its own.
"""

import os
import shlex
import subprocess
import sys
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
DEVICES: Final = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0), "fuse": (10, 229), "autofs": (10, 235)}
# What is needed of /root is everybody's, in a namespace that has its own /root: a Python, and this very directory.
NEEDED: Final = [each for each in (sys.base_prefix, sys.prefix, str(ROOT)) if each.startswith("/root/")]
PYTHON: Final = "".join([*(f"mkdir -p /run/kept/{number}; mount --bind {each} /run/kept/{number}\n" for number, each in enumerate(NEEDED)),
                         "mount -t tmpfs -o mode=755 tmpfs /root\n" if NEEDED else "",
                         *(f"mkdir -p {each}; mount --move /run/kept/{number} {each}; mount -o remount,bind,ro {each}\n" for number, each in enumerate(NEEDED))])
# As much of a machine as units of others ask for.
TARGETS: Final = ("sysinit", "basic", "shutdown", "local-fs", "local-fs-pre", "remote-fs", "remote-fs-pre", "network", "network-online", "nss-user-lookup",
                  "umount", "multi-user", "default", "test")


def alone(folder: Path, *, layers: bool) -> str:
    """Lines of a shell in namespaces of its own, after which nothing can be written but below the folder, /run, and, with layers, /etc and /sbin."""
    kept = [str(folder), "/run", "/dev", "/proc", str(CGROUPS), *(["/etc", "/sbin", "/usr/sbin"] if layers else [])]
    lines = ["set -e",
             # A copy of another test's mount would keep that one's process from its end.
             "for each in $(findmnt -rn -t fuse.anthrofs -o TARGET); do umount -l $each || true; done",
             f"mount --bind {folder} {folder}"]
    if layers:
        for name, lower in (("etc", "/etc"), ("sbin", "/usr/sbin")):
            upper, work = folder / f"{name}-upper", folder / f"{name}-work"
            lines += [f"mkdir -p {upper} {work}", f"mount -t overlay overlay -o lowerdir={lower},upperdir={upper},workdir={work} {lower}"]
    lines += ["mount -t tmpfs -o mode=755 tmpfs /run", "mkdir /run/dev", "mount -t tmpfs -o mode=755 tmpfs /run/dev",
              *(f"mknod -m 666 /run/dev/{name} c {major} {minor}" for name, (major, minor) in DEVICES.items()),
              "mkdir /run/dev/shm /run/dev/pts", "ln -s /proc/self/fd /run/dev/fd", "ln -s fd/0 /run/dev/stdin; ln -s fd/1 /run/dev/stdout; ln -s fd/2 /run/dev/stderr",
              ": >/run/dev/console", f"{PYTHON}mount --move /run/dev /dev",
              "mount --bind /proc/sys /proc/sys", "mount -o remount,bind,ro /proc/sys",
              # The root and all that is mounted below it. What can't be, as a mount that another one hides, is looked at below.
              f"""findmnt -rn -o TARGET | while read -r each; do case "$each" in {'|'.join(f'{own}|{own}/*' for own in kept)}|/root) ;;
                  *) mount -o remount,bind,ro "$(printf %b "$each")" 2>/dev/null || true;; esac; done""",
              f"if touch {folder.parent}/written /tmp/written {ROOT}/written {sys.base_prefix}/written /proc/sys/kernel/hostname 2>/dev/null; then echo 'this machine could be written to'; exit 1; fi"]
    return "\n".join(lines) + "\n"


class Systemd:
    """`with Systemd(folder, system=False) as one: one.ok("anthrofs", "service", "install", "work")`; the folder is the home of its user."""

    def __init__(self, folder: Path, *, system: bool) -> None:
        self.home = folder / "home"
        self.program = folder / "bin" / "anthrofs"
        self._units = folder / "units"
        for path in (self.home / ".config" / "systemd" / "user", self.program.parent, folder / "run", self._units):
            path.mkdir(parents=True)
        (folder / "run").chmod(0o700)
        for name in TARGETS:
            (self._units / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)
        self._folder, self._system = folder, system
        self._groups = [CGROUPS / name / f"anthrofs-test-{os.getpid()}-{folder.name}" for name in HIERARCHIES if (CGROUPS / name / "cgroup.procs").exists()]
        self.environment = {
            "HOME": "/root" if system else str(self.home), "PATH": f"{self.program.parent}:{os.environ['PATH']}", "SYSTEMD_PAGER": "",
            "SYSTEMD_COLORS": "0", "LC_ALL": "C.UTF-8", "TERM": "dumb", **({} if system else {"XDG_RUNTIME_DIR": str(folder / "run")})}
        self._process: subprocess.Popen[str] | None = None
        self._outermost = folder / "outermost"      # the number of the process that has the namespaces
        self._first = 0

    def __enter__(self) -> Self:
        # A cgroup of its own in each hierarchy that systemd uses; then it is the root of what the namespace shows.
        enter = "".join(f"mkdir -p {each} && echo $BASHPID >{each}/cgroup.procs\n" for each in self._groups)
        ready = self._folder / "ready"
        found = ["/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator"] if self._system else [self.home / ".config/systemd/user"]
        given = f"SYSTEMD_UNIT_PATH={':'.join(map(str, [*found, self._units]))} SYSTEMD_GENERATOR_PATH=/run/none PATH={os.environ['PATH']} TERM=dumb"
        if self._system:
            begin = "mkdir -p /run/systemd/system; mount -t tmpfs tmpfs /etc/systemd/system; : >/etc/fstab\n"
            run = f"exec env -i container=test {given} {SYSTEMD} --system --log-target=null --unit=test.target"
        else:
            begin = "mkdir -p /run/systemd/system\n"
            # Not as the first process: a user's manager refuses to be that. Its end is the namespace's.
            run = f"{given} {SYSTEMD} --user --log-target=null --unit=test.target; true"
        script = f"set -e\nmount -t proc proc /proc\n{self._own_groups()}{alone(self._folder, layers=self._system)}{begin}: >{ready}\n{run}\n"
        groups, there = shlex.join(map(str, self._groups)), " -o ".join(f"-e {each}" for each in self._groups)
        inner = (f"set -e\n{enter}exec setpriv --pdeathsig KILL unshare --pid --fork --kill-child --mount --cgroup --ipc --uts --propagation slave "
                 f"bash -c {shlex.quote(script)}")
        # The keeper lives as long as its standard input is open, which a test that is killed leaves to nobody.
        keeper = (f"exec 3<&0\n({inner}) </dev/null 3<&- &\nfirst=$!\necho $first >{self._outermost}\n(cat <&3 >/dev/null; kill -KILL $first 2>/dev/null) &\n"
                  "watch=$!\nwait $first\nexec 3<&-\nkill $watch 2>/dev/null\n"
                  f"for _ in $(seq 300); do\n  [ {there} ] || break\n  find {groups} -depth -type d -exec rmdir {{}} \\; 2>/dev/null\n  sleep 0.1\ndone\n")
        with (self._folder / "output").open("w") as output:
            self._process = subprocess.Popen(["bash", "-c", keeper], stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, text=True,
                                             env=self.environment, start_new_session=True)
        try:
            wait_until(lambda: ready.exists() or self._process is None or self._process.poll() is not None, "the namespaces are there")
            assert self._process.poll() is None, self.said()
            outermost = self._outermost.read_text().strip()
            self._first = int(Path(f"/proc/{outermost}/task/{outermost}/children").read_text().split()[0])
            wait_until(lambda: self.systemctl("is-system-running").stdout.strip() in ("running", "degraded"), "systemd answers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()     # so the keeper ends the first process, and with it all in its namespace
        self._process.wait(BOUND_S)
        assert [each for each in self._groups if each.exists()] == []

    def _own_groups(self) -> str:
        """Lines of a shell, after which /sys has no group of this machine but the test's, and is read-only: else systemd would take the machine's for its own."""
        if not self._groups:
            return "mount -o remount,bind,ro /sys\n"
        if self._groups[0].parent == CGROUPS:
            return f"mount --bind {self._groups[0]} {CGROUPS}\nmount -o remount,bind,ro /sys\n"
        place = self._folder / "groups"
        shown = "".join(f"mkdir {place}/{each.parent.name}\nmount --bind {each} {place}/{each.parent.name}\n" for each in self._groups)
        return f"mkdir {place}\nmount -t tmpfs tmpfs {place}\n{shown}mount --rbind {place} {CGROUPS}\numount -R {place}\nmount -o remount,bind,ro /sys\n"

    def run(self, *words: str | Path, timeout: float = BOUND_S) -> subprocess.CompletedProcess[str]:
        """A command in the namespaces, whatever comes of it."""
        return subprocess.run(["nsenter", "--target", str(self._first), "--pid", "--mount", "--cgroup", "--ipc", "--uts", "--wdns=/", *map(str, words)],
                              env=self.environment, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)

    def ok(self, *words: str | Path, timeout: float = BOUND_S) -> str:
        """The same, which must succeed; its standard output."""
        done = self.run(*words, timeout=timeout)
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr, self.said())
        return done.stdout

    def anthrofs(self, *words: str | Path) -> str:
        """`anthrofs WORDS`, which must succeed; its standard output."""
        return self.ok(self.program, *words)

    def systemctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("systemctl", *([] if self._system else ["--user"]), *words)

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", f"--property={name}", "--value", unit).stdout.strip()

    def said(self) -> str:
        """All that was said before the manager began, and by it, for a test that failed."""
        return (self._folder / "output").read_text()

