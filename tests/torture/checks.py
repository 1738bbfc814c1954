"""After the end: what the mount shows, and what the server has, compared with what was acknowledged.

Trusts  nobody's memory but the actors' truths. What is there twice is allowed where the manual says so (an answer that was lost, a try that was
        given up); that is counted, and put away, so that the next round begins with each file once.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from anthrofs.client import control_client
from tests.mounting import wait_until
from tests.torture.actors import Actor, Databases, Reader
from tests.torture.host import Host
from tests.torture.truth import State, Truth, alternatives, shown, sum_of

SLASH: Final = "\uff0f"
RECOVERED: Final = re.compile(r" \(recovered[^)]*\)")
BY_ID: Final = re.compile(r" \(file_\w+\)")


@dataclass
class Findings:
    """Of all rounds so far."""

    verified_bytes: int = 0
    twice: int = 0                      # on the server, by the manual's rule
    came_back: int = 0                  # names that were removed, or have something newer, and show what an answer that was lost had stored
    named_here: int = 0                 # on the server with the right content, under the name before a rename; the mount says so
    unsaid: list[str] = field(default_factory=list)     # of those two, what the log doesn't tell
    recovered: int = 0                  # files that were removed or replaced a moment before the end, and are kept under another name
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Checks:
    """One host's; its mount is up again, and nobody works on it."""

    def __init__(self, host: Host, actors: list[Actor], found: Findings) -> None:
        self._host = host
        self._actors = actors
        self._found = found

    def server_has_what_was_waited_for(self) -> None:
        """At once after the end: whatever a close has waited for."""
        there = {(file["filename"].replace(SLASH, "/"), file["sha256"]) for file in self._host.emulator.files()}
        for actor in self._actors:
            for path in sorted(actor.truth.waited):
                state = actor.truth.known(path)
                if state and (path, sum_of(state)) not in there:
                    self._found.lost.append(f"{path}: its close had waited, and the server doesn't have it{actor.truth.told(path)}")
                self._found.verified_bytes += len(state or b"")

    def shown_is_true(self) -> None:
        """Every path shows what was acknowledged last, or what was under way."""
        for actor in self._actors:
            self._discard_refused(actor)
            if isinstance(actor, Databases):
                self._put_in_place(actor.folder)
            self._found.wrong += actor.wrong()
            if not isinstance(actor, (Databases, Reader)):
                self._compare(actor)

    def _discard_refused(self, actor: Actor) -> None:
        """Content of which a write was refused, on a full disk, is never sent: what it was to replace gets its name back."""
        for path in self._host.mount.status()["failed"]:
            if path["path"].startswith(f"{actor.folder}/"):
                list(control_client.ask(self._host.mount.state_dir, "discard", path=path["path"]))

    def _compare(self, actor: Actor) -> None:
        truth, there = actor.truth, self._read(actor)
        others: dict[str, dict[str, bytes]] = {}    # plain path → by the id that it is shown with
        kept: dict[str, list[bytes]] = {}           # plain path → contents that have it as `name (recovered)`
        for path, content in list(there.items()):
            plain = RECOVERED.sub("", BY_ID.sub("", path))
            if plain != path:
                by_id = BY_ID.search(path)
                written = truth.written_anywhere() if RECOVERED.search(path) else truth.written[plain]      # its folder may have moved since
                if sum_of(content) not in written and (by_id is None or by_id[0].strip(" ()") not in self._host.said()):
                    self._found.wrong.append(f"{path} shows what nobody wrote there: {shown(content)}")
                if RECOVERED.search(path):
                    self._found.recovered += 1
                    kept.setdefault(plain, []).append(content)
                    os.unlink(self._host.files / path)
                else:
                    others.setdefault(plain, {})[path] = content
                del there[path]
            elif path not in truth.paths():
                if os.getxattr(self._host.files / path, "user.anthropic.state") != b"local":
                    self._found.wrong.append(f"{path} is nobody's: {shown(content)}")
                os.unlink(self._host.files / path)
                del there[path]
        for path in truth.paths():
            self._compare_one(actor, path, there.get(path), kept.get(path, []), others.get(path, {}))

    def _compare_one(self, actor: Actor, path: str, state: State, kept: list[bytes], others: dict[str, bytes]) -> None:
        truth = actor.truth
        may, replaced = truth.may(path), truth.replaced.pop(path, set())
        missed = state is None and any(content in replaced for content in kept)     # half of a replacement: the other half is kept
        if state not in may and not missed:
            if state is not None and sum_of(state) in truth.written_anywhere() and self._came_back(truth, path, may, others):
                return              # a content may have come to the path with its folder
            if path not in truth.unsure:
                known = state is None or sum_of(state) in truth.written[path]
                words = f"{path} shows {shown(state)}, and not {alternatives(may)}{truth.told(path)}"
                (self._found.lost if known else self._found.wrong).append(words)
        truth.is_found(path, state)

    def _came_back(self, truth: Truth, path: str, may: set[State], others: dict[str, bytes]) -> bool:
        """A listing has shown what a lost answer had stored: by the rule that is left there, and shown. What the path has for sure is there, too,
        if it has something. All is put in its place.
        """
        newer = next((shown_as for shown_as, content in others.items() if content in may), None)
        foreign = os.getxattr(self._host.files / path, "user.anthropic.state").decode().startswith("remote, can't be read")
        if not foreign or (newer is None and None not in may):
            return False
        file_id = os.getxattr(self._host.files / path, "user.anthropic.file_id").decode()
        self._found.came_back += 1
        if file_id not in self._host.said():
            self._found.unsaid.append(f"{path}, {file_id}{truth.told(path)}")
        os.unlink(self._host.files / path)
        if newer is not None:
            os.rename(self._host.files / newer, self._host.files / path)
            truth.is_found(path, others[newer])
        else:
            truth.is_found(path, None)
        return True

    def _put_in_place(self, folder: str) -> None:
        """Of files that only their programs can judge: what a lost answer had stored goes, and what has its name gets that back."""
        own: dict[Path, Path] = {}
        for root, _, names in os.walk(self._host.files / folder):
            for path in (Path(root) / name for name in names):
                if os.getxattr(path, "user.anthropic.state").startswith(b"remote, can't be read"):
                    file_id = os.getxattr(path, "user.anthropic.file_id").decode()
                    self._found.came_back += 1
                    if file_id not in self._host.said():
                        self._found.unsaid.append(f"{path}, {file_id}")
                    os.unlink(path)
                elif BY_ID.search(path.name):
                    own[path] = path.with_name(BY_ID.sub("", path.name))
        for path, plain in own.items():
            os.rename(path, plain)

    def _read(self, actor: Actor) -> dict[str, bytes]:
        found = {}
        for root, _, names in os.walk(self._host.files / actor.folder):
            for name in names:
                path = Path(root) / name
                if not name.startswith(".fuse_hidden"):
                    content = self._content(path)
                    if content is not None:
                        found[str(path.relative_to(self._host.files))] = content
                        self._found.verified_bytes += len(content)
        return found

    def _content(self, path: Path) -> State:
        """Of a file of which the disk had no room to keep a copy the server's: nobody can read that one here. One that a discard has brought
        back may be gone there, for the answer to its deletion was lost.
        """
        try:
            return path.read_bytes()
        except PermissionError:
            file_id = os.getxattr(path, "user.anthropic.file_id").decode()
            there = any(file["id"] == file_id for file in self._host.emulator.files())
            return self._host.emulator.content(file_id) if there else None

    def server_is_true(self) -> None:
        """Everything is sent: the server has what the mount shows, each once; what is there twice by the rule is put away."""
        self._host.settle()
        self.shown_is_true()            # what had come of lost answers was listed by now
        self._host.settle()
        stored = {file["id"]: (file["filename"].replace(SLASH, "/"), file["sha256"], file["size_bytes"]) for file in self._host.emulator.files()}
        folders = {actor.folder for actor in self._actors if not isinstance(actor, (Databases, Reader))}
        written: dict[str, set[str]] = {}
        anywhere = set[str]().union(*(actor.truth.written_anywhere() for actor in self._actors))
        for actor in self._actors:
            for path in actor.truth.paths():
                written[path] = actor.truth.written[path]
                if (state := actor.truth.known(path)) is not None:
                    self._is_stored(actor, path, state, stored)
        for file_id, (path, content, size_bytes) in stored.items():
            if path.partition("/")[0] not in folders:
                continue
            told = file_id in self._host.said()
            if told or content in written.get(RECOVERED.sub("", path), anywhere if RECOVERED.search(path) else set()):      # the log tells also of a try that was cut
                self._found.twice += 1
                if not told:
                    self._found.unsaid.append(f"{path}, {file_id}")
            else:
                self._found.wrong.append(f"the server has {path}, {size_bytes} bytes, which nobody wrote")
            self._host.emulator.vanish(file_id)
            wait_until(lambda file_id=file_id: self._has_gone(file_id), f"{path} ({file_id}) has gone")    # type: ignore[misc]  # a default

    def _is_stored(self, actor: Actor, path: str, state: bytes, stored: dict[str, tuple[str, str, int]]) -> None:
        """The id that the mount knows is that of a file with this name and content; it is taken out of `stored`."""
        shown_as = self._host.files / path
        try:
            file_id = os.getxattr(shown_as, "user.anthropic.file_id").decode()
            found = stored.pop(file_id)[:2]
        except (OSError, KeyError) as exc:
            file_id, found = repr(exc), ("", "")
        said = os.getxattr(shown_as, "user.anthropic.state").decode()
        if found[0] != path and found[1] == sum_of(state) and "named here" in said:
            self._found.named_here += 1     # what has no copy here, or is a lost answer's, can't be sent again
        elif found != (path, sum_of(state)):
            self._found.lost.append(f"{path}, {shown(state)}: the server has {found} as {file_id}, the mount says {said!r}{actor.truth.told(path)}")
        self._found.verified_bytes += len(state)

    def _has_gone(self, file_id: str) -> bool:
        self._host.mount.refresh()
        return not os.path.exists(self._host.files / ".by-id" / file_id)
