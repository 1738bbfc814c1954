"""Random scripts: calls that stumble over each other, of kinds that a disk and a mount answer alike."""

import random
from collections.abc import Callable, Sequence
from typing import Final

from tests.posix.row import Call
from tests.posix.sides import SETTLE

NAMES: Final = ("a", "b", "d", "e", "d/a", "d/b", "d/e", "e/a", "d/e/a")
FILES: Final = ("a", "b", "d/a", "d/b", "d/e/a")
FOLDERS: Final = ("d", "e", "d/e", ".")
OPEN: Final = ("x", "y", "z")
FLAGS: Final = ("RDONLY", "WRONLY", "RDWR", "RDWR|CREAT", "RDWR|CREAT", "WRONLY|CREAT|TRUNC", "RDWR|CREAT|EXCL", "RDWR|APPEND", "WRONLY|CREAT|APPEND", "RDWR|TRUNC",
                "DIRECTORY", "PATH")
MODES: Final = ("600", "644", "666", "755", "400", "000", "200", "777", "500")
TIMES: Final = ("5000000000", "7000000001", "now", "omit")
ATTRIBUTES: Final = ("user.a", "user.b")


class Chance:
    """What one seed gives."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._texts = 0
        # (how often, call): what makes and changes comes more often than what only looks
        self._kinds: list[tuple[int, Callable[[], Call]]] = [
            (6, lambda: ("create", self._one(FILES), self._text())),
            (5, lambda: ("mkdir", self._one(("d", "e", "d/e", "a")), self._one(("755", "700", "775")))),
            (3, lambda: ("rmdir", self._one(NAMES))),
            (4, lambda: ("unlink", self._one(NAMES))),
            (8, lambda: ("rename", self._one(NAMES), self._one(NAMES))),
            (9, lambda: ("open", self._one(OPEN), self._one(NAMES), self._one(FLAGS), self._one(MODES))),
            (4, lambda: ("close", self._one(OPEN))),
            (2, lambda: ("dup", self._one(OPEN), self._one(OPEN))),
            (3, lambda: ("read", self._one(OPEN), self._size())),
            (3, lambda: ("pread", self._one(OPEN), "20", self._size())),
            (6, lambda: ("write", self._one(OPEN), self._text())),
            (4, lambda: ("pwrite", self._one(OPEN), self._text(), self._size())),
            (2, lambda: ("lseek", self._one(OPEN), self._size(), self._one(("SET", "CUR")))),
            (3, lambda: ("ftruncate", self._one(OPEN), self._size())),
            (3, lambda: ("truncate", self._one(NAMES), self._size())),
            (1, lambda: ("fsync", self._one(OPEN))),
            (3, lambda: ("chmod", self._one(NAMES), self._one(MODES))),
            (1, lambda: ("fchmod", self._one(OPEN), self._one(MODES))),
            (3, lambda: ("utimens", self._one(NAMES), "omit", self._one(TIMES))),
            (1, lambda: ("futimens", self._one(OPEN), "omit", self._one(TIMES))),
            (2, lambda: ("setxattr", self._one(NAMES), self._one(ATTRIBUTES), self._text(), self._one(("", "CREATE", "REPLACE")))),
            (1, lambda: ("removexattr", self._one(NAMES), self._one(ATTRIBUTES))),
            (1, lambda: ("copy_range", self._one(OPEN), self._one(OPEN), self._size())),
            (2, lambda: ("renameat2", self._one(NAMES), self._one(NAMES), "")),
        ]
        self._looks: list[Callable[[], Call]] = [
            lambda: ("names", self._one(FOLDERS)),
            lambda: ("text", self._one(FILES)),
            lambda: ("size", self._one(FILES)),
            lambda: ("mode", self._one(NAMES)),
            lambda: ("when", self._one(NAMES)),
            lambda: ("kind", self._one(NAMES)),
            lambda: ("fsize", self._one(OPEN)),
            lambda: ("listxattr", self._one(NAMES)),
            lambda: ("getxattr", self._one(NAMES), self._one(ATTRIBUTES)),
            lambda: ("access", self._one(NAMES), self._one(("r", "w", "x", "rw"))),
            lambda: ("openat", self._one(OPEN), self._one(OPEN), self._one(("a", "e", "..")), "RDONLY"),
        ]

    def script(self, calls: int, *, settle: float = 0.0) -> list[Call]:
        """So many calls, some of them looks, some watched for the times that they change. `settle`: how often everything comes to the server
        meanwhile.
        """
        found = list[Call]()
        while len(found) < calls:
            if self._random.random() < settle:
                found.append(SETTLE)
            call = self._random.choices([kind for _, kind in self._kinds], [often for often, _ in self._kinds])[0]()
            if self._random.random() < 0.3:
                found.append(("times", self._one(("d", "e", "a", "d/a", ".,d")), *call))
            else:
                found.append(call)
            if self._random.random() < 0.5:
                found.append(self._random.choice(self._looks)())
        return [*found, *(("text", name) for name in FILES), *(("names", name) for name in FOLDERS), *(("when", name) for name in NAMES)]

    def _one(self, of: Sequence[str]) -> str:
        return self._random.choice(of)

    def _text(self) -> str:
        self._texts += 1
        return f"<{self._texts}>" * self._random.choice((1, 1, 2, 5))

    def _size(self) -> str:
        return str(self._random.choice((0, 1, 3, 7, 20, 5000)))
