"""Manual, web: '`anthrofs web` shows what your mounts do on a page in your browser', here in a real one: what is clicked happens on the mount."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.mount import test_web
from tests.mount.test_decisions import refused
from tests.mounting import BOUND_S, Mount, stored, wait_until

pytestmark = pytest.mark.desktop

BROWSERS: Final = ("chromium-headless-shell", "chromium", "google-chrome")
MARKUP: Final = "<img src=x onerror=document.title='hit'><script>document.title='hit'<／script>.txt"
LOOKS: Final = {"light": ("light", 1000), "dark": ("dark", 1000), "narrow": ("light", 320), "narrow-dark": ("dark", 320)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert program is not None, f"none of {BROWSERS}: run scripts/install desktop"
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield one
        one.close()


class Tabs:
    """Tabs of one browser on one page; everything that a tab asks for, or complains of, is held against the page."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser = browser                     # given
        self.address = address                      # given
        self.complaints: list[str] = []

    def open(self, *, scheme: Any = "light", width: int = 1000, **how: Any) -> Page:
        page = self._browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, **how).new_page()
        page.set_default_timeout(BOUND_S * 1000)

        def complain(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.complaints.append(message.text)
        page.on("console", complain)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((self.address, "data:")) else self.complaints.append(request.url))
        page.goto(self.address)
        expect(page.get_by_role("status").first).to_have_text("live")
        return page

    def close(self) -> None:
        for context in self._browser.contexts:
            context.close()


@pytest.fixture
def opens(browser: Browser) -> Iterator[Callable[..., Any]]:
    @contextmanager
    def serve(mount: Mount, *arguments: str | Path, complains: str = "$^") -> Iterator[tuple[Tabs, test_web.Page]]:
        with test_web.page(mount, *arguments, "--no-browser") as served:
            tabs = Tabs(browser, str(served.address))
            try:
                yield tabs, served
            finally:
                tabs.close()
            assert [line for line in tabs.complaints if not re.search(complains, line)] == []
    yield serve
    expect.set_options(timeout=5000)


@pytest.fixture(autouse=True)
def patient() -> None:
    expect.set_options(timeout=20_000)


def shot(page: Page, name: str) -> None:
    """A screenshot, kept where $ANTHROFS_SCREENSHOTS says."""
    if kept := os.environ.get("ANTHROFS_SCREENSHOTS"):
        (Path(kept) / f"page-{name}.png").write_bytes(page.screenshot(full_page=True))     # with a path it starts threads


def busy(mount: Mount) -> Path:
    """A mount with something of all that there is to see."""
    mount.emulator.generate("runs\uff0fout.csv", b"x" * 300_000)
    mount.emulator.generate("runs\uff0fplots\uff0fa very long name of a folder and of a plot in it, which does not end before the line.png", b"y" * 2000)
    files = mount.mount("--upload", "queue")
    (files / "runs" / "out.csv").read_bytes()
    (files / "paper.pdf").write_bytes(b"p" * 30_000)
    mount.sync()
    mount.expects("was refused", "too large")
    mount.emulator.switch(max_file_bytes=10)
    for name in ("data.csv", "summary of everything that was ever measured here.txt"):
        (files / name).write_text("more than fits into it")
    wait_until(lambda: len(mount.status()["failed"]) == 2, "both are refused")
    mount.emulator.switch(max_file_bytes=10**6)
    mount.emulator.fault("upload", {"kind": "stall", "seconds": 600.0, "after_bytes": 20_000})
    (files / "under way.bin").write_bytes(b"w" * 50_000)
    wait_until(lambda: mount.status()["waiting"], "it is under way")
    return files


def test_what_was_refused_is_sent_again_and_given_up_by_the_mouse(opens: Callable[..., Any], mount: Mount) -> None:
    files = mount.mount()
    for name in ("again.txt", "keep.txt"):
        refused(mount, name, f"more than fits: {name}")
    with opens(mount, files) as (tabs, _):
        page = tabs.open()
        expect(page.get_by_text("2 refused", exact=True)).to_be_visible()
        page.get_by_role("button", name="Send again.txt again").click()
        expect(page.get_by_text("again.txt is sent again.")).to_be_visible()
        wait_until(lambda: stored(mount) == {"again.txt": b"more than fits: again.txt"}, "the server has it")
        expect(page.get_by_role("button", name="Send again.txt again")).to_have_count(0)

        page.get_by_role("button", name="Discard keep.txt …").click()
        dialog = page.get_by_role("dialog", name="Discard keep.txt?")
        expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
        shot(page, "discard")
        dialog.get_by_role("button", name="Keep it").click()
        expect(dialog).to_be_hidden()
        assert (files / "keep.txt").read_text() == "more than fits: keep.txt"

        page.get_by_role("button", name="Discard keep.txt …").click()
        dialog.get_by_role("button", name="Discard it").click()
        expect(page.get_by_role("status").filter(has_text="keep.txt: gone: the server never had it")).to_be_visible()
        expect(page.get_by_text("everything is on the server")).to_be_visible()
        assert os.listdir(files) == ["again.txt"]


def test_the_keyboard_does_all_and_keeps_its_place(opens: Callable[..., Any], mount: Mount) -> None:
    files = mount.mount()
    for name in ("a.txt", "b.txt", "c.txt"):
        refused(mount, name, "more than fits")
    with opens(mount, files) as (tabs, _):
        page = tabs.open()
        expect(page.get_by_role("button", name="Send c.txt again")).to_be_visible()
        reached = list[str]()
        for _ in range(20):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()"))
        for label in ("Send all again now", "Send a.txt again", "Discard b.txt …", "As a table", "What is on this disk, by folder"):
            assert label in reached, reached

        # What comes and goes beside it doesn't take the focus away; and where it was goes, the list's heading has it.
        page.get_by_role("button", name="Discard b.txt …").focus()
        mount.ok("retry", files / "a.txt")
        expect(page.get_by_role("button", name="Send a.txt again")).to_have_count(0)
        expect(page.get_by_role("button", name="Discard b.txt …")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(page.get_by_role("button", name="Discard b.txt …")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Refused, kept here (1)")).to_be_focused()
        assert sorted(os.listdir(files)) == ["a.txt", "c.txt"]
    mount.ok("discard", files / "c.txt")


def test_a_question_that_is_asked_again_at_once_is_the_one_that_is_answered(opens: Callable[..., Any], mount: Mount) -> None:
    """The browser tells of a question's end a moment later: that isn't the answer to the next one."""
    files = mount.mount()
    refused(mount, "a.txt", "more than fits")
    with opens(mount, files) as (tabs, _):
        page = tabs.open()
        expect(page.get_by_role("button", name="Discard a.txt …")).to_be_visible()
        page.evaluate("""() => {
            const discard = document.querySelector('[aria-label="Discard a.txt …"]');
            discard.click();
            document.querySelector("dialog").close();
            discard.click();
        }""")
        page.get_by_role("dialog").get_by_role("button", name="Discard it").click()
        expect(page.get_by_text("everything is on the server")).to_be_visible()
        assert os.listdir(files) == []


def test_names_and_reasons_with_markup_are_text(opens: Callable[..., Any], mount: Mount) -> None:
    mount.expects("was refused")
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "status", "status": 400, "message": "<b onclick=1>no</b>"}, times=-1)
    (files / MARKUP).write_text("x")
    wait_until(lambda: mount.status()["failed"], "it is refused")
    with opens(mount, files) as (tabs, _):
        page = tabs.open()
        expect(page.get_by_text(MARKUP, exact=True)).to_be_visible()
        expect(page.get_by_text("<b onclick=1>no</b>")).to_be_visible()
        page.get_by_role("button", name=f"Discard {MARKUP} …").click()
        expect(page.get_by_role("heading", name=f"Discard {MARKUP}?")).to_be_visible()
        page.get_by_role("button", name="Keep it").click()
        page.get_by_text("What is on this disk, by folder").click()
        expect(page.get_by_role("cell", name="(the top)")).to_be_visible()
        assert page.locator("img, b, script:not(body > script)").count() == 0
        assert "hit" not in page.title()
    mount.emulator.clear_faults()
    mount.ok("discard", files / MARKUP)


def test_two_tabs_show_the_same_and_a_hidden_one_asks_nothing(opens: Callable[..., Any], mount: Mount) -> None:
    files = mount.mount()
    refused(mount, "a.txt", "more than fits")
    with opens(mount, files) as (tabs, _):
        one, two = tabs.open(), tabs.open(scheme="dark")
        one.get_by_role("button", name="Send a.txt again").click()
        expect(two.get_by_text("everything is on the server")).to_be_visible()
        assert stored(mount) == {"a.txt": b"more than fits"}

        one.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true});"
                     "document.dispatchEvent(new Event('visibilitychange'))")
        expect(one.get_by_text("paused while hidden")).to_be_visible()
        (files / "b.txt").write_text("b")
        expect(two.locator("dd").first).to_have_text("2")
        expect(one.locator("dd").first).to_have_text("1")
        one.evaluate("delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))")
        expect(one.locator("dd").first).to_have_text("2")


EAR: Final = """() => {
    const said = document.getElementById("said");
    window.heard = "";
    new MutationObserver(() => { window.heard += said.textContent + "\\n"; }).observe(said, {childList: true, characterData: true, subtree: true});
}"""


def test_a_mount_that_goes_and_comes_back_and_the_end_of_the_server(opens: Callable[..., Any], mount: Mount) -> None:
    files = mount.mount()
    with opens(mount, complains="ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING") as (tabs, served):
        page = tabs.open()
        mine = page.get_by_role("region", name="files").filter(has_text=str(files))
        expect(mine).to_be_visible()
        page.evaluate(EAR)          # other tests' mounts come and go as well, and each word takes the place of the one before
        mount.umount()
        expect(mine).to_have_count(0)
        mount.mount()
        expect(mine).to_be_visible()
        said = page.evaluate("window.heard").replace(str(files), "IT")
        assert re.search(r"IT (was unmounted|has ended)\..*IT is mounted\.", said, re.DOTALL)
        served.process.send_signal(signal.SIGINT)
        served.process.wait(BOUND_S)
        expect(page.get_by_role("status").first).to_contain_text("what stands here is old")
        mine.get_by_text("What is on this disk, by folder").click()
        expect(mine.get_by_text("Failed to fetch").or_(mine.get_by_text("has not answered")).last).to_be_visible()


def test_what_moves_waits_and_was_asked_is_drawn(opens: Callable[..., Any], mount: Mount) -> None:
    files = busy(mount)
    with opens(mount, files) as (tabs, _):
        page = tabs.open()
        bar = page.get_by_role("progressbar", name="Upload of under way.bin")
        expect(bar).to_be_visible()
        assert bar.get_attribute("max") == "50000"
        total = mount.status()["requests"]
        expect(page.locator("figcaption p").first).to_contain_text(f"; {total} requests in the last hour.")
        heights = page.eval_on_selector_all("figure > svg > rect", "bars => bars.map(bar => Number(bar.getAttribute('height')))")
        assert len(heights) == 180
        assert max(heights[:-6]) == 0 < max(heights[-6:])
        page.get_by_text("As a table").click()
        counted = sum(int(text) for text in page.locator("figure tbody td:not(:first-child)").all_text_contents())
        assert counted == total
        page.get_by_text("What is on this disk, by folder").click()
        expect(page.get_by_role("row", name=re.compile(r"^runs 1 30\d\.\d kB 0 B$"))).to_be_visible()
    mount.emulator.abort_connections()
    mount.expects("under way.bin")
    for name in ("data.csv", "summary of everything that was ever measured here.txt"):
        mount.ok("discard", files / name)


def test_a_transfer_says_how_fast_it_is_and_what_is_left(opens: Callable[..., Any], mount: Mount) -> None:
    mount.emulator.generate("long.bin", b"l" * 4_000_000)
    mount.emulator.fault("download", {"kind": "slow_body", "bytes_per_s": 200_000.0})
    files = mount.mount()
    with opens(mount, files) as (tabs, _), subprocess.Popen(["cat", files / "long.bin"], stdout=subprocess.DEVNULL) as reader:
        page = tabs.open()
        expect(page.get_by_role("progressbar", name="Download of long.bin")).to_be_visible()
        expect(page.get_by_text(re.compile(r"^downloading: \S+ [kM]B of 4\.0 MB, \S+ kB/s, \d+ s left$"))).to_be_visible()
        reader.terminate()


@pytest.mark.parametrize("look", LOOKS)
def test_everybody_can_read_it(opens: Callable[..., Any], mount: Mount, look: str) -> None:
    """By the rules of axe: contrast, names, roles, headings, room for a finger; and it fits, whatever is in it."""
    scheme, width = LOOKS[look]
    files = busy(mount)
    with opens(mount, files, complains="Trusted") as (tabs, _):
        page = tabs.open(scheme=scheme, width=width, reduced_motion="reduce")
        expect(page.get_by_role("progressbar", name="Upload of under way.bin")).to_be_visible()
        page.get_by_text("What is on this disk, by folder").click()
        expect(page.get_by_role("cell", name="(the top)")).to_be_visible()
        page.get_by_text("As a table").click()
        shot(page, look)
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
        assert [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found.response["violations"]] == []
        assert len(found.response["passes"]) > 20
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(document.querySelector('progress'), '::-webkit-progress-value').transitionProperty") in ("none", "all")
        page.get_by_role("button", name="Discard data.csv …").click()
        shot(page, f"{look}-dialog")
        assert Axe().run(page).response["violations"] == []
    mount.emulator.abort_connections()
    mount.expects("under way.bin")
    for name in ("data.csv", "summary of everything that was ever measured here.txt"):
        mount.ok("discard", files / name)
