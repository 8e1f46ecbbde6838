"""The page in a real browser: nothing in a text runs or is fetched, filters filter, and money is worked out as Python does."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bakeoff.core.spec import Candidate
from bakeoff.cost.arithmetic import break_even_per_day, busy_share, cloud_cost, local_cost
from bakeoff.study.suite import Brief
from made_store import NAMES, make_plan, make_suite, prose, store_in, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

ATTACKS = (
    "<script>window.pwned = 1; alert(1)</script>",
    '</p></article></details><img src="https://example.invalid/x.png" onerror="window.pwned = 1">',
    "</textarea></script><svg onload='window.pwned=1'><style>@import 'https://example.invalid/y.css'</style>",
    "]]> --> <!-- {{ 7*7 }} {% raw %} ${7*7} <iframe src=javascript:alert(1)></iframe>",
    "javascript:alert(1) [click](javascript:alert(1)) data:text/html,<script>alert(1)</script>",
    "nul:\x00 bell:\x07 override:\u202egnp.exe zero\u200bwidth \ufeffbom",
    "مرحبا بكم في ليدز، ثم שלום, 你好世界，我们三月十四日开门。" * 3,
    '" autofocus onfocus="window.pwned=1" x="',
)


def hostile(candidate: Candidate, brief: Brief, drawer: random.Random) -> str:
    number = int(brief.id.rsplit("-", 1)[1])
    return f"{ATTACKS[number % len(ATTACKS)]} {prose(candidate, brief, drawer) if candidate.id != NAMES[1] else ''}"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run whose texts, briefs, names and errors are as hostile as can be."""
    folder = tmp_path_factory.mktemp("hostile")
    suite = make_suite(24)
    odd = [
        brief.model_copy(update={"prompt": f"{brief.prompt} {ATTACKS[number % len(ATTACKS)]}"})
        for number, brief in enumerate(suite.briefs)
    ]
    names = (*NAMES[:3], "openai:<script>window.pwned=1</script>\"'@http://127.0.0.1:9/v1")
    store = store_in(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKEOFF_HOME", str(folder))
        write_run(store, make_plan(suite.model_copy(update={"briefs": odd}), names), hostile, graded=False)
    store.close()
    return folder / "runs" / "20260101-000000-aaaa" / "report.html"


@dataclass
class Watched:
    """A tab, and everything that it had better not do."""

    tab: Page
    bad: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tab.on("dialog", lambda dialog: self.bad.append(f"dialog {dialog.message}"))
        self.tab.on("pageerror", lambda error: self.bad.append(f"error {error}"))
        self.tab.on("console", lambda said: self.bad.append(said.text) if said.type in {"error", "warning"} else None)
        self.tab.on(
            "request",
            lambda asked: None if asked.url.startswith(("file:", "data:font/")) else self.bad.append(asked.url),
        )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        made = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking", "--disable-quic"]
        )
        yield made
        made.close()


def open_page(browser: Browser, written: Path, **how: Any) -> Watched:
    watched = Watched(browser.new_context(**how).new_page())
    watched.tab.goto(written.as_uri())
    return watched


def test_nothing_in_a_text_runs_or_is_fetched(browser: Browser, written: Path) -> None:
    page = open_page(browser, written)
    tab = page.tab
    tab.locator("#f-open").click()
    tab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    tab.locator("#d-on").check()
    tab.locator("#f-text").fill("<IFRAME src")
    assert tab.locator("#f-count").inner_text() == "3 of 24 briefs"
    tab.locator("#f-text").fill("")
    assert tab.evaluate("window.pwned") is None
    assert tab.evaluate("document.querySelectorAll('main iframe, main img, main style, main svg[onload]').length") == 0
    assert tab.evaluate("document.scripts.length") == 2
    shown = tab.locator("#briefs").inner_text()
    for attack in (*ATTACKS[:5], ATTACKS[7], "override:U+202Egnp.exe", "zeroU+200Bwidth", "nul:U+0000"):
        assert attack in shown
    assert page.bad == []


def test_without_scripts_everything_but_filters_is_there(browser: Browser, written: Path) -> None:
    page = open_page(browser, written, java_script_enabled=False)
    tab = page.tab
    assert tab.locator("#filters").is_hidden()
    assert tab.locator("#theme").is_hidden()
    assert tab.locator(".brief").count() == 24
    tab.locator(".brief > summary").first.click()
    assert tab.locator(".brief .t").first.is_visible()
    assert tab.locator("#term-tariff").is_disabled()
    assert tab.locator("#term-tariff").input_value() == "0.15"
    assert page.bad == []


def test_filters(browser: Browser, written: Path) -> None:
    page = open_page(browser, written)
    tab = page.tab
    shown = tab.locator(".brief:not([hidden])")
    assert shown.count() == 24
    tab.locator("#f-type").select_option("tweet")
    assert {found.get_attribute("data-type") for found in shown.all()} == {"tweet"}
    tab.locator("button[type=reset]").click()
    tab.locator("#f-gate").select_option("+failed")
    assert shown.count() == tab.locator(".brief[data-failed]").count() > 0
    tab.locator("#f-gate").select_option("+clean")
    assert shown.count() == tab.locator(".brief[data-clean]").count()
    tab.locator("button[type=reset]").click()
    tab.locator("#f-spread").fill("4")
    assert all(float(found.get_attribute("data-spread") or 0) >= 4 for found in shown.all())
    tab.locator("button[type=reset]").click()
    tab.locator("#f-low").fill("9")
    assert all(float(found.get_attribute("data-high") or 0) >= 8.95 for found in shown.all())
    tab.locator("button[type=reset]").click()
    tab.locator("#f-sort").select_option("spread")
    spreads = [float(found.get_attribute("data-spread") or 0) for found in shown.all()]
    assert spreads == sorted(spreads, reverse=True)
    tab.locator("#f-sort").select_option("number")
    assert [found.get_attribute("data-number") for found in shown.all()] == [str(n) for n in range(1, 25)]
    tab.locator(".brief > summary").first.click()
    tab.locator('[data-candidate="0"]').uncheck()
    assert tab.locator('.brief[open] .cell[data-c="0"]').is_hidden()
    assert page.bad == []


def test_whose_a_score_is_can_be_read_without_pointing_at_it(browser: Browser, written: Path) -> None:
    page = open_page(browser, written, viewport={"width": 390, "height": 844})
    tab = page.tab
    assert tab.locator("#order").is_visible()
    said = tab.locator("#order span").all_inner_texts()
    assert len(said) == 4
    for chips in (tab.locator(".brief").nth(number).locator(".chip") for number in (0, 7)):
        assert [chip.get_attribute("title") for chip in chips.all()] == said
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    assert page.bad == []


def test_word_by_word(browser: Browser, written: Path) -> None:
    page = open_page(browser, written)
    tab = page.tab
    first = tab.locator(".brief").nth(2)
    first.locator("summary").first.click()
    left, right = (first.locator(f'.cell[data-c="{number}"] .t') for number in (0, 1))
    before = left.inner_html(), right.inner_html()
    words = left.inner_text(), right.inner_text()
    tab.locator("#d-on").check()
    assert left.locator("del").count() + right.locator("ins").count() > 0
    assert (left.inner_text(), right.inner_text()) == words
    same = [
        text.evaluate("e => [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent).join('')")
        for text in (left, right)
    ]
    assert same[0].split() == same[1].split()
    tab.locator("#d-on").uncheck()
    assert (left.inner_html(), right.inner_html()) == before
    assert page.bad == []


TERMS: list[dict[str, float]] = [
    {},
    {"tariff": 0.31, "price_in": 3.0, "price_out": 15.0},
    {"pieces_per_day": 4000.0, "hardware_price": 3999.0, "residual": 500.0, "years": 3.0, "idle_watts": 12.0},
    {"pieces_per_day": 5.0, "attribution": 0.4, "maintenance_per_year": 120.0, "cloud_accepted": 0.9},
    {"price_in": 0.0, "price_out": 0.0, "pieces_per_day": 60000.0},
]


@pytest.mark.parametrize("terms", TERMS)
def test_money_is_worked_out_as_python_does(browser: Browser, written: Path, terms: dict[str, float]) -> None:
    from bakeoff.library.page import page_facts
    from bakeoff.report.page.costs import fields_of, values_of
    from bakeoff.study.scoring import Scored
    from bakeoff.study.stored_plan import load_plan

    page = open_page(browser, written)
    tab = page.tab
    for name, value in terms.items():
        tab.locator(f"#term-{name}").fill(f"{value:g}")
    tab.locator('[data-row] [data-term="watts"]').first.fill("48.5")
    store = store_in(written.parents[2])
    plan = load_plan(store, "latest")
    row = store.run("latest")
    assert row is not None
    scored = Scored.of(plan, store)
    cost = page_facts(plan, store, row.result, scored.generations).cost
    store.close()
    assert cost is not None
    stated = {found.name: found.value for found in fields_of(cost)} | terms
    rows = tab.locator("[data-row]").all()
    assert len(rows) == 3
    for place, found in enumerate(rows):
        basis = cost.bases[int(found.get_attribute("data-row") or 0)]
        basis = basis.model_copy(update={"watts": 48.5}) if place == 0 else basis
        values = values_of(basis, stated)
        wanted = {
            "here": local_cost(values).total,
            "cloud": cloud_cost(values),
            "even": break_even_per_day(values),
            "busy": busy_share(values),
        }
        for name, value in wanted.items():
            got = found.locator(f'[data-out="{name}"]').get_attribute("data-value")
            if value is None:
                assert got in {None, "null"}
            elif isinstance(value, str):
                assert got == value
            else:
                assert float(str(got)) == pytest.approx(value, rel=1e-12, abs=1e-300)
    assert tab.locator("#edited").is_visible()
    tab.locator("#reset-cost").click()
    assert tab.locator("#edited").is_hidden()
    assert page.bad == []


def test_what_money_is_said_to_rest_on_follows_the_fields(browser: Browser, written: Path) -> None:
    tab = open_page(browser, written).tab
    basis = tab.locator("#cost-basis")
    source = tab.locator("p:has(#term-hardware_price) small")
    first = basis.inner_text()
    assert (first.startswith("Nobody has stated a volume"), "not stated" in source.inner_text()) == (True, True)
    even = tab.locator('[data-out="even"]').first
    assert even.inner_text() == "–"  # nobody has said what the machine costs
    tab.locator("#term-hardware_price").fill("2000")
    assert even.inner_text().endswith(" a day") or even.inner_text() == "never"
    assert "until it is said how many texts" in basis.inner_text()
    assert source.inner_text() == "your figure"
    tab.locator("#term-pieces_per_day").fill("50")
    assert "the machine's own cost, spread over 50 usable texts a day" in basis.inner_text()
    tab.locator("#term-hardware_price").fill("0")
    assert "At 50 usable texts a day" in basis.inner_text()
    assert "electricity alone" in basis.inner_text()
    assert "not stated" in source.inner_text()
    tab.locator("#reset-cost").click()
    assert basis.inner_text() == first


def test_a_figure_that_is_not_possible_is_told(browser: Browser, written: Path) -> None:
    page = open_page(browser, written)
    tab = page.tab
    before = tab.locator('[data-out="here"]').first.inner_text()
    tab.locator("#term-years").fill("0")
    assert "not possible" in tab.locator("#cost-note").inner_text()
    assert tab.locator('[data-out="here"]').first.inner_text() == before
    tab.locator("#reset-cost").click()
    assert tab.locator("#cost-note").inner_text() == ""
    tab.locator("#term-pieces_per_day").fill("9000000")
    assert "cannot serve" in tab.locator("#cost-note").inner_text()


def test_what_the_script_writes_first_is_what_stood_there(browser: Browser, written: Path) -> None:
    with_script, without = open_page(browser, written), open_page(browser, written, java_script_enabled=False)
    tables = [found.tab.locator("#costs tbody").inner_text() for found in (with_script, without)]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("width", [390, 820, 1280])
def test_no_width_cuts_anything_off(browser: Browser, written: Path, width: int) -> None:
    page = open_page(browser, written, viewport={"width": width, "height": 900})
    tab = page.tab
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    covered = tab.evaluate(
        """() => [...document.querySelectorAll('.scatters svg')].flatMap((chart) => {
            const boxes = [...chart.querySelectorAll('.label')].map((label) => label.getBoundingClientRect());
            return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) =>
                Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
                && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4));
        }).length"""
    )
    assert covered == 0


def test_keys_reach_everything(browser: Browser, written: Path) -> None:
    page = open_page(browser, written)
    tab = page.tab
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"
    summary = tab.locator(".brief > summary").first
    summary.focus()
    tab.keyboard.press("Enter")
    assert tab.locator(".brief").first.evaluate("brief => brief.open")
    tab.locator("#theme").focus()
    for scheme in ("light", "dark"):
        tab.keyboard.press("Enter")
        assert tab.evaluate("getComputedStyle(document.documentElement).colorScheme") == scheme


def test_motion_is_reduced_for_who_asks(browser: Browser, written: Path) -> None:
    for wish, behaviour in (("reduce", "auto"), ("no-preference", "smooth")):
        page = open_page(browser, written, reduced_motion=wish)
        assert page.tab.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == behaviour


def test_it_prints(browser: Browser, written: Path) -> None:
    page = open_page(browser, written)
    page.tab.emulate_media(media="print")
    assert page.tab.locator(".contents").is_hidden()
    assert page.tab.locator("#briefs").is_hidden()
    assert page.tab.locator(".printed").is_visible()
    assert page.tab.locator("#quality .twin table").first.is_visible()
    assert page.tab.pdf(format="A4").startswith(b"%PDF")


@pytest.fixture(scope="module")
def packed(written: Path) -> Path:
    """The page of the same run as if it were a large one: its texts are packed."""
    from bakeoff.library.report_file import write_report
    from bakeoff.report.page import samples

    target = written.with_name("packed.html")
    store = store_in(written.parents[2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKEOFF_HOME", str(written.parents[2]))
        patch.setattr(samples, "MOST_TEXTS", 0)
        patch.setattr(samples, "MOST_TEXTS_UNPACKED", 12)
        write_report(store, "latest", target)
    store.close()
    return target


AS_SHOWN = """(brief) => {
    brief.open = true;
    const copy = brief.cloneNode(true);
    copy.normalize();
    for (const name of [...copy.attributes].map((each) => each.name)) if (name !== "id") copy.removeAttribute(name);
    const walk = (node) => node.nodeType === 3 ? node.textContent.replace(/[ \\n]+/g, " ")
        : [node.localName, node.className, node.title ?? "", node.dir ?? "", node.dataset?.c ?? "",
           [...node.childNodes].map(walk).filter((part) => part !== " ")];
    return JSON.stringify(walk(copy));
}"""


def test_what_is_unpacked_is_what_would_stand_there(browser: Browser, written: Path, packed: Path) -> None:
    whole, page = open_page(browser, written), open_page(browser, packed)
    page.tab.locator("#f-open").scroll_into_view_if_needed()
    page.tab.locator(".rows .brief").first.wait_for(state="attached")
    page.tab.locator("#f-open").click()
    page.tab.locator("#briefs .cells").nth(23).wait_for(state="attached")
    shown = [tab.locator(".brief").evaluate_all(f"(all) => all.map({AS_SHOWN})") for tab in (whole.tab, page.tab)]
    assert len(shown[0]) == 24
    for as_written, as_unpacked in zip(*shown, strict=True):
        assert as_unpacked == as_written
    assert page.tab.evaluate("window.pwned") is None
    assert page.tab.locator("#few").count() == 0
    assert page.bad == []


def test_filters_of_packed_texts(browser: Browser, written: Path, packed: Path) -> None:
    from playwright.sync_api import expect

    whole, page = open_page(browser, written).tab, open_page(browser, packed)
    tab = page.tab
    count = tab.locator("#f-count")
    expect(count).to_have_text("24 of 24 briefs")
    for name, value in (("type", "tweet"), ("gate", "+failed"), ("gate", "+clean"), ("gate", "+gated")):
        for each in (whole, tab):
            each.locator(f"#f-{name}").select_option(value)
        expect(count).to_have_text(whole.locator("#f-count").inner_text())
        for each in (whole, tab):
            each.locator("button[type=reset]").click()
        expect(count).to_have_text("24 of 24 briefs")
    for name, value in (("low", "9"), ("spread", "4"), ("text", "<IFRAME src")):
        for each in (whole, tab):
            each.locator(f"#f-{name}").fill(value)
        expect(count).to_have_text(whole.locator("#f-count").inner_text())
        for each in (whole, tab):
            each.locator("button[type=reset]").click()
        expect(count).to_have_text("24 of 24 briefs")
    tab.locator("#f-open").scroll_into_view_if_needed()
    for value in ("spread", "low", "high"):
        for each in (whole, tab):
            each.locator("#f-sort").select_option(value)
        expect(tab.locator(".brief h3")).to_have_text(whole.locator(".brief h3").all_inner_texts())
    assert page.bad == []


def test_a_link_to_a_packed_brief_opens_it_whatever_the_filters_say(browser: Browser, packed: Path) -> None:
    page = open_page(browser, packed)
    page.tab.locator("#f-spread").fill("10")
    page.tab.evaluate("location.hash = '#b17'")
    page.tab.locator("#b17[open] .cells").wait_for()
    assert page.bad == []


def test_without_scripts_a_packed_page_shows_some_briefs_and_says_so(browser: Browser, packed: Path) -> None:
    page = open_page(browser, packed, java_script_enabled=False)
    assert page.tab.locator(".brief").count() == 3
    assert "Here are 3 of 24 briefs" in page.tab.locator("#few").inner_text()
    assert page.bad == []


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 1600 briefs."""
    home = tmp_path_factory.mktemp("large")
    store = store_in(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKEOFF_HOME", str(home))
        write_run(store, make_plan(make_suite(1600), NAMES[:2]), prose)
    store.close()
    return home / "runs" / "20260101-000000-aaaa" / "report.html"


def test_only_what_is_near_the_screen_exists(browser: Browser, large: Path) -> None:
    """A page of 1600 briefs has as many rows as a few screens hold, wherever one scrolls."""
    tab = open_page(browser, large).tab
    tab.locator("#texts").scroll_into_view_if_needed()
    tab.locator(".rows .brief").first.wait_for()
    for share in (0.3, 0.6, 0.95):
        tab.evaluate(f"scrollTo({{ top: document.body.scrollHeight * {share}, behavior: 'instant' }})")
        tab.locator(".rows:has(.brief)").last.wait_for()
        middle = "document.elementFromPoint(640, 400).closest('.brief')"
        tab.wait_for_timeout(50)
        while tab.evaluate(f"{middle} === null"):
            tab.wait_for_timeout(50)
        assert tab.locator(".brief").count() <= 200
    tab.evaluate(f"{middle}.open = true")
    tab.locator(".brief[open] .t").first.wait_for()


def test_the_first_briefs_with_a_word_are_shown_while_the_others_are_looked_for(browser: Browser, large: Path) -> None:
    from playwright.sync_api import expect

    tab = open_page(browser, large).tab
    count = tab.locator("#f-count")
    expect(count).to_have_text("1600 of 1600 briefs")
    # A slow machine: every look at the clock takes 40 ms, so that the page is drawn after each chunk.
    tab.evaluate("""() => {
        let now = 0;
        performance.now = () => now += 40;
        window.told = [];
        const count = document.querySelector("#f-count");
        const rows = () => [...document.querySelectorAll("#briefs .rows")].reduce((sum, rows) => sum + (parseInt(rows.style.height) / 46 || rows.childElementCount), 0);
        new MutationObserver(() => told.push([count.textContent, rows()])).observe(count, { childList: true });
    }""")
    tab.locator("#f-text").fill("12 March")
    expect(count).to_have_text(re.compile(r"^\d+ of 1600 briefs$"))
    *before, (last, found) = tab.evaluate("told")
    assert last == f"{found} of 1600 briefs"
    assert 2 < found < 1600
    shown = [rows for said, rows in before if "so far" in said]
    assert 0 < shown[0] < shown[-1] <= found
    assert all(int(re.search(r", (\d+) so far", said)[1]) == rows for said, rows in before if "so far" in said)
    tab.locator("#f-text").fill("no text says this")
    expect(count).to_have_text("0 of 1600 briefs")
    tab.locator("#f-text").fill("12 MARCH")
    expect(count).to_have_text(last)
