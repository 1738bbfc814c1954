"""A file that is there whole, or as it was before: settings, units, credentials, which other programs read at any time.

Never   leaves half of it, or a second one beside it, unless power is lost: then perhaps the second one.
"""

import contextlib
import os
import tempfile
from pathlib import Path

from anthrofs.store.disk import sync_names


def put_whole(path: Path, content: bytes, mode: int) -> None:
    """Puts the content there in place of what is there, a link included, and it survives power loss. `mode` holds
    whatever the umask is; the directory has to be there. Raises OSError: then nothing has changed.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:       # Ctrl-C, too
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    with contextlib.suppress(OSError):      # some file systems can't sync a directory
        sync_names(path.parent)
