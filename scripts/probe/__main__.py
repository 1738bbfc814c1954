"""`python -m scripts.probe`: asks everything, cleans up, prints one JSON document.

Owns    the command line, the signals, the document, exit codes (as `anthrofs help errors` has them, and 128 + the signal's number).
Trusts  the environment as the official SDKs do.
Never   ends with files of its own left that it doesn't name, and never prints the key.
"""

import argparse
import json
import os
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Final

from anthrofs.config import Credentials
from anthrofs.config import Service as Whom
from anthrofs.errors import EXIT_FAILED, EXIT_LEFT, EXIT_USAGE, SetupError
from anthrofs.settings.environment import service_of

from .litter import Litter
from .run import Run
from .service import Exhausted, NoAnswer, NothingToAsk, Service, Stop
from .table import QUESTIONS
from .words import tame

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FAILURES: Final = 3             # questions in a row without an answer, after which the rest isn't asked


class Interrupted(BaseException):
    """A signal came."""


class Signals:
    """The first one ends the questions, a second one the cleaning up."""

    def __init__(self) -> None:
        self.last: signal.Signals | None = None     # handlers run in the main thread, which alone looks at this
        self._count = 0
        self._raise_at: int | None = 1

    def install(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._come)

    def raise_at(self, count: int | None) -> None:
        """From now on only the signal that makes so many is raised; None: none is."""
        self._raise_at = count

    def _come(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        self.last = signal.Signals(number)
        if self._raise_at is not None and self._count >= self._raise_at:
            self._raise_at = None
            raise Interrupted


class Document:
    """What is found out."""

    def __init__(self, whom: Whom, tag: str) -> None:
        self.facts: dict[str, Any] = {}
        self.unanswered: dict[str, str] = {}        # questions that failed
        self.nothing: dict[str, str] = {}           # questions that couldn't be asked here
        self.ended = "all questions were asked"
        self.exit_code = 0
        self._whom = whom
        self._tag = tag
        self._began_s = time.time()

    def text(self, litter: Litter, requests: int, left: list[str]) -> str:
        began = datetime.fromtimestamp(self._began_s, UTC).isoformat(timespec="seconds")
        return json.dumps({
            "probe": 1, "service": self._whom.base_url, "began": began, "seconds": round(time.time() - self._began_s, 1), "run": self._tag,
            "ended": self.ended, "requests": requests, "uploaded": litter.uploaded, "deleted": len(litter.deleted), "left": left,
            "facts": self.facts, "unanswered": self.unanswered, "nothing_to_ask_about": self.nothing}, indent=2)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/probe-service", description="Asks the Files API what its pages don't say.")
    parser.add_argument("--bound", type=float, default=20.0, metavar="SECONDS", help="the longest wait for one effect (20)")
    bound_s = parser.parse_args().bound
    try:
        if not any(os.environ.get(name, "").strip() for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")):
            raise SetupError("No credentials: set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN).", EXIT_USAGE)
        whom = service_of(os.environ)
        if not isinstance(whom.credentials, Credentials):
            raise SetupError("The probe needs a key: a login's token may end meanwhile.", EXIT_USAGE)
    except SetupError as exc:
        print(f"probe: {exc}", file=sys.stderr)
        return exc.exit_code
    secret = whom.credentials.value.removeprefix("Bearer ")

    def say(text: str) -> None:
        print(f"probe: {text.replace(secret, '[key]')}", file=sys.stderr, flush=True)

    signals, litter = Signals(), Litter(secrets.token_hex(8))
    document = Document(whom, litter.tag)
    service = Service(whom, say, litter.__len__)
    signals.install()
    try:
        _ask_all(Run(service, litter, bound_s), document, signals, say)
    except Interrupted:
        signals.raise_at(None)
    if signals.last is not None:
        document.ended, document.exit_code = f"interrupted by {signals.last.name}", 128 + signals.last
        say(f"{document.ended}: cleaning up; once more leaves what is there")
    service.reconnect()
    try:
        signals.raise_at(2)
        litter.clean_up(service, bound_s)
        signals.raise_at(None)
    except Interrupted:
        say("stopped cleaning up")
    except Exception as exc:
        say(f"a bug while cleaning up: {type(exc).__name__}: {tame(exc)}")
        signals.raise_at(None)
    service.close()
    if "listing" in litter.problems:
        say(f"a look at the listing failed: {litter.problems['listing']}")
    left = litter.left()
    if left:
        document.exit_code = EXIT_LEFT
        say(f"could not be deleted, so please do (names contain {litter.tag}):")
        for line in left:
            say(f"    {line}")
    say(f"{service.sent} requests; {litter.uploaded} files uploaded, {len(litter.deleted)} deleted, {len(left) or 'none'} left; {document.ended}")
    print(document.text(litter, service.sent, left).replace(secret, "[key]"))
    return document.exit_code


def _ask_all(run: Run, document: Document, signals: Signals, say: Callable[[str], None]) -> None:
    failures = 0
    try:
        for number, (name, question) in enumerate(QUESTIONS.items(), start=1):
            say(f"{number}/{len(QUESTIONS)} {(question.__doc__ or name).splitlines()[0]}")
            try:
                document.facts[name] = question(run)
                failures = 0
            except NothingToAsk as exc:
                document.nothing[name] = str(exc)
            except NoAnswer as exc:
                failures += not isinstance(exc, Exhausted)
                document.unanswered[name] = tame(exc)
                say(f"    no answer: {tame(exc)}")
                document.exit_code = EXIT_FAILED
            if failures == FAILURES:
                raise Stop(f"{FAILURES} questions in a row got no answer")
    except Stop as exc:
        document.ended, document.exit_code = f"stopped: {tame(exc)}", exc.exit_code
        say(document.ended)
    except Exception as exc:
        document.ended, document.exit_code = f"stopped by a bug: {type(exc).__name__}: {tame(exc)}", EXIT_FAILED
        say(document.ended + "\n" + "".join(traceback.format_tb(exc.__traceback__)))
    finally:
        signals.raise_at(None)


if __name__ == "__main__":
    sys.exit(main())
