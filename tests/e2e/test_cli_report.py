"""`bakeoff report`: what stands on the page, for whom it is readable, and what the command says when it cannot write one."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import re
import stat
import sys
import zlib
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bakeoff.core.spec import Candidate
from bakeoff.core.units import percent_text
from bakeoff.report.speed import in_flight
from bakeoff.study.asking import Judgement
from bakeoff.study.judging import KnownJudge, checks_by_brief, questions_for
from bakeoff.study.labelling import read_written
from bakeoff.study.stored_plan import load_plan
from bakeoff.study.suite import Brief, load_suite
from inside import InsideWorkspace
from made_store import NAMES, make_plan, make_suite, prose, store_in, write_run
from recorded_texts import write_texts
from sample_runs import suite_text

VOID = {"meta", "input", "br", "link", "img", "hr"}


class Page(HTMLParser):
    """Every element of a page with its attributes and ancestors, and the text within each."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[dict[str, Any]] = []
        self._open: list[dict[str, Any]] = []
        self.feed(str(html))
        self.close()
        for found in self.elements:
            found["text"] = "".join(found.pop("parts"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = {"tag": tag, "within": [found["tag"] for found in self._open], "parts": [], **dict(attrs)}
        self.elements.append(made)
        if tag not in VOID:
            self._open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append({"tag": tag, "within": [found["tag"] for found in self._open], "parts": [], **dict(attrs)})

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()["tag"] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for found in self._open:
            found["parts"].append(data)

    def all(self, *tags: str) -> list[dict[str, Any]]:
        return [found for found in self.elements if found["tag"] in tags]


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InsideWorkspace:
    made = InsideWorkspace(tmp_path, monkeypatch, capsys)
    monkeypatch.setenv("BAKEOFF_HOME", str(made.home))
    return made


def made_page(home: Path, briefs: int = 20, **how: Any) -> str:
    """The page that the end of a made run wrote; `names` and `fixed_n` go to its plan, the rest to `write_run`."""
    plan_how = {name: how.pop(name) for name in ("names", "fixed_n") if name in how}
    plan = make_plan(make_suite(briefs), **plan_how)
    store = store_in(home)
    try:
        write_run(store, plan, **how)
    finally:
        store.close()
    return (home / "runs" / plan.run_id / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a run of six candidates, 30 families, and no oddness."""
    home = tmp_path_factory.mktemp("common")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKEOFF_HOME", str(home))
        made_page(home, 60)
    return home


@pytest.fixture(scope="module")
def html(common: Path) -> str:
    """Its page."""
    return (common / "runs" / "20260101-000000-aaaa" / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def among(space: InsideWorkspace, common: Path) -> InsideWorkspace:
    """A place to call the command from, with that run in its workspace."""
    space.environment["BAKEOFF_HOME"] = str(common)
    return space


def test_the_page_is_whole_and_needs_nothing_else(html: str) -> None:
    page = Page(html)
    assert html.startswith("<!doctype html>")
    for found in page.elements:
        assert not [name for name in found if name == "style" or name.startswith("on")], found
        for name in ("src", "href", "action"):
            assert str(found.get(name, "#")).startswith("#"), found
    (policy,) = [found["content"] for found in page.all("meta") if found.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    run = [found for found in page.all("script") if found.get("type") is None]
    assert len(run) == 1
    for kind, content in (("script-src", run[0]["text"]), ("style-src", page.all("style")[0]["text"])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert not re.search(r"url\((?!data:)", page.all("style")[0]["text"])


def test_it_can_be_read_by_everybody(html: str) -> None:
    page = Page(html)
    ids = [found["id"] for found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("main")) == len(page.all("h1")) == 1
    assert {"header", "nav", "main", "footer"} <= {found["tag"] for found in page.elements}
    assert next(found for found in page.all("a"))["href"] == "#main"
    levels = [int(found["tag"][1]) for found in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    for chart in page.all("svg"):
        assert chart["role"] == "img"
        assert set(chart["aria-labelledby"].split()) <= set(ids)
    labelled = {found["for"] for found in page.all("label") if "for" in found}
    for control in page.all("input", "select", "button"):
        named = control.get("aria-label") or control.get("id") in labelled or "label" in control["within"]
        assert named or control["text"].strip(), control
    for table in page.all("table"):
        assert "caption" in [found["tag"] for found in page.elements if "table" in found["within"]]
        assert table["text"]
    assert all("scope" in found for found in page.all("th"))
    for link in page.all("a"):
        assert link["href"] == "#main" or link["href"][1:] in ids
    for scroller in [found for found in page.elements if found.get("class") == "scroll"]:
        assert (scroller["tabindex"], scroller["role"]) == ("0", "region")
        assert scroller["aria-label"]


def test_every_number_of_quality_stands_beside_what_it_is_worth(html: str) -> None:
    for name in ("decision", "quality", "differences", "routes", "tradeoffs", "texts"):
        section = html[html.index(f'<section id="{name}"') :]
        assert 'class="worth' in section[: section.index("</section>")], name
    cards = html.split('<article class="card"')[1:]
    assert len(cards) == 5
    assert all("The score here" in card.split("</article>")[0] for card in cards)


def test_numbers_of_one_name_say_how_they_differ(html: str) -> None:
    money = html[html.index('<section id="money"') :]
    note = money[: money.index("</section>")]
    assert "“Usable” is the share of its texts that no gate stopped" in note
    assert "“Publishable” under Quality is a mean over families" in note
    costs = html[html.index("Score against what it takes") :]
    head = costs[: costs.index("</thead>")]
    for axis in ("Latency of a text (median)", "Peak memory, GiB", "Electricity of 1,000 texts"):
        assert f">{axis}</th>" in head


def test_tokens_a_second_stand_beside_the_load_that_they_were_measured_at(common: Path, html: str) -> None:
    document = json.loads((common / "runs" / "20260101-000000-aaaa" / "result.json").read_text(encoding="utf-8"))
    most = {one["tokens_per_s_concurrency"] for one in document["candidates"]} - {None}
    assert document["concurrency"] == 4
    assert most
    assert most != {4}  # a made run of few texts at a time: what was allowed is not what was in flight
    assert f"Tokens/s: {in_flight(document)}." in html


def test_a_digest_says_what_it_is_of(html: str) -> None:
    """Exports name the digest of the weights: the page's is another one."""
    assert len(re.findall(r"digest of the candidate \(weights, engine and sampling[^<]*<code>[0-9a-f:]{8}", html)) >= 2


def test_all_that_was_asked_of_it_is_on_it(html: str) -> None:
    text = Page(html).all("main")[0]["text"]
    for said in (
        "Run mlx+hf:mlx-community/Qwen3-8B-Instruct-4bit: ",
        "(Holm)",
        "Time to first token",
        "Time per output token",
        "Peak memory",
        "timeout",
        "off topic",
        "assumed",
        "1,000 usable texts",
        "Apple M4 Max",
        "bakeoff run made.yaml --models",
        "--seed 0 --fixed-n 60",
        "0.32.1",
        "bounded-mean",
    ):
        assert said in text, said
    assert re.search(r"seed\s*\d+", text)
    assert re.search(r"\d+ read, \d+ written", text)


def test_six_models_and_120_briefs_stay_under_3_mb(space: InsideWorkspace) -> None:
    def long(candidate: Candidate, brief: Brief, drawer: random.Random) -> str:
        return "\n\n".join(prose(candidate, brief, drawer) for _ in range(3))[:2000]

    html = made_page(space.home, 120, write=long)
    assert html.count('<details class="brief"') == 120
    assert html.count('<article class="cell') == 720
    assert len(html.encode()) < 3_000_000


def test_basic_testing_is_told_as_the_command_tells_it(among: InsideWorkspace, html: str) -> None:
    told = json.loads(among.call("methods", "latest", "--json").stdout)
    (section,) = (found for found in Page(html).elements if found.get("id") == "methods")
    assert told["text"] in section["text"]
    assert f"Here are the means of {told['figure']['n']} texts" in section["text"]
    for row in told["figure"]["rows"]:
        said = (
            f"the score of all of them {row['run']['estimate']:.2f}, picked in {percent_text(row['named'])} of samples"
        )
        assert said in section["text"]


def test_a_large_run_is_packed_and_shows_the_most_telling_briefs_without_a_script(space: InsideWorkspace) -> None:
    html = made_page(space.home, 160, write=lambda *_: "é" * 3000)
    shown = html.count('<details class="brief"')
    assert 5 < shown < 160
    assert f"Here are {shown} of 160 briefs" in html
    assert "bakeoff show 20260101-000000-aaaa --texts BRIEF" in html
    packed = dict(re.findall(r'<script type="text/plain" id="([a-z0-9-]+)">([A-Za-z0-9+/= ]*)</script>', html))
    (index,), *chunks = (
        [json.loads(zlib.decompress(base64.b64decode(part))) for part in found.split(" ")] for found in packed.values()
    )
    assert list(packed) == ["packed", *(f"chunk-{number}" for number in range(len(chunks)))]
    read, made = ([brief for chunk in chunks for brief in chunk[part]] for part in (0, 1))
    assert len(index["briefs"]) == 160 == len(read) == len(made)
    assert [len(brief[4]) for brief in index["briefs"]] == [len(brief["t"]) for brief in read] == [*map(len, made)]
    cells = [cell for brief in read for cell in brief["t"] if cell[0]]
    assert len(cells) > 700
    texts = {"".join(piece if isinstance(piece, str) else "".join(piece[2]) for piece in cell[0]) for cell in cells}
    assert texts == {"é" * 3000}
    assert len(html.encode()) < 3_000_000
    assert {found["data-type"] for found in Page(html).elements if found.get("class") == "brief"} == set(
        re.findall(r'<option value="([a-z_]+)">', html)
    ) & {"linkedin_post", "tweet", "business_email", "technical_doc", "marketing_copy"}


def test_a_text_for_a_brief_that_was_held_back_is_shown(space: InsideWorkspace) -> None:
    made_page(space.home, 60, names=NAMES[:2], fixed_n=30)
    document = json.loads(space.call("show", "latest", "--json").stdout)
    store = store_in(space.home)
    plan = load_plan(store, document["run_id"])
    store.close()
    done = space.call("show", "latest", "--texts", plan.held_back[0])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("score ") + done.stdout.count("failed") >= 2
    gone = space.call("show", "latest", "--texts", "nothing-of-the-kind")
    assert (gone.returncode, "has no brief" in gone.stderr) == (2, True)


def test_one_candidate_alone(space: InsideWorkspace) -> None:
    html = made_page(space.home, names=("bundled:alone",))
    assert "Only bundled:alone ran: there is nobody to compare it with." in html
    assert 'id="differences"' not in html
    assert 'id="methods"' not in html
    assert 'id="tradeoffs"' not in html


def test_a_run_in_which_nothing_came(space: InsideWorkspace) -> None:
    html = made_page(space.home, failing=1.0)
    assert "Nothing was measured: no model answered." in html
    assert "no answer within 60 s" in html
    assert "Nobody measured it for any candidate." in html
    said = Page(html).all("main")[0]["text"]
    assert not re.search(r"\b(NaN|None|nan|undefined)\b", said)


def test_an_unfinished_run_says_so(space: InsideWorkspace) -> None:
    suite = make_suite(40)
    store = store_in(space.home)
    plan = make_plan(suite)
    write_run(store, plan, most=25, finish=False)
    store.set_state(plan.run_id, "interrupted")
    store.close()
    done = space.call("report", "latest", "-o", "half.html")
    assert done.returncode == 0, done.stderr
    html = (space.folder / "half.html").read_text(encoding="utf-8")
    assert "This run is not complete (interrupted)" in html
    assert 'id="methods"' not in html
    assert f"bakeoff run --resume {plan.run_id}" in html


def test_recorded_texts_have_no_times_of_ours(space: InsideWorkspace) -> None:
    (space.folder / "suite.yaml").write_text(suite_text(30), encoding="utf-8")
    kinds = {brief.id: brief.content_type for brief in load_suite(space.folder / "suite.yaml").briefs}
    write_texts(space.folder / "good.jsonl", kinds)
    write_texts(space.folder / "poor.jsonl", kinds, good=False)
    models = "recorded:good.jsonl,recorded:poor.jsonl"
    done = space.call("run", "suite.yaml", "--models", models, "--race", "--json")
    assert done.returncode == 0, done.stderr
    assert Path(json.loads(done.stdout)["report"]).name == "report.txt"  # nobody looks: the page waits to be asked for
    place = Path(space.call("report", "latest").stdout.strip())
    assert place.name == "report.html"
    html = place.read_text(encoding="utf-8")
    assert "The texts were recorded earlier" in html
    assert "Nobody measured it for any candidate." in html
    assert "its texts existed before" in html
    assert 'id="race-section"' in html
    assert "recorded:good.jsonl: it beats every other candidate" in html


def test_labels_that_came_later_are_on_the_page(space: InsideWorkspace) -> None:
    test_recorded_texts_have_no_times_of_ours(space)
    import subprocess

    subprocess.run(
        [sys.executable, "-m", "bakeoff", "label", "latest", "--pairs", "12"],
        input="a\nb\na\nt\nq\n",
        cwd=space.folder,
        env=space.environment,
        text=True,
        capture_output=True,
        timeout=60,
        check=True,
    )
    done = space.call("report", "latest")
    html = Path(done.stdout.strip()).read_text(encoding="utf-8")
    assert "4 pairs labelled" in html
    assert "Your labels" in html


def test_judges_and_same_weights_are_on_the_page(space: InsideWorkspace) -> None:
    suite = make_suite(40)
    plan = make_plan(suite, ("transformers+bundled:twin", "bundled:twin"))
    one, other = plan.candidates
    model = other.model.model_copy(update={"digest": one.model.digest})
    plan = plan.model_copy(update={"candidates": (one, other.model_copy(update={"model": model}))})
    store = store_in(space.home)
    write_run(store, plan)
    judge = one.model_copy(update={"id": "judge:<b>stern</b>"})
    questions = questions_for(judge, ("pairs",), read_written(plan, store), checks_by_brief(plan))
    store.add_judge(plan.run_id, judge.id, KnownJudge(judge=judge, kinds=("pairs",)).model_dump_json())
    # In both orders it prefers the text of the first candidate.
    store.add_judgements(
        {
            question.key: Judgement(value=float(question.trials[0] in first)).model_dump_json()
            for first in [{made.trial for made in store.generations(plan.run_id) if made.candidate == one.id}]
            for question in questions
        }
    )
    store.close()
    done = space.call("report", "latest")
    assert done.returncode == 0, done.stderr
    page = Path(done.stdout.strip()).read_text(encoding="utf-8")
    people = page[page.index('<section id="people"') :].split("</section>")[0]
    assert "judge:&lt;b&gt;stern&lt;/b&gt;" in people
    assert "100 %" in people
    assert "not validated: you have labelled no pair that it judged" in people
    assert "prefer their own kind" in people
    same = page[page.index('<section id="same-weights"') :].split("</section>")[0]
    assert re.search(r"<td class=\"n\">\d+ of \d+</td>", same)
    assert "× " in same


def test_the_page_is_written_again_anywhere(among: InsideWorkspace, html: str) -> None:
    done = among.call("report", "latest", "-o", "again.html")
    assert (done.returncode, done.stdout) == (0, "again.html\n")
    assert (among.folder / "again.html").read_text(encoding="utf-8") == html


def test_what_cannot_be_done_is_told(among: InsideWorkspace) -> None:
    for where in ("no/such/folder/report.html", "."):
        done = among.call("report", "latest", "-o", where)
        assert done.returncode == 2
        assert "cannot be written" in done.stderr
        assert "-o FILE" in done.stderr
    assert list(among.folder.iterdir()) == []  # nothing half written
    os.mkfifo(among.folder / "pipe")
    done = among.call("report", "latest", "-o", "pipe")
    assert done.returncode == 2
    assert "no regular file" in done.stderr
    assert stat.S_ISFIFO((among.folder / "pipe").stat().st_mode)
    (among.folder / "link.html").symlink_to("real.html")
    assert among.call("report", "latest", "-o", "link.html").returncode == 0
    assert (among.folder / "link.html").is_symlink()
    assert (among.folder / "real.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    done = among.call("report", "20990101-000000-ffff")
    assert done.returncode == 2
    assert "there is no run" in done.stderr


def test_a_run_without_a_text(space: InsideWorkspace) -> None:
    store = store_in(space.home)
    plan = make_plan(make_suite(10))
    write_run(store, plan, most=0, finish=False)
    store.set_state(plan.run_id, "interrupted")
    store.close()
    done = space.call("report", "latest")
    assert done.returncode == 2
    assert "has no text yet" in done.stderr
    assert "--resume" in done.stderr


def test_open_hands_the_file_to_a_browser(among: InsideWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    space = among
    browser = space.folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {space.folder}/opened\n', encoding="utf-8")
    browser.chmod(0o755)
    monkeypatch.setitem(space.environment, "BROWSER", str(browser))
    process = super(InsideWorkspace, space).call("report", "latest", "--open")
    assert process.returncode == 0, process.stderr
    opened = (space.folder / "opened").read_text().strip()
    assert opened.startswith("file:///")
    assert opened.endswith("report.html")
