"""The page is one file that may run its own script, use its own style, and nothing else."""

import base64
import hashlib
import re
from importlib import resources
from typing import Final

from anthrofs.web.app import policy_of

PAGE: Final = (resources.files("anthrofs") / "web" / "page.html").read_text(encoding="utf-8")


def test_the_policy_names_the_pages_own_script_and_style_by_their_sums_and_no_other_source() -> None:
    policy = dict(part.strip().split(" ", 1) for part in policy_of(PAGE).split(";"))
    for tag in ("script", "style"):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
        assert policy[f"{tag}-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["img-src"] == "data:"     # its icon


def test_the_page_has_nothing_that_the_policy_forbids_and_takes_nothing_for_markup() -> None:
    before, _, script = PAGE.partition("<script>")
    assert re.findall(r"\son\w+=|\sstyle=|javascript:", before) == []
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\.style\b", script) == []
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", PAGE) == []
