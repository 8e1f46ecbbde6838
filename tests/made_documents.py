"""`bakeoff.run/1` documents made of real analyses of made scores, for tests of what is told of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bakeoff.core.records import RunEvent
from bakeoff.core.spec import Candidate
from bakeoff.decide.analysis import analyse
from bakeoff.decide.conclusion import Conclusion
from bakeoff.decide.confirmation import confirm
from bakeoff.decide.decision import Requirements, decide
from bakeoff.decide.routing import route_content_types
from bakeoff.measure.memory import summarise_loads
from bakeoff.measure.timing import summarise_timings
from bakeoff.report.document import RunFacts, build_document
from made_generations import columns_of
from made_runs import make_briefs, make_run
from sample_runs import MACHINE, make_candidate, make_suite

TYPES = ("tweet", "business_email", "technical_doc")


def document(
    names: tuple[str, ...] = ("ann", "bob"),
    *,
    briefs: int = 45,
    finished: int | None = None,
    gated: tuple[str, ...] = (),
    fresh: float | None = None,
    threshold: float | None = None,
    **changed: Any,
) -> Any:
    """A document made of a real analysis: each candidate is better by two points than the one after it.

    `finished` of the briefs were written, where that is stated; the first candidate wrote 21 held-back briefs, all worth
    `fresh`, where that is. `threshold` is what the suite asks for.
    """
    units, written = make_briefs(briefs, TYPES), briefs if finished is None else finished
    extra = [] if fresh is None else [replace(unit, id=f"h{unit.id}") for unit in make_briefs(21, TYPES)]
    table = {
        name: [max(0.0, 8.0 - 2 * place + 0.1 * ((i * 7 + place) % 5)) for i in range(written)]
        for place, name in enumerate(names)
    }
    made, scores = make_run(units[:written], table, gated)
    more, their_scores = make_run(extra, {names[0]: [fresh] * len(extra)}, gated)
    generations = columns_of([*made, *more], [*scores, *their_scores])
    analysis = analyse(list(names), units, generations, incomplete=finished is not None)
    if fresh is not None:
        chose = units[:written]
        analysis = confirm(
            analysis,
            {names[0]: TYPES},
            extra,
            generations,
            lambda _name, kind: [unit for unit in chose if kind in (None, unit.content_type)],
        )
    decision = decide(analysis.overall, requirements=Requirements(threshold=threshold))
    candidates: list[Candidate] = [make_candidate(name, make_suite()) for name in names]
    conclusion = Conclusion(
        analysis=analysis,
        decision=decision,
        routes=route_content_types(analysis, decision),
        timings={name: summarise_timings(generations[name], 1) for name in names},
        loads={name: summarise_loads([]) for name in names},
        events=(
            RunEvent(at="now", kind="worker_died", candidate=names[0], message="killed [red]by[/red] \x1b[2J signal 9"),
        ),
        generations=generations,
        complete=finished is None,
    )
    facts = RunFacts(
        run_id="20260101-000000-aaaa",
        suite_name="small",
        suite_hash="abc",
        briefs=briefs,
        families=briefs,
        mode="fixed",
        eps=0.3,
        baseline="ann",
        concurrency=4,
        seed=0,
        machine=MACHINE.model_dump(mode="json"),
        budget={"value": None, "source": "not known"},
        elapsed_s=83.2,
        report=None,
        version="0.1.0",
    )
    return build_document(facts, candidates, conclusion) | changed
