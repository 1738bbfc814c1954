"""The builder's hook: every wheel has the man pages, made anew of what the sources say."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManPages(BuildHookInterface[Any]):
    """Hatchling calls these two."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:     # noqa: ARG002 - "standard" or "editable"
        sys.path.insert(0, self.root)
        try:
            from scripts.man.pages import written  # noqa: PLC0415 - it is found only now
        finally:
            sys.path.remove(self.root)
        self._made = Path(tempfile.mkdtemp(prefix="anthrofs-man-"))
        build_data["shared_data"].update({str(path): place for path, place in written(self._made, self.metadata.version)})

    def finalize(self, *_of_the_build: object) -> None:
        shutil.rmtree(self._made)
