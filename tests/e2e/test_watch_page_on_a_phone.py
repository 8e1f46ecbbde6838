"""The live page where there is little room: names go on after a colon or a slash, and a text that scrolls ends with a whole line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
NAMES = ("bundled:generalist", "bundled:specialist", "openai:meta-llama/Llama-3.2-1B@http://127.0.0.1:8000/v1")
KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


def state() -> dict[str, Any]:
    candidates = [
        {
            "name": name,
            "done": 61,
            "total": 175,
            "writes": number == 0,
            "rate": "",
            "left": "",
            "out": None,
            "trouble": [],
        }
        for number, name in enumerate(NAMES)
    ]
    text = {
        "brief": "b",
        "type": "tweet",
        "score": 5.0,
        "gates": [],
        "failed": False,
        "text": ["a line of words\n" * 40],
    }
    told = {"state": "running", "suite": "s", "texts": 183, "total": 525, "mode": "race", "left": "", "over": False}
    return told | {
        "candidates": candidates,
        "standing": None,
        "events": [],
        "newest": [text | {"name": NAMES[0]}],
    }


@pytest.fixture(params=[390, 1280])
def tab(request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page that is shipped, with a state that never changes."""
    from playwright.sync_api import sync_playwright

    def answer(route: Route) -> None:
        name = route.request.url.rsplit("/", 1)[1] or "watch.html"
        if name == "state":
            route.fulfill(body=json.dumps(state()), content_type="application/json")
        elif name.startswith("watch."):
            page = files("bakeoff.cli").joinpath("pages", name).read_text(encoding="utf-8")
            route.fulfill(body=page, content_type=KINDS[name.rsplit(".", 1)[1]])
        else:
            route.fulfill(status=404)

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        made = browser.new_context(viewport={"width": request.param, "height": 844}).new_page()
        made.route("**/*", answer)
        made.goto("http://watch.invalid/")
        made.wait_for_selector("article")
        yield made
        browser.close()


def test_names_are_not_split_within_a_word(tab: Page) -> None:
    heads = tab.locator("#candidates th")
    assert heads.all_text_contents() == [f"{NAMES[0]} writes now", *NAMES[1:]]
    lines = """e => [...e.childNodes].filter((one) => one.nodeType === 3).map((one) => {
        const range = document.createRange();
        range.selectNodeContents(one);
        return [one.textContent, range.getClientRects().length];
    })"""
    for head in heads.all():
        assert [piece for piece, over in head.evaluate(lines) if over > 1] == []


def test_who_writes_is_marked_in_the_line_of_the_name(tab: Page) -> None:
    heights = [tab.locator("#candidates tr").nth(number).bounding_box() for number in (0, 1)]
    writes, waits = (box["height"] for box in heights if box is not None)
    assert writes == waits  # names of the same length: the mark takes no line of its own


def test_a_text_that_scrolls_shows_whole_lines(tab: Page) -> None:
    shown, line, whole = tab.locator("article .t").evaluate(
        "e => [e.clientHeight, parseFloat(getComputedStyle(e).lineHeight), e.scrollHeight]"
    )
    assert whole > shown
    assert shown == pytest.approx(10 * line, abs=1)
