"""The page's parts: charts stand where their numbers say, names do not cover each other, and nothing a model wrote is obeyed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from importlib.resources import files
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bakeoff.report.page.distributions import Strip, distributions
from bakeoff.report.page.forest import Row, forest
from bakeoff.report.page.label_places import Box, place_labels
from bakeoff.report.page.race_chart import Lane, race_chart
from bakeoff.report.page.scale import Scale, fit_scale, seconds_tick
from bakeoff.report.page.svg import EDGE, Caption
from bakeoff.report.page.thinning import thinned
from bakeoff.report.page.tradeoff import HEIGHT, WIDTH, Spot, front, standings, tradeoff
from bakeoff.report.page.visible import visible

CAPTION = Caption("c", "A <title> & more", "What it shows: a < b")
NASTY = '<script>alert("1")</script> & "quoted"'


def parse(chart: str) -> ET.Element:
    return ET.fromstring(chart)


def marks(chart: str, kind: str, tag: str = "circle") -> list[ET.Element]:
    return [found for found in parse(chart).iter() if found.tag.endswith(f"}}{tag}") and found.get("class") == kind]


def share(place: str | None) -> float:
    """The share of the axis at which a percentage of the width stands."""
    assert place is not None
    assert place.endswith("%")
    return (float(place[:-1]) - EDGE) / (100 - 2 * EDGE)


ROWS = [
    Row("first", 7.0, 6.0, 8.5, "7.00 [6.00, 8.50]", points=(1.0, 9.0), also=7.5, tone="choice"),
    Row(NASTY, 2.5, None, None, "2.50"),
    Row("nothing", None, None, None, "no score"),
]


def test_a_forest_stands_where_its_numbers_say() -> None:
    drawn = forest(CAPTION, ROWS, Scale(0, 10), threshold=5.0)
    assert [share(found.get("cx")) for found in marks(drawn, "estimate")] == pytest.approx([0.7, 0.25], abs=1e-3)
    assert [share(found.get("cx")) for found in marks(drawn, "point")] == pytest.approx([0.1, 0.9], abs=1e-3)
    assert [share(found.get("cx")) for found in marks(drawn, "also")] == pytest.approx([0.75], abs=1e-3)
    (interval,) = marks(drawn, "interval", "line")
    assert (share(interval.get("x1")), share(interval.get("x2"))) == pytest.approx((0.6, 0.85), abs=1e-3)
    assert [share(found.get("x1")) for found in marks(drawn, "threshold", "line")] == pytest.approx([0.5], abs=1e-3)
    assert len(marks(drawn, "name", "text")) == len(ROWS)


def test_a_chart_says_in_words_what_it_shows_and_escapes_names() -> None:
    root = parse(forest(CAPTION, ROWS, Scale(0, 10)))
    assert root.get("role") == "img"
    said = {found.get("id"): found.text for found in root.iter() if found.get("id")}
    assert said == {"c-t": CAPTION.title, "c-d": CAPTION.description}
    assert root.get("aria-labelledby") == "c-t c-d"
    names = [found.text for found in root.iter() if found.get("class") == "name"]
    assert NASTY in names
    assert not [found for found in root.iter() if found.tag.endswith("script")]


def test_the_band_that_makes_no_difference_is_as_wide_as_it_says() -> None:
    scale = Scale(-2.0, 3.0)
    drawn = forest(CAPTION, ROWS[:1], scale, band=(-0.5, 0.5))
    (band,) = marks(drawn, "band", "rect")
    low = share(band.get("x"))
    wide = float(str(band.get("width"))[:-1]) / (100 - 2 * EDGE)
    assert (low, low + wide) == pytest.approx((scale.share(-0.5), scale.share(0.5)), abs=2e-3)
    (zero,) = marks(drawn, "zero", "line")
    assert share(zero.get("x1")) == pytest.approx(0.4, abs=1e-3)


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=30), st.integers(2, 8))
def test_an_axis_holds_all_its_values_and_names_few(values: list[float], most: int) -> None:
    scale = fit_scale(values)
    assert all(0 <= scale.share(value) <= 1 for value in values)
    ordered = sorted(values)
    places = [scale.share(value) for value in ordered]
    assert places == sorted(places)
    ticks = scale.ticks(most)
    assert 1 <= len(ticks) <= most + 4
    assert all(scale.low * (1 - 1e-9) - 1e-9 <= tick <= scale.high * (1 + 1e-9) + 1e-9 for tick in ticks)


def test_round_ticks() -> None:
    assert Scale(0, 10).ticks() == [0, 2, 4, 6, 8, 10]
    assert Scale(-0.31, 0.9).ticks(6) == [-0.25, 0, 0.25, 0.5, 0.75]
    assert fit_scale([0.008, 1.2]).ticks(6) == [0.01, 0.03, 0.1, 0.3, 1.0]
    assert fit_scale([]).ticks()
    assert fit_scale([5.0, 5.0]).share(5.0) == pytest.approx(0.5)


@given(st.floats(1e-6, 50), st.floats(1e-6, 50), st.booleans())
@example(a=1.0000000000000002e-06, b=1e-06, log=False)
@example(a=1e-06, b=1.0002e-06, log=False)
@example(a=49.9999, b=50.0, log=False)
def test_no_two_places_on_an_axis_of_time_have_one_name(a: float, b: float, log: bool) -> None:
    ticks = fit_scale([a, b], log=log).ticks(5)
    assert len({seconds_tick(tick) for tick in ticks if 0 <= tick < 60}) == len([t for t in ticks if 0 <= t < 60])


@given(
    st.lists(
        st.tuples(st.floats(0.1, 10).map(lambda x: round(x, 1)), st.floats(0, 10).map(lambda x: round(x, 1))),
        max_size=9,
    )
)
def test_the_front_is_who_is_beaten_by_nobody(points: list[tuple[float, float]]) -> None:
    spots = [Spot(str(number), str(number), x, y) for number, (x, y) in enumerate(points)]
    found = {spot.key for spot in front(spots)}
    for spot in spots:
        beaten = any(o.x <= spot.x and o.y >= spot.y and (o.x, o.y) != (spot.x, spot.y) for o in spots if o is not spot)
        assert (spot.key in found) is not beaten


def test_only_who_is_surely_worse_in_both_is_beaten() -> None:
    best = Spot("best", "best", 1.0, 8.0, x_low=0.8, x_high=1.2)
    slow = Spot("slow", "slow", 2.0, 5.0, x_low=1.5, x_high=2.5)
    level = Spot("level", "level", 2.0, 7.9, x_low=1.5, x_high=2.5)
    unclear = Spot("unclear", "unclear", 1.1, 5.0, x_low=0.9, x_high=1.3)
    better = {"slow": {"best"}, "unclear": {"best"}}
    found = standings([best, slow, level, unclear], better)
    assert found == {"best": "front", "slow": "beaten", "level": "maybe", "unclear": "maybe"}


def test_a_tradeoff_stands_where_its_numbers_say() -> None:
    spots = [
        Spot("a", "a", 1.0, 2.0),
        Spot("b", "b", 2.0, 8.0, x_low=1.5, x_high=2.5, y_low=7.0, y_high=9.0, chosen=True),
    ]
    drawn = tradeoff(CAPTION, spots, standings(spots, {}), "seconds", str, lambda value: f"{value:g}")
    (ax, ay), (bx, by) = ((float(f.get("cx") or 0), float(f.get("cy") or 0)) for f in marks(drawn, "estimate"))
    assert 0 < ax < bx < WIDTH
    assert 0 < by < ay < HEIGHT
    across, upright = marks(drawn, "bar", "line")
    middle = (float(across.get("x1") or 0) + float(across.get("x2") or 0)) / 2
    assert middle == pytest.approx(bx, abs=0.1)
    assert float(across.get("y1") or 0) == pytest.approx(by, abs=0.1)
    assert float(upright.get("y2") or 0) < by < float(upright.get("y1") or 0)
    assert "front-line" in drawn


@pytest.mark.parametrize(
    "points",
    [
        [(100, 100), (104, 103), (108, 99)],
        [(200, 150)] * 4,
        [(40 + 9 * i, 60 + 7 * i) for i in range(6)],
        [(380, 20), (385, 24), (388, 300), (36, 290), (40, 284)],
    ],
)
def test_names_cover_neither_each_other_nor_marks(points: Sequence[tuple[float, float]]) -> None:
    names = [f"candidate-number-{number}" for number in range(len(points))]
    frame = Box(34, 10, 398, 320)
    placed = place_labels(names, points, frame)
    for a, b in combinations(placed, 2):
        assert a.box.overlap(b.box) == 0
    for found in placed:
        assert found.box.left >= frame.left
        assert found.box.right <= frame.right
        assert sum(found.box.overlap(Box(x - 4, y - 4, x + 4, y + 4)) for x, y in points) == 0


def test_a_lane_is_as_long_as_its_candidate_ran() -> None:
    lanes = [Lane("stays", 40, "in it to the end", out=False), Lane("leaves", 10, "out after 10", out=True)]
    drawn = race_chart(CAPTION, lanes, families=40, cap=50)
    ends = [share(found.get("x2")) for found in marks(drawn, "lane", "line")]
    assert ends == pytest.approx([0.8, 0.2], abs=1e-3)
    assert len(marks(drawn, "gone")) == 1
    (stop,) = marks(drawn, "threshold", "line")
    assert share(stop.get("x1")) == pytest.approx(0.8, abs=1e-3)


def test_distributions_show_every_text_and_their_median() -> None:
    scale = Scale(0.1, 10, log=True)
    strip = Strip("a", [0.1, 1.0, 10.0], 1.0, 0.5, 2.0, 9.0, "1.0 s")
    drawn = distributions(CAPTION, [strip], scale, lambda value: f"{value:g} s")
    assert [share(found.get("cx")) for found in marks(drawn, "point")] == pytest.approx([0, 0.5, 1], abs=1e-3)
    assert [share(found.get("cx")) for found in marks(drawn, "estimate")] == pytest.approx([0.5], abs=1e-3)
    assert [share(found.get("x1")) for found in marks(drawn, "p95", "line")] == pytest.approx(
        [scale.share(9)], abs=1e-3
    )


@given(st.lists(st.floats(0, 1e6), max_size=400))
def test_thinned_values_keep_their_ends(values: list[float]) -> None:
    kept = thinned(values, 50)
    assert len(kept) == min(50, len(values))
    assert set(kept) <= set(values)
    assert kept == sorted(kept)
    if values:
        assert (kept[0], kept[-1]) == (min(values), max(values))


class Reader(HTMLParser):
    """What a browser makes of it: text, and the tags that it saw."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.plain = ""
        self.tags: list[str] = []
        self._spelling = False
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._spelling = tag == "span"

    def handle_endtag(self, tag: str) -> None:
        self._spelling = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if not self._spelling:
            self.plain += "".join(letter for letter in data if letter not in "\u200c\u200d")


@given(st.text(max_size=80), st.lists(st.text(min_size=1, max_size=6), max_size=3))
def test_a_text_is_shown_whatever_it_holds(text: str, passages: list[str]) -> None:
    read = Reader(visible(text, dict.fromkeys(passages, NASTY)))
    assert set(read.tags) <= {"span", "mark"}
    # What has a shape is there, in order; what has none is spelt out, in spans, or joins letters.
    shaped = [letter for letter in text if letter.isprintable() or letter.isspace()]
    assert "".join(read.plain.split()) == "".join("".join(shaped).split())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "aU+202Eb"),
        ("nul\x00 esc\x1b", "nulU+0000 escU+001B"),
        ("pay\u200bpal", "payU+200Bpal"),
        ("a\u200db", "aU+200Db"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("{{ 7*7 }} ]]> </textarea>", "{{ 7*7 }} ]]> </textarea>"),
        ("soft\u00adhyphen\u00a0nbsp", "softU+00ADhyphen\u00a0nbsp"),
        ("你好\r\nمرحبا", "你好\nمرحبا"),
    ],
)
def test_what_hides_is_spelt_out(text: str, shown: str) -> None:
    assert Reader(visible(text)).text == shown


def test_evidence_is_marked_once_and_in_place() -> None:
    html = visible("one two three two", {"two": "repetition: a word again", "absent": "x", "two three": "gate: longer"})
    assert html == 'one <mark title="gate: longer">two three</mark> two'


def css_colours() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """The values before `light-dark()`, and those of both schemes."""
    css = (files("bakeoff.report") / "templates" / "report.css").read_text(encoding="utf-8")
    plain = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})[;\s]", css))
    both = re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", css)
    return plain, {name: light for name, light, _ in both}, {name: dark for name, _, dark in both}


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two sRGB colours."""

    def luminance(colour: str) -> float:
        parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


READ_ON = {
    "ink": ("paper", "card", "band", "mark", "add", "drop", "warn-soft", "bad-soft"),
    "soft": ("paper", "card"),
    "accent": ("paper", "card", "accent-soft"),
    "warn": ("paper", "card", "warn-soft"),
    "bad": ("paper", "card", "bad-soft"),
}
SEEN_ON = {"dot": ("paper", "card"), "accent": ("paper", "card"), "bad": ("paper",)}


def test_colours_of_both_schemes_can_be_read() -> None:
    plain, light, dark = css_colours()
    assert plain == light
    assert set(light) == set(dark)
    for scheme in (light, dark):
        for ink, grounds in READ_ON.items():
            for ground in grounds:
                assert contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground)
        for shape, grounds in SEEN_ON.items():
            for ground in grounds:
                assert contrast(scheme[shape], scheme[ground]) >= 3, (shape, ground)
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_steps_of_the_front_only_go_right_and_up() -> None:
    spots = [Spot(str(i), str(i), x, y) for i, (x, y) in enumerate([(1, 2), (2, 5), (3, 4), (4, 9)])]
    for a, b in pairwise(front(spots)):
        assert a.x < b.x
        assert a.y < b.y
