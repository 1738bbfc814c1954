"""Manual, emulator: the refusal that is shown there is taken, and the routes are those that there are."""

import json
import re
from pathlib import Path
from typing import Final

from anthrofs.cli import manual
from anthrofs.emulator import admin
from anthrofs.emulator.faults import Faults

PAGE: Final = manual.page("emulator")


def test_the_refusal_that_is_shown_is_one() -> None:
    found = re.search(r"-d '(.*?)'", PAGE, re.DOTALL)
    assert found is not None
    faults = Faults()
    faults.add(json.loads(found[1]))
    assert [each["action"]["message"] for each in faults.as_json()] == ["no such files here"]


def test_each_route_that_there_is_is_named() -> None:
    named = {tuple(each) for each in re.findall(r"`(GET|POST|PATCH|DELETE) (/[a-z/]+)", PAGE.replace("/ID", "/"))}
    source = Path(admin.__file__).read_text()
    routes = {(method, path.replace("{file_id}", "").replace("//", "/")) for method, path in re.findall(r'\("([A-Z]+)", "(/[^"]+)"', source)}
    assert {(method, path.rstrip("/")) for method, path in routes} == {(method, path.replace("//", "/").rstrip("/")) for method, path in named}
