"""The command `anthrofs version`, which is `anthrofs --version` too."""

import json

from anthrofs.cli import output
from anthrofs.cli.syntax import command, flag


@command("version", flag("--json", "as_json", "One JSON value on standard output."))
def version(as_json: bool) -> None:
    """The versions of anthrofs and of what it runs on: Python, libfuse and its binding, the kernel, the libraries."""
    from anthrofs.fuse import versions

    found = versions.found()
    if as_json:
        output.put(json.dumps(found))
        return
    heads = ("anthrofs", "Python", "libfuse", "binding", "Linux")
    output.show(*(f"{name} {found[name]}" for name in heads if name in found),
                ", ".join(f"{name} {each}" for name, each in found.items() if name not in heads))
