"""How a mount's process comes to be: this one becomes it, or starts it in the background and waits until it is ready.

Never   returns before the mount can be used, or the reason is known why it can't.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from anthrofs.cli.amounts import shown_count
from anthrofs.cli.teller import Teller
from anthrofs.config import Config
from anthrofs.errors import EXIT_FAILED, SetupError
from anthrofs.fuse import mountpoint

if TYPE_CHECKING:
    from anthrofs.cli.demo import Demo

SILENCE_S: Final = 8.0      # then it is said that nothing has come


def serve(config: Config, ready_fd: int | None, *, demo: bool) -> None:
    """This process becomes the mount."""
    # Imported here: fusepy looks for libfuse when it is imported, and the other commands do without.
    from dataclasses import replace  # noqa: PLC0415

    from anthrofs.remote import client_library  # noqa: PLC0415

    client_library.load()               # before the following, which imports httpx
    from anthrofs.daemon.mount import Mount, tell_on  # noqa: PLC0415
    from anthrofs.daemon.process import forget_secrets, keep_private, log_to  # noqa: PLC0415

    told = tell_on(ready_fd)

    def tell(what: Mapping[str, Any]) -> None:
        told(what)
        if ready_fd is not None and what.get("ready"):
            if os.getsid(0) != os.getpid():
                os.setsid()
            _say_to_nobody()

    emulator: Demo | None = None
    keep_private()
    try:
        log_to(config.state_dir, foreground=ready_fd is None)
        if demo:
            from anthrofs.cli import demo as its_server  # noqa: PLC0415 - as above

            forget_secrets(fleets=False)        # nor does the emulator need any
            emulator = its_server.Demo(config.state_dir / "emulator")
            config = replace(config, service=emulator.serving(config.service))
        one = Mount(config, tell)
        forget_secrets(fleets=True)
        code = one.run()
    except SetupError as exc:
        tell({"error": str(exc), "code": exc.exit_code})
        raise
    finally:
        if emulator is not None:
            emulator.stop()
    sys.exit(code)


def start_in_background(config: Config, *, demo: bool) -> None:
    """A child becomes the mount, detached; this process waits until it says ready, or why not."""
    from anthrofs.daemon.process import keep_private  # noqa: PLC0415 - as above

    keep_private()          # it has the key, too, and a first listing may take a while
    ours, theirs = os.pipe()
    with os.fdopen(os.memfd_create("words"), "w+b") as words, os.fdopen(ours, "rb") as lines:
        child = _fork(config, lines.fileno(), theirs, words.fileno(), demo=demo)
        os.close(theirs)
        with Teller("mounting", shown_count, lines=False) as teller:
            host = urlsplit(config.service.base_url).hostname
            why = f"nothing has come from {host} yet"
            silence = threading.Timer(SILENCE_S, teller.tell, ("mounting",), {"why": why})
            silence.daemon = True
            silence.start()
            for line in lines:
                silence.cancel()
                news = json.loads(line)
                if "progress" in news:
                    teller.tell("first listing", news["progress"])
                elif "error" in news:
                    os.waitpid(child, 0)
                    raise SetupError(news["error"] + _last_words(words), news["code"])
                elif news.get("ready"):
                    return
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        raise SetupError(f"the mount of {config.mountpoint} ended before it was ready.{_last_words(words)}",
                         code if code > 0 else EXIT_FAILED)


def _fork(config: Config, parents_fd: int, ready_fd: int, words_fd: int, *, demo: bool) -> int:
    """Returns the child's process id. No thread exists yet; starting Python again would take 0.3 s to import what is
    here already.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = EXIT_FAILED
    try:
        if not mountpoint.mounts_at_a_look(config.mountpoint):
            os.setsid()         # else when the kernel has the mount: until then only systemd's own group may look there
        os.close(parents_fd)
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(words_fd, 1)
        os.dup2(words_fd, 2)
        serve(config, ready_fd, demo=demo)
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else EXIT_FAILED
    except SetupError as exc:           # it was told
        code = exc.exit_code
    except Exception as exc:
        from anthrofs.cli.last_gate import sentence_of  # noqa: PLC0415 - as above
        from anthrofs.daemon.mount import tell_on  # noqa: PLC0415 - the same

        error = sentence_of(exc, getattr(config.service.credentials, "value", ""))
        code = error.exit_code
        tell_on(ready_fd)({"error": str(error), "code": code})
        logging.getLogger(__name__).critical("%s", error)       # also for when nobody waits any more
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)      # not through the command's own ends: they are the parent's


def _say_to_nobody() -> None:
    """Standard output and error lead nowhere from now on: who would have read our last words has gone."""
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)


def _last_words(words: Any) -> str:
    """The words that libfuse or fusermount printed, without our own sentence."""
    words.seek(0)
    lines = [line for line in words.read().decode(errors="replace").splitlines()
             if line.startswith(("fuse", "fusermount"))]
    return "".join(f"\n{line}" for line in lines[-3:])
