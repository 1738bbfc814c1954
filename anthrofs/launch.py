"""How a mount's process comes to be: this one becomes it, or starts it in the background and waits until it is ready.

Serves  cli.
Never   returns before the mount can be used, or the reason is known why it can't.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from anthrofs import output
from anthrofs.config import Config
from anthrofs.errors import EXIT_FAILED, SetupError
from anthrofs.output import said


def serve(config: Config, ready_fd: int | None, *, demo: bool) -> None:
    """This process becomes the mount."""
    # Imported here: fusepy looks for libfuse when it is imported, and the other commands do without.
    from dataclasses import replace  # noqa: PLC0415

    from anthrofs.daemon import Mount, tell_on  # noqa: PLC0415
    from anthrofs.demo import Demo  # noqa: PLC0415
    from anthrofs.process import log_to  # noqa: PLC0415

    tell = tell_on(ready_fd)
    emulator: Demo | None = None
    try:
        log_to(config.state_dir, foreground=ready_fd is None)
        if demo:
            emulator = Demo(config.state_dir / "emulator")
            config = replace(config, service=emulator.serving(config.service))
        code = Mount(config, tell).run()
    except SetupError as exc:
        tell({"error": str(exc), "code": exc.exit_code})
        raise
    finally:
        if emulator is not None:
            emulator.stop()
    sys.exit(code)


def start_in_background(directory: Path) -> None:
    """The same command again, detached; this one waits until it says ready, or why not."""
    ours, theirs = os.pipe()
    with tempfile.TemporaryFile() as words, os.fdopen(ours, "rb") as lines:
        child = subprocess.Popen([sys.executable, "-m", "anthrofs", *sys.argv[1:], "--foreground", "--ready-fd", str(theirs)],
                                 stdin=subprocess.DEVNULL, stdout=words, stderr=words, pass_fds=[theirs], start_new_session=True)
        os.close(theirs)
        progress = output.ListingProgress()
        with said.status("mounting") as status:
            for line in lines:
                news = json.loads(line)
                if "progress" in news:
                    progress.tell(status, news["progress"])
                elif "error" in news:
                    child.wait()
                    raise SetupError(news["error"] + _last_words(words), news["code"])
                elif news.get("ready"):
                    return
        code = child.wait()
        raise SetupError(f"the mount of {directory} ended before it was ready.{_last_words(words)}", code or EXIT_FAILED)


def _last_words(words: Any) -> str:
    """What libfuse or fusermount printed, without our own sentence."""
    words.seek(0)
    lines = [line for line in words.read().decode(errors="replace").splitlines() if line.startswith(("fuse", "fusermount"))]
    return "".join(f"\n{line}" for line in lines[-3:])
