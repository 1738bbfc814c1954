"""What the mount should show and the server should have: a dictionary, and a few rules. No mount, no server, no disk.
"""

from dataclasses import dataclass, field

from anthrofs.local_names import stays_local


@dataclass
class File:
    content: bytes
    generated: bool = False             # by others: it keeps its server name until its content is ours
    server_name: str | None = None      # path that the server has it as; None: nothing, or not yet
    held: bytes | None = None           # of a name that stays here: what the server still has under its old name


@dataclass
class Model:
    """One mount, and the server behind it as it is once everything is sent. Paths have no leading slash; the root is ""."""

    files: dict[str, File] = field(default_factory=dict)
    directories: dict[str, bool] = field(default_factory=lambda: {"": True})    # True: the user changed it, so it stays when empty

    # ---- the user's changes

    def write(self, path: str, content: bytes) -> None:
        """The content is ours from now on."""
        file = self.files.get(path)
        if file is None:
            file = self.files[path] = File(content)
            self._touch(path)
        file.content, file.generated = content, False
        self._settle(path)

    def remove(self, path: str) -> None:
        del self.files[path]
        self._touch(path)

    def make_directory(self, path: str) -> None:
        self.directories[path] = True
        self._touch(path)

    def remove_directory(self, path: str) -> None:
        del self.directories[path]
        self._touch(path)

    def rename(self, old: str, new: str) -> None:
        """Of a file, or of a directory, whose new name is free, or that of an empty one."""
        if old == new:
            return
        for path in (old, new):
            self._touch(path)
        if old not in self.directories:
            self.files[new] = self.files.pop(old)
            self._settle(new)
            return
        self.directories.pop(new, None)
        del self.directories[old]
        for path in [path for path in self.directories if is_below(path, old)]:
            self.directories[new + path[len(old):]] = self.directories.pop(path)
        self.directories[new] = True
        moved = [path for path in self.files if is_below(path, old)]
        for path in moved:
            self.files[new + path[len(old):]] = self.files.pop(path)
        for path in moved:
            self._settle(new + path[len(old):])

    # ---- others' changes

    def generate(self, path: str, content: bytes) -> None:
        """Under a name that nobody here has."""
        self.files[path] = File(content, generated=True, server_name=path)
        while path := above(path):
            self.directories.setdefault(path, False)

    def vanish(self, path: str) -> None:
        """What others had made, and nobody here has touched but its name."""
        del self.files[path]
        while (path := above(path)) and not self.directories[path] and self.is_empty(path):
            del self.directories[path]

    # ---- looking

    def is_empty(self, directory: str) -> bool:
        return not any(is_below(path, directory) for path in (*self.files, *self.directories) if path != directory)

    def on_server(self) -> list[tuple[str, bytes]]:
        """(path, content) of everything, sorted."""
        found = []
        for path, file in self.files.items():
            if not stays_local(path):
                found.append((file.server_name or path, file.content))
            elif file.held is not None and file.server_name is not None:
                found.append((file.server_name, file.held))
        return sorted(found)

    def _touch(self, path: str) -> None:
        self.directories[above(path)] = True

    def _settle(self, path: str) -> None:
        """What is sent because a path shows that content; and what that takes from backups of the same server name."""
        file = self.files[path]
        if stays_local(path):
            if file.server_name is not None and file.held is None:
                file.held = file.content
            return
        file.held = None
        if file.generated:
            return
        file.server_name = path
        for other in self.files.values():
            if other is not file and other.held is not None and other.server_name == path:
                other.held = other.server_name = None


def above(path: str) -> str:
    return path.rpartition("/")[0]


def is_below(path: str, directory: str) -> bool:
    """In it, however deep."""
    return path.startswith(f"{directory}/") or not directory
