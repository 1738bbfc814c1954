"""What the mount should show and the server should have: a dictionary, and a few rules. No mount, no server, no files.

Serves  test_model.py, which does the same to it and to a real mount, and compares.
"""

from dataclasses import dataclass, field

from anthrofs.names import stays_local


@dataclass
class File:
    content: bytes
    generated: bool = False             # by others: it keeps its server name until its content is ours
    server_name: str | None = None      # what the server has it as; None: nothing, or not yet
    held: bytes | None = None           # of a name that stays here: what the server still has under its old name


@dataclass
class Model:
    """One flat directory, and the server behind it as it is once everything is sent."""

    files: dict[str, File] = field(default_factory=dict)

    def write(self, name: str, content: bytes) -> None:
        """The content is ours from now on."""
        file = self.files.get(name)
        if file is None:
            file = self.files[name] = File(content)
        file.content, file.generated = content, False
        self._settle(name)

    def generate(self, name: str, content: bytes) -> None:
        """By others, under a name that nobody here has."""
        self.files[name] = File(content, generated=True, server_name=name)

    def remove(self, name: str) -> None:
        del self.files[name]

    def rename(self, old: str, new: str) -> None:
        if old == new:
            return
        file = self.files.pop(old)
        self.files[new] = file
        self._settle(new)

    def _settle(self, name: str) -> None:
        """What is sent because a name shows that content; and what that takes from backups of the same server name."""
        file = self.files[name]
        if stays_local(name):
            if file.server_name is not None and file.held is None:
                file.held = file.content
            return
        file.held = None
        if not file.generated:
            file.server_name = name
        if file.server_name == name and not file.generated:
            for other in self.files.values():
                if other is not file and other.held is not None and other.server_name == name:
                    other.held = other.server_name = None

    def on_server(self) -> list[tuple[str, bytes]]:
        """(name, content) of everything, sorted."""
        found = []
        for name, file in self.files.items():
            if stays_local(name):
                if file.held is not None and file.server_name is not None:
                    found.append((file.server_name, file.held))
            else:
                found.append((file.server_name or name, file.content))
        return sorted(found)
