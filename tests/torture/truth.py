"""What is known of one directory's files: what an acknowledged call said last, or, where none was acknowledged, what may be.

Owns    for each path the contents that it may show; None is one: nothing is there. One of them: that is promised.
"""

import hashlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

State = bytes | None
LAST: Final = 14                # deeds that are told of a path


class Truth:
    """Paths are relative to the mount."""

    def __init__(self) -> None:
        self._may: defaultdict[str, set[State]] = defaultdict(lambda: {None})
        self.written: defaultdict[str, set[str]] = defaultdict(set)     # SHA-256 of every content that a path may ever have had
        self.unsure: set[str] = set()       # a program has failed where writes are refused: others may see what it left, and go on from that
        self.deed = ""                      # the actor's, that begins next
        self._last: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=LAST))
        self.replaced: dict[str, set[State]] = {}       # what a rename was about to replace when it was cut: it may have another name now
        self.waited: set[str] = set()       # the last close waited for the server, and said that it has the file

    def paths(self) -> list[str]:
        return sorted(self._may)

    def may(self, path: str) -> set[State]:
        return set(self._may[path])

    def known(self, path: str) -> State:
        """Its content, if only one is possible."""
        states = self._may[path]
        return next(iter(states)) if len(states) == 1 else None

    def there(self) -> list[str]:
        """Paths that surely have a file."""
        return [path for path, states in sorted(self._may.items()) if None not in states]

    def written_anywhere(self) -> set[str]:
        """The sums of all contents, whatever their paths."""
        return set[str]().union(*self.written.values())

    def begins(self, changes: Mapping[str, Iterable[State]], *, of: str | None = None, replaces: str | None = None,
               between: Iterable[State] = ()) -> Callable[..., None]:
        """A program begins that makes the paths one of those. Returns what is to be called at its end with whether it succeeded: until
        then, and if it doesn't, they may be that or what they were. `of`: from what that path has. `replaces`: by a rename over that path. `between`: what they may be on
        the way.
        """
        after = {path: set(states) for path, states in changes.items()}
        before = {path: self.may(path) for path in after}
        if replaces is not None:
            self.replaced[replaces] = before[replaces] | self.replaced.get(replaces, set())
        for path, states in after.items():
            self.waited.discard(path)
            self._may[path] = before[path] | states | set(between)
            self.written[path] |= {sum_of(state) for state in states if state is not None}

            self._last[path].append(f"{clock_time()} {self.deed}: {alternatives(before[path])} becomes {alternatives(states)}")

        unsure = of in self.unsure

        def ended(*, acknowledged: bool, waited: bool = False, full: bool = False) -> None:
            self.unsure -= set(after) if acknowledged else set()
            self.unsure |= set(after) if (unsure and acknowledged) or (full and not acknowledged) else set()
            for path in after:
                self._last[path].append(f"{clock_time()}   {'acknowledged' if acknowledged else 'failed'}{', and waited for' if waited else ''}")
            if acknowledged:
                self._may.update(after)
                for path in after:
                    self.replaced.pop(path, None)
                self.waited |= set(after) if waited else set()

        return ended

    def is_found(self, path: str, state: State) -> None:
        """A look has shown that, and it may be."""
        self.unsure.discard(path)
        if self._may[path] != {state}:
            self._last[path].append(f"found: {shown(state)}")
        self._may[path] = {state}


    def heading(self, words: str) -> None:
        """What happens to all paths."""
        for path in self._may:
            self._last[path].append(f"{clock_time()} {words}")

    def told(self, path: str) -> str:
        """What happened to it last."""
        return "".join(f"\n    {words}" for words in self._last[path])


def shown(state: State) -> str:
    """A content in few words."""
    return "nothing" if state is None else f"{len(state)} bytes of {sum_of(state)[:6]}"


def alternatives(states: Iterable[State]) -> str:
    return " or ".join(map(shown, states))


def sum_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def clock_time() -> str:
    """The time of day, as it stands in the log of a mount."""
    return datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3]
