"""A desktop with a mouse, as somebody at a screen has it: windows of a file browser, and gestures in them.

Owns    a screen that nobody sees, a window manager and a file browser, all with a home of their own.
Trusts  what is drawn, and nothing else, to tell whether the browser is ready for the next gesture.
Never   waits without a bound, nor for a time; touches nobody's session bus, settings or wastebasket.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.file_browsers import HEIGHT, PCMANFM, WIDTH, Answer, Program
from tests.screen import POINTER, WHITE, Picture, Point, Screen, mouse_pointer
from tests.session_bus import SessionBus

BOUND_S: Final = 30.0
AGAIN_S: Final = 8.0            # then the mouse takes something anew
LOOK_S: Final = 0.05            # between two looks at the screen
GAP: Final = 50                 # of bare desktop left and right of a window, where the mouse can rest
STEP: Final = 4                 # pixels that a hand moves the mouse at once
RED, GREEN, BLUE = b"\xff\0\0", b"\0\xc0\0", b"\0\0\xff"
_KEYS: Final = {".": "period", " ": "space"}       # as xdotool has them
# How the mouse looks while something hangs on it, by the names that the toolkit has for what a drop would do. No theme has them all.
_POINTERS: Final = {"dnd-none": RED, "dnd-copy": GREEN, "dnd-move": BLUE, "dnd-link": BLUE, "dnd-ask": BLUE}


class Desktop:
    """`with Desktop(tmp_path) as desktop: here = desktop.opens(directory); desktop.drags(here, here.shows("a.txt")["a.txt"], there)`."""

    def __init__(self, base: Path, program: Program = PCMANFM) -> None:
        self.program = program                          # given
        self._shots = base / "screenshots"              # constant
        self._home = base / "home"                      # constant
        files = {**{name: content.encode() for name, content in program.settings},
                 **{f"icons/pointers/cursors/{name}": mouse_pointer(colour) for name, colour in _POINTERS.items()}}
        self._shots.mkdir(parents=True)
        for name, content in files.items():
            path = self._home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._windows = 0                               # opened so far
        self._taken = 0                                 # screenshots
        self._processes: list[subprocess.Popen[bytes]] = []
        self._screen = Screen(base, 2 * WIDTH + 3 * GAP, HEIGHT + 80)       # constant
        mine = ("DISPLAY", "WAYLAND_", "XDG_", "DBUS_", "GTK_", "XAUTHORITY", "XCURSOR_", "SESSION_MANAGER", "DESKTOP_")
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(mine)},
            "DISPLAY": self._screen.name, "HOME": str(self._home), "XDG_RUNTIME_DIR": str(self._home), "LC_ALL": "C.UTF-8",
            # No daemons of a desktop, only the programs themselves.
            "DBUS_SESSION_BUS_ADDRESS": "disabled:", "GIO_USE_VFS": "local", "GIO_USE_VOLUME_MONITOR": "unix", "NO_AT_BRIDGE": "1",
            "XCURSOR_PATH": str(self._home / "icons"), "XCURSOR_THEME": "pointers"}
        self._log = base / "desktop.log"                # constant
        self._bus = SessionBus(base, self._environment) if program.needs_bus else None       # constant
        if self._bus is not None:
            self._environment["DBUS_SESSION_BUS_ADDRESS"] = self._bus.address

    def __enter__(self) -> Self:
        try:
            self._starts("openbox", "--sm-disable")
            self.waits(lambda: self._xdotool("get_num_desktops", fails=True), "the window manager")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.shot("end")
        finally:
            self.close()

    def close(self) -> None:
        """The browser first: without a screen it would complain."""
        for process in reversed(self._processes):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(BOUND_S)
        if self._bus is not None:
            self._bus.close()
        self._screen.close()

    # ---- what is seen

    def look(self) -> Picture:
        return self._screen.picture()

    def shot(self, name: str) -> Path:
        """A screenshot, kept below the test's directory, and where $ANTHROFS_SCREENSHOTS says."""
        self._taken += 1
        path = self._shots / f"{self._taken}-{name}.png"
        path.write_bytes(self.look().png())
        if kept := os.environ.get("ANTHROFS_SCREENSHOTS"):
            Path(kept).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, Path(kept) / f"{self._shots.parent.name.rstrip('0123456789')}-{path.name}")
        return path

    def waits(self, true: Callable[[], object], what: str) -> None:
        until_s = time.monotonic() + BOUND_S
        while not true():
            assert time.monotonic() < until_s, f"not within {BOUND_S} s: {what}; see {self.shot('failed')}, {self._log}"
            time.sleep(LOOK_S)

    # ---- what is done

    def opens(self, directory: Path) -> "Browser":
        """The first window of the browser on the left, the second on the right."""
        if self._windows == 0:
            self._starts(*self.program.command, str(directory))
        else:
            subprocess.run([*self.program.another, str(directory)], env=self._environment, stdin=subprocess.DEVNULL, capture_output=True,
                           check=True, timeout=BOUND_S)
        window = self.window(self.program.title.format(directory.name))
        left = GAP + self._windows * (WIDTH + GAP)
        self._windows += 1
        self._xdotool("windowmove", window, left, 10)
        self.waits(lambda: left <= self._origin(window).x < left + 10, f"the window of {directory} is at its place")
        return Browser(self, window, self._origin(window))

    def window(self, title: str) -> str:
        """The number of the window with this title, once it is there and takes the keys."""
        def number() -> str:
            return self._xdotool("search", "--onlyvisible", "--limit", 1, "--name", f"^{title}$", fails=True).strip()
        self.waits(lambda: number() == self._active() != "", f"a window called {title!r}")
        return self._active()

    def rests(self) -> None:
        """The mouse is where it covers nothing."""
        self._xdotool("mousemove", GAP // 2, HEIGHT // 2)

    def answers(self, asked: Answer, typed: str = "", *, about: str = "") -> None:
        """A dialog, into which something may be typed over what is there, is answered, and goes."""
        title = asked.title.format(about)
        dialog = self.window(title)
        self.shot(re.sub(r"\W+", "-", title.lower()).strip("-"))
        self.types(*(["ctrl+a", *(_KEYS.get(each, each) for each in typed)] if typed else []), *asked.keys)
        self.waits(lambda: self._active() != dialog, f"{title!r} goes")

    def types(self, *keys: str) -> None:
        """Keys for the window that is active, by their names."""
        self._xdotool("key", *keys)

    def clicks(self, here: "Browser", item: Point) -> None:
        """The item is the one that keys are about."""
        before = here.line(item)
        self._xdotool("mousemove", item.x, item.y, "click", 1)
        self.rests()
        self.waits(lambda: here.line(item) != before and self._active() == here.window, "the item is marked")

    def drags(self, here: "Browser", item: Point, there: "Browser", *, onto: Point | None = None, moves: bool = False) -> None:
        """The item is taken with the mouse, and let go over the other window, when that one says that it takes a copy, or `moves` it;
        `onto` a folder there.
        """
        spot = there.bare() if onto is None else Point(onto.x + 20, onto.y)
        self._takes(item, spot)
        try:
            again_s = time.monotonic() + AGAIN_S

            def taken() -> bool:
                nonlocal again_s
                red, green, blue = self.look().at(spot.x - POINTER // 2, spot.y - POINTER // 2)
                # Not the same number everywhere: pointers are blended in.
                if (blue > 2 * max(red, green)) if moves else (green > 2 * max(red, blue)):
                    return True
                # A still mouse asks nothing; and the answer takes a moment, so it is looked for the next time.
                self._xdotool("mousemove", spot.x + 2, spot.y, "mousemove", spot.x, spot.y)
                if time.monotonic() > again_s:      # a browser that was busy may have missed the beginning
                    self._xdotool("key", "Escape", "mouseup", 1)
                    self._takes(item, spot)
                    again_s = time.monotonic() + AGAIN_S
                return False
            self.waits(taken, f"the other window takes it: the mouse pointer is {'blue' if moves else 'green'}")
            self.shot("dragging")
        finally:
            self._xdotool("mouseup", 1)
        self.rests()

    # ---- how

    def _takes(self, start: Point, end: Point) -> None:
        """The button is held down from the start to the end, as a hand does it, in small steps."""
        self._xdotool("mousemove", start.x, start.y, "mousedown", 1)
        steps = max(abs(end.x - start.x), abs(end.y - start.y)) // STEP
        commands: list[str | int] = []
        for step in range(1, steps + 1):
            commands += ["mousemove", start.x + (end.x - start.x) * step // steps, start.y + (end.y - start.y) * step // steps, "sleep", "0.002"]
        self._xdotool(*commands)

    def _active(self) -> str:
        """The number of the window that has the keys; nothing while they pass from one to the next."""
        return self._xdotool("getactivewindow", fails=True).strip()

    def _origin(self, window: str) -> Point:
        """Where a window's content begins. Asking the mouse is what works with all versions of xdotool, whatever the decoration."""
        said = dict(line.split("=") for line in self._xdotool("mousemove", "--window", window, 0, 0, "getmouselocation", "--shell").splitlines())
        return Point(int(said["X"]), int(said["Y"]))

    def _starts(self, *command: str) -> None:
        with self._log.open("a") as log:
            self._processes.append(subprocess.Popen(command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                    cwd=self._home, start_new_session=True))

    def _xdotool(self, *arguments: str | int, fails: bool = False) -> str:
        done = subprocess.run(["xdotool", *map(str, arguments)], env=self._environment, text=True, capture_output=True, timeout=BOUND_S, check=False)
        assert fails or done.returncode == 0, (arguments, done.stderr, self._log)
        return done.stdout if done.returncode == 0 else ""


class Browser:
    """One window of the file browser: an icon and a name in each line, folders first."""

    def __init__(self, desktop: Desktop, window: str, origin: Point) -> None:
        self._desktop = desktop         # given
        self.window = window            # constant
        self._origin = origin           # constant

    def shows(self, *names: str) -> dict[str, Point]:
        """Wait until there are as many items as names, and they stay where they are; where each is, the names being in the order shown."""
        self._desktop.rests()
        seen: list[list[int]] = [[], []]

        def still() -> bool:
            seen[:] = [seen[1], self._lines()]
            return seen[0] == seen[1] and len(seen[1]) == len(names)
        self._desktop.waits(still, f"{len(names)} items are shown: {', '.join(names)}")
        return {name: Point(self._origin.x + 16, y) for name, y in zip(names, seen[1], strict=True)}

    def bare(self) -> Point:
        """A spot where nothing is."""
        _, bottom = self._area(self._desktop.look())
        return Point(self._origin.x + WIDTH // 2, bottom - 40)

    def line(self, item: Point) -> bytes:
        """How it looks, from icon to name."""
        return self._desktop.look().strip(item.y, item.x - 10, item.x + 60)

    def _area(self, picture: Picture) -> tuple[int, int]:
        """First and last row of the white part, where the files are: the longest white piece of a line right of the names."""
        x = self._origin.x + WIDTH * 2 // 3
        column = "".join("w" if picture.at(x, y) == WHITE else " " for y in range(self._origin.y, self._origin.y + HEIGHT))
        longest = max(column.split(), key=len, default="")
        top = self._origin.y + (column.index(longest) if longest else 0)
        return top, top + len(longest) - 1

    def _lines(self) -> list[int]:
        """The middle of each item that is drawn there: rows that aren't white, below each other."""
        picture = self._desktop.look()
        top, bottom = self._area(picture)
        left, right = self._origin.x + 3, self._origin.x + WIDTH // 3
        blank = WHITE * (right - left)
        ink = [picture.strip(y, left, right) != blank for y in range(top + 2, bottom - 1)]
        middles, first = [], None
        for number, inked in enumerate([*ink, False]):
            if inked and first is None:
                first = number
            elif not inked and first is not None:
                middles.append(top + 2 + (first + number) // 2)
                first = None
        return middles
