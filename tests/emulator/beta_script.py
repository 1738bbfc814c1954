"""What the last SDK of the beta shape finds at the emulator. Run by test_witness_beta.py in that SDK's interpreter.

Reads   the emulator's url and key as arguments; ids of generated files, newest first, as JSON on stdin.
Writes  one JSON object on stdout; every check that fails is an exception instead.
Never   imports anything of this project: it runs where the project isn't installed.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    import anthropic  # the old one; the project's own environment has the newest

    url, key = sys.argv[1:]
    generated: list[str] = json.load(sys.stdin)
    client: Any = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)
    files: Any = client.beta.files

    forwards = [file.id for file in files.list(limit=2)]
    backwards: list[str] = []
    page = files.list(limit=2, before_id=generated[-1])
    while True:
        backwards = [file.id for file in page.data] + backwards
        if not page.has_next_page():
            break
        page = page.get_next_page()

    uploaded = files.upload(file=("beta.txt", b"beta", "text/plain"))
    again = files.retrieve_metadata(uploaded.id)
    found = {
        "forwards": forwards,
        "backwards": backwards,
        "upload": json.loads(uploaded.to_json()),
        "unchanged": again == uploaded,
        "downloaded": files.download(generated[0]).read().decode(),
        "errors": {
            "download": status_of(anthropic, lambda: files.download(uploaded.id)),
            "name": status_of(anthropic, lambda: files.upload(file=("a:b", b"x", "text/plain"))),
            "limit": status_of(anthropic, lambda: files.list(limit=1001)),
            "key": status_of(anthropic,
                                anthropic.Anthropic(base_url=url, api_key="wrong", max_retries=0).beta.files.list),
        },
        "deleted": json.loads(files.delete(uploaded.id).to_json()),
    }
    found["errors"]["gone"] = status_of(anthropic, lambda: files.delete(uploaded.id))
    found["errors"]["gone metadata"] = status_of(anthropic, lambda: files.retrieve_metadata(uploaded.id))
    json.dump(found, sys.stdout)


def status_of(anthropic: Any, call: Any) -> list[Any]:
    try:
        call()
    except anthropic.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.body["error"]["type"]]
    raise AssertionError("no error was raised")


if __name__ == "__main__":
    main()
