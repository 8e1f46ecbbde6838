"""What judges said of a run, put together with the labels that tell what their word is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bakeoff.core.spec import Candidate
    from bakeoff.decide.labelling import Written
    from bakeoff.store.db import Store
    from bakeoff.study.judging import Judged
    from bakeoff.study.plan import Plan


def judges_before(plan: Plan, store: Store) -> dict[str, Any] | None:
    """Return the document of all judges that were ever asked about a run, None where there was none.

    Raises:
        StoreError: the store refuses.
    """
    records = store.judges(plan.run_id)
    if not records:
        return None
    from bakeoff.report.judges import judges_document  # loads the statistics: not for a run that nobody judged
    from bakeoff.study.judging import KnownJudge, judged_before
    from bakeoff.study.labelling import read_written

    judges = [KnownJudge.model_validate_json(record).judge for record in records]
    texts = read_written(plan, store)
    judged = judged_before(plan, store, texts)
    trials = {trial for found in judged.values() for trial in found.grades}
    trials |= {trial for found in judged.values() for pair in found.pairs for trial in pair}
    seen = [text for text in texts if text.trial in trials]
    return judges_document(plan.run_id, judges_found(plan, store, seen, judges, judged))


def judges_found(
    plan: Plan, store: Store, texts: list[Written], judges: Sequence[Candidate], judged: dict[str, Judged]
) -> dict[str, Any]:
    """Return what `judges_document` and `print_judges` are made from, for answers that are here.

    Raises:
        StoreError: the store refuses.
    """
    from bakeoff.decide.judged import judged_candidates, jury, jury_agreement
    from bakeoff.decide.labelling import Label
    from bakeoff.score.judge import family_of
    from bakeoff.study.judge_cost import judge_cost
    from bakeoff.study.judging import preferences_of
    from bakeoff.study.labelling import label_report

    by_name = {one.id: one for one in judges}
    families = {brief.id: brief.family for brief in plan.suite.briefs}
    labels = [Label.model_validate_json(record) for record in store.labels(plan.run_id)]
    together = jury([found.pairs for found in judged.values()], [found.grades for found in judged.values()])
    preferences = {name: preferences_of(found, texts) for name, found in judged.items()}
    entries = {name: (found.pairs, found.grades) for name, found in judged.items()}
    if len(judged) > 1:
        entries["jury"] = together
        preferences["jury"] = {pair: verdict - 0.5 for pair, verdict in together[0].items()}
    report = label_report(plan, store, texts, labels, preferences)
    agreements = {line.scorer: line for line in report.agreements if line.content_type is None}
    own = {family_of(candidate.model.reference) for candidate in plan.candidates}
    return {
        "briefs": len({text.brief for text in texts}),
        "labels": report.labels,
        "judges": [
            {
                "judge": name,
                "candidates": judged_candidates(texts, families, pairs, grades),
                "counts": judged[name]._asdict() if name in judged else None,
                "cost": judge_cost(by_name[name], judged[name]) if name in judged else None,
                "agreement": agreements.get(name),
            }
            for name, (pairs, grades) in entries.items()
        ],
        "jury_alpha": jury_agreement([found.pairs for found in judged.values()]) if len(judged) > 1 else None,
        "warnings": [
            f"{one.id} is of the same family as a candidate ({family_of(one.model.reference)}): models prefer their own kind"
            for one in judges
            if family_of(one.model.reference) in own
        ],
    }
