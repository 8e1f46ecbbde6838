"""The page put together: facts in, one string of HTML out."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bakeoff.core.plain import printable, printable_values, whole_characters
from bakeoff.core.units import bytes_text, digits, percent_text, seconds_text
from bakeoff.decide.wording import plural
from bakeoff.report.answers import fault_lines
from bakeoff.report.contested import contest_note, contested
from bakeoff.report.headline import headline
from bakeoff.report.labels import validity_sentence
from bakeoff.report.layout import ranked
from bakeoff.report.moved import Moved, marked, moved_of
from bakeoff.report.names import short_names
from bakeoff.report.page import costs, quality, speed, story
from bakeoff.report.page.basic_tests import basic_tests
from bakeoff.report.page.facts import PageFacts
from bakeoff.report.page.packed import chunk_count, chunk_elements, chunk_of, index_of, packed_index
from bakeoff.report.page.race_chart import Lane, race_chart
from bakeoff.report.page.samples import Samples, gate_examples, read_samples
from bakeoff.report.page.svg import Caption
from bakeoff.report.page.visible import markup_of
from bakeoff.report.speed import in_flight

_LONGEST_NAME = 30
_PLACE = "<!-- texts -->\n"
"""Where chunks go. A text has no such comment: its `<` is escaped."""
_UNPACKS = "texts_packed.js"
_SCRIPTS = ("report.js", "texts_written.js", _UNPACKS, "texts.js")
_FONTS = {"Source Sans 3": "source-sans-3", "Source Serif 4": "source-serif-4"}


@dataclass(frozen=True, slots=True)
class Page:
    """A page put together. Its chunks of texts, if it has any, are read from the store as they are asked for."""

    facts: PageFacts
    samples: Samples
    before: str
    after: str

    def pieces(self) -> Iterator[str]:
        """Yield the page, with all its texts, so that a file can be written of it without having all in memory.

        Raises:
            StoreError: the store refuses.
        """
        yield self.before
        yield from chunk_elements(self.facts, self.samples)
        yield self.after

    def chunk(self, number: int) -> bytes | None:
        """Return a chunk of texts as JSON, None where there is none of that number.

        Raises:
            StoreError: the store refuses.
        """
        return chunk_of(self.facts, self.samples, number) if 0 <= number < chunk_count(self.samples) else None


def render_report(facts: PageFacts, *, served: bool = False) -> Page:
    """Return the page. No string of it is obeyed: markup in texts, names and messages is shown.

    One that is `served` asks whoever serves it for the texts of a large run, as `texts/NUMBER` beside it.
    """
    document = printable_values(dict(facts.document))
    facts = replace(facts, document=document)
    leader = document["decision"]["choice"] or document["decision"].get("leader")
    order = sorted(ranked(document), key=lambda one: one["id"] != leader)
    moved = moved_of(order)
    short = short_names([one["id"] for one in order], _LONGEST_NAME)
    names = {name: marked(name, moved, label) for name, label in short.items()}
    samples = read_samples(facts, [one["id"] for one in order], everything=served)
    index = None
    if samples.packed:
        index = packed_index(index_of(facts, samples, names, replicates=facts.origin.replicates))
    style = _style()
    script = Markup("\n").join(_source(name) for name in _SCRIPTS if index is not None or name != _UNPACKS)
    html = (
        _environment(moved)
        .get_template("report.html")
        .render(
            document=document,
            origin=facts.origin,
            style=style,
            script=script,
            policy=_policy(style, script, served=served),
            served=served,
            packed_index=index,
            headline=headline(document),
            how_sure=story.how_sure(document),
            figures=story.key_figures(document),
            warnings=story.warnings(facts),
            ranked=order,
            names=names,
            leader=leader,
            leads=story.leads_of(leader, document["comparisons"]),
            charts=_charts(facts, order, names),
            times=speed.time_charts(facts, order, names),
            tradeoffs=speed.tradeoffs(facts, order, names),
            samples=samples,
            shown_types=_types(facts, samples),
            shown_gates=_gates(samples),
            examples=gate_examples(facts, samples),
            gates=_gate_table(order),
            faults=[line for one in order for line in fault_lines(one, names[one["id"]])],
            errors=_errors(facts),
            cost=facts.cost,
            no_cost=facts.no_cost,
            cost_fields=[] if facts.cost is None else costs.fields_of(facts.cost),
            cost_rows=[] if facts.cost is None else costs.cost_rows(facts.cost, [one["id"] for one in order]),
            cost_data={} if facts.cost is None else costs.script_data(facts.cost),
            judges=_judges(facts),
            methods=_methods(facts, names),
            labels=document.get("labels"),
        )
    )
    before, _, after = whole_characters(html).partition(_PLACE)
    return Page(facts, samples, before, after)


def _environment(moved: Moved) -> Environment:
    made = Environment(
        loader=PackageLoader("bakeoff.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        optimized=False,  # each template is filled in once: folding its constants costs more than it saves
    )
    made.filters |= {
        "seconds": seconds_text,
        "bytes": bytes_text,
        "share": percent_text,
        "digits": digits,
        "interval": quality.interval_words,
        "sample": quality.sample_words,
        "evidence": quality.evidence_words,
        "lead": quality.lead_words,
        "signed": story.signed,
        "agreement": story.agreement_sentence,
        "type_name": story.type_name,
        "embedded": _embedded,
        "shown": markup_of,
        "marked": lambda name: marked(name, moved),
    }
    made.globals |= {
        "plural": plural,
        "in_flight": in_flight,
        "verdict": quality.verdict_words,
        "outcome_words": story.outcome_words,
        "validity_sentence": validity_sentence,
        "tone": quality.tone_of,
        "contested": contested,
        "contest_note": contest_note,
    }
    return made


def _embedded(value: Any) -> Markup:
    """Return data for a script element of type JSON, where only `<` could end the element."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return Markup(written)  # noqa: S704 - it holds none of the characters that HTML reads


def _source(name: str) -> Markup:
    return Markup((files("bakeoff.report") / "templates" / name).read_text(encoding="utf-8"))  # noqa: S704 - our own


def _style() -> Markup:
    faces = []
    for family, file in _FONTS.items():
        data = (files("bakeoff.report") / "templates" / "fonts" / f"{file}-latin-wght-normal.woff2").read_bytes()
        faces.append(
            f'@font-face{{font-family:"{family}";font-weight:200 900;font-display:swap;'
            f"src:url(data:font/woff2;base64,{base64.b64encode(data).decode()}) format('woff2')}}"
        )
    return Markup("".join(faces)) + _source("report.css")  # noqa: S704 - our own


def _policy(style: str, script: str, *, served: bool) -> str:
    """Return the Content-Security-Policy: nothing is loaded from anywhere, and no script runs but ours, by its hash.

    Where the page is served, its script may ask whoever serves it.
    """
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; font-src data:; "
        "base-uri 'none'; form-action 'none'" + ("; connect-src 'self'" if served else "")
    )


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _charts(facts: PageFacts, order: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, Any]:
    document = facts.document
    return {
        "glance": quality.glance_chart(document, order, names) if len(order) > 1 else None,
        "glance_left": max(0, len(order) - quality.GLANCE),
        "quality": quality.quality_chart(facts, order, names),
        "thinned": quality.thinned_families(facts, order, names),
        "differences": quality.difference_chart(document, names),
        "types": {name: quality.type_chart(name, document, order, names) for name in document["routes"]},
        "race": None if document.get("race") is None else _race(document, order, names),
    }


def _race(document: Mapping[str, Any], order: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Markup:
    overall = document["race"]["overall"]
    outs = {out["candidate"]: out for out in overall["eliminations"]}
    lanes = []
    for one in order:
        out = outs.get(one["id"])
        if out is not None:
            why = f"out after {out['after']} (e = {out['e_value']:.3g})"
        elif one["id"] in overall["withdrawn"]:
            why = "withdrawn"
        else:
            why = "in it to the end"
        until = overall["families"] if out is None else out["after"]
        lanes.append(Lane(names[one["id"]], until, why, out is not None, quality.tone_of(one["id"], document)))
    lanes.sort(key=lambda lane: -lane.until)
    said = "; ".join(f"{lane.name} {lane.why}" for lane in lanes)
    return race_chart(
        Caption(
            "race",
            "How long each candidate stayed in the race",
            f"A line for each candidate, as long as the families of briefs that it wrote. {said}.",
        ),
        lanes,
        overall["families"],
        overall["cap"],
    )


def _types(facts: PageFacts, samples: Samples) -> list[str]:
    """Return the content types of all briefs that can be looked at, in their order."""
    return list(dict.fromkeys(facts.briefs[brief].content_type for brief in samples.numbers))


def _gates(samples: Samples) -> list[str]:
    """Return the gates that stopped a text of these briefs."""
    return sorted({gate for brief in samples.numbers for one in samples.rows[brief] for gate in one.gates})


def _gate_table(order: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[tuple[int, int]]]]:
    """Return a row for each gate: of each candidate the count, and how dark its cell is, 0 to 4."""
    gates = Counter[str]()
    for one in order:
        gates.update(one["gates"])
    rows = []
    for gate, _ in gates.most_common():
        cells = []
        for one in order:
            count = one["gates"].get(gate, 0)
            share = count / one["generations"] if one["generations"] else 0.0
            cells.append((count, 0 if count == 0 else 1 + min(3, int(share * 8))))
        rows.append((gate, cells))
    return rows


def _methods(facts: PageFacts, names: Mapping[str, str]) -> dict[str, Any] | None:
    found = facts.methods
    if found is None:
        return None
    from bakeoff.report.methodology import drawn_from, methods_table, paragraph

    columns, rows = methods_table(found)
    return {
        "found": found,
        "chart": basic_tests(found, names, drawn_from(found)),
        "drawn_from": drawn_from(found),
        "paragraph": printable(paragraph(found)),
        "columns": columns,
        "rows": rows,
    }


def _errors(facts: PageFacts) -> dict[str, int]:
    counts = Counter[str]()
    for made in facts.generations.values():
        for way, count in made.count_ways():
            if way.failed:
                counts[way.error_kind or "failed"] += count
    return dict(counts.most_common())


def _judges(facts: PageFacts) -> Mapping[str, Any] | None:
    if facts.judges is None or not facts.judges["judges"]:
        return None
    known: Mapping[str, Any] = printable_values(dict(facts.judges))
    return known
