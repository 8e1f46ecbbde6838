"""A whole run in a store, made of numbers and words without any model: for pages of a size and an oddness that no bundled run has."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from bakeoff.core.records import GateHit, Generation, Score, Timings, WorkerLoad
from bakeoff.core.spec import Candidate, ModelSpec, content_hash
from bakeoff.machine.budget import Budget
from bakeoff.store.db import Store
from bakeoff.study.laps import left_over
from bakeoff.study.plan import Plan, choose_briefs, trials_for
from bakeoff.study.scorers import scoring_version
from bakeoff.study.suite import Brief, Suite, parse_suite
from sample_runs import MACHINE

TYPES = ("linkedin_post", "tweet", "business_email", "technical_doc", "marketing_copy")
TOWNS = ("Leeds", "Bristol", "Aberdeen", "Galway", "Malmö", "Porto", "Ghent", "Turku", "Graz", "Nantes")
FIRMS = (
    "Harlow & Pike",
    "Seaton Joinery",
    "Ove Lindqvist AB",
    "Moreira Ferragens",
    "Oak Lane Dental",
    "Kestrel Freight",
)
SENTENCES = (
    "The team spent the spring testing it with customers who were kind enough to be blunt.",
    "It is smaller than the old one, and it does one thing well.",
    "Nobody asked for another tool, so it replaces two that people already had.",
    "We kept the price where it was, and moved the date instead.",
    "If something breaks, a person answers the telephone before ten in the morning.",
    "Two of the first visitors drove for three hours and stayed for the whole afternoon.",
    "The drawings are on the wall by the door, with the mistakes left in.",
    "There is parking behind the building, and a kettle that works.",
)
NAMES = (
    "mlx+hf:mlx-community/Qwen3-8B-Instruct-4bit",
    "hf:microsoft/phi-4-mini-instruct",
    "ollama:gemma3:4b-it-q4_K_M",
    "models/llama-3.2-3b-instruct-q8_0.gguf",
    "openai:gpt-4o-mini@https://api.example.com/v1",
    "bundled:generalist",
)
Write = Callable[[Candidate, Brief, random.Random], Generation | str | None]


def make_suite(briefs: int, types: Sequence[str] = TYPES, per_family: int = 2, top: str = "") -> Suite:
    """A suite of so many briefs, content types in turn."""
    body = []
    for i in range(briefs):
        firm, town = FIRMS[i % len(FIRMS)], TOWNS[i // 2 % len(TOWNS)]
        body.append(
            f"  - id: {types[i % len(types)]}-{i:03d}\n    content_type: {types[i % len(types)]}\n"
            f"    cluster: family-{i // per_family:03d}\n    prompt: >-\n"
            f"      Write a {types[i % len(types)].replace('_', ' ')} for {firm} in {town}, who open a second workshop on {1 + i % 28}"
            " March. Say what they make, who it is for, and how to get there. Be warm, and do not exaggerate.\n"
            f"    must_include: ['{firm}', '{town}', '{1 + i % 28} March']\n"
        )
    return parse_suite(f"version: 1\nname: made\n{top}briefs:\n{''.join(body)}", "made.yaml")


def make_plan(
    suite: Suite, names: Sequence[str] = NAMES, *, fixed_n: int | None = None, run_id: str = "20260101-000000-aaaa"
) -> Plan:
    """A plan of a fixed number of briefs; who is named `openai:` is an endpoint, `recorded:` recorded, all else ours."""
    ids = choose_briefs(suite.briefs, fixed_n, 0)
    return Plan(
        run_id=run_id,
        suite=suite,
        suite_file="made.yaml",
        candidates=tuple(_candidate(name, suite) for name in names),
        brief_ids=ids,
        held_back=left_over(suite.briefs, ids, 0) if len(names) > 1 else (),
        seed=0,
        concurrency=4,
        machine=MACHINE.model_copy(
            update={"chip": "Apple M4 Max", "system": "Darwin", "ram_bytes": 36 << 30, "cores": 14}
        ),
        budget=Budget(value=27 << 30, source="recommended by Metal"),
        version="0.1.0",
    )


def _candidate(name: str, suite: Suite) -> Candidate:
    source = "endpoint" if name.startswith("openai:") else "recorded" if name.startswith("recorded:") else "folder"
    spec = ModelSpec(
        reference=name,
        name=name,
        source=source,
        location="/models",
        digest=content_hash(name),
        licence="MIT",
    )
    return Candidate(id=name, model=spec, engine="mlx" if source == "folder" else source, sampling=suite.sampling)


def prose(candidate: Candidate, brief: Brief, drawer: random.Random) -> str:
    """A text of some 150 words that may lack a fact; the later a candidate was named, the more of them."""
    place = NAMES.index(candidate.id) if candidate.id in NAMES else 0
    facts = [fact if isinstance(fact, str) else fact[0] for fact in brief.must_include]
    kept = [fact for fact in facts if drawer.random() > 0.08 * place] or ["our shop"]
    body = " ".join(drawer.sample(SENTENCES, min(len(SENTENCES), 6)))
    opening = f"{kept[0]} opens a second workshop{'' if len(kept) < 2 else ' in ' + kept[1]}{'' if len(kept) < 3 else ' on ' + kept[2]}."
    if brief.content_type == "tweet":
        return f"{opening} {drawer.choice(SENTENCES)}"
    if brief.content_type == "business_email":
        return f"Subject: {opening}\n\nDear Ms Okoye,\n\n{opening} {body}\n\nWould you come for the first morning?\n\nKind regards,\nTom Reyes"
    if brief.content_type == "technical_doc":
        return f"# The second workshop\n\n{opening}\n\n## Before you begin\n\n{body}\n\n## Steps\n\n1. Ring the bell.\n2. Sign the book.\n3. {drawer.choice(SENTENCES)}"
    return f"{opening}\n\n{body}\n\n{drawer.choice(SENTENCES)}\n\nCome and see it, and bring a drawing."


def write_run(
    store: Store,
    plan: Plan,
    write: Write = prose,
    *,
    timed: bool = True,
    failing: float = 0.02,
    graded: bool = True,
    most: int | Mapping[str, int] | None = None,
    finish: bool = True,
    moved: Mapping[str, tuple[str, ...]] | None = None,
) -> None:
    """Store what every candidate wrote. `write` returns a text, a whole generation, or None for one that never came.

    `graded` texts get scores from a table, others from the rules; each candidate writes `most` texts, where that is stated (for all, or by name).
    `moved` is what candidates' workers left to another device.
    """
    store.add_run(plan.run_id, plan.suite.name, "2026-01-01T09:30:00+00:00", plan.model_dump(mode="json"))
    store.set_state(plan.run_id, "running", add_elapsed_s=1234.5)
    briefs = {brief.id: brief for brief in plan.suite.briefs}
    for place, candidate in enumerate(plan.candidates):
        drawer = random.Random(f"made:{candidate.id}")
        ours = timed and candidate.model.is_ours_to_run
        if ours:
            store.add_load(plan.run_id, _load(candidate, place, (moved or {}).get(candidate.id, ())))
        made = []
        for number, trial in enumerate(
            islice(
                trials_for(plan, candidate, [*plan.briefs(), *plan.held_back_briefs()]),
                most.get(candidate.id) if isinstance(most, Mapping) else most,
            )
        ):
            brief = briefs[trial.brief]
            written = None if drawer.random() < failing else write(candidate, brief, drawer)
            if isinstance(written, Generation):
                made.append(
                    written.model_copy(update={"trial": trial.key, "candidate": trial.candidate, "brief": trial.brief})
                )
                continue
            recorded = candidate.model.source == "recorded"
            made.append(
                trial.generation(
                    text=written,
                    finish_reason="error" if written is None else "stop",
                    error_kind="timeout" if written is None else None,
                    error="no answer within 60 s" if written is None else None,
                    timings=_timings(place, number, drawer) if timed and not recorded else Timings(tokens_from=None),
                    concurrency=None if recorded else 1 if number % 3 == 0 else plan.concurrency,
                    device=None if not ours else "gpu",
                    dtype=None if not ours else "bfloat16",
                    finished_unix_s=None if recorded else 1.7e9 + number * (2.0 + place),
                    window=number // 5,
                    recorded=recorded,
                )
            )
        store.add_generations(plan.run_id, made)
        if graded:
            store.add_scores(plan.run_id, scoring_version(plan), [_score(found, place, drawer) for found in made])
    if finish:
        from bakeoff.library.conclusion import finish as conclude

        conclude(plan, store, page=True)


def _score(made: Generation, place: int, drawer: random.Random) -> Score:
    if made.failed:
        return Score(
            trial=made.trial, value=0, publishable=False, gates=(GateHit(gate="failed", rule="no text", evidence=""),)
        )
    value = round(min(10.0, max(0.0, drawer.gauss(8.4 - 0.7 * place, 1.2))), 3)
    hits = (
        () if value > 5 else (GateHit(gate="off_topic", rule="no fact of the brief", evidence=(made.text or "")[:40]),)
    )
    grades = {
        name: round(min(10.0, max(0.0, drawer.gauss(value, 1))), 1) for name in ("brief_compliance", "length_quality")
    }
    return Score(
        trial=made.trial, value=value, publishable=not hits, gates=hits, dimensions=grades | {"technical_quality": None}
    )


def _load(candidate: Candidate, place: int, moved: tuple[str, ...]) -> WorkerLoad:
    return WorkerLoad(
        candidate=candidate.id,
        load_s=2.0 + place,
        first_token_s=0.3,
        device="gpu",
        dtype="bfloat16",
        engine_version="0.32.1",
        peak_memory_bytes=int((5.2 - 0.8 * place) * 2**30),
        weight_bytes=int((4.4 - 0.7 * place) * 2**30),
        start=f"start-{place}",
        cached_share=0.0,
        fallbacks=moved,
    )


def _timings(place: int, number: int, drawer: random.Random) -> Timings:
    del number
    tokens = drawer.randint(60, 260)
    ttft = drawer.lognormvariate(-1.6, 0.3) / (1 + 0.3 * place)
    return Timings(
        latency_s=ttft + tokens * 0.018 / (1 + 0.45 * place) * drawer.lognormvariate(0, 0.1),
        ttft_s=ttft,
        prompt_tokens=drawer.randint(70, 110),
        completion_tokens=tokens,
        tokens_from="measured",
    )


def store_in(folder: Path) -> Store:
    """A store in a workspace folder."""
    return Store.open_folder(folder)
