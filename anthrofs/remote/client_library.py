"""How httpx gets into a mount: without its own command line.

`import httpx` imports `httpx._main` if that is possible, and goes on if it isn't: a command line for people, with
click, rich and pygments. Here those are 97 modules, 6 MiB that each mount would hold for all its life, and 35 ms of
its start. So for the length of the import click isn't there, said in the way that Python has for that: None in
sys.modules.

Never   leaves a trace: whoever needs click afterwards gets it.
"""

import sys
from typing import Any


def load() -> None:
    """Before anything imports httpx, and before any thread exists that could look for click meanwhile."""
    modules: dict[str, Any] = sys.modules       # its type doesn't know of None
    click = modules.get("click")
    modules["click"] = None
    try:
        import httpx  # noqa: F401, PLC0415 - here, for its effect
    finally:
        del modules["click"]
        if click is not None:
            modules["click"] = click
